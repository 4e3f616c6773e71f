internal import HTTPServer
internal import ServiceKit
import Synchronization

/// Counts of requests, by what was asked for and how it went. No lock is taken after the first of a kind.
final class RequestFigures: Sendable {
    private final class Cell: Sendable {
        let count = Atomic(0)
        let isRegistered = Atomic(false)
    }

    private let metrics: MetricsRegistry
    private let bytes: Counter
    private let messages: Counter
    /// By operation, and in it by outcome.
    private let cells: [Cell]
    private static let outcomes = [
        200, 204, 304, 400, 404, 405, 406, 413, 500, 501, 503,
    ]
    private static let width = outcomes.count + 2

    init(_ metrics: MetricsRegistry) {
        self.metrics = metrics
        bytes = metrics.counter("wado_http_sent_bytes_total", help: "Bytes of answers' bodies")
        messages = metrics.counter("wado_http_library_messages_total", help: "Complaints of the HTTP library")
        cells = (0..<Operation.allCases.count * Self.width).map { _ in Cell() }
    }

    func observe(_ exchange: HTTPExchange, _ operation: Operation) {
        bytes.add(max(0, exchange.sentBytes))
        let outcome =
            exchange.isComplete
            ? Self.outcomes.firstIndex(of: exchange.status) ?? Self.outcomes.count : Self.width - 1
        let cell = cells[operation.rawValue * Self.width + outcome]
        cell.count.add(1, ordering: .relaxed)
        guard !cell.isRegistered.load(ordering: .relaxed),
            !cell.isRegistered.exchange(true, ordering: .acquiringAndReleasing)
        else { return }
        let status =
            outcome < Self.outcomes.count ? "\(exchange.status)" : outcome == Self.width - 1 ? "broken" : "other"
        metrics.counter(
            "wado_http_requests_total", help: "Requests by operation and status; 'broken': the peer went away",
            labels: ["operation": operation.name, "status": status]
        ) { Double(cell.count.load(ordering: .relaxed)) }
    }

    func addLibraryMessage() { messages.add() }
}
