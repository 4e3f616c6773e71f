internal import Archive
public import KafkaAdapter
internal import PostgresAdapter
public import ServiceKit

/// The event bus that the settings choose.
public enum ArchiveBus {
    /// Kafka's, when that is the one; nothing connects yet.
    /// - Throws: `SettingsError` when the settings do not go together.
    public static func kafka(
        _ settings: Settings, program: String, logger: Logger = .silent
    ) throws(SettingsError) -> KafkaEventBus? {
        guard settings[WadoSettings.bus] == "kafka" else {
            guard settings[WadoSettings.logs] != "doris" else {
                throw SettingsError(problems: [
                    "logs is doris, but bus is \(settings[WadoSettings.bus]): Doris loads from Kafka; "
                        + "set bus to kafka (--bus kafka)"
                ])
            }
            return nil
        }
        return KafkaEventBus(KafkaConfiguration(settings, program: program), logger: logger)
    }

    /// - Parameter pool: sessions with the archive's database.
    static func open(_ settings: Settings, program: String, pool: PostgresPool) throws(SettingsError) -> any EventBus {
        try kafka(settings, program: program) ?? PostgresEventBus(pool: pool)
    }

    /// The settings that other programs need to meet the bus of this archive, and the Doris behind it, as flags; no
    /// secrets.
    public static func flags(_ settings: Settings) -> [String] {
        settings.flags.filter { flag in
            ["--bus=", "--logs=", "--kafka-", "--consumer-group=", "--doris-"].contains { flag.hasPrefix($0) }
        }
    }

    /// Makes the topics of Kafka, if that is the bus and it may; a broker that does not answer is waited for later.
    /// - Returns: what to tell people of, if anything.
    public static func prepare(_ settings: Settings) throws -> String? {
        guard let kafka = try kafka(settings, program: "wado") else { return nil }
        do {
            try kafka.prepare()
            guard settings[WadoSettings.logs] == "doris", settings[WadoSettings.dorisHost].isEmpty else { return nil }
            return
                "logs is doris and doris.host is not set: nobody makes Doris' tables and load jobs; see docs/doris.md"
        } catch let error as KafkaError {
            guard error.isRetriable else { throw error }
            return "\(error); instances are received, and wait until it answers"
        }
    }
}
