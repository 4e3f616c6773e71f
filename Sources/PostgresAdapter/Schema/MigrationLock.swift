import Archive

#if canImport(Glibc)
    import Glibc
#endif

/// An advisory lock of the database that a session holds while it changes the schema.
struct MigrationLock {
    /// Any number, the same in all versions.
    let number: Int64
    /// What others wait for, for people.
    let purpose: String

    /// Held while tables change. Whoever starts waits for it.
    static let migrations = MigrationLock(number: AdvisoryLock.migrations, purpose: "migrates the database")
    /// Held while something is built beside those who work.
    static let builds = MigrationLock(number: AdvisoryLock.indexBuilds, purpose: "builds indexes")

    /// A query for the sessions that hold the lock of number `$1`.
    static let holders = """
        SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (classid::bigint << 32) + objid::bigint = $1
        """

    func take(_ connection: PostgresConnection) throws(PostgresError) -> Bool {
        try connection.query("SELECT pg_try_advisory_lock($1)", [.int8(number)], operation: "lock migrations")
            .bool(0, 0) ?? false
    }

    func release(_ connection: PostgresConnection) {
        _ = try? connection.query("SELECT pg_advisory_unlock($1)", [.int8(number)], operation: "unlock migrations")
    }

    /// Runs `body` if nobody has the lock.
    /// - Returns: whether it did.
    func ifFree(
        _ connection: PostgresConnection, _ body: () throws(SchemaFailure) -> Void
    ) throws(SchemaFailure) -> Bool {
        guard try MigrationRun.database({ () throws(PostgresError) in try take(connection) }) else { return false }
        defer { release(connection) }
        try body()
        return true
    }

    /// Runs `body` once nobody else has the lock. Nobody waits inside a statement: that would be a transaction which
    /// CREATE INDEX CONCURRENTLY waits for in turn.
    func locked(
        _ connection: PostgresConnection, _ report: (String) -> Void, _ body: () throws(SchemaFailure) -> Void
    ) throws(SchemaFailure) {
        var nextReport = ContinuousClock.now
        while try !ifFree(connection, body) {
            if ContinuousClock.now >= nextReport {
                let holder = try? connection.queryOnce(
                    """
                    SELECT string_agg(format('process %s (%s)', pid, application_name), ', ') FROM pg_stat_activity
                    WHERE pid IN (\(Self.holders))
                    """, [.int8(number)], operation: "look at locks")
                report("waiting while another program \(purpose): \(holder?.string(0, 0) ?? "it is done soon")")
                nextReport = ContinuousClock.now + .seconds(30)
            }
            usleep(100_000)
        }
    }
}
