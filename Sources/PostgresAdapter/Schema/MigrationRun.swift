import Archive
import ArchiveSchema
import ServiceKit

/// One migration of one database.
struct MigrationRun {
    let migrator: SchemaMigrator
    let schema: DesiredSchema
    let connection: PostgresConnection

    var history: SchemaHistory { SchemaHistory(connection: connection) }
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
        var desired: Catalogue
        var real: Catalogue
        var known: Set<String>
    }

    static func database<R>(_ body: () throws(PostgresError) -> R) throws(SchemaFailure) -> R {
        do { return try body() } catch { throw .database(error) }
    }

    // MARK: Looking

    /// - Parameter real: reads what there is of ours; the search path is that of our tables afterwards.
    private func standing(_ real: () throws(PostgresError) -> Catalogue) throws(PostgresError) -> Standing {
        let reached = try history.reached()
        guard let last = reached.first else { return .unknown }
        let fingerprint = schema.fingerprint
        if last.fingerprint == fingerprint {
            if last.isPending { return .older }
            if try real().digest != last.digest { return .older }
            return try hasRows() ? .current : .older
        }
        let ours = [schema.version] + Self.numbers(Program.version)
        let theirs = [last.specVersion] + Self.numbers(last.programVersion)
        // Between two releases, who comes back to a database that has gone on is the older one.
        let isOlder =
            ours == theirs
            ? reached.contains { $0.fingerprint == fingerprint } : ours.lexicographicallyPrecedes(theirs)
        return isOlder ? .newer(last) : .older
    }

    private static func numbers(_ version: String) -> [Int] { version.split(separator: ".").map { Int($0) ?? 0 } }

    /// Reads what there is of these objects; the search path is that of our tables afterwards.
    private func read(_ objects: Set<String>, _ home: CatalogueReader.Home) throws(PostgresError) -> Catalogue {
        try connection.run("SET search_path = \(home.name)", operation: "read the catalogue")
        let functions = objects.filter { $0.hasPrefix("function ") }.map { $0.dropFirst(9).prefix { $0 != "(" } }
        return try reader.read(home, tables: Self.tables(objects), functions: functions.map(String.init))
    }

    private static func tables(_ objects: Set<String>) -> [String] {
        objects.filter { !$0.contains(".") && !$0.contains(" ") }.sorted()
    }

    /// Of tables that are there.
    private func hasRows() throws(PostgresError) -> Bool {
        if schema.rows.isEmpty { return true }
        let all = schema.rows.map { "EXISTS (\($0.check))" }.joined(separator: " AND ")
        return try connection.queryOnce("SELECT \(all)", [], operation: "look at rows").bool(0, 0) ?? false
    }

    /// Whether there is nothing to do, as far as the catalogue tells; or the database is a newer one that will do.
    func isDone(_ report: (String) -> Void) throws(SchemaFailure) -> Bool {
        let found = try Self.database { () throws(PostgresError) -> Standing in
            defer { reset() }
            return try standing { () throws(PostgresError) in try read(history.knownObjects(), reader.home()) }
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
        let known = try history.knownObjects()
        let desired: Catalogue
        do {
            desired = try reader.read(made: schema.statements.map(\.sql))
        } catch {
            // A standby makes no tables, nor does a role that may not, not even temporary ones. Where what is there is
            // what this program left, that is what is wanted.
            guard error.code == .readOnly || error.code == .insufficientPrivilege else { throw error }
            let real = try read(known, home)
            guard case .current = try standing({ real }) else { throw error }
            return State(standing: .current, desired: real, real: real, known: known)
        }
        let objects = known.union(desired.objects.keys)
        var real = try read(objects, home)
        try reader.addHindrances(
            to: &real, home, tables: Self.tables(objects),
            indexes: objects.filter { $0.hasPrefix("index ") }.map { String($0.dropFirst(6)) })
        return State(standing: try standing { real }, desired: desired, real: real, known: known)
    }

    /// - Parameter looksAtRows: as the planner has it.
    func plan(_ state: State, looksAtRows: Bool) throws(PostgresError) -> SchemaPlanner {
        var isAdopting = false
        if case .unknown = state.standing { isAdopting = true }
        var planner = SchemaPlanner(
            desired: state.desired, real: state.real, renames: schema.renames, known: state.known,
            isAdopting: isAdopting, concurrentBytes: migrator.concurrentBytes, looksAtRows: looksAtRows,
            connection: connection)
        try planner.plan()
        for rows in schema.rows {
            if state.real.table(rows.table) != nil, try planner.exists(rows.check) { continue }
            planner.add(rows.table, "\(rows.name) is new", [rows.insert])
        }
        return planner
    }

    // MARK: Doing

    /// Does all steps of these occasions. Others wait meanwhile, but for those of `.background`.
    func migrate(_ occasions: Set<SchemaStep.Occasion>, _ report: (String) -> Void) throws(SchemaFailure) {
        try migrate(occasions.subtracting([.background]), looksAtRows: occasions != [.start], report)
        if occasions.contains(.background) {
            try MigrationLock.builds.locked(connection, report) { () throws(SchemaFailure) in
                try build(report, isStopped: { false })
            }
            try concludeBuilds()
        }
    }

    /// What a service does beside its work.
    /// - Returns: false when another program is at it, or `isStopped` said so.
    func migrateBeside(_ report: (String) -> Void, isStopped: () -> Bool) throws(SchemaFailure) -> Bool {
        let isAlone = try MigrationLock.builds.ifFree(connection) { () throws(SchemaFailure) in
            try build(report, isStopped: isStopped)
        }
        if !isAlone || isStopped() { return false }
        try concludeBuilds()
        return true
    }

    /// Notes that they are done. What waits for somebody was said before.
    private func concludeBuilds() throws(SchemaFailure) { try migrate([.start], looksAtRows: true) { _ in } }

    private func migrate(
        _ occasions: Set<SchemaStep.Occasion>, looksAtRows: Bool, _ report: (String) -> Void
    ) throws(SchemaFailure) {
        try MigrationLock.migrations.locked(connection, report) { () throws(SchemaFailure) in
            // Others may have done it meanwhile.
            let isDone = occasions == [.start] ? try isDone(report) : false
            if isDone { return }
            defer { reset() }
            try prepare()
            var changes = 0
            var rounds: Set<[SchemaStep]> = []
            // Usually one round does it; what it uncovers is done by the next. One that repeats another is in vain.
            while true {
                let (state, planner) = try lookAndPlan(looksAtRows: looksAtRows)
                let steps = planner.steps.filter { occasions.contains($0.step.occasion) }
                if steps.isEmpty { return try finish(state, planner, changes, report) }
                guard rounds.insert(steps.map(\.step)).inserted else {
                    throw .unfinished(steps.map { "\($0.step.object) \($0.step.reason)" })
                }
                let ordered = steps.filter { !$0.step.isDestructive } + steps.filter(\.step.isDestructive)
                for group in Self.groups(ordered) {
                    changes += group.count
                    for step in group { report("\(step.step.object): \(step.step.reason)") }
                    try run(group, report)
                }
            }
        }
    }

    /// Does what nobody has to wait for, one by one: what is wanted may change meanwhile.
    private func build(_ report: (String) -> Void, isStopped: () -> Bool) throws(SchemaFailure) {
        defer { reset() }
        try prepare()
        var isDone: Set<SchemaStep> = []
        while !isStopped() {
            let steps = try lookAndPlan(looksAtRows: true).1.steps.filter { $0.step.occasion == .background }
            guard let step = steps.first else { return }
            guard isDone.insert(step.step).inserted else {
                throw .unfinished(["\(step.step.object) \(step.step.reason)"])
            }
            report("\(step.step.object): \(step.step.reason)")
            try run([step], report, isStopped: isStopped)
        }
    }

    private func prepare() throws(SchemaFailure) {
        try Self.database { () throws(PostgresError) in
            try connection.run(
                """
                SET search_path = \(try reader.home().name); SET statement_timeout = 0;
                SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 0
                """, operation: "prepare the migration")
            try history.prepare()
        }
    }

    /// - Throws: also when the database has become a newer program's.
    private func lookAndPlan(looksAtRows: Bool) throws(SchemaFailure) -> (State, SchemaPlanner) {
        let (state, planner) = try Self.database { () throws(PostgresError) -> (State, SchemaPlanner) in
            let state = try look()
            return (state, try plan(state, looksAtRows: looksAtRows))
        }
        if case .newer(let last) = state.standing {
            throw .newerDatabase(
                by: last.program, obstacles: SchemaObstacles.find(desired: state.desired, real: state.real))
        }
        return (state, planner)
    }

    /// Gives the session back as it was.
    func reset() {
        _ = try? connection.run(
            """
            RESET search_path; RESET statement_timeout; RESET idle_in_transaction_session_timeout; RESET lock_timeout
            """, operation: "end the migration")
    }

    /// Nothing is left of what was to be done now.
    private func finish(
        _ state: State, _ planner: SchemaPlanner, _ changes: Int, _ report: (String) -> Void
    ) throws(SchemaFailure) {
        let left = planner.steps.map(\.step)
        let waiting = left.filter { $0.occasion != .background }
        let obstacles = SchemaObstacles.find(desired: state.desired, real: state.real, mayRefuseLonger: true)
        if !obstacles.isEmpty {
            throw waiting.isEmpty ? .unfinished(obstacles) : .needsPerson(waiting)
        }
        for note in planner.notes { report(note) }
        for step in waiting { report("waits for somebody: \(step.object): \(step.reason)") }
        if !waiting.isEmpty { report("`wado schema plan` says more of what waits for somebody") }
        try Self.database { () throws(PostgresError) in
            if migrator.isOfProgram { try MonthPartitions(connection: connection).make(now: .now) }
            let isPending = !left.isEmpty || planner.isWaiting
            let digest = state.real.digest
            let last = try history.reached().first
            let isSame =
                last?.fingerprint == schema.fingerprint && last?.digest == digest && last?.isPending == isPending
            if isSame { return }
            try history.record(
                reached: schema, digest: digest, isPending: isPending, objects: Array(state.desired.objects.keys))
        }
        if changes > 0 {
            report(
                "\(left.isEmpty ? "the database has the schema of this program" : "what can be done now is done"), "
                    + "after \(changes == 1 ? "1 change" : "\(changes) changes")")
        }
    }
}
