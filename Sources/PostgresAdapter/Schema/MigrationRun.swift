import Archive
import ArchiveSchema
import ServiceKit

#if canImport(Glibc)
    import Glibc
#endif

/// One migration of one database.
struct MigrationRun {
    let migrator: SchemaMigrator
    let schema: DesiredSchema
    let connection: PostgresConnection

    private var history: SchemaHistory { SchemaHistory(connection: connection) }
    private var reader: CatalogueReader { CatalogueReader(connection: connection) }

    /// How the database stands to this program.
    enum Standing {
        /// No program of ours has been here.
        case unknown
        /// As this program left it.
        case current
        /// This program or an older one was here last; there may be something to do.
        case older
        case newer(SchemaHistory.Reached)
    }

    /// The two catalogues, and what is known of them.
    struct State {
        var standing: Standing
        var home: CatalogueReader.Home
        var desired: Catalogue
        var real: Catalogue
        var known: Set<String>
    }

    static func database<R>(_ body: () throws(PostgresError) -> R) throws(SchemaFailure) -> R {
        do { return try body() } catch { throw .database(error) }
    }

    // MARK: Looking

    private func standing(_ home: CatalogueReader.Home, _ tables: [String]) throws(PostgresError) -> Standing {
        let reached = try history.reached()
        guard let last = reached.first else { return .unknown }
        let fingerprint = schema.fingerprint
        if last.fingerprint == fingerprint {
            if last.isPending { return .older }
            return try reader.digest(home, tables: tables) == last.digest ? .current : .older
        }
        // Who comes back to a database that has gone on is old, whatever its number.
        let wasHere = reached.contains { $0.fingerprint == fingerprint }
        let ours = [schema.version] + Self.numbers(Program.version)
        let theirs = [last.specVersion] + Self.numbers(last.programVersion)
        return wasHere || ours.lexicographicallyPrecedes(theirs) ? .newer(last) : .older
    }

    private static func numbers(_ version: String) -> [Int] { version.split(separator: ".").map { Int($0) ?? 0 } }

    /// Tables by the names in the DDL; what the digest is made of.
    private var tableNames: [String] {
        schema.statements.flatMap { statement in
            statement.sql.split(separator: "CREATE TABLE IF NOT EXISTS ").dropFirst(
                statement.sql.hasPrefix("CREATE TABLE IF NOT EXISTS ") ? 0 : 1
            ).compactMap { $0.split(whereSeparator: { $0.isWhitespace || $0 == "(" }).first.map(String.init) }
        }.map { $0.hasPrefix("\"") ? String($0.dropFirst().dropLast()) : $0 }
    }

    /// Whether there is nothing to do, as far as two queries tell; or the database is a newer one that will do.
    func isDone(_ report: (String) -> Void) throws(SchemaFailure) -> Bool {
        let found = try Self.database { () throws(PostgresError) -> Standing in
            try standing(reader.home(), tableNames)
        }
        switch found {
        case .current: return true
        case .unknown, .older: return false
        case .newer(let last):
            defer { reset() }
            let state = try Self.database { () throws(PostgresError) in try look() }
            let obstacles = SchemaObstacles.find(desired: state.desired, real: state.real)
            if !obstacles.isEmpty { throw .newerDatabase(by: last.program, obstacles: obstacles) }
            report("the database has a newer schema, made by \(last.program); this program goes on with what it knows")
            return true
        }
    }

    /// Reads both catalogues; the search path is that of our tables afterwards.
    func look() throws(PostgresError) -> State {
        let home = try reader.home()
        let desired = try reader.read(made: schema.statements.map(\.sql))
        let known = try history.knownObjects()
        let tables = Set(desired.tables.map(\.name))
            .union(known.filter { !$0.contains(".") && !$0.contains(" ") })
        let names = desired.functions.map { String($0.signature.prefix { $0 != "(" }) }
        try connection.run("SET search_path = \(home.name)", operation: "read the catalogue")
        let real = try reader.read(home, tables: tables.sorted(), functions: names)
        return State(
            standing: try standing(home, tableNames), home: home, desired: desired, real: real, known: known)
    }

