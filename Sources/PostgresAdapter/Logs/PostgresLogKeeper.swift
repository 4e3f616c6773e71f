public import Archive
public import ArchiveSchema
import Glibc

/// Housekeeping of the log tables in PostgreSQL: partitions are made ahead and dropped as a whole, rows that lie in a
/// default partition get the partition of their month, and what else is beyond its time is deleted in small steps.
public final class PostgresLogKeeper: LogKeeper {
    private let pool: PostgresPool
    /// How long a statement that needs a table for itself waits for it, and with it all who come after.
    private let lockMilliseconds: Int
    private let attempts: Int
    private static let batch = 10_000

    public init(pool: PostgresPool, lockMilliseconds: Int = 200, attempts: Int = 10) {
        self.pool = pool
        self.lockMilliseconds = lockMilliseconds
        self.attempts = max(1, attempts)
    }

    public func keep(_ retention: LogRetention, now: Timestamp) throws -> LogHousekeeping? {
        try pool.withConnection { connection throws(PostgresError) in
            let taken = try connection.query(
                "SELECT pg_try_advisory_lock($1)", [.int8(AdvisoryLock.housekeeping)], operation: "lock housekeeping")
            guard taken.bool(0, 0) == true else { return nil }
            // Of a session that fails here the lock ends with it.
            defer {
                _ = try? connection.query(
                    "SELECT pg_advisory_unlock($1)", [.int8(AdvisoryLock.housekeeping)], operation: "unlock")
            }
            var done = LogHousekeeping()
            try SchemaMigrator().extendPartitions(connection)
            for table in ArchiveSchema.tables where table.partitionColumn != nil && table.postgresDDL != nil {
                let first = retention.accessMonths > 0 ? CalendarMonth(now).advanced(by: -retention.accessMonths) : nil
                try empty(table, from: first, to: CalendarMonth(now).advanced(by: 2), connection, &done)
                if let first { try drop(table, before: first, connection, &done) }
            }
            if retention.problemMonths > 0 {
                try deleteProblems(before: CalendarMonth(now).advanced(by: -retention.problemMonths), connection, &done)
            }
            return done
        }
    }

    // MARK: The default partition

    /// Rows of no month's partition: too old ones go, others get their partition, those of a far future stay.
    private func empty(
        _ table: TableSchema, from first: CalendarMonth?, to last: CalendarMonth, _ connection: PostgresConnection,
        _ done: inout LogHousekeeping
    ) throws(PostgresError) {
        guard let column = table.partitionColumn else { return }
        let found = try connection.queryOnce(
            """
            SELECT DISTINCT to_char("\(column)" AT TIME ZONE 'UTC', 'YYYYMM') FROM \(table.name)_default
            """, [], operation: "look for rows without a partition")
        let months = (0..<found.rowCount).compactMap { found.string($0, 0).flatMap(CalendarMonth.init) }.sorted()
        for month in months where month <= last {
            if let first, month < first {
                done.deletedRows += try delete(
                    from: "\(table.name)_default", where: "\"\(column)\" < \(month.next.start)", connection)
            } else if try adopt(table, column, month, connection) {
                done.filledPartitions.append(table.partition(of: month))
            } else {
                done.postponed.append(table.partition(of: month))
            }
        }
    }

    /// Makes a month's partition of the rows of the default partition, in one transaction: readers see them all along.
    private func adopt(
        _ table: TableSchema, _ column: String, _ month: CalendarMonth, _ connection: PostgresConnection
    ) throws(PostgresError) -> Bool {
        let partition = table.partition(of: month)
        let range = "\"\(column)\" >= \(month.start) AND \"\(column)\" < \(month.next.start)"
        return try patiently(connection) { connection throws(PostgresError) in
            let names = try connection.queryOnce(
                """
                SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped
                """, [.text(table.name)], operation: "read columns")
            let columns = names.string(0, 0) ?? ""
            try connection.run(
                """
                CREATE TABLE \(partition) (LIKE \(table.name) INCLUDING ALL);
                WITH moved AS (DELETE FROM \(table.name)_default WHERE \(range) RETURNING *)
                INSERT INTO \(partition) (\(columns)) SELECT \(columns) FROM moved;
                ALTER TABLE \(table.name) ATTACH PARTITION \(partition)
                    FOR VALUES FROM (\(month.start)) TO (\(month.next.start));
                """, operation: "move rows into their partition")
        }
    }

    // MARK: Old months

    private func drop(
        _ table: TableSchema, before first: CalendarMonth, _ connection: PostgresConnection,
        _ done: inout LogHousekeeping
    ) throws(PostgresError) {
        let found = try connection.query(
            """
            SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = to_regclass($1::text) ORDER BY 1
            """, [.text(table.name)], operation: "look at partitions")
        for row in 0..<found.rowCount {
            guard let name = found.string(row, 0), name.hasPrefix(table.name + "_"),
                let month = CalendarMonth(String(name.dropFirst(table.name.count + 1))), month < first
            else { continue }
            let isDropped = try patiently(connection) { connection throws(PostgresError) in
                _ = try connection.run(
                    "ALTER TABLE \(table.name) DETACH PARTITION \(name); DROP TABLE \(name)",
                    operation: "drop a month's rows")
            }
            if isDropped { done.droppedPartitions.append(name) } else { done.postponed.append(name) }
        }
    }

    /// A transaction that needs tables for itself: it waits for them shortly, and again after a pause, so that those who
    /// write never wait for longer than that.
    /// - Returns: false when it never got them.
    private func patiently(
        _ connection: PostgresConnection, _ body: (PostgresConnection) throws(PostgresError) -> Void
    ) throws(PostgresError) -> Bool {
        for attempt in 1...attempts {
            do {
                try connection.transaction { connection throws(PostgresError) in
                    try connection.run("SET LOCAL lock_timeout = \(lockMilliseconds)", operation: "set a limit")
                    try body(connection)
                }
                return true
            } catch {
                // A row that came meanwhile; a month that somebody detached and kept, which must not keep all other
                // tables from their turn.
                guard error.isDueToLocks || error.code == .checkViolation || error.code == .duplicateTable else {
                    throw error
                }
                if attempt < attempts { usleep(useconds_t(lockMilliseconds) * 2_000) }
            }
        }
        return false
    }

    // MARK: Single rows

    private func deleteProblems(
        before month: CalendarMonth, _ connection: PostgresConnection, _ done: inout LogHousekeeping
    ) throws(PostgresError) {
        done.deletedRows += try delete(
            from: "dicom_problem_meta",
            where: """
                updated_time < \(month.start) AND (state = '\(ProblemState.cleared.rawValue)'
                    OR severity = '\(ProblemSeverity.refused.rawValue)')
                """, connection)
    }

    private func delete(
        from table: String, where condition: String, _ connection: PostgresConnection
    ) throws(PostgresError) -> Int {
        var deleted = 0
        while true {
            let step = try connection.queryOnce(
                """
                DELETE FROM \(table) WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM \(table) WHERE \(condition) LIMIT \(Self.batch) FOR UPDATE SKIP LOCKED))
                """, [], operation: "delete old rows")
            deleted += step.affectedRows
            if step.affectedRows == 0 { return deleted }
        }
    }
}
