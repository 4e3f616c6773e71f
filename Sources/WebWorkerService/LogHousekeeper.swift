public import Archive
internal import ArchiveSchema
public import ServiceKit

/// Keeps the log tables in order once a day, and at its start.
public final class LogHousekeeper: Sendable {
    private let keeper: any LogKeeper
    private let retention: LogRetention
    private let intervalMilliseconds: Int
    private let retryMilliseconds: Int
    private let logger: Logger
    private let dropped: Counter
    private let deleted: Counter
    private let failures: Counter
    private let thread = StoppableThread()

    /// - Parameters:
    ///   - intervalMilliseconds: from the end of a round to the next.
    ///   - retryMilliseconds: the same after a round that failed, or left something for later.
    public init(
        _ keeper: any LogKeeper, retention: LogRetention, intervalMilliseconds: Int = 86_400_000,
        retryMilliseconds: Int = 600_000, logger: Logger, metrics: MetricsRegistry
    ) {
        self.keeper = keeper
        self.retention = retention
        self.intervalMilliseconds = intervalMilliseconds
        self.retryMilliseconds = retryMilliseconds
        self.logger = logger
        dropped = metrics.counter(
            "wado_retention_partitions_dropped_total", help: "Months of log tables dropped because of their age.")
        deleted = metrics.counter(
            "wado_retention_rows_deleted_total", help: "Rows of log tables deleted because of their age.")
        failures = metrics.counter("wado_retention_failures_total", help: "Rounds of housekeeping that failed.")
    }

    /// - Throws: `ThreadError`. A database that is down now is waited for.
    public func start() throws {
        try thread.start(name: "housekeeping") { [self] stop in
            while !stop.isStopped { stop.wait(milliseconds: round() ? intervalMilliseconds : retryMilliseconds) }
        }
    }

    /// Ends after the round under way.
    public func stop() { thread.stop() }

    /// - Returns: false when it is to be tried again soon.
    private func round() -> Bool {
        do {
            guard let done = try keeper.keep(retention, now: .now) else { return true }
            dropped.add(done.droppedPartitions.count)
            deleted.add(done.deletedRows)
            for partition in done.droppedPartitions { logger.info("month dropped", ["table": .string(partition)]) }
            for partition in done.filledPartitions { logger.info("month made", ["table": .string(partition)]) }
            for partition in done.postponed { logger.warning("month is in use", ["table": .string(partition)]) }
            if done.deletedRows > 0 { logger.info("old rows deleted", ["rows": .int(done.deletedRows)]) }
            return done.postponed.isEmpty
        } catch {
            failures.add()
            logger.warning("log tables cannot be kept in order", ["error": .string("\(error)")])
            return false
        }
    }
}
