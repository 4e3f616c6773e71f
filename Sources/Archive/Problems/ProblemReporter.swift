public import ArchiveSchema
public import ServiceKit
internal import Synchronization

/// Publishes rows of `dicom_problem_meta` for a service that does not write them itself, by a thread of its own.
///
/// What is reported is in a journal, on stable storage, before `report` returns, and stays there until the bus has it.
/// Both are bounded: of one sender so many refusals an hour have rows, and beyond these, or when the journal is full
/// because the bus is down, a row of rule `InstanceProblems.furtherRule` says how many there were. What the journal's
/// disk does not take is kept in memory.
public final class ProblemReporter: Sendable {
    public struct Configuration: Sendable {
        /// Refusals of one sender (address) that have a row each, in an hour.
        public var refusalsPerHour = 2_000
        /// Of the journal: some 600 a row.
        public var journalBytes = 4 << 20
        /// Rows kept in memory while the journal fails.
        public var inMemory = 1_000

        public init() {}
    }

    /// Rows that come together share a sync: one of those who wait for it writes for all.
    private struct Arriving {
        var rows: [DicomProblemMetaRow] = []
        var last = 0
        var done = 0
        var isWriting = false
    }

    private let bus: any EventBus
    private let configuration: Configuration
    private let journal: ProblemJournal?
    private let logger: Logger
    private let reported: Counter
    private let dropped: Counter
    private let arriving = Monitor(Arriving())
    /// What the journal did not take; the publishing thread looks here.
    private let unwritten = Monitor<[DicomProblemMetaRow]>([])
    private let excess: Mutex<ExcessProblems>
    private let thread = StoppableThread()
    /// Rows of one publication.
    private static let batch = 500

    /// - Parameter journal: the path of its file, used by one process at a time; what an earlier one left there is published.
    public convenience init(
        bus: any EventBus, journal: String, configuration: Configuration = Configuration(), logger: Logger,
        metrics: MetricsRegistry
    ) {
        self.init(
            bus: bus, journal: journal, configuration: configuration, fileSystem: PosixFileSystem(), logger: logger,
            metrics: metrics)
    }

    package init(
        bus: any EventBus, journal path: String, configuration: Configuration, fileSystem: any FileSystem,
        logger: Logger, metrics: MetricsRegistry
    ) {
        self.bus = bus
        self.configuration = configuration
        self.logger = logger
        reported = metrics.counter("wado_problems_reported_total", help: "Problem rows taken by the event bus.")
        dropped = metrics.counter(
            "wado_problems_dropped_total", help: "Problem rows lost because neither journal nor event bus took them.")
        var excess = ExcessProblems(refusalsPerHour: configuration.refusalsPerHour)
        do throws(FileSystemError) {
            let journal = try ProblemJournal(path, bytes: configuration.journalBytes, fileSystem: fileSystem)
            excess.takeUp(try journal.placed())
            self.journal = journal
        } catch {
            journal = nil
            logger.error("the journal of problems cannot be used", ["error": .string(error.description)])
        }
        self.excess = Mutex(excess)
    }

    /// Returns when the rows are on stable storage, or counted.
    public func report(_ rows: [DicomProblemMetaRow]) {
        let kept = excess.withLock { excess in rows.filter { excess.admits($0) } }
        if kept.count < rows.count { saveExcess() }
        if kept.isEmpty { return }
        let ticket = arriving.withLock { arriving in
            arriving.rows += kept
            arriving.last += 1
            return arriving.last
        }
        let group = arriving.wait { arriving -> (rows: [DicomProblemMetaRow], last: Int)?? in
            if arriving.done >= ticket { return .some(nil) }
            if arriving.isWriting { return nil }
            arriving.isWriting = true
            defer { arriving.rows = [] }
            return (arriving.rows, arriving.last)
        }
        guard let (all, last) = group ?? nil else { return }
        keep(all)
        arriving.withLock { arriving in
            arriving.done = last
            arriving.isWriting = false
        }
    }

