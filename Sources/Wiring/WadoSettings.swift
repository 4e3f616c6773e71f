public import ServiceKit

/// The settings of all programs. Every program reads all of them, so that one file serves all.
public enum WadoSettings {
    // MARK: General

    public static let data = Setting.path(
        "data", default: "./var", "Folder of the archive's data, logs, and private database.")
    public static let aeTitle = Setting.text(
        "ae_title", default: "STORE-SCP", "AE title of the archive.", check: aeTitleProblem)
    public static let logLevel = Setting.choice(
        "log_level", Logger.Level.allCases.map(\.name), default: "info", "Least level of events that are logged.")

    public static let database = Setting.text(
        "database", default: "", isSecret: true,
        "PostgreSQL as a connection string of libpq (host=.. dbname=.. user=..); `wado up` brings its own when not set."
    )
    public static let databaseWait = Setting.integer(
        "database_wait_seconds", in: 0...3_600, default: 60, unit: "seconds",
        "How long a service waits at its start for a database that does not answer.")

    @Sendable static func aeTitleProblem(_ text: String) -> String? {
        let isLegal = text.utf8.allSatisfy { (0x20..<0x7F).contains($0) && $0 != UInt8(ascii: "\\") }
        return isLegal && !text.isEmpty && text.utf8.count <= 16 && text.contains { $0 != " " }
            ? nil : "'\(text)' is no AE title: 1 to 16 ASCII characters without backslash"
    }

    /// All of them, as they are documented.
    public static let catalogue = SettingsCatalogue(
        [
            .init(
                "", "General",
                [
                    AnySetting(data), AnySetting(aeTitle), AnySetting(logLevel), AnySetting(database),
                    AnySetting(databaseWait), AnySetting(bus), AnySetting(logs),
                ]),
            dicomSection, storeSection, tenantSection, httpSection, consumerSection, webWorkerSection, dorisSection,
            retentionSection, kafkaSection,
        ], otherVariables: ["WADO_PYTHON", "WADO_PROGRAMS", ServiceMain.supervisedVariable])

    static func adminPort(_ section: String, _ port: Int) -> Setting<Int> {
        Setting.integer(
            "\(section).admin_port", in: 0...65_535, default: port,
            "Port on 127.0.0.1 of /metrics, /healthz and /readyz; 0 takes a free one, and so does `wado up` by default."
        )
    }
}
