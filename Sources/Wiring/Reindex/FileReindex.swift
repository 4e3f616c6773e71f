internal import Archive
internal import ArchiveSchema
internal import ConsumerService
internal import PostgresAdapter
public import ServiceKit

/// Makes index, metadata and logs anew from nothing but the folder of DICOM files (`wado reindex --from-files`).
///
/// What is there already and right stays untouched, nothing is removed, and instances may come in meanwhile. How far it
/// is stands in the database after every few thousand instances, so that a run that was killed is taken up there.
public struct FileReindex {
    private let settings: Settings
    private let connection: String
    private let options: ReindexOptions
    private let columns: [String]
    /// Instances that a thread indexes between two looks at the whole.
    private static let part = 500

    /// - Parameters:
    ///   - connection: libpq's connection string of the archive's database, which has its schema.
    ///   - columns: `table.column` of those that it is done for; empty: for everything.
    public init(_ settings: Settings, connection: String, options: ReindexOptions, columns: [String] = []) {
        self.settings = settings
        self.connection = connection
        self.options = options
        self.columns = columns
    }

    /// Runs to the end.
    /// - Parameters:
    ///   - progress: is called after each step.
    ///   - failure: is called for each instance that cannot be indexed.
    /// - Throws: `ReindexBusy`, `EmptyFolder`; or what stands in the way for longer than half a minute: beginning again goes on there.
    public func run(
        progress: (ReindexProgress) -> Void, failure: (ReindexFailure) -> Void
    ) throws -> ReindexProgress {
        let folder = DataFolder(settings[WadoSettings.data])
        let threads = settings[WadoSettings.consumerThreads]
        let store = FileStore(paths: ArchivePaths(root: folder.store))
        let backends = try Backends(settings, connection: connection, sessions: threads)
        defer { backends.close() }
        let inventory = IndexInventory(pool: try backends.database(), hasLogs: !backends.publishesRows)
        try EmptyFolder.check(folder.store, tenant: options.tenant, inventory)
        var job = try ReindexRun(connection, options, columns.isEmpty ? .files : .columnsFromFiles, columns)
        var options = options
        options.since = job.since
        let crew = try IndexerCrew(settings, threads: threads, backends, options)
        defer { crew.stop() }
        let walk = try StoreWalk(store, tenant: options.tenant, after: job.position)
        var state = ReindexProgress(job.job)
        state.fractionBefore = job.position == nil ? 0 : Self.fraction(walk)
        var limit = RateLimit(perSecond: options.rate)
        let part = limit.share(of: Self.part)
        let step = options.rate == nil ? part * threads * 2 : part
        while true {
            // Whole series, so that the position is always between two.
            var instances: [InstanceIdentity] = []
            var last: SeriesIdentity?
            while instances.count < step, let series = try walk.next() {
                instances += series.identities
                last = series.identity
            }
            guard let last, !instances.isEmpty else { break }
            for group in instances.chunks(of: step) {
                // Before, so that what is done is noted at once.
                limit.spend(group.count)
                let outcome = try crew.run(group.chunks(of: part).map(Array.init))
                for failed in outcome.failures { failure(ReindexFailure(failed)) }
                state.add(outcome)
                state.fraction = Self.fraction(walk)
                progress(state)
            }
            try job.advance(to: last, state)
        }
        state.fraction = 1
        try job.finish(state)
        return state
    }

    private static func fraction(_ walk: StoreWalk) -> Double {
        walk.studyCount == 0 ? 1 : Double(walk.studiesEntered) / Double(walk.studyCount)
    }
}

extension ReindexProgress {
    mutating func add(_ outcome: FileIndexer.Outcome) {
        let count = outcome.indexed + outcome.failures.count
        done += count
        doneNow += count
        if let changes = outcome.changed { changed += changes } else if count > 0 { isCompared = false }
        failed += outcome.failures.count
    }
}

extension ReindexFailure {
    init(_ failure: FileIndexer.Failure) {
        self.init(
            tenantID: failure.instance.tenant.value, studyUID: failure.instance.study.value,
            seriesUID: failure.instance.series.value, sopInstanceUID: failure.instance.instance.value,
            reason: failure.reason, detail: failure.detail)
    }
}

extension RandomAccessCollection where Index == Int {
    /// Pieces of so many elements, the last one of what is left.
    func chunks(of size: Int) -> [SubSequence] {
        stride(from: startIndex, to: endIndex, by: Swift.max(1, size)).map { self[$0..<Swift.min($0 + size, endIndex)] }
    }
}
