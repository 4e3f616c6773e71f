public import Archive
internal import PostgresAdapter
public import ServiceKit

/// The databases whose tables follow from the spec.
public enum SchemaStores {
    /// PostgreSQL, and those that the settings name.
    /// - Parameter database: libpq's connection string.
    public static func all(database: String, settings: Settings) throws -> [any SchemaStore] {
        let doris = try DorisSchema.store(settings, database: database)
        return [PostgresSchemaStore(database)] + (doris.map { [$0] } ?? [])
    }
}
