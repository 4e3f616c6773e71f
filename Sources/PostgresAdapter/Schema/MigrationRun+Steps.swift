import Archive
import ServiceKit

#if canImport(Glibc)
    import Glibc
#endif

/// Running steps.
extension MigrationRun {
    /// Steps that are done together: those of one table that follow each other.
    static func groups(_ steps: [MigrationStep]) -> [[MigrationStep]] {
        var groups: [[MigrationStep]] = []
        for step in steps {
            if step.isTransactional, let last = groups.last?.last, last.isTransactional, last.table == step.table,
                last.step.occasion == step.step.occasion
            {
                groups[groups.count - 1].append(step)
            } else {
                groups.append([step])
            }
        }
        return groups
    }

    /// - Parameter isStopped: breaks what takes long off.
    func run(
        _ group: [MigrationStep], _ report: (String) -> Void, isStopped: () -> Bool = { false }
    ) throws(SchemaFailure) {
        guard let first = group.first else { return }
        let operation = "change \(first.step.object)"
        let statements = group.flatMap(\.step.statements)
        let start = MonotonicClock.milliseconds
        if first.isTransactional {
            try patiently(first.table, report) { limit throws(PostgresError) in
                try connection.transaction { connection throws(PostgresError) in
                    try connection.run("SET LOCAL lock_timeout = \(limit)", operation: operation)
                    // The table is free again before the disk has it; what a crash takes is done by the next start.
                    try connection.run("SET LOCAL synchronous_commit = off", operation: operation)
                    for statement in statements { try connection.run(statement, operation: operation) }
                    try history.record(
                        group.map(\.step), of: schema, milliseconds: MonotonicClock.milliseconds - start)
                }
            }
        } else {
            for statement in statements {
                // What waits for all transactions that are older blocks nobody, so it may take its time.
                let isConcurrent = statement.contains("CONCURRENTLY")
                try patiently(first.table, report) { limit throws(PostgresError) in
                    try connection.run("SET lock_timeout = \(isConcurrent ? 0 : limit)", operation: operation)
                    var watch = BuildWatch(of: connection, object: first.step.object)
                    try connection.run(
                        statement, operation: operation,
                        everySecond: {
                            watch.look(report)
                            return !isStopped()
                        })
                }
            }
            try Self.database { () throws(PostgresError) in
                try connection.run("SET lock_timeout = 0", operation: operation)
                try history.record(group.map(\.step), of: schema, milliseconds: MonotonicClock.milliseconds - start)
            }
        }
    }

    /// Tries again while others hold the table. A statement that waits for a lock has everybody wait who comes after it:
    /// so it gives up soon. More time later helps against many transactions that are somewhat longer; against one that is
    /// long nothing helps but to wait for it.
    /// - Parameter body: gets its limit in milliseconds.
    private func patiently(
        _ table: String, _ report: (String) -> Void, _ body: (Int) throws(PostgresError) -> Void
    ) throws(SchemaFailure) {
        let end = ContinuousClock.now + migrator.patience
        var nextReport = ContinuousClock.now + .seconds(5)
        var backOff = BackOff(first: 50, maximum: 1_000)
        while true {
            do {
                return try body(backOff.attempts < 10 ? migrator.lockMilliseconds : 2 * migrator.lockMilliseconds)
            } catch {
                guard error.isDueToLocks else { throw .database(error) }
                let pause = backOff.next()
                if ContinuousClock.now >= end {
                    throw .busy("\(table) was in use for \(migrator.patience) without a pause: \(holders(of: table))")
                }
                if ContinuousClock.now >= nextReport {
                    report("\(table) is in use, trying again: \(holders(of: table))")
                    nextReport = ContinuousClock.now + .seconds(30)
                }
                if backOff.attempts.isMultiple(of: 5) { endBuild(of: table) }
                usleep(UInt32(pause + Int.random(in: 0..<50)) * 1_000)
            }
        }
    }

    /// Another program's build of an index beside its work makes room, if this role may say so; it is begun anew later.
    private func endBuild(of table: String) {
        _ = try? connection.query(
            """
            SELECT pg_cancel_backend(l.pid) FROM pg_locks l
            WHERE l.pid IN (\(MigrationLock.holders)) AND l.pid <> pg_backend_pid() AND l.granted
                AND (l.relation = to_regclass($2::text) OR l.relation IN (
                    SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass($2::text)))
            """, [.int8(MigrationLock.builds.number), .text(table)], operation: "end the build of an index")
    }

    /// Who holds a table, for people.
    private func holders(of table: String) -> String {
        let found = try? connection.queryOnce(
            """
            SELECT string_agg(DISTINCT format('process %s (%s) since %s', a.pid,
                COALESCE(NULLIF(a.application_name, ''), a.backend_type), date_trunc('second', a.xact_start)), ', ')
            FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE l.relation = to_regclass($1::text) AND l.granted AND l.pid <> pg_backend_pid()
            """, [.text(table)], operation: "look at locks")
        return found?.string(0, 0) ?? "by many short transactions"
    }
}
