import Archive
import ArchiveSchema

/// Brings a database to the schema this program was built with. Every service calls it at start; under its lock one
/// does the work, and the others wait and find it done.
public struct SchemaMigrator: Sendable {
    /// Partitions of each topic that is made now.
    public var busPartitions = BusSchema.defaultPartitions

    public init() {}

    /// The advisory lock of migrations: any number, the same in all versions.
    static let lock: Int64 = 0x7761_646F_0001

    /// Creates what is missing.
    /// - Throws: `PostgresError`; the database is then as it was before.
    public func migrate(_ connection: PostgresConnection) throws(PostgresError) {
        try connection.transaction { connection throws(PostgresError) in
            try connection.query(
                "SELECT pg_advisory_xact_lock($1)", [.int8(Self.lock)], operation: "wait for other migrations")
            for table in ArchiveSchema.tables {
                guard let statements = table.postgresDDL else { continue }
                try connection.run(statements, operation: "create \(table.name)")
            }
            // Rows that are updated as instances come find room beside themselves.
            try connection.run(
                "ALTER TABLE dicom_state_meta SET (fillfactor = 80); ALTER TABLE dicom_json_meta SET (fillfactor = 70)",
                operation: "set storage parameters")
            try connection.run(BusSchema.tables + PostgresDeadLetters.table, operation: "create the event bus")
            for topic in Topic.allCases {
                try connection.run(
                    BusSchema.partitions(of: topic, count: busPartitions), operation: "create the topics")
            }
            try makePartitions(connection, now: .now)
        }
    }

    /// Creates the partitions of this month and the two after it; call it at start and once a day.
    public func extendPartitions(_ connection: PostgresConnection) throws(PostgresError) {
        try connection.transaction { connection throws(PostgresError) in
            try connection.query(
                "SELECT pg_advisory_xact_lock($1)", [.int8(Self.lock)], operation: "wait for other migrations")
            try makePartitions(connection, now: .now)
        }
    }

    /// A month whose rows are in the default partition already, because nobody ran for so long, stays there.
    func makePartitions(_ connection: PostgresConnection, now: Timestamp) throws(PostgresError) {
        for table in ArchiveSchema.tables where table.partitionColumn != nil && table.postgresDDL != nil {
            var (year, month, _) = now.date.components
            for _ in 0..<3 {
                if let statement = table.partitionDDL(year: year, month: month) {
                    try connection.run("SAVEPOINT partition", operation: "create partitions")
                    do {
                        try connection.run(statement, operation: "create partitions")
                    } catch {
                        guard error.code.rawValue == "23514" else { throw error }
                        try connection.run("ROLLBACK TO SAVEPOINT partition", operation: "create partitions")
                    }
                    try connection.run("RELEASE SAVEPOINT partition", operation: "create partitions")
                }
                (year, month) = month == 12 ? (year + 1, 1) : (year, month + 1)
            }
        }
    }
}