    func plan(_ state: State) throws(PostgresError) -> SchemaPlanner {
        var isAdopting = false
        if case .unknown = state.standing { isAdopting = true }
        var planner = SchemaPlanner(
            desired: state.desired, real: state.real, renames: schema.renames, known: state.known,
            isAdopting: isAdopting, concurrentBytes: migrator.concurrentBytes, connection: connection)
        try planner.plan()
        for rows in schema.rows {
            if state.real.table(rows.table) != nil, try planner.exists(rows.check) { continue }
            planner.add(rows.table, "\(rows.name) is new", [rows.insert])
        }
        return planner
    }

    // MARK: Doing

    /// Under the lock.
    func migrate(allowDestructive: Bool, _ report: (String) -> Void) throws(SchemaFailure) {
        defer { reset() }
        try Self.database { () throws(PostgresError) in
            try connection.run(
                """
                SET search_path = \(try reader.home().name); SET statement_timeout = 0;
                SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 0
                """, operation: "prepare the migration")
            try history.prepare()
        }
        var changes = 0
        // Usually one round does it; what it uncovers is done by the next.
        for _ in 0..<8 {
            let (state, planner) = try Self.database { () throws(PostgresError) -> (State, SchemaPlanner) in
                let state = try look()
                return (state, try plan(state))
            }
            if case .newer(let last) = state.standing {
                let obstacles = SchemaObstacles.find(desired: state.desired, real: state.real)
                throw .newerDatabase(by: last.program, obstacles: obstacles)
            }
            let harmless = planner.steps.filter { !$0.step.isDestructive }
            let destructive = planner.steps.filter(\.step.isDestructive)
            let steps = harmless + (allowDestructive ? destructive : [])
            if steps.isEmpty {
                return try finish(state, planner, destructive.map(\.step), changes, report)
            }
            for group in Self.groups(steps) {
                changes += group.count
                for step in group { report("\(step.step.object): \(step.step.reason)") }
                try run(group, report)
            }
        }
        let left = try Self.database { () throws(PostgresError) in try plan(try look()).steps }
        throw .unfinished(left.map { "\($0.step.object) \($0.step.reason)" })
    }

    /// Gives the session back as it was.
    func reset() {
        _ = try? connection.run(
            """
            RESET search_path; RESET statement_timeout; RESET idle_in_transaction_session_timeout; RESET lock_timeout
            """, operation: "end the migration")
    }

    /// Nothing is left that can be done by itself.
    private func finish(
        _ state: State, _ planner: SchemaPlanner, _ destructive: [SchemaStep], _ changes: Int,
        _ report: (String) -> Void
    ) throws(SchemaFailure) {
        let obstacles = SchemaObstacles.find(desired: state.desired, real: state.real)
        if !obstacles.isEmpty {
            throw destructive.isEmpty ? .unfinished(obstacles) : .needsDecision(destructive)
        }
        for note in planner.notes { report(note) }
        for step in destructive { report("waits for a decision: \(step.object): \(step.reason)") }
        if !destructive.isEmpty { report("`wado schema apply --allow-destructive` does what waits for a decision") }
        try Self.database { () throws(PostgresError) in
            if migrator.isOfProgram { try MonthPartitions(connection: connection).make(now: .now) }
            let isPending = !destructive.isEmpty || planner.isWaiting
            let digest = try reader.digest(state.home, tables: tableNames)
            let last = try history.reached().first
            let isSame =
                last?.fingerprint == schema.fingerprint && last?.digest == digest && last?.isPending == isPending
            if isSame { return }
            try history.record(
                reached: schema, digest: digest, isPending: isPending, objects: Array(state.desired.objects.keys))
        }
        if changes > 0 { report("the database has the schema of this program, after \(changes) changes") }
    }

    /// Steps that are done together: those of one table that follow each other.
    private static func groups(_ steps: [MigrationStep]) -> [[MigrationStep]] {
        var groups: [[MigrationStep]] = []
        for step in steps {
            if step.isTransactional, let last = groups.last?.last, last.isTransactional, last.table == step.table,
                last.step.isDestructive == step.step.isDestructive
            {
                groups[groups.count - 1].append(step)
            } else {
                groups.append([step])
            }
        }
        return groups
    }

