public import Archive
public import ServiceKit
import Synchronization

/// Takes received instances from the storage queue: reads their headers, appends their metadata to the series, writes
/// index and logs, and only then marks them as done. All of it may happen twice for one message and is then the same.
public final class ConsumerService: Sendable {
    public struct Configuration: Sendable {
        /// The consumer group; its members share the queue.
        public var group = "dicom-consumer-group"
        /// Names this process in the rows it writes; at most 64 characters.
        public var node = "consumer"
        /// Workers, each a member of the group with a thread of its own.
        public var threads = 2
        /// Instances of one transaction at most.
        public var batchInstances = 500
        /// Bytes of messages and metadata of one transaction; the last instance may go beyond them. What more messages
        /// were received is read from the store after it, so that memory does not grow with their headers.
        public var batchBytes = 16 << 20
        /// How long a batch that is not full waits for more, in milliseconds. Events come in groups, and while one is
        /// worked at the next gathers by itself.
        public var batchMilliseconds = 0
        /// Folder of the store, which the events' paths are relative to.
        public var storeRoot: String
        /// What BulkDataURIs in the metadata begin with.
        public var bulkDataRoot = "/dicom-web"
        /// Longer binary values become a BulkDataURI; in bytes.
        public var bulkDataThreshold = 1_024
        /// The longest wait between two attempts while something outside is down, in milliseconds.
        public var retryMilliseconds = 5_000

        public init(storeRoot: String) { self.storeRoot = storeRoot }
    }

    /// What it has done since it started.
    public struct Status: Sendable, Equatable {
        public var isRunning = false
        /// Workers that reach the bus and the stores.
        public var healthyWorkers = 0
        public var instances = 0
        public var deadLetters = 0
        /// Values that could not become what their column holds.
        public var columnProblems = 0
        /// Attempts that failed because something outside was down.
        public var failures = 0
    }

    private let configuration: Configuration
    private let bus: any EventBus
    private let store: any IngestStore
    private let metadata: any MetadataStore
    private let logger: Logger
    private let metrics: ConsumerMetrics
    private let threads = Mutex<[ServiceThread]>([])

    public init(
        _ configuration: Configuration, bus: any EventBus, store: any IngestStore, metadata: any MetadataStore,
        logger: Logger, metrics: MetricsRegistry
    ) {
        self.configuration = configuration
        self.bus = bus
        self.store = store
        self.metadata = metadata
        self.logger = logger
        self.metrics = ConsumerMetrics(metrics)
        let group = configuration.group
        metrics.gauge("wado_consumer_lag_messages", help: "Messages that wait for the consumer.") {
            (try? bus.lag(group: group, topic: .storage)).map(Double.init) ?? .nan
        }
    }

    /// Starts the workers. A bus or database that is down now is waited for.
    /// - Throws: `ThreadError`, or what the bus says of the group.
    public func start() throws {
        for number in 0..<max(1, configuration.threads) {
            let consumer = try bus.makeConsumer(group: configuration.group, topics: [.storage, .problem])
            let worker = ConsumerWorker(
                configuration, consumer: consumer, store: store, metadata: metadata, logger: logger, metrics: metrics)
            // The worker, and with it the consumer, is used by that thread alone.
            let handover = Handover(worker)
            let thread = try ServiceThread(name: "consumer-\(number)") { stop in handover.take()?.run(stop) }
            threads.withLock { $0.append(thread) }
        }
        logger.info("consumer started", ["threads": .int(configuration.threads)])
    }

    /// Ends after the batches under way; what was not finished comes again to the next member.
    public func stop() {
        let threads = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in threads { thread.stop() }
        for thread in threads { thread.join() }
        if !threads.isEmpty { logger.info("consumer stopped") }
    }

    public var status: Status {
        Status(
            isRunning: threads.withLock { !$0.isEmpty }, healthyWorkers: Int(metrics.healthyWorkers.value),
            instances: Int(metrics.instances.value), deadLetters: Int(metrics.deadLetters.value),
            columnProblems: Int(metrics.columnProblems.value), failures: Int(metrics.failures.value))
    }
}

/// Hands one object to one thread. `@unchecked Sendable`: it can be taken once.
private final class Handover<Value>: @unchecked Sendable {
    private let lock = Mutex(())
    private var value: Value?

    init(_ value: Value) { self.value = value }

    func take() -> Value? {
        lock.withLock { _ in
            defer { value = nil }
            return value
        }
    }
}

/// The metrics of all workers of a process.
struct ConsumerMetrics: Sendable {
    let instances: Counter
    let batches: Counter
    let deadLetters: Counter
    let columnProblems: Counter
    let problemRows: Counter
    let failures: Counter
    let batchSeconds: Histogram
    let healthyWorkers: Gauge

    init(_ registry: MetricsRegistry) {
        instances = registry.counter("wado_consumer_instances_total", help: "Instances indexed, repeats included.")
        batches = registry.counter("wado_consumer_batches_total", help: "Batches written.")
        deadLetters = registry.counter(
            "wado_consumer_dead_letters_total", help: "Messages that can never succeed.")
        columnProblems = registry.counter(
            "wado_consumer_column_problems_total", help: "Values that their column could not take as they are.")
        problemRows = registry.counter(
            "wado_consumer_problem_rows_total", help: "Rows of dicom_problem_meta written, repeats included.")
        failures = registry.counter(
            "wado_consumer_failures_total", help: "Attempts that failed because something outside was down.")
        batchSeconds = registry.histogram(
            "wado_consumer_batch_seconds", help: "Time to read, store and index a batch.", buckets: Histogram.seconds)
        healthyWorkers = registry.gauge("wado_consumer_healthy_workers", help: "Workers that reach bus and stores.")
    }
}
