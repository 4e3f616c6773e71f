import Archive
import ArchiveSchema
import Foundation
import ServiceKit
import Synchronization
import Testing

/// What is reported reaches the bus, whatever happens in between; and nobody can report so much that it harms others.
struct ProblemReporterTests {
    private final class Bus: EventBus, EventProducer {
        struct Down: Error {}
        let isDown = Mutex(true)
        let published = Monitor<[DicomProblemMetaRow]>([])

        func makeProducer() throws -> any EventProducer { self }
        func makeConsumer(group: String, topics: [Topic]) throws -> any EventConsumer { throw Down() }
        func lag(group: String, topic: Topic) throws -> Int64 { 0 }
        func publish(_ messages: [Message], to topic: Topic) throws {
            if isDown.withLock({ $0 }) || topic != .problem { throw Down() }
            let rows = try messages.map { try DicomProblemMetaRow(json: $0.value) }
            published.withLock { $0 += rows }
        }
        func close() {}

        /// The last row of each key, as a table would have them.
        var table: [String: DicomProblemMetaRow] {
            Dictionary(published.current.map { ($0.sopUID + $0.occasion + $0.rule, $0) }) { $1 }
        }
    }

    /// Of an instance of its own.
    private static func row(
        _ number: Int, _ severity: ProblemSeverity = .refused, sender: String = "10.0.0.1", at time: Int64 = 1_000
    ) -> DicomProblemMetaRow {
        let moment = Timestamp(microsecondsSince1970: time)
        let subject = InstanceProblems.Subject(
            tenantID: "t1", sopUID: "1.2.\(number)", traceID: "trace-\(number)", sourceIP: sender, sourceAE: "CT1",
            workerNodeID: "n", createdTime: moment)
        var problems = InstanceProblems()
        problems.add("disk-full", severity, detail: "status 0xA700: not enough disk space")
        return problems.rows(of: subject, by: "test", seen: moment)[0]
    }

    private static func reporter(
        _ system: PowerCutFileSystem, _ bus: Bus = Bus(), _ metrics: MetricsRegistry = MetricsRegistry(),
        bytes: Int = 8_192, refusalsPerHour: Int = 1_000_000, inMemory: Int = 10
    ) -> ProblemReporter {
        var configuration = ProblemReporter.Configuration()
        configuration.journalBytes = bytes
        configuration.refusalsPerHour = refusalsPerHour
        configuration.inMemory = inMemory
        return ProblemReporter(
            bus: bus, journal: "/store/problems", configuration: configuration, fileSystem: system, logger: .silent,
            metrics: metrics)
    }

    /// Publishes all that waits.
    private static func drain(_ reporter: ProblemReporter, _ bus: Bus) throws {
        bus.isDown.withLock { $0 = false }
        for _ in 0..<10_000 {
            guard try reporter.publishNext(isStopping: true, producer: { bus }) else { return }
        }
        Issue.record("what waits never ends")
    }

