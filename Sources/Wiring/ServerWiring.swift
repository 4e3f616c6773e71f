internal import Archive
internal import HTTPServer
internal import PostgresAdapter
internal import ServerService
internal import ServiceKit

extension ServerConfiguration {
    /// - Throws: when the files for TLS cannot be used.
    init(_ settings: Settings, folder: DataFolder) throws(SettingsError) {
        self.init(storeFolder: folder.store)
        http.host = settings[WadoSettings.httpAddress]
        http.port = UInt16(clamping: settings[WadoSettings.httpPort])
        http.maximumConnections = settings[WadoSettings.httpConnections]
        http.maximumConnectionsPerAddress = settings[WadoSettings.httpConnectionsPerAddress]
        http.tls = try HTTPServerConfiguration.TLS(settings)
        http.headerDeadline = settings[WadoSettings.httpHeaderDeadline] * 1_000
        http.idleTimeout = settings[WadoSettings.httpIdle] * 1_000
        defaultTenant = TenantID(settings[WadoSettings.defaultTenant]) ?? .standard
        let admitted = Set(settings[WadoSettings.tenants].compactMap { TenantID($0) })
        tenants = admitted.isEmpty ? nil : admitted
        roots = settings[WadoSettings.httpRoots]
        let url = settings[WadoSettings.publicURL]
        publicURL = url.isEmpty ? nil : url
        corsOrigins = settings[WadoSettings.corsOrigins]
        maximumResults = settings[WadoSettings.maximumResults]
        maximumSearchBytes = settings[WadoSettings.maximumSearch] << 20
        maximumCompared = settings[WadoSettings.maximumCompared]
        metadataCacheSeries = settings[WadoSettings.metadataCache]
        answerMemoryBytes = settings[WadoSettings.answerMemory] << 20
        layoutCacheBytes = settings[WadoSettings.layoutCache] << 20
        if !settings[WadoSettings.accessLog] { accessLogCapacity = 0 }
        nodeID = Node.name(settings)
        version = Program.version
    }
}

extension HTTPServerConfiguration.TLS {
    /// nil when neither file is named.
    fileprivate init?(_ settings: Settings) throws(SettingsError) {
        let files = [WadoSettings.httpTLSCertificate, WadoSettings.httpTLSKey].map { ($0.name, settings[$0]) }
        guard files.contains(where: { !$0.1.isEmpty }) else { return nil }
        var texts: [String] = []
        for (name, path) in files {
            guard !path.isEmpty else {
                throw SettingsError(problems: ["\(name) is missing: HTTPS needs both certificate and key"])
            }
            guard let text = ProcessFiles.read(path), text.contains("-----BEGIN ") else {
                throw SettingsError(problems: ["\(name): '\(path)' cannot be read, or is not in PEM"])
            }
            texts.append(text)
        }
        self.init(certificate: texts[0], key: texts[1])
    }
}

extension ServiceMain {
    /// `wado-server`: answers DICOMweb.
    public static func server() -> Never {
        run("wado-server", about: "answers DICOMweb", sections: ["http", "tenant", "kafka"]) { context in
            let settings = context.settings
            let backends = try Backends(
                context, sessions: settings[WadoSettings.httpSessions], name: "wado-server")
            let service = ServerService(
                configuration: try ServerConfiguration(settings, folder: context.folder),
                index: PostgresSeriesIndex(pool: try backends.database()),
                metadata: FileMetadataStore(root: context.folder.json),
                logs: try backends.logs(), logger: context.logger, metrics: context.metrics)
            try service.start()
            return try ServiceWithAdminServer(
                port: settings[WadoSettings.httpAdminPort], context: context,
                readiness: { service.problem.map { .notReady($0) } ?? .ready },
                stop: {
                    service.stop()
                    backends.close()
                })
        }
    }
}
