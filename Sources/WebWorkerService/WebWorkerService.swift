public import Archive
public import ServiceKit
import Synchronization

/// Compacts the metadata of series that changed, and brings their exact number of instances into the index.
///
/// Series at rest are compacted at once while the machine has time. All others come in turn at every interval, also
/// those that still grow. Neither happens while the machine is busier than the limits allow, unless a whole hour has
/// passed without.
public final class WebWorkerService: Sendable {
    public struct Configuration: Sendable {
        /// Minutes between two rounds over everything that waits (`webworker.interval_minute`).
        public var intervalMinutes = 5.0
        /// Percent of the machine's processors above which nothing is begun (`cpu_usage`).
        public var cpuPercent = 40.0
        /// Percent of the machine's memory above which nothing is begun (`memory_usage`).
        public var memoryPercent = 70.0
        /// How long a series has to be unchanged to count as at rest, in milliseconds.
        public var restMilliseconds = 3_000
        /// How often it looks, in milliseconds.
        public var lookMilliseconds = 1_000
        /// Series that are taken at once.
        public var batch = 8

        public init() {}
    }

    /// What it has done since it started.
    public struct Status: Sendable, Equatable {
        public var isRunning = false
        /// True when the last look at the queue succeeded.
        public var isHealthy = false
        public var compacted = 0
        public var failed = 0
        /// Looks at which the machine was too busy.
        public var postponed = 0
    }

    private let configuration: Configuration
    private let queue: any CompactionQueue
    private let metadata: any MetadataStore
    private let load: any LoadMeter
    private let logger: Logger
    private let compacted: Counter
    private let failed: Counter
    private let postponed: Counter
    private let seconds: Histogram
    private let isHealthy = Atomic(false)
    private let thread = StoppableThread()

    public init(
        _ configuration: Configuration, queue: any CompactionQueue, metadata: any MetadataStore,
        load: any LoadMeter = SystemLoadMeter(), logger: Logger, metrics: MetricsRegistry
    ) {
        self.configuration = configuration
        self.queue = queue
        self.metadata = metadata
        self.load = load
        self.logger = logger
        compacted = metrics.counter("wado_webworker_series_total", help: "Series compacted.")
        failed = metrics.counter("wado_webworker_failures_total", help: "Series that could not be compacted.")
        postponed = metrics.counter(
            "wado_webworker_postponed_total", help: "Looks at which the machine was too busy.")
        seconds = metrics.histogram(
            "wado_webworker_series_seconds", help: "Time to compact a series.", buckets: Histogram.seconds)
        metrics.gauge("wado_webworker_waiting_series", help: "Series whose metadata waits to be compacted.") {
            (try? queue.waiting()).map(Double.init) ?? .nan
        }
    }

    /// - Throws: `ThreadError`. A database that is down now is waited for.
    public func start() throws {
        try thread.start(name: "webworker") { [self] stop in run(stop) }
        logger.info("webworker started")
    }

    /// Ends after the series under way.
    public func stop() {
        if thread.stop() { logger.info("webworker stopped") }
    }

    public var status: Status {
        Status(
            isRunning: thread.isRunning, isHealthy: isHealthy.load(ordering: .relaxed),
            compacted: Int(compacted.value), failed: Int(failed.value), postponed: Int(postponed.value))
    }

    private func run(_ stop: StopToken) {
        var schedule = CompactionSchedule(configuration, now: MonotonicClock.seconds)
        var backOff = BackOff(first: 1_000, maximum: 30_000)
        var pause = configuration.lookMilliseconds
        while !stop.wait(milliseconds: pause) {
            do {
                let step = schedule.next(load.sample(), now: MonotonicClock.seconds)
                switch step {
                case .postpone: postponed.add()
                case .settled:
                    try compact(idleMicroseconds: Int64(configuration.restMilliseconds) * 1_000, stop)
                case .everything:
                    try compact(idleMicroseconds: 0, stop)
                    schedule.finishedRound(now: MonotonicClock.seconds)
                }
                isHealthy.store(true, ordering: .relaxed)
                backOff.reset()
                pause = configuration.lookMilliseconds
            } catch {
                isHealthy.store(false, ordering: .relaxed)
                pause = backOff.next()
                if backOff.isNews {
                    logger.warning(
                        "webworker cannot reach its queue",
                        ["error": .string("\(error)"), "attempt": .int(backOff.attempts)])
                }
            }
        }
        isHealthy.store(false, ordering: .relaxed)
    }

    /// Takes series until none waits, the machine is busy, or it is told to stop.
    private func compact(idleMicroseconds: Int64, _ stop: StopToken) throws {
        let searchedValues = SearchedValuesReader()
        while !stop.isStopped {
            let count = try queue.take(limit: configuration.batch, idleMicroseconds: idleMicroseconds) { tasks in
                tasks.map { task in stop.isStopped ? .untouched : compact(task, searchedValues) }
            }
            if count == 0 { return }
            let now = load.sample()
            if now.cpuPercent > configuration.cpuPercent * 2 || now.memoryPercent > configuration.memoryPercent {
                return
            }
        }
    }

    private func compact(_ task: CompactionTask, _ searchedValues: SearchedValuesReader) -> CompactionOutcome {
        do {
            let result = try seconds.time { try metadata.compact(task.series) }
            guard let result else {
                // The index knows the series and its metadata is gone: somebody has to look.
                failed.add()
                logger.error("series has no metadata", fields(task))
                return .failed
            }
            if let snapshot = try metadata.snapshot(of: task.series),
                let rows = try searchedValues.rows(of: task.series, in: snapshot)
            {
                try queue.setSearchedValues(rows, of: task)
            }
            compacted.add()
            return .done(instanceCount: result.instanceCount)
        } catch {
            failed.add()
            var fields = fields(task)
            fields.append("error", .string("\(error)"))
            logger.error("series cannot be compacted", fields)
            return .failed
        }
    }

    private func fields(_ task: CompactionTask) -> Logger.Fields {
        [
            "tenant_id": .string(task.series.tenantID), "series_uid": .string(task.series.seriesUID),
            "retries": .int(task.retries),
        ]
    }
}
