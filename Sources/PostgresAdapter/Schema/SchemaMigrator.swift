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

    /// Creates what is missing. When the database has seen just this schema before, that is one look at it: a service
    /// that starts takes no locks of tables that others write to.
    /// - Throws: `PostgresError`; the database is then as it was before.
    public func migrate(_ connection: PostgresConnection) throws(PostgresError) {
        let steps = statements
        let fingerprint = Self.fingerprint(steps)
        if try isCurrent(connection, fingerprint) { return try extendPartitions(connection) }
        try connection.transaction { connection throws(PostgresError) in
            try connection.query(
                "SELECT pg_advisory_xact_lock($1)", [.int8(Self.lock)], operation: "wait for other migrations")
            if try isCurrent(connection, fingerprint) { return }
            for (name, sql) in steps { try connection.run(sql, operation: "create \(name)") }
            try makePartitions(connection, now: .now)
            try connection.query(
                "INSERT INTO schema_history (fingerprint) VALUES ($1) ON CONFLICT DO NOTHING", [.text(fingerprint)],
                operation: "record the migration")
        }
    }

    /// Every statement can be repeated.
    private var statements: [(name: String, sql: String)] {
        var steps: [(name: String, sql: String)] = [
            (
                "schema_history",
                """
                CREATE TABLE IF NOT EXISTS schema_history (
                    fingerprint text PRIMARY KEY,
                    applied_time timestamp with time zone NOT NULL DEFAULT clock_timestamp()
                )
                """
            )
        ]
        for table in ArchiveSchema.tables {
            if let sql = table.postgresDDL { steps.append((table.name, sql)) }
        }
        // Rows that are updated as instances come find room beside themselves.
        steps.append(
            (
                "storage parameters",
                "ALTER TABLE dicom_state_meta SET (fillfactor = 80); ALTER TABLE dicom_json_meta SET (fillfactor = 70)"
            ))
        steps.append(("the event bus", BusSchema.tables + PostgresDeadLetters.table))
        steps.append(("reindexing", ReindexSchema.tables))
        for topic in Topic.allCases {
            steps.append(("topic \(topic.rawValue)", BusSchema.partitions(of: topic, count: busPartitions)))
        }
        return steps
    }

    /// True when these statements were run, and no table was taken away since.
    private func isCurrent(
        _ connection: PostgresConnection, _ fingerprint: String
    ) throws(PostgresError) -> Bool {
        let tables =
            ArchiveSchema.tables.filter { $0.postgresDDL != nil }.flatMap {
                [$0.name] + ($0.variants.map { [$0] } ?? [])
            }
            + ["schema_history", "bus_partition", "bus_message", "bus_offset", "bus_dead_letter"]
        let missing = try connection.query(
            "SELECT count(*) FROM unnest($1::text[]) AS t(name) WHERE to_regclass(t.name) IS NULL",
            [.textArray(tables)], operation: "look at the schema")
        guard missing.integer(0, 0) == 0 else { return false }
        let found = try connection.query(
            "SELECT 1 FROM schema_history WHERE fingerprint = $1", [.text(fingerprint)],
            operation: "look at the schema")
        return found.rowCount > 0
    }

    private static func fingerprint(_ steps: [(name: String, sql: String)]) -> String {
        SeaHash.decimal(steps.map { $0.name + "\n" + $0.sql }.joined(separator: "\n"))
    }

    /// Creates the partitions of this month and the two after it that are missing; for every start and every day.
    public func extendPartitions(_ connection: PostgresConnection) throws(PostgresError) {
        if try missingPartitions(connection, now: .now).isEmpty { return }
        try connection.transaction { connection throws(PostgresError) in
            try connection.query(
                "SELECT pg_advisory_xact_lock($1)", [.int8(Self.lock)], operation: "wait for other migrations")
            try makePartitions(connection, now: .now)
        }
    }

    /// A month whose rows are in the default partition already, because nobody ran for so long, stays there.
    private func makePartitions(_ connection: PostgresConnection, now: Timestamp) throws(PostgresError) {
        for statement in try missingPartitions(connection, now: now) {
            try connection.run("SAVEPOINT partition", operation: "create partitions")
            do {
                try connection.run(statement, operation: "create partitions")
            } catch {
                guard error.code.rawValue == "23514" else { throw error }
                try connection.run("ROLLBACK TO SAVEPOINT partition", operation: "create partitions")
            }
            try connection.run("RELEASE SAVEPOINT partition", operation: "create partitions")
        }
    }

    /// The statements of those that are not there.
    private func missingPartitions(
        _ connection: PostgresConnection, now: Timestamp
    ) throws(PostgresError) -> [String] {
        var statements: [String] = []
        for table in ArchiveSchema.tables where table.partitionColumn != nil && table.postgresDDL != nil {
            var (year, month, _) = now.date.components
            for _ in 0..<3 {
                if let statement = table.partitionDDL(year: year, month: month) {
                    // `CREATE TABLE IF NOT EXISTS name ...`: the name is its sixth word.
                    let words = statement.split(separator: " ", maxSplits: 6)
                    let found = try connection.query(
                        "SELECT to_regclass($1::text) IS NOT NULL",
                        [.text(words.count > 5 ? String(words[5]) : "")], operation: "look at partitions")
                    if found.bool(0, 0) != true { statements.append(statement) }
                }
                (year, month) = month == 12 ? (year + 1, 1) : (year, month + 1)
            }
        }
        return statements
    }
}
