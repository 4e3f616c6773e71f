internal import Archive
internal import ArchiveSchema
internal import Glibc
internal import HTTPServer
internal import ServiceKit
import Synchronization

/// What a response remembers for the access log.
struct AccessNote: Sendable {
    var operation: Operation
    var tenant: String
    var study: String?
    var series: String?
    var instance: String?
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
    private let thread = Mutex<ServiceThread?>(nil)
    private static let batch = 2_000

    private final class Shard: Sendable {
        let rows = Mutex<[WadoAccessLogRow]>([])
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
        let micros = WallClock.microseconds - Int64(clamping: exchange.nanoseconds / 1_000)
        let row = WadoAccessLogRow(
            tenantID: note.tenant, requestTime: Timestamp(microsecondsSince1970: micros),
            traceID: TraceID.make(microseconds: micros), workerNodeID: node,
            method: String(exchange.request.method.prefix(16)), operation: note.operation.name,
            path: String(exchange.request.path.prefix(1_024)), studyUID: note.study, seriesUID: note.series,
            sopUID: note.instance, status: Int32(clamping: exchange.status),
            bytesSent: Int64(exchange.sentBytes), durationUs: Int64(clamping: exchange.nanoseconds / 1_000),
            remoteAddress: exchange.request.remoteAddress,
            userAgent: exchange.request.headers["user-agent"].map { String($0.prefix(256)) })
        guard waiting.add(1, ordering: .relaxed).newValue <= capacity else {
            waiting.subtract(1, ordering: .relaxed)
            dropped.add()
            return
        }
        let shard = UInt(bitPattern: pthread_self().hashValue) % UInt(shards.count)
        shards[Int(shard)].rows.withLock { $0.append(row) }
    }

    func start() throws {
        let thread = try ServiceThread(name: "access-log") { stop in
            var retry: [WadoAccessLogRow] = []
            while !stop.wait(milliseconds: 250) { self.flush(&retry) }
            self.flush(&retry)
            self.dropped.add(retry.count)
        }
        self.thread.withLock { $0 = thread }
    }

    /// Writes what is there and ends.
    func stop() {
        guard let thread = thread.withLock({ $0 }) else { return }
        thread.stop()
        thread.join()
        self.thread.withLock { $0 = nil }
    }

    /// - Parameter retry: rows that could not be written before; gets those that could not be now.
    private func flush(_ retry: inout [WadoAccessLogRow]) {
        // Taken as a whole: the lock is held for a moment, however many there are.
        var all: [WadoAccessLogRow] = []
        for shard in shards {
            var fresh: [WadoAccessLogRow] = []
            fresh.reserveCapacity(64)
            all += shard.rows.withLock { rows in
                swap(&rows, &fresh)
                return fresh
            }
        }
        for row in all { seconds.observe(Double(row.durationUs) * 1e-6) }
        all = retry + all
        retry = []
        var start = 0
        while start < all.count {
            var rows = LogRows()
            rows.access = Array(all[start..<min(start + Self.batch, all.count)])
            do {
                try store.append(rows)
                written.add(rows.access.count)
                start += rows.access.count
            } catch {
                // Once more at the next turn. They count as waiting, so that there is a bound.
                retry = Array(all[start...])
                logger.warning("access log not written", ["rows": .int(retry.count)])
                break
            }
        }
        waiting.subtract(start, ordering: .relaxed)
    }
}
