internal import Archive
internal import PostgresAdapter
public import ServiceKit

/// What an archive holds and what waits, for people.
public struct ArchiveCounts: Sendable {
    public var studies = 0
    public var series = 0
    public var instances = 0
    /// Received, not indexed yet; nil when the bus does not say.
    public var queueLag: Int?
    /// Why it does not.
    public var busProblem: String?
    /// Series whose metadata is to be compacted.
    public var compactions = 0
    /// Messages that can never succeed.
    public var deadLetters = 0
    /// Problems of instances that are open.
    public var problems = 0

    /// Asks the database. A table that is not there yet counts as empty.
    public static func read(connection: String, settings: Settings) throws -> ArchiveCounts {
        let pool = PostgresPool(connection, limit: 1)
        defer { pool.close() }
        var counts = ArchiveCounts()
        var limits = PostgresSeriesIndex.Configuration()
        limits.timeoutMilliseconds = 0
        if let index = try ifThere({ try PostgresSeriesIndex(pool: pool, configuration: limits).counts(tenantID: nil) })
        {
            (counts.studies, counts.series, counts.instances) = (index.studies, index.series, index.instances)
        }
        counts.compactions = try ifThere { try PostgresCompactionQueue(pool: pool).waiting() } ?? 0
        counts.problems =
            try ifThere { try PostgresProblems(pool: pool).counts(ProblemFilter()).reduce(0) { $0 + $1.problems } } ?? 0
        counts.deadLetters = try ifThere { try PostgresDeadLetters(pool: pool).count() } ?? 0
        do {
            let bus = try ArchiveBus.open(settings, program: "wado", pool: pool)
            counts.queueLag = Int(try bus.lag(group: settings[WadoSettings.consumerGroup], topic: .storage))
        } catch {
            counts.busProblem = "\(error)"
        }
        return counts
    }

    /// Nil when its table is not there yet.
    private static func ifThere<R>(_ count: () throws -> R) throws -> R? {
        do { return try count() } catch let error as PostgresError where error.code == .undefinedTable { return nil }
    }
}
