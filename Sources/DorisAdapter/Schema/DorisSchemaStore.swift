public import Archive
import ArchiveSchema

/// Doris' tables and load jobs, brought to what the spec and the settings say.
///
/// Every table has unique keys, so what is loaded again changes nothing: where it has to be chosen, a message is loaded
/// twice rather than lost. No statement is more than Doris' ALTER TABLE does in place; what it cannot do is said, and
/// done only with permission, keeping the old table under another name.
public struct DorisSchemaStore: SchemaStore, Sendable {
    /// Runs something while no other program does the same, and waits for its turn.
    public typealias Exclusively = @Sendable (_ work: () throws -> Void) throws -> Void
    /// What a topic is like now; nil when that is not known.
    public typealias TopicLook = @Sendable (_ topic: String) throws -> TopicState?

    public let name = "Doris"
    /// Whether somebody watches who has seen why jobs stopped themselves: only then they go on.
    public var isAttended = true
    let configuration: DorisConfiguration
    package var tables: [TableDefinition]
    package var loads: [LoadDefinition]
    /// What columns were called before: by table, then by their names.
    package var renames: [String: [String: String]]
    /// Columns of each table that stay though nothing fills them any more.
    package var retired: [String: Set<String>] = [:]
    private let topicState: TopicLook
    private let exclusively: Exclusively

    /// - Parameters:
    ///   - topicState: tells whether offsets that a job has are still those of its topic, and whether that has new
    ///     partitions; without an answer jobs keep what they have.
    ///   - exclusively: holds a lock that all programs of the archive share.
    public init(
        _ configuration: DorisConfiguration, topicState: @escaping TopicLook = { _ in nil },
        exclusively: @escaping Exclusively
    ) throws(DorisSchemaError) {
        var tables: [TableDefinition] = []
        var loads: [LoadDefinition] = []
        var renames: [String: [String: String]] = [:]
        for table in ArchiveSchema.tables {
            do throws(SQLReadingError) {
                if let ddl = table.dorisDDL { tables.append(try TableDefinition(reading: ddl)) }
            } catch {
                throw .unreadable(table: table.name, error)
            }
            if let load = table.load { loads.append(LoadDefinition(load)) }
            for column in table.columns {
                if let old = column.renamedFrom { renames[table.name, default: [:]][column.name] = old }
            }
        }
        self.init(
            configuration, tables: tables, loads: loads, renames: renames, topicState: topicState,
            exclusively: exclusively)
        for table in ArchiveSchema.tables { retired[table.name] = Set(table.retired.map(\.name)) }
    }

    /// Of these tables and jobs, before the settings have changed them.
    package init(
        _ configuration: DorisConfiguration, tables: [TableDefinition], loads: [LoadDefinition],
        renames: [String: [String: String]] = [:], topicState: @escaping TopicLook = { _ in nil },
        exclusively: @escaping Exclusively = { work in try work() }
    ) {
        self.configuration = configuration
        self.tables = tables.map { $0.adapted(to: configuration) }
        self.loads = loads.map { $0.adapted(to: configuration) }
        self.renames = renames
        self.topicState = topicState
        self.exclusively = exclusively
    }

    // MARK: Plan

    public func plan() throws -> SchemaPlan {
        let session = try DorisSession(configuration)
        var steps: [SchemaStep] = []
        var notes: [String] = []
        let exists = try session.useDatabase()
        if !exists {
            steps.append(
                SchemaStep(
                    object: configuration.database, reason: "the database is missing",
                    statements: [session.createDatabase]))
        }
        let there = exists ? try session.tables() : []
        for table in tables {
            guard there.contains(table.name) else {
                steps.append(creation(of: table))
                continue
            }
            let comparison = compare(table, try session.definition(of: table.name))
            steps += comparison.changes.map(\.step)
            notes += comparison.notes
        }
        for load in loads {
            let jobs = exists ? try session.jobs.all(load.job) : []
            switch decision(load, jobs) {
            case (_, .leave(let note)): notes += note.map { [$0] } ?? []
            case (let load, let decision): steps.append(step(load, decision))
            }
        }
        return SchemaPlan(store: name, steps: steps, notes: notes)
    }

    private func creation(of table: TableDefinition) -> SchemaStep {
        SchemaStep(object: table.name, reason: "the table is missing", statements: [table.createStatement])
    }

    private func compare(_ table: TableDefinition, _ found: TableDefinition) -> TableComparison {
        let now = Timestamp.now.description.filter { ("0"..."9").contains($0) }.prefix(14)
        return TableComparison(
            wanted: table, found: found, renames: renames[table.name] ?? [:], retired: retired[table.name] ?? [],
            asideName: "\(table.name.prefix(42))_until_\(now)")
    }