    private func run(_ group: [MigrationStep], _ report: (String) -> Void) throws(SchemaFailure) {
        guard let first = group.first else { return }
        let statements = group.flatMap(\.step.statements)
        let start = MonotonicClock.milliseconds
        if first.isTransactional {
            try patiently(first.table, report) { () throws(PostgresError) in
                try connection.transaction { connection throws(PostgresError) in
                    try limitLocks("SET LOCAL")
                    // The table is free again before the disk has it; what a crash takes is done by the next start.
                    try connection.run("SET LOCAL synchronous_commit = off", operation: "limit locks")
                    for statement in statements {
                        try connection.run(statement, operation: "change \(first.step.object)")
                    }
                    try history.record(
                        group.map(\.step), of: schema, milliseconds: MonotonicClock.milliseconds - start)
                }
            }
        } else {
            for statement in statements {
                // What waits for all transactions that are older blocks nobody, so it may take its time.
                let isConcurrent = statement.contains("CONCURRENTLY")
                try patiently(first.table, report) { () throws(PostgresError) in
                    if isConcurrent {
                        try connection.run("SET lock_timeout = 0", operation: "change \(first.step.object)")
                    } else {
                        try limitLocks("SET")
                    }
                    try connection.run(statement, operation: "change \(first.step.object)")
                }
            }
            try Self.database { () throws(PostgresError) in
                try connection.run("SET lock_timeout = 0", operation: "prepare the migration")
                try history.record(group.map(\.step), of: schema, milliseconds: MonotonicClock.milliseconds - start)
            }
        }
    }

    /// A statement that waits for a lock has everybody wait who comes after it: so it gives up soon, and tries again.
    private func limitLocks(_ set: String) throws(PostgresError) {
        try connection.run("\(set) lock_timeout = '\(migrator.lockMilliseconds)ms'", operation: "limit locks")
    }

    /// Tries again while others hold the table.
    private func patiently(
        _ table: String, _ report: (String) -> Void, _ body: () throws(PostgresError) -> Void
    ) throws(SchemaFailure) {
        let end = ContinuousClock.now + migrator.patience
        var nextReport = ContinuousClock.now + .seconds(5)
        var pause: UInt32 = 50_000
        while true {
            do {
                return try body()
            } catch {
                // Lock not available, deadlock.
                guard error.code.rawValue == "55P03" || error.code.rawValue == "40P01" else { throw .database(error) }
                if ContinuousClock.now >= end {
                    throw .busy("\(table) was in use for \(migrator.patience) without a pause: \(holders(of: table))")
                }
                if ContinuousClock.now >= nextReport {
                    report("\(table) is in use, trying again: \(holders(of: table))")
                    nextReport = ContinuousClock.now + .seconds(30)
                }
                usleep(pause + UInt32.random(in: 0..<50_000))
                pause = min(pause * 2, 1_000_000)
            }
        }
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

    // MARK: The lock of migrations

    static func tryLock(_ connection: PostgresConnection) throws(PostgresError) -> Bool {
        try connection.query(
            "SELECT pg_try_advisory_lock($1)", [.int8(SchemaMigrator.lock)], operation: "lock migrations"
        ).bool(0, 0) ?? false
    }

    static func unlock(_ connection: PostgresConnection) {
        _ = try? connection.query(
            "SELECT pg_advisory_unlock($1)", [.int8(SchemaMigrator.lock)], operation: "unlock migrations")
    }

    /// Nobody waits inside a statement: that would be a transaction which CREATE INDEX CONCURRENTLY waits for in turn.
    func locked(
        _ report: (String) -> Void, _ body: () throws(SchemaFailure) -> Void
    ) throws(SchemaFailure) {
        var nextReport = ContinuousClock.now
        while try !Self.database({ () throws(PostgresError) in try Self.tryLock(connection) }) {
            if ContinuousClock.now >= nextReport {
                let holder = try? connection.queryOnce(
                    """
                    SELECT format('process %s (%s)', a.pid, a.application_name) FROM pg_locks l
                    JOIN pg_stat_activity a ON a.pid = l.pid
                    WHERE l.locktype = 'advisory' AND l.granted AND l.database = (
                            SELECT oid FROM pg_database WHERE datname = current_database())
                        AND (l.classid::bigint << 32) + l.objid::bigint = $1
                    """, [.int8(SchemaMigrator.lock)], operation: "look at locks")
                report(
                    "waiting while another program migrates the database: \(holder?.string(0, 0) ?? "it is done soon")")
                nextReport = ContinuousClock.now + .seconds(30)
            }
            usleep(100_000)
        }
        defer { Self.unlock(connection) }
        try body()
    }
}
