import Archive
import ConsumerService
import PostgresAdapter
import ServiceKit

/// Goes through all stored files, series by series, while a crew indexes what was found.
struct FilePass {
    private let settings: Settings
    private let backends: Backends
    private let options: ReindexOptions
    private let work: IndexerCrew.Work
    private let store: FileStore

    /// Instances that a thread indexes between two looks at the whole.
    private static let part = 500

    /// - Parameter backends: have a session for each of its threads.
    /// - Throws: `EmptyFolder`.
    init(
        _ settings: Settings, _ backends: Backends, _ options: ReindexOptions, _ work: IndexerCrew.Work
    ) throws {
        self.settings = settings
        self.backends = backends
        self.options = options
        self.work = work
        let folder = DataFolder(settings[WadoSettings.data])
        store = FileStore(paths: ArchivePaths(root: folder.store))
        let inventory = IndexInventory(pool: try backends.database(), hasLogs: !backends.publishesRows)
        try EmptyFolder.check(folder.store, tenant: options.tenant, inventory)
    }

    /// Where rows are all that is made, threads wait for the brokers half of the time.
    static func threads(_ settings: Settings, _ work: IndexerCrew.Work) -> Int {
        let threads = settings[WadoSettings.consumerThreads]
        return if case .rows = work { threads * 2 } else { threads }
    }

    private struct Step {
        var instances: ArraySlice<InstanceIdentity>
        /// The last series that is whole when it is done.
        var position: SeriesIdentity?
        var fraction: Double
    }

    /// Begins behind the last series that the job has done, and goes to the end.
    /// - Parameter start: which part of the whole work was done before it.
    func run(
        _ job: inout ReindexRun, _ state: inout ReindexProgress, from start: Double = 0,
        progress: (ReindexProgress) -> Void, failure: (ReindexFailure) -> Void
    ) throws {
        let threads = Self.threads(settings, work)
        var options = options
        options.since = job.since
        let crew = try IndexerCrew(settings, threads: threads, backends, options, work)
        defer { crew.stop() }
        let walk = try StoreWalk(store, tenant: options.tenant, after: job.position)
        func fraction() -> Double {
            let own = walk.studyCount == 0 ? 1 : Double(walk.studiesEntered) / Double(walk.studyCount)
            return start + own * (1 - start)
        }
        if job.position != nil { state.fractionBefore = fraction() }
        var limit = RateLimit(perSecond: options.rate)
        let part = limit.share(of: Self.part)
        let size = options.rate == nil ? part * threads * 2 : part
        var steps: ArraySlice<Step> = []

        func next() throws -> Step? {
            if let step = steps.popFirst() { return step }
            // Whole series, so that the position is always between two.
            var instances: [InstanceIdentity] = []
            var last: SeriesIdentity?
            while instances.count < size, let series = try walk.next() {
                instances += series.identities
                last = series.identity
            }
            steps = instances.chunks(of: size).map { Step(instances: $0, fraction: fraction()) }[...]
            if let end = steps.indices.last { steps[end].position = last }
            return steps.popFirst()
        }

        func finish(_ step: Step, _ begun: IndexerCrew.Step) throws {
            let outcome = try begun.wait()
            for failed in outcome.failures { failure(ReindexFailure(failed)) }
            state.add(outcome)
            state.fraction = step.fraction
            progress(state)
            if let position = step.position { try job.advance(to: position, state) }
        }

        // The next step is begun before the one before it has ended, unless there is time.
        var before: (Step, IndexerCrew.Step)?
        while let step = try next() {
            // Before, so that what is done is noted at once.
            limit.spend(step.instances.count)
            let begun = crew.begin(step.instances.chunks(of: part).map(Array.init))
            if let before { try finish(before.0, before.1) }
            before = (step, begun)
            guard options.rate != nil else { continue }
            try finish(step, begun)
            before = nil
        }
        if let before { try finish(before.0, before.1) }
        state.fraction = 1
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
