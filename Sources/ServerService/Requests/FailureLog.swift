internal import ServiceKit
import Synchronization

/// Writes down why requests failed. A database that is down fails each of them, so there is a limit.
final class FailureLog: Sendable {
    private struct Window {
        /// When it is over, in milliseconds.
        var end = 0
        var written = 0
        var leftOut = 0
    }

    private let logger: Logger
    private let window = Mutex(Window())
    /// Lines in ten seconds.
    private static let limit = 10

    init(_ logger: Logger) { self.logger = logger }

    func write(_ error: any Error, _ operation: Operation) {
        let leftOut: Int? = window.withLock { window in
            let now = MonotonicClock.milliseconds
            guard now < window.end, window.written >= Self.limit else {
                defer {
                    if now >= window.end { window = Window(end: now + 10_000) }
                    window.written += 1
                }
                return now < window.end ? 0 : window.leftOut
            }
            window.leftOut += 1
            return nil
        }
        guard let leftOut else { return }
        logger.error(
            "request failed",
            [
                "operation": .string(operation.name), "error": .string("\(error)"),
                "failures_not_shown": .int(leftOut),
            ])
    }
}
