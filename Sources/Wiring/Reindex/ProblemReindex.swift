internal import Archive
internal import ArchiveSchema
internal import ConsumerService
internal import PostgresAdapter
public import ServiceKit

/// Tries the instances of open problems again (`wado reindex --problems`): each is indexed anew from its file, and what is
/// well now is cleared as at any reception. A run that was killed is taken up at the series it was at.
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
    /// - Throws: `ReindexBusy`, `EmptyFolder`; or what stands in the way: beginning again goes on there.
    public func run(
        progress: (ReindexProgress) -> Void, failure: (ReindexFailure) -> Void
    ) throws -> ReindexProgress {
        let threads = settings[WadoSettings.consumerThreads]
        let backends = try Backends(settings, connection: connection, sessions: threads + 1)
        defer { backends.close() }
        let folder = DataFolder(settings[WadoSettings.data])
        try EmptyFolder.check(folder.store, tenant: options.tenant, IndexInventory(pool: try backends.database()))
        var job = try ReindexRun(connection, options, .problems, rule.map { [$0] } ?? [])
        var options = options
        options.since = job.since
        let crew = try IndexerCrew(settings, threads: threads, backends, options)
        defer { crew.stop() }
        let problems = PostgresProblems(pool: try backends.database())
        var filter = ProblemFilter()
        filter.tenantID = options.tenant?.value
        filter.rule = rule
        filter.isStored = true
        filter.after = job.position
        var state = ReindexProgress(job.job)
        var seen = state.done
        let total = max(1, seen + (try problems.instanceCount(filter)))
        state.fractionBefore = Double(seen) / Double(total)
        var limit = RateLimit(perSecond: options.rate)
        let rowsAtOnce = limit.share(of: Self.rowsAtOnce)
        var last: DicomProblemMetaRow?
        while true {
            // What is cleared meanwhile lies behind, and of what is found meanwhile the instance was just tried.
            var rows = try problems.page(filter, after: last, limit: rowsAtOnce)
            guard let first = rows.first?.series, let final = rows.last?.series else { break }
            // Whole series, if there are several, so that the position is between two.
            if rows.count == rowsAtOnce, first != final { rows.removeAll { $0.series == final } }
            if let series = last?.series, series != first { try job.advance(to: series, state) }
            var instances: [InstanceIdentity] = []
            var previous = last?.instance
            for instance in rows.compactMap(\.instance) where instance != previous {
                instances.append(instance)
                previous = instance
            }
            limit.spend(instances.count)
            let outcome = try crew.run(instances.chunks(of: max(1, instances.count / threads)).map(Array.init))
            for failed in outcome.failures { failure(ReindexFailure(failed)) }
            state.add(outcome)
            seen += instances.count
            last = rows.last
            state.fraction = min(1, Double(seen) / Double(total))
            progress(state)
        }
        state.fraction = 1
        try job.finish(state)
        return state
    }
}
