public import ArchiveSchema
public import ServiceKit

/// Publishes rows of `dicom_problem_meta` for a service that does not write them itself, by a thread of its own: who
/// reports never waits, and never fails. While the bus is down they are kept, up to a bound, and then the newest are
/// dropped and counted.
public final class ProblemReporter: Sendable {
    private let bus: any EventBus
    private let capacity: Int
    private let logger: Logger
    private let reported: Counter
    private let dropped: Counter
    private let waiting = Monitor<[DicomProblemMetaRow]>([])
    private let thread = Monitor<ServiceThread?>(nil)
    /// Rows of one publication.
    private static let batch = 500

    /// - Parameter capacity: rows kept at most.
    public init(bus: any EventBus, capacity: Int = 10_000, logger: Logger, metrics: MetricsRegistry) {
        self.bus = bus
        self.capacity = capacity
        self.logger = logger
        reported = metrics.counter("wado_problems_reported_total", help: "Problem rows taken by the event bus.")
        dropped = metrics.counter(
            "wado_problems_dropped_total", help: "Problem rows lost because the event bus was down for too long.")
    }

    /// Rows that wait for the bus.
    public var pending: Int { waiting.current.count }

    public func report(_ rows: [DicomProblemMetaRow]) {
        if rows.isEmpty { return }
        let taken = waiting.withLock { waiting in
            let taken = min(rows.count, max(0, capacity - waiting.count))
            waiting += rows.prefix(taken)
            return taken
        }
        if taken < rows.count { dropped.add(rows.count - taken) }
    }

    /// - Throws: `ThreadError`.
    public func start() throws {
        let thread = try ServiceThread(name: "problems") { [self] stop in run(stop) }
        self.thread.withLock { $0 = thread }
    }

    /// Tries once more to publish what waits, and ends.
    public func stop() {
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let thread else { return }
        thread.stop()
        thread.join()
        let lost = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting.count
        }
        if lost > 0 {
            dropped.add(lost)
            logger.warning("problems not published", ["rows": .int(lost)])
        }
    }

    private func run(_ stop: StopToken) {
        var producer: (any EventProducer)?
        defer { producer?.close() }
        var failures = 0
        while true {
            let isStopping = stop.isStopped
            let rows = waiting.wait(milliseconds: isStopping ? 0 : 250) {
                $0.isEmpty ? nil : Array($0.prefix(Self.batch))
            }
            guard let rows else {
                if isStopping { return }
                continue
            }
            do {
                let connected = try producer ?? bus.makeProducer()
                producer = connected
                try connected.publish(rows.map(\.message), to: .problem)
                waiting.withLock { $0.removeFirst(rows.count) }
                reported.add(rows.count)
                failures = 0
            } catch {
                producer?.close()
                producer = nil
                failures += 1
                if failures <= 6 || failures % 20 == 0 {
                    logger.warning(
                        "problems cannot be published", ["error": .string("\(error)"), "attempt": .int(failures)])
                }
                if isStopping { return }
                stop.wait(milliseconds: min(5_000, 100 << min(failures - 1, 6)))
            }
        }
    }
}

extension DicomProblemMetaRow {
    /// Rows of one problem keep their order: they have the same key.
    public var message: Message {
        var json: [UInt8] = []
        encodeJSON(into: &json)
        return Message(key: SeaHash.decimal(studyUID.isEmpty ? sopUID + occasion : studyUID), value: json)
    }
}
