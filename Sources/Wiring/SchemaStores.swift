public import Archive
internal import DorisAdapter
internal import PostgresAdapter
public import ServiceKit

/// The databases whose tables follow from the spec.
public enum SchemaStores {
    /// PostgreSQL, and those that the settings name.
    /// - Parameter database: libpq's connection string.
    public static func all(database: String, settings: Settings) throws -> [any SchemaStore] {
        let doris = try DorisSchema.store(settings, database: database)
        guard doris == nil || settings[WadoSettings.bus] == "kafka" else {
            // Load jobs would be made for brokers that nobody named.
            throw SettingsError(problems: [
                "doris.host is set, but bus is \(settings[WadoSettings.bus]): Doris loads from Kafka; set bus to kafka and "
                    + "kafka.brokers (--bus kafka --kafka-brokers HOST:PORT), as the archive has them"
            ])
        }
        return [PostgresSchemaStore(database)] + (doris.map { [$0] } ?? [])
    }

    /// The statements that make Doris' tables and load jobs in a new database with these settings, whether or not they
    /// name a Doris; without secrets.
    public static func dorisStatements(_ settings: Settings) throws -> [String] {
        var settings = settings
        if settings[WadoSettings.dorisHost].isEmpty { try settings.set(WadoSettings.dorisHost, to: "none") }
        return try DorisSchema.store(settings, database: "")?.statements ?? []
    }
}
