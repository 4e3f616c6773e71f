import Archive
import ArchiveSchema
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Synchronization
import TestSupport
import Testing

/// Rows of the index that other stores follow.
@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct SeriesWriterTests {
    private let pool: PostgresPool
    private let store: PostgresIngestStore

    init() throws {
        pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 6)
        store = PostgresIngestStore(pool: pool)
    }

    private struct Key: Hashable {
        var study: String
        var series: String
    }

    /// What a store that keeps the greatest `updated_time` of each key ends with.
    private struct Follower: Sendable {
        var rows: [Key: DicomStateMetaRow] = [:]
        var contradictions = 0

        mutating func take(_ row: DicomStateMetaRow) {
            let key = Key(study: row.studyUID, series: row.seriesUID)
            guard let old = rows[key] else {
                rows[key] = row
                return
            }
            if row.updatedTime == old.updatedTime, row != old { contradictions += 1 }
            if row.updatedTime >= old.updatedTime { rows[key] = row }
        }
    }

    private func row(_ series: Int, sop: Int, time: Int64) -> DicomStateMetaRow {
        var row = DicomStateMetaRow(
            tenantID: "t1", studyUID: "1.2", seriesUID: "1.3.\(series)", studyUIDHash: SeaHash.decimal("1.2"),
            seriesUIDHash: SeaHash.decimal("1.3.\(series)"), representativeSOPUID: "1.4.\(sop)",
            createdTime: Timestamp(microsecondsSince1970: 1_700_000_000_000_000 + time),
            updatedTime: Timestamp(microsecondsSince1970: 1_700_000_000_000_000 + time))
        row.patientName = "Müller^Jürgen"
        row.patientBirthDate = CalendarDate(year: 1, month: 1, day: 1)
        row.studyTime = ClockTime("10:20:30.5")
        row.patientSize = 0.1
        row.seriesDescription = "sop \(sop) \"quoted\" \\ at \(time)"
        return row
    }

    private func batch(_ rows: [DicomStateMetaRow], count: Int) -> IngestBatch {
        var batch = IngestBatch()
        batch.series = rows.map { SeriesUpdate(state: $0, instanceCount: count) }
        return batch
    }

    private func stored() throws -> Set<DicomStateMetaRow> {
        // A batch of nothing new reads them.
        let seen = try store.writeSeries(batch((0..<5).map { row($0, sop: 999_999, time: 1_000_000) }, count: 0)).rows
        return Set(seen)
    }

    @Test func aRowComesBackAsItWasWritten() throws {
        var written = row(0, sop: 1, time: 5)
        let first = try store.writeSeries(batch([written], count: 3)).rows
        written.seriesRelatedInstances = 3
        #expect(first == [written])
        // Nothing changed: it comes all the same, and is the same.
        #expect(try store.writeSeries(batch([written], count: 3)).rows == [written])
        #expect(try store.writeSeries(IngestBatch()).rows == [])
    }

    /// Four writers, in every order, with times that run backwards: in whatever order their rows arrive, however often,
    /// the follower ends with what the index has.
    @Test func followersConvergeWhateverTheOrder() throws {
        let published = Mutex<[DicomStateMetaRow]>([])
        let failures = Mutex<[String]>([])
        let finished = Mutex(0)
        let threads = (0..<4).map { _ in
            Thread {
                var random = SystemRandomNumberGenerator()
                do {
                    for _ in 0..<40 {
                        let rows = (0..<5).shuffled(using: &random).prefix(3).map {
                            row(
                                $0, sop: Int.random(in: 100..<130, using: &random),
                                time: Int64.random(in: 0..<50, using: &random))
                        }
                        let seen = try store.writeSeries(batch(Array(rows), count: Int.random(in: 1..<50))).rows
                        published.withLock { $0 += seen }
                    }
                } catch { failures.withLock { $0.append("\(error)") } }
                finished.withLock { $0 += 1 }
            }
        }
        for thread in threads { thread.start() }
        try eventually { finished.withLock { $0 == 4 } }
        #expect(failures.withLock { $0 } == [])
        let truth = try stored()
        let all = published.withLock { $0 }
        #expect(all.count == 4 * 40 * 3)
        for _ in 0..<5 {
            var follower = Follower()
            for row in (all + all.prefix(100)).shuffled() { follower.take(row) }
            #expect(follower.contradictions == 0)
            #expect(Set(follower.rows.values) == truth)
        }
    }

    /// The count that the webworker sets is a change too; a series whose row could not be published stays in the queue.
    @Test func countsArePublishedBeforeASeriesLeavesTheQueue() throws {
        struct Down: Error {}
        let published = Mutex<[DicomStateMetaRow]>([])
        let isDown = Mutex(true)
        let queue = PostgresCompactionQueue(pool: pool) { rows in
            if isDown.withLock({ $0 }) { throw Down() }
            published.withLock { $0 += rows }
        }
        let before = try store.writeSeries(batch([row(1, sop: 1, time: 1)], count: 9)).rows
        #expect(throws: Down.self) {
            _ = try queue.take(limit: 10, idleMicroseconds: 0) { _ in [.done(instanceCount: 7)] }
        }
        #expect(try queue.waiting() == 1)
        isDown.withLock { $0 = false }
        // It comes again after a while; here at once.
        _ = try pool.withConnection { connection throws(PostgresError) in
            try connection.run("UPDATE dicom_json_meta SET flag_time = clock_timestamp()", operation: "test")
        }
        #expect(try queue.take(limit: 10, idleMicroseconds: 0) { _ in [.done(instanceCount: 7)] } == 1)
        #expect(try queue.waiting() == 0)
        let row = try #require(published.withLock { $0.first })
        #expect(row.seriesRelatedInstances == 7)
        #expect(row.updatedTime > before[0].updatedTime)
    }

    /// A batch whose rows could not be published is written again: it says once more what it has cleared, as it was.
    @Test func clearedProblemsAreToldUntilTheBatchIsDone() throws {
        func time(_ microseconds: Int64) -> Timestamp { Timestamp(microsecondsSince1970: microseconds) }
        func batch(at received: Int64, sop: String = "1.4") -> IngestBatch {
            var batch = IngestBatch()
            batch.logs.objects = [
                DicomObjectMetaRow(
                    tenantID: "t1", studyUID: "1.2", seriesUID: "1.3", sopUID: sop, fileSize: 1, filePath: "f",
                    transferSyntaxUID: "1.2.840.10008.1.2", createdTime: time(received), seriesUIDHash: "3",
                    studyUIDHash: "2", transferStatus: "NoNeedTransfer", traceID: "trace", workerNodeID: "n")
            ]
            return batch
        }
        var first = batch(at: 10)
        first.logs.problems = ["not-a-date", "odd-length"].map { rule in
            DicomProblemMetaRow(
                tenantID: "t1", studyUID: "1.2", seriesUID: "1.3", sopUID: "1.4", occasion: "", rule: rule,
                tagPath: "(0008,0020)", tableName: "", columnName: "", severity: "error", program: "p",
                programVersion: "1", traceID: "trace", workerNodeID: "n", createdTime: time(10), updatedTime: time(10))
        }
        #expect(try store.writeSeries(first).clearedProblems == [])
        #expect(try store.writeSeries(first).clearedProblems == [])
        var second = batch(at: 20)
        second.logs.problems = [first.logs.problems[0]]
        let cleared = try store.writeSeries(second).clearedProblems
        #expect(cleared.map(\.rule) == ["odd-length"] && cleared.map(\.state) == ["cleared"])
        #expect(cleared.allSatisfy { $0.updatedTime > time(10) })
        #expect(try store.writeSeries(second).clearedProblems == cleared)
        #expect(try store.writeSeries(batch(at: 30, sop: "1.5")).clearedProblems == [])
    }

    /// So is the count that is set when index and files are compared.
    @Test func aCountThatIsMendedComesWithItsRow() throws {
        let before = try store.writeSeries(batch([row(1, sop: 1, time: 1)], count: 9)).rows
        let series = SeriesIdentity(tenantID: "t1", studyUID: "1.2", seriesUID: "1.3.1")
        let after = try IndexInventory(pool: pool).setCount(of: series) { 4 }
        #expect(after.map(\.seriesRelatedInstances) == [4])
        #expect(after[0].updatedTime > before[0].updatedTime)
        #expect(try store.writeSeries(batch([row(1, sop: 1, time: 1)], count: 0)).rows == after)
        let other = SeriesIdentity(tenantID: "t1", studyUID: "1.2", seriesUID: "1.3.9")
        #expect(try IndexInventory(pool: pool).setCount(of: other) { 4 } == [])
    }

    @Test func deadLettersAreReplayedToTheBusThatIsInUse() throws {
        final class Producer: EventProducer {
            struct Down: Error {}
            let messages = Mutex<[Topic: [[UInt8]]]>([:])
            let isDown = Mutex(true)
            func publish(_ messages: [Message], to topic: Topic) throws {
                if isDown.withLock({ $0 }) { throw Down() }
                self.messages.withLock { $0[topic, default: []] += messages.map(\.value) }
            }
            func close() {}
        }
        let producer = Producer()
        let letters = PostgresDeadLetters(pool: pool, producer: producer)
        var batch = IngestBatch()
        // Two buses may give the same offset to different messages.
        for value in [UInt8(1), 2, 1] {
            let message = ReceivedMessage(
                topic: .storage, partition: 0, offset: 7, message: Message(key: "k", value: [value]))
            let letter = DeadLetter(message: message, reason: "a", detail: "")
            batch.deadLetters.append(letter)
            batch.logs.problems += letter.problems(by: "p", node: "n")
        }
        try store.write(batch)
        #expect(try letters.count() == 2)
        #expect(throws: (any Error).self) { try letters.replay(reason: nil, limit: 10) }
        #expect(try letters.count() == 2)
        producer.isDown.withLock { $0 = false }
        #expect(try letters.replay(reason: nil, limit: 10) == 2)
        #expect(try letters.count() == 0)
        let published = producer.messages.withLock { $0 }
        #expect(published[.storage]?.sorted { $0[0] < $1[0] } == [[1], [2]])
        // With them what clears their problems, wherever those are listed.
        let cleared = try (published[.problem] ?? []).map { try DicomProblemMetaRow(json: $0) }
        let open = Dictionary(grouping: batch.logs.problems, by: \.occasion).compactMapValues {
            $0.map(\.updatedTime).max()
        }
        #expect(cleared.count == 2 && Set(cleared.map(\.occasion)) == Set(open.keys))
        for row in cleared {
            #expect(row.state == "cleared" && row.updatedTime > open[row.occasion] ?? row.updatedTime)
        }
    }
}
