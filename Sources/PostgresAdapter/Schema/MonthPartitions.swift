import ArchiveSchema

/// The partitions of the log tables: of this month and the two after it.
struct MonthPartitions {
    let connection: PostgresConnection

    /// The statements of those that are not there.
    func missing(now: Timestamp) throws(PostgresError) -> [String] {
        var statements: [String] = []
        for table in ArchiveSchema.tables where table.partitionColumn != nil && table.postgresDDL != nil {
            var (year, month, _) = now.date.components
            for _ in 0..<3 {
                if let statement = table.partitionDDL(year: year, month: month) {
                    // `CREATE TABLE IF NOT EXISTS name ...`: the name is its sixth word.
                    let words = statement.split(separator: " ", maxSplits: 6)
                    let found = try connection.query(
                        """
                        SELECT FROM pg_class WHERE oid = to_regclass($2::text) AND relkind = 'p'
                            AND to_regclass($1::text) IS NULL
                        """, [.text(words.count > 5 ? String(words[5]) : ""), .text(table.name)],
                        operation: "look at partitions")
                    if found.rowCount > 0 { statements.append(statement) }
                }
                (year, month) = month == 12 ? (year + 1, 1) : (year, month + 1)
            }
        }
        return statements
    }

    /// Makes those that are missing, under the lock of migrations. A month whose rows are in the default partition
    /// already, because nobody ran for so long, stays there; a table that is in use is tried again the next day. Where
    /// the role may not make tables, somebody else has to, and until then rows go to the default partition.
    func make(now: Timestamp) throws(PostgresError) {
        for statement in try missing(now: now) {
            do {
                try connection.transaction { connection throws(PostgresError) in
                    try connection.run("SET LOCAL lock_timeout = '2s'", operation: "create partitions")
                    try connection.run(statement, operation: "create partitions")
                }
            } catch {
                // check_violation, lock_not_available, deadlock_detected, insufficient_privilege.
                guard ["23514", "55P03", "40P01", "42501"].contains(error.code.rawValue) else { throw error }
            }
        }
    }
}
