internal import Archive
internal import ArchiveSchema
internal import HTTPServer
internal import ServiceKit
import Synchronization

/// What a response remembers for the access log.
struct AccessNote: Sendable {
    var operation: StaticString
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
    private let rows = Mutex<[WadoAccessLogRow]>([])
    private let dropped: Counter
    private let written: Counter
    private let thread = Mutex<ServiceThread?>(nil)
    private static let batch = 2_000

    init(store: any LogStore, capacity: Int, node: String, logger: Logger, metrics: MetricsRegistry) {
        self.store = store
        self.capacity = capacity
        self.node = node
        self.logger = logger
        dropped = metrics.counter(
            "wado_access_log_dropped_total", help: "Access log rows lost because the store was slow or down")
        written = metrics.counter("wado_access_log_rows_total", help: "Access log rows written")
    }

    func append(_ exchange: HTTPExchange, _ note: AccessNote) {
        guard capacity > 0 else { return }
        let micros = WallClock.microseconds - Int64(clamping: exchange.nanoseconds / 1_000)
        let row = WadoAccessLogRow(
            tenantID: note.tenant, requestTime: Timestamp(microsecondsSince1970: micros),
            traceID: TraceID.make(microseconds: micros), workerNodeID: node,
            method: String(exchange.request.method.prefix(16)), operation: note.operation.description,
            path: String(exchange.request.path.prefix(1_024)), studyUID: note.study, seriesUID: note.series,
            sopUID: note.instance, status: Int32(clamping: exchange.status),
            bytesSent: Int64(exchange.sentBytes), durationUs: Int64(clamping: exchange.nanoseconds / 1_000),
            remoteAddress: exchange.request.remoteAddress,
            userAgent: exchange.request.headers["user-agent"].map { String($0.prefix(256)) })
        let isDropped = rows.withLock { rows in
            guard rows.count < capacity else { return true }
            rows.append(row)
            return false
        }
        if isDropped { dropped.add() }
    }

    func start() throws {
        let thread = try ServiceThread(name: "access-log") { stop in
            while !stop.wait(milliseconds: 250) { self.flush() }
            self.flush()
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

    private func flush() {
        while true {
            let batch = rows.withLock { rows in
                let batch = Array(rows.prefix(Self.batch))
                rows.removeFirst(batch.count)
                return batch
            }
            guard !batch.isEmpty else { return }
            var rows = LogRows()
            rows.access = batch
            do {
                try store.append(rows)
                written.add(batch.count)
            } catch {
                // Once more at the next turn, if there is room.
                let lost = self.rows.withLock { waiting in
                    let room = max(0, capacity - waiting.count)
                    waiting.insert(contentsOf: batch.suffix(room), at: 0)
                    return batch.count - min(room, batch.count)
                }
                dropped.add(lost)
                logger.warning("access log not written", ["rows": .int(batch.count), "lost": .int(lost)])
                return
            }
        }
    }
}
