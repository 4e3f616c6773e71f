import Archive
import ArchiveSchema
import ConsumerService
import DICOMCore
import DICOMDictionary
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Synchronization
import TestSupport
import Testing

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct ConsumerProblemsTests {
    typealias Instance = ArchiveFixture.Instance

    @Test func oddValuesAreCountedAndTheRowIsThere() throws {
        let fixture = try ArchiveFixture()
        let instance = Instance(sop: "1.9.1")
        try fixture.file(instance) {
            $0.set(.patientSize, vr: .ds, bytes: Array("tall".utf8))
            $0.set(.studyDate, vr: .da, bytes: Array("yesterda".utf8))
        }
        try fixture.publish([fixture.event(instance)])
        let service = fixture.service()
        try service.start()
        try fixture.waitUntilDone()
        defer { service.stop() }
        #expect(service.status.columnProblems >= 2)
        #expect(try fixture.state().contains("\"study_date\": null"))
        #expect(try fixture.letters.count() == 0)
        let problems = try PostgresProblems(pool: fixture.pool).latest(ProblemFilter(), limit: 10)
        #expect(
            Set(problems.map { "\($0.severity) \($0.rule) \($0.tagPath) \($0.tableName).\($0.columnName)" }) == [
                "error not-a-number (0010,1020) dicom_state_meta.patient_size",
                "error not-a-date (0008,0020) dicom_state_meta.study_date",
                "error not-a-date (0008,0020) dicom_object_meta.study_date",
            ])
        #expect(problems.allSatisfy { $0.sopUID == "1.9.1" && $0.studyUID == "1.2.1" && $0.occasion == "" })
    }

    /// What it sees, what others saw, and that an instance which is well again has no open problem.
    @Test func problemsOfManyKinds() throws {
        let fixture = try ArchiveFixture()
        let problems = PostgresProblems(pool: fixture.pool)
        let service = fixture.service()
        try service.start()
        defer { service.stop() }
        func rules(of sop: String, state: String = "open") throws -> Set<String> {
            var filter = ProblemFilter()
            filter.includesCleared = true
            let rows = try problems.page(filter, after: nil, limit: 1_000)
            return Set(rows.filter { $0.sopUID == sop && $0.state == state }.map(\.rule))
        }
        let short = Instance(sop: "1.9.1")
        try fixture.file(short) {
            $0.set(.samplesPerPixel, 1)
            $0.set(.pixelData, vr: .ob, bytes: [1, 2])
        }
        let odd = Instance(sop: "1.9.2")
        try fixture.file(odd) {
            $0.set(.patientName, vr: .pn, bytes: [0x44, 0xF6, 0x65, 0x20])
            $0.set(.specificCharacterSet, vr: .cs, text: "ISO_IR 999")
        }
        let missing = Instance(sop: "1.9.3")
        let refused = Instance(sop: "1.9.4")
        try fixture.publish([short, odd, missing].map { fixture.event($0) })
        let subject = InstanceProblems.Subject(
            tenantID: "t1", sopUID: refused.sop, traceID: "t", workerNodeID: "n",
            createdTime: Timestamp(microsecondsSince1970: 1_600_000_000_000_000))
        var seen = InstanceProblems()
        seen.add("disk-full", .refused)
        let producer = try fixture.bus.makeProducer()
        try producer.publish(
            seen.rows(of: subject, by: "wado-storescp", seen: subject.createdTime).map(\.message), to: .problem)
        try eventually { try rules(of: refused.sop) == ["disk-full"] && fixture.letters.count() == 1 }
        try fixture.waitUntilDone()
        #expect(try rules(of: short.sop) == ["pixel-data-too-short"])
        #expect(try rules(of: odd.sop) == ["outside-character-set", "unknown-character-set"])
        #expect(try rules(of: missing.sop) == ["file-missing"])

        // All are well now.
        for instance in [short, odd, missing, refused] { try fixture.file(instance) }
        try fixture.publish([short, odd, refused].map { fixture.event($0, receivedAt: 1_700_000_100) })
        #expect(try fixture.letters.replay(reason: nil, limit: 10) == 1)
        try eventually { try problems.counts(ProblemFilter()).isEmpty }
        #expect(try rules(of: short.sop, state: "cleared") == ["pixel-data-too-short"])
        #expect(try rules(of: missing.sop, state: "cleared") == ["file-missing"])
        #expect(try rules(of: refused.sop, state: "cleared") == ["disk-full"])

    }

    /// Refusals and instances come by different roads. One that comes late is no longer news; one of an instance that
    /// was refused after it had been received is; wherever the rows of instances are.
    @Test(arguments: [false, true]) func refusalsThatComeLateAreCleared(_ hasTopicLogs: Bool) throws {
        let fixture = try ArchiveFixture()
        let producer = try fixture.bus.makeProducer()
        let published = Mutex<[DicomProblemMetaRow]>([])
        struct Rows: EventProducer {
            let take: @Sendable (DicomProblemMetaRow) -> Void
            func publish(_ messages: [Message], to topic: Topic) throws {
                if topic == .problem { for message in messages { take(try DicomProblemMetaRow(json: message.value)) } }
            }
            func close() {}
        }
        let rows = Rows { row in published.withLock { $0.append(row) } }
        let topics = TopicIngestStore(index: fixture.store, logs: TopicLogStore(producer: rows))
        let service = fixture.service(store: hasTopicLogs ? topics : nil)
        try service.start()
        defer { service.stop() }
        let instance = Instance(sop: "1.9.4")
        try fixture.file(instance)
        try fixture.publish([fixture.event(instance)])
        try fixture.waitUntilDone()
        var refusals: [DicomProblemMetaRow] = []
        for (rule, time) in [
            ("instance-too-large", Timestamp(microsecondsSince1970: 1_700_000_000_000_000)),
            ("other-data-set-stored", Timestamp(microsecondsSince1970: Timestamp.now.microsecondsSince1970 + 1)),
        ] {
            let subject = InstanceProblems.Subject(
                tenantID: "t1", studyUID: instance.study, seriesUID: instance.series, sopUID: instance.sop,
                traceID: "t", workerNodeID: "n", createdTime: time)
            var seen = InstanceProblems()
            seen.add(rule, .refused)
            refusals += seen.rows(of: subject, by: "wado-storescp", seen: time)
        }
        var filter = ProblemFilter()
        filter.includesCleared = true
        let problems = PostgresProblems(pool: fixture.pool)
        func states() throws -> [String] {
            try problems.page(filter, after: nil, limit: 10).map { "\($0.rule) \($0.state)" }
        }
        // As often as the bus likes.
        for _ in 0..<2 {
            try producer.publish(refusals.map(\.message), to: .problem)
            try eventually { try fixture.bus.lag(group: "dicom-consumer-group", topic: .problem) == 0 }
            #expect(try states() == ["instance-too-large cleared", "other-data-set-stored open"])
        }
        if hasTopicLogs {
            let all = published.withLock { $0 }
            #expect(!all.isEmpty && all.allSatisfy { $0.rule == "instance-too-large" && $0.state == "cleared" })
            #expect(all.allSatisfy { $0.updatedTime > refusals[0].updatedTime })
        }
    }

    /// A message of the problems' topic that is none.
    @Test func aProblemThatCannotBeReadIsADeadLetter() throws {
        let fixture = try ArchiveFixture()
        try fixture.bus.makeProducer().publish([Message(key: "k", value: Array("{}".utf8))], to: .problem)
        let service = fixture.service()
        try service.start()
        defer { service.stop() }
        try eventually { try fixture.letters.count() == 1 }
        #expect(try fixture.letters.list(limit: 1).first?.message.topic == .problem)
    }

    /// What fails again is the problem that it was, seen later; what fails otherwise is another one, and the first is over;
    /// whether or not the message tells of which instance it is.
    @Test func aMessageThatIsReplayedIsNoSecondProblem() throws {
        let fixture = try ArchiveFixture()
        let problems = PostgresProblems(pool: fixture.pool)
        let service = fixture.service()
        try service.start()
        defer { service.stop() }
        let missing = Instance(sop: "1.9.1")
        try fixture.publish([fixture.event(missing), Message(key: "k", value: Array("{}".utf8))])
        try fixture.bus.makeProducer().publish([Message(key: "k", value: Array("[]".utf8))], to: .problem)
        func places() throws -> Set<String> { Set(try fixture.letters.list(limit: 10).map { "\($0.message.offset)" }) }
        func open() throws -> [String: Timestamp] {
            let rows = try problems.page(ProblemFilter(), after: nil, limit: 10)
            return Dictionary(
                uniqueKeysWithValues: rows.map { ("\($0.rule) \($0.sopUID) \($0.occasion)", $0.updatedTime) })
        }
        try eventually { try fixture.letters.count() == 3 }
        let before = try open()
        #expect(before.count == 3)

        #expect(try fixture.letters.replay(reason: nil, limit: 10) == 3)
        try eventually { try fixture.letters.count() == 3 && open().count == 3 }
        try eventually { try fixture.bus.lag(group: "dicom-consumer-group", topic: .problem) == 0 }
        let after = try open()
        #expect(Set(after.keys) == Set(before.keys))
        for (problem, time) in before { #expect(try #require(after[problem]) > time) }

        try fixture.put([1, 2, 3], at: try #require(missing.identity))
        #expect(try fixture.letters.replay(reason: "file_missing", limit: 10) == 1)
        try eventually { try fixture.letters.counts()["file_unreadable"] == 1 && open().count == 3 }
        try eventually { try fixture.bus.lag(group: "dicom-consumer-group", topic: .problem) == 0 }
        #expect(try Set(open().keys).subtracting(before.keys) == ["file-unreadable \(missing.sop) "])
    }

    /// An instance with very many problems has a bounded number of rows, and one that says how many more.
    @Test func theProblemsOfAnInstanceAreBounded() throws {
        let fixture = try ArchiveFixture()
        let instance = Instance(sop: "1.9.1")
        try fixture.file(instance) {
            $0.set(.patientSize, vr: .ds, bytes: Array("tall".utf8))
            for element in 0..<2_000 {
                $0.set(Tag(group: 0x0019, element: UInt16(0x1000 + element)), vr: .lo, bytes: [0x41, 0x20, 0x41])
            }
        }
        var bytes = try [UInt8](Data(contentsOf: fixture.url(of: instance)))
        // The builder pads; a writer that does not has odd lengths.
        var position = 0
        while position + 12 <= bytes.count {
            if bytes[position] == 0x19, bytes[position + 1] == 0, bytes[position + 4] == 0x4C {
                bytes[position + 6] = 3
                bytes.remove(at: position + 11)
                position += 11
            } else {
                position += 1
            }
        }
        try fixture.put(bytes, at: try #require(instance.identity))
        try fixture.publish([fixture.event(instance)])
        let service = fixture.service()
        try service.start()
        defer { service.stop() }
        try fixture.waitUntilDone()
        let problems = try PostgresProblems(pool: fixture.pool).latest(ProblemFilter(), limit: 10_000)
        #expect(problems.count <= InstanceProblems.limit + 1)
        #expect(problems.contains { $0.rule == "not-a-number" })
        #expect(problems.filter { $0.rule == "odd-length" }.count == 32)
        #expect(problems.first { $0.rule == "more-problems" }?.occurrences == Int64(1_968))
    }
}