    /// What to do about a job, and the job with the cluster that its topic is in now.
    func decision(_ load: LoadDefinition, _ jobs: [LoadJob]) -> (load: LoadDefinition, LoadDecision) {
        let topic = topic(of: load)
        var load = load
        load.cluster = topic?.cluster
        return (load, LoadDecision(load, jobs: jobs, topic: topic))
    }

    /// Nil while Kafka is down: jobs keep what they have.
    private func topic(of load: LoadDefinition) -> TopicState? { (try? topicState(load.topic)) ?? nil }

    /// A decision for people, its statements without secrets.
    private func step(_ load: LoadDefinition, _ decision: LoadDecision) -> SchemaStep {
        func job(_ verb: String) -> String { "\(verb) ROUTINE LOAD FOR \(DorisText.name(load.job))" }
        let reason: String
        let statements: [String]
        switch decision {
        case .leave(let note): (reason, statements) = (note ?? "", [])
        case .create(let offsets):
            reason = offsets == nil ? "the load job is missing" : "the load job was stopped and not made anew"
            statements = [load.createStatement(from: offsets)]
        case .replace(let former, let why), .startAnew(let former, let why):
            let start = start(load, after: former)
            reason = "\(why): made anew from \(start == nil ? "the beginning of its topic" : "where it is")"
            statements = [job("PAUSE"), job("STOP"), load.createStatement(from: start)]
        case .addPartitions(let former):
            reason = "the topic has new partitions: made anew from where it is"
            statements = [job("PAUSE"), job("STOP"), load.createStatement(from: start(load, after: former))]
        case .resume(let former):
            (reason, statements) = ("is paused: \(former.reasonText)", [job("RESUME")])
        case .resumeByPerson(let former):
            (reason, statements) = ("has paused itself: \(former.reasonText)", [job("RESUME")])
        }
        return SchemaStep(
            object: "load job \(load.job)", reason: configuration.redacted(reason),
            statements: statements.map(configuration.redacted))
    }

    private func start(_ load: LoadDefinition, after former: LoadJob?) -> LoadDefinition.Offsets? {
        LoadDecision.start(load, after: former, topic: topic(of: load))
    }

    // MARK: Apply

    public func apply(allowDestructive: Bool, report: (String) -> Void) throws {
        try exclusively {
            let session = try DorisSession(configuration)
            if try !session.useDatabase() {
                try session.connection.run(session.createDatabase, operation: "create the database")
                report("\(configuration.database): database created")
                _ = try session.useDatabase()
            }
            var refused: [String] = []
            var failures: [any Error] = []
            for table in tables {
                try attempt(&failures) { refused += try bringForward(table, session, allowDestructive, report) }
            }
            for load in loads { try attempt(&failures) { try bringForward(load, session, report) } }
            if !refused.isEmpty { failures.append(DorisSchemaError.needsPermission(refused)) }
            if failures.count > 1 { throw DorisSchemaError.several(failures.map { "\($0)" }) }
            if let only = failures.first { throw only }
        }
    }

    /// One table or job that fails does not hold up the others, unless Doris itself is gone.
    private func attempt(_ failures: inout [any Error], _ work: () throws -> Void) throws {
        do { try work() } catch {
            if let error = error as? DorisError, error.isLostConnection { throw error }
            failures.append(error)
        }
    }

    /// What a running service does now and then: jobs get partitions that their topics got, those that were stopped are
    /// followed, those whose topic is another one begin anew, and those that paused for a reason that may be over go on.
    /// Definitions are changed at a start only, so
    /// that an older program that still runs beside a newer one does not change them back.
    /// - Returns: what needs someone, in lines for people.
    public func maintain(report: (String) -> Void) throws -> [String] {
        var problems: [String] = []
        try exclusively {
            let session = try DorisSession(configuration)
            guard try session.useDatabase() else {
                problems = ["database \(configuration.database) is missing"]
                return
            }
            var failures: [any Error] = []
            for load in loads {
                try attempt(&failures) { problems += try maintain(load, session, report) }
            }
            problems += failures.map { "\($0)" }
        }
        return problems
    }

    private func maintain(
        _ load: LoadDefinition, _ session: DorisSession, _ report: (String) -> Void
    ) throws -> [String] {
        let jobs = try session.jobs.all(load.job)
        let (load, decision) = decision(load, jobs)
        switch decision {
        case .addPartitions, .startAnew, .resume: try carryOut(decision, load, session, report)
        case .resumeByPerson(let job): return ["\(job.name) is paused: \(job.reasonText)"]
        // Stopped to be made anew, which did not succeed: Doris asks Kafka before it makes a job.
        case .create where jobs.last?.state == .stopped: try carryOut(decision, load, session, report)
        case .create: return ["load job \(load.job) is missing"]
        case .leave(let note): return note.map { [$0] } ?? []
        case .replace: break
        }
        return []
    }

