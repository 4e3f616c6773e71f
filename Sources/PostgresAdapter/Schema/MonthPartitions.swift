import ArchiveSchema

#if canImport(Glibc)
    import Glibc
#endif

/// The partitions of the log tables: of this month and the two after it.
struct MonthPartitions {
    let connection: PostgresConnection

    /// The statements of those that are not there.
    func missing(now: Timestamp) throws(PostgresError) -> [String] {
        var statements: [String] = []
        for table in ArchiveSchema.tables where table.partitionColumn != nil && table.postgresDDL != nil {
            for ahead in 0..<3 {
                let month = CalendarMonth(now).advanced(by: ahead)
                if let statement = table.partitionDDL(of: month) {
                    let found = try connection.query(
                        """
                        SELECT FROM pg_class WHERE oid = to_regclass($2::text) AND relkind = 'p'
                            AND to_regclass($1::text) IS NULL
                        """, [.text(table.partition(of: month)), .text(table.name)],
                        operation: "look at partitions")
                    if found.rowCount > 0 { statements.append(statement) }
                }
            }
        }
        return statements
    }

    /// Makes those that are missing, under the lock of migrations. A month whose rows are in the default partition
    /// already, because nobody ran for so long, stays there, and one that another partition has stays in that; where the
    /// role may not make tables, somebody else has to, and until then rows go to the default partition.
    ///
    /// A statement that waits for the table has all writers wait behind it: so it gives up soon, tries again a few times,
    /// and leaves a table that stays in use to the next day.
    func make(now: Timestamp) throws(PostgresError) {
        var statements = try missing(now: now)[...]
        for _ in 0..<20 {
            while let statement = statements.first, try isDone(statement) { statements.removeFirst() }
            if statements.isEmpty { return }
            usleep(50_000 + UInt32.random(in: 0..<50_000))
        }
    }

    /// - Returns: false when the table is in use.
    private func isDone(_ statement: String) throws(PostgresError) -> Bool {
        do {
            try connection.transaction { connection throws(PostgresError) in
                try connection.run("SET LOCAL lock_timeout = '80ms'", operation: "create partitions")
                try connection.run(statement, operation: "create partitions")
            }
            return true
        } catch {
            if error.isDueToLocks { return false }
            switch error.code {
            // Of the second: it would overlap another one.
            case .checkViolation, .invalidObject, .insufficientPrivilege: return true
            default: throw error
            }
        }
    }
}
