internal import Archive
internal import ArchiveSchema
internal import Glibc
internal import HTTPServer
internal import ServiceKit
import Synchronization

/// What a response remembers for the access log.
final class AccessNote: Sendable {
    let operation: Operation
    let tenant: String
    let study: String?
    let series: String?
    let instance: String?

    init(
        operation: Operation, tenant: String, study: String? = nil, series: String? = nil, instance: String? = nil
    ) {
        self.operation = operation
        self.tenant = tenant
        self.study = study
        self.series = series
        self.instance = instance
    }
}

/// The system's random numbers, drawn many at a time.
private struct BatchedRandom: RandomNumberGenerator {
    private var words: [UInt64] = []

    mutating func next() -> UInt64 {
        if let word = words.popLast() { return word }
        var system = SystemRandomNumberGenerator()
        words = Array(repeating: 0, count: 32)
        let isFilled = words.withUnsafeMutableBytes { getentropy($0.baseAddress, $0.count) == 0 }
        if !isFilled { words = [] }
        return words.popLast() ?? system.next()
    }
}

/// Rows of `wado_access_log`, written in batches by a thread of its own. A request never waits for it: when rows come
/// faster than they can be written, they are dropped and counted.
final class AccessLog: Sendable {
    private let store: any LogStore
    private let capacity: Int
    private let node: String
    private let logger: Logger
    /// Threads share none of these as a rule, so that they do not wait for each other.
    private let shards = (0..<16).map { _ in Shard() }
    private let waiting = Atomic(0)
    /// The durations of requests, observed here rather than under a lock in their way.
    private let seconds: Histogram
    private let dropped: Counter
    private let written: Counter
    private let thread = StoppableThread()
    private static let batch = 2_000

    /// A row that is not made yet: the request's thread has better to do.
    private struct Entry {
        var exchange: HTTPExchange
        var note: AccessNote
        /// When it began, in microseconds since 1970.
        var time: Int64
    }

    private final class Shard: Sendable {
        let entries = Mutex<[Entry]>([])
    }

    init(store: any LogStore, capacity: Int, node: String, logger: Logger, metrics: MetricsRegistry) {
        self.store = store
        self.capacity = capacity
        self.node = node
        self.logger = logger
        dropped = metrics.counter(
            "wado_access_log_dropped_total", help: "Access log rows lost because the store was slow or down")
        written = metrics.counter("wado_access_log_rows_total", help: "Access log rows written")
        seconds = metrics.histogram(
            "wado_http_request_seconds", help: "From the headers to the last byte of the answer")
    }

    func append(_ exchange: HTTPExchange, _ note: AccessNote) {
        guard capacity > 0 else { return }
        let time = WallClock.microseconds - Int64(clamping: exchange.nanoseconds / 1_000)
        guard waiting.add(1, ordering: .relaxed).newValue <= capacity else {
            waiting.subtract(1, ordering: .relaxed)
            dropped.add()
            return
        }
        // Threads lie as far apart as their stacks are large.
        let shard = Int(UInt(pthread_self()) >> 20 & 0xFFFF) % shards.count
        shards[shard].entries.withLock { $0.append(Entry(exchange: exchange, note: note, time: time)) }
    }

    private func row(_ entry: Entry, _ random: inout BatchedRandom) -> WadoAccessLogRow {
        let exchange = entry.exchange
        return WadoAccessLogRow(
            tenantID: entry.note.tenant, requestTime: Timestamp(microsecondsSince1970: entry.time),
            traceID: TraceID.make(microseconds: entry.time, using: &random), workerNodeID: node,
            method: Self.start(of: exchange.request.method[...], 16), operation: entry.note.operation.name,
            path: Self.start(of: exchange.request.path, 1_024), studyUID: entry.note.study,
            seriesUID: entry.note.series, sopUID: entry.note.instance, status: Int32(clamping: exchange.status),
            bytesSent: Int64(exchange.sentBytes), durationUs: Int64(clamping: exchange.nanoseconds / 1_000),
            remoteAddress: exchange.request.remoteAddress,
            userAgent: exchange.request.headers["user-agent"].map { Self.start(of: $0[...], 256) })
    }

    /// At most so many characters; without counting them where there cannot be more.
    private static func start(of text: Substring, _ count: Int) -> String {
        String(text.utf8.count <= count ? text : text.prefix(count))
    }

    func start() throws {
        try thread.start(name: "access-log") { stop in
            var made = Rows()
            while !stop.wait(milliseconds: 250) { self.flush(&made) }
            // Once more, whatever it waits for.
            made.nextAttempt = 0
            self.flush(&made)
            self.dropped.add(made.rows.count)
        }
    }

    /// Writes what is there and ends.
    func stop() { thread.stop() }

    /// Rows that are not written yet. They count as waiting, so that there is a bound.
    private struct Rows {
        var rows: [WadoAccessLogRow] = []
        var random = BatchedRandom()
        var backOff = BackOff(first: 250, maximum: 30_000)
        /// In milliseconds.
        var nextAttempt = 0
    }

    private func flush(_ made: inout Rows) {
        for shard in shards {
            // Taken as a whole: the lock is held for a moment, however many there are.
            var entries: [Entry] = []
            entries.reserveCapacity(64)
            shard.entries.withLock { swap(&$0, &entries) }
            for entry in entries {
                if made.rows.count >= Self.batch { write(&made) }
                seconds.observe(Double(entry.exchange.nanoseconds) * 1e-9)
                made.rows.append(row(entry, &made.random))
            }
        }
        write(&made)
    }

    /// Writes them, unless the last failure was a moment ago. A row that the store will never take is found by ever
    /// smaller batches, and dropped.
    private func write(_ made: inout Rows) {
        guard MonotonicClock.milliseconds >= made.nextAttempt else { return }
        var size = Self.batch
        var refused = 0
        defer { if refused > 0 { logger.warning("access log rows refused", ["rows": .int(refused)]) } }
        while !made.rows.isEmpty {
            var log = LogRows()
            log.access = Array(made.rows.prefix(size))
            do {
                try store.append(log)
                made.backOff.reset()
                written.add(log.access.count)
                size = min(Self.batch, size * 2)
            } catch {
                let isRefused = (error as? any RetriableError)?.isDueToInput == true
                if isRefused, log.access.count > 1 {
                    size = log.access.count / 2
                    continue
                }
                if !isRefused {
                    made.nextAttempt = MonotonicClock.milliseconds + made.backOff.next()
                }
                if isRefused ? refused == 0 : made.backOff.isNews {
                    logger.warning(
                        "access log not written", ["rows": .int(made.rows.count), "error": .string("\(error)")])
                }
                guard isRefused else { return }
                refused += 1
                dropped.add()
            }
            made.rows.removeFirst(log.access.count)
            waiting.subtract(log.access.count, ordering: .relaxed)
        }
    }
}