    /// - Returns: what was not done without permission.
    private func bringForward(
        _ table: TableDefinition, _ session: DorisSession, _ allowDestructive: Bool, _ report: (String) -> Void
    ) throws -> [String] {
        guard try session.tables().contains(table.name) else {
            try session.connection.run(table.createStatement, operation: "create table \(table.name)")
            report("\(table.name): created")
            return []
        }
        try session.changes.waitForOthers(table.name, report: report)
        let comparison = compare(table, try session.definition(of: table.name))
        let refused = comparison.changes.map(\.step).filter { $0.isDestructive && !allowDestructive }
        for change in comparison.changes where !change.step.isDestructive || allowDestructive {
            report("\(change.step.object): \(change.step.reason)")
            if change.effect != .plain { try release(table, change.effect, session) }
            for statement in change.step.statements {
                try session.changes.run(
                    statement, table: table.name, operation: "change \(change.step.object)", report: report)
            }
        }
        if !comparison.changes.isEmpty {
            let rest = compare(table, try session.definition(of: table.name)).changes.map(\.step)
            if let step = rest.first(where: { !$0.isDestructive || allowDestructive }) {
                throw DorisSchemaError.notTaken(object: step.object, reason: step.reason)
            }
        }
        return refused.map { "\($0.object) \($0.reason)" }
    }

    /// Holds the table's jobs up before a change that they must not load through.
    private func release(
        _ table: TableDefinition, _ effect: TableComparison.Effect, _ session: DorisSession
    ) throws {
        for job in try session.jobs.live() where job.table == table.name {
            guard let paused = try session.jobs.pause(job) else { continue }
            guard effect == .replacesTable else { continue }
            // The empty table gets all that Kafka still has, also when somebody else has to make its job.
            if let load = loads.first(where: { $0.job == job.name }), !paused.offsets.isEmpty {
                try session.jobs.alter(load, offsets: paused.offsets.mapValues { _ in .beginning })
            }
            _ = try session.jobs.stop(paused)
        }
    }

    private func bringForward(
        _ load: LoadDefinition, _ session: DorisSession, _ report: (String) -> Void
    ) throws {
        let (load, decision) = decision(load, try session.jobs.all(load.job))
        try carryOut(decision, load, session, report)
    }

    private func carryOut(
        _ decision: LoadDecision, _ load: LoadDefinition, _ session: DorisSession, _ report: (String) -> Void
    ) throws {
        switch decision {
        case .leave: break
        case .create(let offsets):
            try check(load, session)
            try session.jobs.create(load, from: offsets)
            report("load job \(load.job): created" + (offsets == nil ? "" : " from where the former one was stopped"))
        case .replace(let job, let reason):
            try check(load, session)
            try replace(job, by: load, reason, session, report)
        case .startAnew(let job, let reason): try replace(job, by: load, reason, session, report)
        case .addPartitions(let job):
            try replace(job, by: load, "the topic has new partitions", session, report)
        case .resume(let job):
            try session.jobs.alter(load)
            try session.jobs.resume(job)
            report("load job \(load.job): resumed; it was paused: \(job.reasonText)")
        case .resumeByPerson(let job):
            guard isAttended else { break }
            if job.hasLostItsPlace {
                // Nothing is left of what was between: all that Kafka still has, and what is loaded again changes nothing.
                try session.jobs.alter(load, offsets: job.offsets.mapValues { _ in .beginning })
            }
            try session.jobs.resume(job)
            report("load job \(load.job): resumed; it had paused itself: \(job.reasonText)")
        }
    }

    /// A job is made only for a table that has all its columns: Doris drops the values of the others without a word.
    private func check(_ load: LoadDefinition, _ session: DorisSession) throws {
        let table = try session.definition(of: load.table)
        let missing = load.columns.map(\.name).filter { table.column($0) == nil }
        guard missing.isEmpty else { throw DorisSchemaError.columnsMissing(job: load.job, columns: missing) }
    }

    private func replace(
        _ job: LoadJob, by load: LoadDefinition, _ reason: String, _ session: DorisSession, _ report: (String) -> Void
    ) throws {
        // Doris asks Kafka before it makes a job, so what would not be made anew is not stopped.
        _ = try topicState(load.topic)
        guard let paused = try session.jobs.pause(job) else {
            // It ended just now.
            return try bringForward(load, session, report)
        }
        let ended = try session.jobs.stop(paused)
        let start = start(load, after: ended)
        try session.jobs.create(load, from: start)
        let place = start == nil ? "the beginning of its topic" : "where it was"
        report("load job \(load.job): made anew from \(place), since \(reason)")
    }
}
