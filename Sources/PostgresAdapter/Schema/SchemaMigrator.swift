import Archive
import ArchiveSchema

/// Brings a database to the schema this program was built with. Every service calls it at start; under its lock one
/// does the work, and the others wait and find it done.
///
/// The schema that is wanted is made as temporary tables in a transaction that is rolled back, read from pg_catalog, and
/// compared with what is there, read in the same way. So there is one statement of what a table is, its DDL, and no
/// list of old versions; what a killed migration has left is a difference like any other.
public struct SchemaMigrator: Sendable {
    /// Partitions of each topic that is made now.
    public var busPartitions = BusSchema.defaultPartitions
    /// Tables from this size on get indexes and checks beside their writers.
    package var concurrentBytes: Int64 = 16 << 20
    /// How long a statement may wait for a table, and with it those that come after it; twice as long after ten attempts.
    package var lockMilliseconds = 80
    /// How long it is tried again.
    package var patience: Duration = .seconds(900)
    private let other: DesiredSchema?

    public init() { other = nil }

    /// For a schema that is not this program's.
    package init(_ schema: DesiredSchema) { other = schema }

    /// False for a schema that is not the one of the archive.
    var isOfProgram: Bool { other == nil }

    var schema: DesiredSchema { other ?? .archive(busPartitions: busPartitions) }

    /// The statements that make it in an empty database.
    public var sql: String {
        schema.statements.map { "-- \($0.name)\n\($0.sql)\n" }.joined(separator: "\n")
            + schema.rows.map { "-- \($0.name)\n\($0.insert)\n" }.joined()
    }

    /// Does what a program has to have before it works, and loses nothing. When the database was brought to just this
    /// schema last and nothing was changed since, that is two looks at it, which wait for no writer.
    /// A database that a newer program has changed is left as it is, as long as this one can work with it.
    /// - Parameters:
    ///   - connection: outside a transaction; its search path and time limits are the default ones afterwards.
    ///   - report: is told what is done, in lines for people.
    /// - Returns: true when there was nothing to do, and so nothing is left for `finish`.
    /// - Throws: `SchemaFailure`; what was done until then stays, and the next call goes on from there.
    @discardableResult
    public func prepare(
        _ connection: PostgresConnection, report: (String) -> Void = { _ in }
    ) throws(SchemaFailure) -> Bool {
        let run = MigrationRun(migrator: self, schema: schema, connection: connection)
        if try run.isDone(report) {
            try MigrationRun.database { () throws(PostgresError) in try extendPartitions(connection) }
            return true
        }
        try run.migrate([.start], report)
        return false
    }

    /// Whether `prepare` would find nothing to do; changes nothing.
    /// - Throws: also when a newer program has made the database such that this one cannot use it.
    public func isPrepared(_ connection: PostgresConnection) throws(SchemaFailure) -> Bool {
        try MigrationRun(migrator: self, schema: schema, connection: connection).isDone { _ in }
    }

    /// Does what is left after `prepare` that takes long and that nobody has to wait for: indexes of large tables, checks
    /// of their rows.
    /// - Parameters:
    ///   - connection, report: as of `prepare`.
    ///   - isStopped: asked every second; breaks off what is being made, and the next call begins it anew.
    /// - Returns: false when another program is at it, or `isStopped` said so: come again later.
    public func finish(
        _ connection: PostgresConnection, report: (String) -> Void = { _ in }, isStopped: () -> Bool = { false }
    ) throws(SchemaFailure) -> Bool {
        let run = MigrationRun(migrator: self, schema: schema, connection: connection)
        if try run.isDone({ _ in }) { return true }
        return try run.migrateBeside(report, isStopped: isStopped)
    }

    /// Does both, and also what holds everybody up for long.
    /// - Parameter allowDestructive: whether steps that could lose data are done as well.
    public func migrate(
        _ connection: PostgresConnection, allowDestructive: Bool = false, report: (String) -> Void = { _ in }
    ) throws(SchemaFailure) {
        let run = MigrationRun(migrator: self, schema: schema, connection: connection)
        let isDone = allowDestructive ? false : try run.isDone(report)
        if isDone { return try MigrationRun.database { () throws(PostgresError) in try extendPartitions(connection) } }
        var occasions: Set<SchemaStep.Occasion> = [.start, .background, .maintenance]
        if allowDestructive { occasions.insert(.decision) }
        try run.migrate(occasions, report)
    }

    /// Creates the partitions of this month and the two after it that are missing; for every start and every day. Does
    /// nothing while somebody migrates.
    public func extendPartitions(_ connection: PostgresConnection) throws(PostgresError) {
        let partitions = MonthPartitions(connection: connection)
        guard other == nil, try !partitions.missing(now: .now).isEmpty else { return }
        let lock = MigrationLock.migrations
        guard try lock.take(connection) else { return }
        defer { lock.release(connection) }
        try partitions.make(now: .now)
    }

    /// Every object that is there, by its name, with what is said of it: for comparisons.
    package func objects(_ connection: PostgresConnection) throws(PostgresError) -> [String: String] {
        let run = MigrationRun(migrator: self, schema: schema, connection: connection)
        defer { run.reset() }
        return try run.look().real.objects
    }

    /// What would be done; changes nothing.
    /// - Throws: also when a newer program has made the database such that this one cannot use it.
    func plan(_ connection: PostgresConnection) throws(SchemaFailure) -> SchemaPlan {
        let run = MigrationRun(migrator: self, schema: schema, connection: connection)
        defer { run.reset() }
        let state = try MigrationRun.database { () throws(PostgresError) in try run.look() }
        if case .newer(let by) = state.standing {
            let obstacles = SchemaObstacles.find(desired: state.desired, real: state.real)
            if !obstacles.isEmpty { throw .newerDatabase(by: by.program, obstacles: obstacles) }
            return SchemaPlan(
                store: "PostgreSQL", steps: [],
                notes: ["the database has a newer schema, made by \(by.program), which this program can use"])
        }
        let planner = try MigrationRun.database { () throws(PostgresError) in
            try run.plan(state, looksAtRows: true)
        }
        return SchemaPlan(store: "PostgreSQL", steps: planner.steps.map(\.step), notes: planner.notes)
    }
}
