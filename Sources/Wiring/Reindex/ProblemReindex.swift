internal import Archive
internal import ArchiveSchema
internal import ConsumerService
internal import PostgresAdapter
public import ServiceKit

/// Tries the instances of open problems again (`wado reindex --problems`): each is indexed anew from its file, and what is
/// well now is cleared as at any reception.
public struct ProblemReindex {
    private let settings: Settings
    private let connection: String
    private let options: ReindexOptions
    private let rule: String?

    private static let rowsAtOnce = 500

    /// - Parameters:
    ///   - connection: libpq's connection string of the archive's database, which has its schema.
    ///   - options: `since` is when instances were received.
    ///   - rule: only problems of this rule; nil: of all.
    public init(_ settings: Settings, connection: String, options: ReindexOptions, rule: String?) {
        self.settings = settings
        self.connection = connection
        self.options = options
        self.rule = rule
    }

    /// Runs to the end.
    /// - Parameters:
    ///   - progress: is called after each step.
    ///   - failure: is called for each instance that cannot be indexed still.
    public func run(
        progress: (ReindexProgress) -> Void, failure: (ReindexFailure) -> Void
    ) throws -> ReindexProgress {
        let threads = settings[WadoSettings.consumerThreads]
        let backends = try Backends(settings, connection: connection, sessions: threads + 1)
        defer { backends.close() }
        let crew = try IndexerCrew(settings, threads: threads, backends, options)
        defer { crew.stop() }
        let problems = PostgresProblems(pool: try backends.database())
        var filter = ProblemFilter()
        filter.tenantID = options.tenant?.value
        filter.rule = rule
        filter.isStored = true
        let total = try problems.counts(filter).reduce(0) { $0 + $1.problems }
        var state = ReindexProgress()
        var limit = RateLimit(perSecond: options.rate)
        let rowsAtOnce = limit.share(of: Self.rowsAtOnce)
        var (seen, last): (Int, DicomProblemMetaRow?) = (0, nil)
        while true {
            // What is cleared meanwhile lies behind, and of what is found meanwhile the instance was just tried.
            let rows = try problems.page(filter, after: last, limit: rowsAtOnce)
            guard !rows.isEmpty else { return state }
            var instances: [InstanceIdentity] = []
            var previous = last.flatMap(Self.instance)
            for instance in rows.compactMap(Self.instance) where instance != previous {
                instances.append(instance)
                previous = instance
            }
            let outcome = try crew.run(instances.chunks(of: max(1, instances.count / threads)).map(Array.init))
            for failed in outcome.failures { failure(ReindexFailure(failed)) }
            state.add(outcome)
            seen += rows.count
            last = rows.last
            state.fraction = min(1, Double(seen) / Double(max(1, total)))
            progress(state)
            limit.spend(instances.count)
        }
    }

    private static func instance(_ row: DicomProblemMetaRow) -> InstanceIdentity? {
        guard let tenant = TenantID(row.tenantID), let study = UID(row.studyUID), let series = UID(row.seriesUID),
            let instance = UID(row.sopUID)
        else { return nil }
        return InstanceIdentity(tenant: tenant, study: study, series: series, instance: instance)
    }
}
