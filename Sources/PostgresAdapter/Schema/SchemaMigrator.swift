import Archive

/// Brings a database to the schema this program was built with. Every service calls it at start; under its lock one
/// does the work, and the others wait and find it done.
public struct SchemaMigrator: Sendable {
    /// Partitions of each topic that is made now.
    public var busPartitions = BusSchema.defaultPartitions

    public init() {}

    /// The advisory lock of migrations: any number, the same in all versions.
    static let lock: Int64 = 0x7761_646F_0001

    /// - Throws: `PostgresError`; the database is then as it was before.
    public func migrate(_ connection: PostgresConnection) throws(PostgresError) {
        try connection.transaction { connection throws(PostgresError) in
            try connection.query(
                "SELECT pg_advisory_xact_lock($1)", [.int8(Self.lock)], operation: "wait for other migrations")
            try connection.run(BusSchema.tables, operation: "create the event bus")
            for topic in Topic.allCases {
                try connection.run(
                    BusSchema.partitions(of: topic, count: busPartitions), operation: "create the topics")
            }
        }
    }
}