    private func keep(_ rows: [DicomProblemMetaRow]) {
        var rest = rows[...]
        do throws(FileSystemError) {
            if let journal {
                rest = rest.dropFirst(try journal.append(rows))
                // It has no room: the bus was down for long.
                excess.withLock { excess in for row in rest { excess.count(row) } }
                if !rest.isEmpty { saveExcess() }
                // Wakes the publishing thread.
                unwritten.withLock { _ in }
                return
            }
        } catch { logger.error("the journal of problems cannot be written", ["error": .string(error.description)]) }
        let taken = unwritten.withLock { unwritten in
            let taken = min(rest.count, max(0, configuration.inMemory - unwritten.count))
            unwritten += rest.prefix(taken)
            return taken
        }
        if taken < rest.count { dropped.add(rest.count - taken) }
    }

    /// Puts counts that changed into the journal.
    private func saveExcess() {
        excess.withLock { excess in
            for (place, row) in excess.takeUnsaved() { try? journal?.put(row, in: place) }
        }
    }

    // MARK: Publishing

    /// - Throws: `ThreadError`.
    public func start() throws {
        try thread.start(name: "problems") { [self] stop in run(stop) }
    }

    /// Tries once more to publish what waits, and ends. What is left is published after the next start.
    public func stop() {
        guard thread.stop() else { return }
        let lost = unwritten.withLock { unwritten in
            defer { unwritten = [] }
            return unwritten.count
        }
        if lost > 0 {
            dropped.add(lost)
            logger.warning("problems not published", ["rows": .int(lost)])
        }
    }

    private func run(_ stop: StopToken) {
        var producer: (any EventProducer)?
        defer { producer?.close() }
        var backOff = BackOff(first: 100, maximum: 5_000)
        while true {
            let isStopping = stop.isStopped
            do {
                let hadWork = try publishNext(isStopping: isStopping) {
                    let connected = try producer ?? bus.makeProducer()
                    producer = connected
                    return connected
                }
                backOff.reset()
                if hadWork { continue }
                if isStopping { return }
                _ = unwritten.wait(milliseconds: 250) { [journal] unwritten -> Bool? in
                    unwritten.isEmpty && journal?.pendingBytes ?? 0 == 0 ? nil : true
                }
            } catch {
                producer?.close()
                producer = nil
                let pause = backOff.next()
                if backOff.isNews {
                    logger.warning(
                        "problems cannot be published",
                        ["error": .string("\(error)"), "attempt": .int(backOff.attempts)])
                }
                if isStopping { return }
                stop.wait(milliseconds: pause)
            }
        }
    }

    /// Publishes some of what waits.
    /// - Returns: false when there was nothing to do now.
    package func publishNext(isStopping: Bool, producer: () throws -> any EventProducer) throws -> Bool {
        guard let (rows, done) = try next(isStopping: isStopping) else { return false }
        if !rows.isEmpty {
            try producer().publish(rows.map(\.message), to: .problem)
            reported.add(rows.count)
        }
        try done()
        return true
    }

    /// What is to be published, and what to do when it is; nil: nothing now.
    private func next(isStopping: Bool) throws -> (rows: [DicomProblemMetaRow], done: () throws -> Void)? {
        let unwritten = unwritten.withLock { Array($0.prefix(Self.batch)) }
        if !unwritten.isEmpty { return (unwritten, { self.unwritten.withLock { $0.removeFirst(unwritten.count) } }) }
        if let journal, journal.pendingBytes > 0 {
            let (rows, end) = try journal.first(Self.batch)
            return (rows, { try journal.remove(before: end) })
        }
        let now = MonotonicClock.milliseconds
        let counts = excess.withLock { $0.isDue(at: now) || isStopping ? $0.changed : [] }
        return counts.isEmpty ? nil : (counts, { self.excess.withLock { $0.published(counts, at: now) } })
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