    @Test func whatWasReportedSurvivesAKill() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "wado-problems-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func reporter(_ bus: Bus) -> ProblemReporter {
            ProblemReporter(
                bus: bus, journal: folder.appending(path: "problems").path, logger: .silent, metrics: MetricsRegistry())
        }
        let rows = (0..<700).map { Self.row($0, $0 % 2 == 0 ? .refused : .error) }
        let down = Bus()
        // Never stopped: as if it had been killed.
        let killed = reporter(down)
        try killed.start()
        for row in rows { killed.report([row]) }
        let bus = Bus()
        bus.isDown.withLock { $0 = false }
        let next = reporter(bus)
        try next.start()
        defer { next.stop() }
        let published = bus.published.wait(milliseconds: 20_000) { $0.count >= 700 ? $0 : nil }
        #expect(published == rows)
        next.stop()
        // Once only: a third one finds nothing.
        let idle = Bus()
        try Self.drain(reporter(idle), idle)
        #expect(idle.published.current.isEmpty)
        killed.stop()
    }

    /// The power goes before every operation in turn, and once more while the next process is at it.
    @Test(arguments: [true, false]) func whatWasReportedSurvivesEveryCrash(_ isPowerCut: Bool) throws {
        var random = SeededRandom(state: 11)
        var crashes = 0
        var isComplete = false
        while !isComplete, crashes < 1_000 {
            crashes += 1
            let bus = Bus()
            bus.isDown.withLock { $0 = false }
            var system = PowerCutFileSystem()
            var reported: [DicomProblemMetaRow] = []
            var cut = crashes
            for pass in 0..<3 {
                system.disk.withLock { $0.cut = cut }
                let reporter = Self.reporter(system, bus, inMemory: 0)
                for number in 0..<30 {
                    let row = Self.row(reported.count + number * 1_000)
                    reporter.report([row])
                    if system.disk.withLock({ $0.isDead }) { break }
                    reported.append(row)
                    if number % 4 == 3 { _ = try? reporter.publishNext(isStopping: false, producer: { bus }) }
                }
                if pass == 0 { isComplete = !system.disk.withLock { $0.isDead } }
                system = PowerCutFileSystem(system.afterCrash(powerCut: isPowerCut, &random))
                cut = Int.random(in: 1...20, using: &random) + system.disk.withLock { $0.operations }
            }
            try Self.drain(Self.reporter(system, bus), bus)
            #expect(Set(bus.published.current).isSuperset(of: reported), "crash \(crashes)")
            // What was not answered may be there too, and nothing else.
            #expect(bus.published.current.allSatisfy { $0.rule == "disk-full" && $0.sourceAE == "CT1" })
        }
        #expect(isComplete && crashes > 20)
    }

    /// Far more than fits, by many at a time, of senders that have their share and one that takes all it can get: every
    /// one is a row or is counted, also by the next process.
    @Test func manyRefusalsAreCounted() throws {
        let system = PowerCutFileSystem()
        let bus = Bus()
        let metrics = MetricsRegistry()
        let reporter = Self.reporter(system, bus, metrics, bytes: 100_000, refusalsPerHour: 50)
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for number in 0..<500 { reporter.report([Self.row(thread * 1_000 + number)]) }
        }
        for number in 0..<20 { reporter.report([Self.row(10_000 + number, sender: "10.0.0.2")]) }
        for number in 0..<30 { reporter.report([Self.row(20_000 + number, .error)]) }
        let size = system.disk.withLock { disk in disk.inodes.map(\.content.count).reduce(0, +) }
        // As after a kill.
        let next = Self.reporter(system, bus, bytes: 100_000, refusalsPerHour: 50)
        try Self.drain(next, bus)
        #expect(system.disk.withLock { disk in disk.inodes.map(\.content.count).reduce(0, +) } == size)
        let table = bus.table.values
        let single = table.filter { $0.rule == "disk-full" }
        #expect(single.count { $0.sourceIP == "10.0.0.1" && $0.severity == "refused" } == 50)
        #expect(single.count { $0.sourceIP == "10.0.0.2" } == 20)
        #expect(single.count { $0.severity == "error" } == 30)
        let further = table.filter { $0.rule == InstanceProblems.furtherRule }
        #expect(further.map(\.occurrences) == [3_950])
        let row = try #require(further.first)
        #expect(
            row.sourceIP == "10.0.0.1" && row.sourceAE == "CT1" && row.tenantID == "t1" && row.severity == "refused")
        #expect(row.sopUID == "" && row.occasion.hasPrefix("trace-"))

        // An hour later everything may be said again, and is counted anew.
        for number in 0..<60 { next.report([Self.row(30_000 + number, at: 3_600_001_000)]) }
        try Self.drain(next, bus)
        #expect(bus.table.values.count { $0.rule == "disk-full" && $0.sourceIP == "10.0.0.1" } == 130)
        #expect(
            bus.table.values.filter { $0.rule == InstanceProblems.furtherRule }.map(\.occurrences).sorted() == [
                10, 3_950,
            ])
    }

    /// More senders than are told apart: all are counted.
    @Test func manySendersAreCounted() throws {
        let bus = Bus()
        let reporter = Self.reporter(PowerCutFileSystem(), bus, refusalsPerHour: 0)
        for number in 0..<3_000 { reporter.report([Self.row(number, sender: "10.0.\(number / 250).\(number % 250)")]) }
        try Self.drain(reporter, bus)
        let rows = bus.table.values
        #expect(rows.count == 16 && rows.map(\.occurrences).reduce(0, +) == 3_000)
        #expect(rows.contains { $0.sourceIP == nil && $0.tenantID == "" && $0.occurrences == 2_985 })
    }

    /// The bus is down until the journal is full; then it takes all, and the journal is as good as new.
    @Test func aFullJournalCounts() throws {
        let system = PowerCutFileSystem()
        let bus = Bus()
        let reporter = Self.reporter(system, bus)
        for round in 0..<3 {
            let first = round * 1_000
            for number in first..<first + 100 { reporter.report([Self.row(number, .error)]) }
            let before = bus.table.count
            try Self.drain(reporter, bus)
            let kept = bus.table.values.count { $0.rule == "disk-full" }
            #expect(kept - before >= 5 && bus.table.count > before)
            let counted = bus.table.values.filter { $0.rule != "disk-full" }.map(\.occurrences).reduce(0, +)
            #expect(kept + Int(counted) == 100 * (round + 1))
            #expect(bus.table.values.filter { $0.rule != "disk-full" }.allSatisfy { $0.severity == "error" })
        }
    }

    /// A disk that takes nothing: what is reported is in memory, within a bound.
    @Test func whatTheDiskDoesNotTakeIsKeptInMemory() throws {
        let system = PowerCutFileSystem()
        system.disk.withLock { $0.capacity = 100 }
        let bus = Bus()
        let metrics = MetricsRegistry()
        let reporter = Self.reporter(system, bus, metrics)
        let rows = (0..<25).map { Self.row($0) }
        for row in rows { reporter.report([row]) }
        try Self.drain(reporter, bus)
        #expect(bus.published.current == Array(rows[..<10]))
        reporter.report([rows[24]])
        try reporter.start()
        reporter.stop()
        #expect(bus.published.current.last == rows[24])
        bus.isDown.withLock { $0 = true }
        try reporter.start()
        reporter.report(Array(rows[..<7]))
        reporter.stop()
        let text = String(decoding: metrics.text(), as: UTF8.self)
        #expect(text.contains("wado_problems_dropped_total 22"))
    }
}
