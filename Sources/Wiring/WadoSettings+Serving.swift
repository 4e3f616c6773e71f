public import ServiceKit

/// Settings of `wado-server`.
extension WadoSettings {
    public static let httpAddress = Setting.text(
        "http.address", default: "127.0.0.1",
        "Address that the web server listens on: by default reachable from this machine only; 0.0.0.0 for all.")
    public static let httpPort = Setting.integer(
        "http.port", in: 0...65_535, default: 9999, "Port of DICOMweb; 0 takes a free one.")
    public static let httpTLSCertificate = Setting.path(
        "http.tls_certificate", default: "",
        "File with the certificate for HTTPS, and those between it and its authority, in PEM; HTTP when not set.")
    public static let httpTLSKey = Setting.path(
        "http.tls_key", default: "", "File with the private key of the certificate, in PEM.")
    public static let httpAdminPort = adminPort("http", 9984)
    public static let httpRoots = Setting.list(
        "http.roots", default: ["/dicom-web", "/wado-rs/v1"],
        "Paths below which DICOMweb is served, the first one preferred."
    ) { roots in
        if roots.isEmpty { return "at least one path is needed" }
        let wrong = roots.first { !$0.hasPrefix("/") || $0.hasSuffix("/") || $0.contains("//") }
        return wrong.map { "'\($0)' is no path that begins with a slash and does not end with one" }
    }
    public static let publicURL = Setting.text(
        "http.public_url", default: "",
        "What URLs in answers begin with, such as https://pacs.example.org; taken from the request when not set."
    ) { text in
        let isURL = text.isEmpty || ((text.hasPrefix("http://") || text.hasPrefix("https://")) && !text.hasSuffix("/"))
        return isURL ? nil : "'\(text)' is no URL that begins with http:// or https:// and does not end with a slash"
    }
    public static let corsOrigins = Setting.list(
        "http.cors_origins", default: ["*"], "Origins whose pages may read answers; * for all.")
    public static let maximumResults = Setting.integer(
        "http.maximum_results", in: 1...100_000, default: 5_000,
        "Results of one search at most; a warning in the answer says when there are more.")
    public static let maximumSearch = Setting.integer(
        "http.maximum_search_mib", in: 1...4_096, default: 64, unit: "MiB",
        "Size of the answer to one search at most, about; a warning in the answer says when there are more results.")
    public static let maximumCompared = Setting.integer(
        "http.maximum_compared", in: 1_000...1_000_000_000, default: 1_000_000,
        "Instances that one search compares at most, when it asks for attributes that the index does not have.")
    public static let httpConnections = Setting.integer(
        "http.maximum_connections", in: 1...10_000, default: 512, "Connections at a time, each with a thread.")
    public static let httpConnectionsPerAddress = Setting.integer(
        "http.maximum_connections_per_address", in: 0...10_000, default: 0,
        "Connections at a time from one address; 0 for no such limit.")
    public static let httpHeaderDeadline = Setting.integer(
        "http.header_seconds", in: 1...3_600, default: 10, unit: "seconds",
        "How long the headers of a request may take to arrive.")
    public static let httpIdle = Setting.integer(
        "http.idle_seconds", in: 1...86_400, default: 60, unit: "seconds",
        "How long a connection may wait for its next request.")
    public static let httpSessions = Setting.integer(
        "http.database_sessions", in: 1...500, default: 8, "Sessions with the database at most.")
    public static let layoutCache = Setting.integer(
        "http.frame_cache_mib", in: 0...65_536, default: 64, unit: "MiB",
        "Memory for where frames lie in files.")
    public static let metadataCache = Setting.integer(
        "http.metadata_cache", in: 0...100_000, default: 128,
        "Series whose compressed metadata are kept at hand, those sent last: in memory up to 256 KiB, else as open files."
    )
    public static let answerMemory = Setting.integer(
        "http.answer_memory_mib", in: 16...1_048_576, default: 512, unit: "MiB",
        "Memory of converted instances until they are sent, of all answers together.")
    public static let accessLog = Setting.flag(
        "http.access_log", default: true, "Whether requests become rows of wado_access_log.")

    static let httpSection = SettingsCatalogue.Section(
        "http", "Web server",
        [
            AnySetting(httpAddress), AnySetting(httpPort), AnySetting(httpTLSCertificate), AnySetting(httpTLSKey),
            AnySetting(httpRoots), AnySetting(publicURL),
            AnySetting(corsOrigins), AnySetting(maximumResults), AnySetting(maximumSearch),
            AnySetting(maximumCompared), AnySetting(httpConnections), AnySetting(httpConnectionsPerAddress),
            AnySetting(httpHeaderDeadline), AnySetting(httpIdle), AnySetting(httpSessions), AnySetting(layoutCache),
            AnySetting(metadataCache), AnySetting(answerMemory), AnySetting(accessLog), AnySetting(httpAdminPort),
        ])
}
