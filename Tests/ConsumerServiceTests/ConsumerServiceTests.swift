import Archive
import ArchiveSchema
import ConsumerService
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Synchronization
import TestSupport
import Testing

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct ConsumerServiceTests {
    private typealias Instance = ArchiveFixture.Instance

    /// Some studies with some series each.
    private static func instances(_ count: Int) -> [Instance] {
        (0..<count).map { number in
            let study = "1.2.\(number % 3)"
            return Instance(
                study: study, series: "\(study).\(number % 2)", sop: "1.9.\(number)", description: "d\(number)")
        }
    }

    @Test func anInstanceBecomesARowMetadataAndLogs() throws {
        let fixture = try ArchiveFixture()
        let instance = Instance(sop: "1.9.1")
        try fixture.file(instance)
        try fixture.publish([fixture.event(instance)])
        let service = fixture.service()
        try service.start()
        try fixture.waitUntilDone()
        #expect(service.status.instances == 1 && service.status.isRunning)
        service.stop()
        #expect(!service.status.isRunning)

        let series = SeriesIdentity(tenantID: "t1", studyUID: "1.2.1", seriesUID: "1.2.1.1")
        #expect(
            try fixture.index.series(ofStudy: "1.2.1", tenantID: "t1")
                == [SeriesEntry(series: series, modality: "CT", instanceCount: 1)])
        let json = try #require(try fixture.metadata.instance("1.9.1", of: series))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json)) as? [String: NSDictionary])
        #expect(object["00100010"] == ["vr": "PN", "Value": [["Alphabetic": "Doe^Jane"]]])
        #expect(
            object["7FE00010"]?["BulkDataURI"] as? String
                == "/dicom-web/studies/1.2.1/series/1.2.1.1/instances/1.9.1/bulkdata/7FE00010")
        let state = try fixture.state()
        #expect(state.contains("\"trace_id\": \"trace-1.9.1-1700000000\""))
        #expect(state.split(separator: "\n").count == 4)
        #expect(try fixture.letters.count() == 0)
    }

    /// A value that is too long for metadata is named there by a URI, whatever its VR.
    @Test func longValuesAreNoObstacle() throws {
        let fixture = try ArchiveFixture()
        let instance = Instance(sop: "1.9.1")
        try fixture.file(instance) {
            $0.set(.textValue, vr: .ut, bytes: [UInt8](repeating: 0x41, count: 70 << 20))
            $0.set(.patientName, vr: .pn, bytes: [UInt8](repeating: 0x41, count: 2 << 20))
        }
        try fixture.publish([fixture.event(instance)])
        let service = fixture.service()
        try service.start()
        try fixture.waitUntilDone()
        service.stop()
        #expect(service.status.instances == 1 && service.status.deadLetters == 0)
        // What a column cannot have is a problem, not silence.
        #expect(service.status.columnProblems > 0)
        let series = SeriesIdentity(tenantID: "t1", studyUID: "1.2.1", seriesUID: "1.2.1.1")
        let json = try #require(try fixture.metadata.instance("1.9.1", of: series))
        let text = String(decoding: json, as: UTF8.self)
        let root = "/dicom-web/studies/1.2.1/series/1.2.1.1/instances/1.9.1/bulkdata/"
        #expect(json.count < 10_000)
        #expect(text.contains("\"0040A160\":{\"vr\":\"UT\",\"BulkDataURI\":\"\(root)0040A160\"}"))
        #expect(text.contains("\"00100020\":{\"vr\":\"LO\",\"Value\":[\"P1\"]}"))
    }

    /// A commit covers all that was delivered, so what came before the bus failed is processed too.
    @Test func whatCameBeforeTheBusFailedIsIndexed() throws {
        let fixture = try ArchiveFixture()
        let all = (1...4).map { Instance(sop: "1.9.\($0)") }
        for instance in all { try fixture.file(instance) }
        let bus = FailingBus(all.map { fixture.event($0) })
        let service = fixture.service(bus: bus, threads: 1) { $0.batchMilliseconds = 60_000 }
        try service.start()
        try eventually { bus.committed == all.count }
        service.stop()
        let indexed = try fixture.state().split(separator: "\n").filter { $0.hasPrefix("object ") }
        #expect(indexed.count == all.count)
    }

    @Test func theRowIsTheRepresentativesWhateverTheOrder() throws {
        for order in [[1, 2, 10], [10, 2, 1], [2, 10, 1]] {
            for isOneBatch in [true, false] {
                let fixture = try ArchiveFixture()
                let service = fixture.service(threads: 1)
                try service.start()
                defer { service.stop() }
                let all = order.map { Instance(sop: "1.9.\($0)", description: "number \($0)") }
                for instance in all { try fixture.file(instance) }
                for (index, instance) in all.enumerated() {
                    if isOneBatch {
                        if index == 0 { try fixture.publish(all.map { fixture.event($0) }) }
                    } else {
                        try fixture.publish([fixture.event(instance)])
                        try fixture.waitUntilDone()
                    }
                }
                try fixture.waitUntilDone()
                let state = try fixture.state()
                #expect(state.contains("\"representative_sop_uid\": \"1.9.1\""))
                #expect(state.contains("\"series_description\": \"number 1\""))
                #expect(state.contains("\"series_related_instances\": 3"))
                // It is found by what any of them says.
                for number in order {
                    let query = try QIDOQuery(level: .series, query: "SeriesDescription=number%20\(number)")
                    #expect(try fixture.index.search(query, tenantID: "t1", retrieveRoot: nil).objects.count == 1)
                }

                // The representative is sent again, with another description.
                var again = Instance(sop: "1.9.1", description: "replaced")
                try fixture.file(again)
                try fixture.publish([fixture.event(again, receivedAt: 1_700_000_009)])
                again.sop = "1.9.2"
                try fixture.file(again)
                try fixture.publish([fixture.event(again, receivedAt: 1_700_000_009)])
                try fixture.waitUntilDone()
                let replaced = try fixture.state()
                #expect(replaced.contains("\"series_description\": \"replaced\""))
                #expect(replaced.contains("\"series_related_instances\": 3"))
                #expect(!replaced.contains("number 1\""))
            }
        }
    }

    @Test func whatCanNeverSucceedIsPutAside() throws {
        let fixture = try ArchiveFixture()
        let good = Self.instances(20)
        for instance in good { try fixture.file(instance) }
        let missing = Instance(sop: "1.9.100")
        let garbage = Instance(sop: "1.9.101")
        try fixture.put([UInt8](repeating: 7, count: 500), at: #require(garbage.identity))
        let keyless = Instance(sop: "1.9.102")
        try fixture.file(keyless) { $0.remove(.seriesInstanceUID) }
        let other = Instance(sop: "1.9.103")
        try fixture.file(other) { $0.set(.sopInstanceUID, "1.9.104") }
        let escape = Instance(study: "../../etc", sop: "1.9.105")
        let bad =
            [missing, garbage, keyless, other, escape].map { fixture.event($0) } + [Message(key: "x", value: [1, 2])]
        try fixture.publish(good[..<10].map { fixture.event($0) } + bad + good[10...].map { fixture.event($0) })
        let service = fixture.service()
        try service.start()
        try fixture.waitUntilDone()
        defer { service.stop() }
        let reasons = try fixture.letters.list(limit: 100).map(\.reason).sorted()
        #expect(
            reasons == [
                "event_unreadable", "file_missing", "file_unreadable", "identity_invalid", "identity_mismatch",
                "key_missing",
            ])
        #expect(try fixture.index.counts(tenantID: "t1").instances == 20)
        #expect(service.status.deadLetters == 6)

        // Mended, and replayed.
        try fixture.file(missing)
        #expect(try fixture.letters.replay(reason: "file_missing", limit: 10) == 1)
        try eventually { try fixture.index.counts(tenantID: "t1").instances == 21 }
        #expect(try fixture.letters.count() == 5)
    }

    /// Files and events of 40 instances, some of them twice, in single messages so that there are several batches.
    private static func fill(_ fixture: ArchiveFixture) throws {
        for instance in crashed { try fixture.file(instance) }
        for instance in crashed + crashed[..<5] { try fixture.publish([fixture.event(instance)]) }
    }

    private static let crashed = instances(40)

    /// What comes of them when nothing happens.
    private static let undisturbed = Result {
        let fixture = try ArchiveFixture()
        try fill(fixture)
        let service = fixture.service()
        try service.start()
        try fixture.waitUntilDone()
        service.stop()
        return try fixture.state()
    }

    /// A process dies at each point, at its first and a later time; the next one finishes, and everything is as if
    /// nothing had happened.
    @Test(arguments: CrashPoint.allCases, [1, 3])
    func replayAfterACrashGivesTheSame(point: CrashPoint, occurrence: Int) throws {
        let fixture = try ArchiveFixture()
        try Self.fill(fixture)
        let process = CrashingProcess(fixture, at: point, occurrence: occurrence)
        let dying = fixture.service(bus: process, store: process, metadata: process) { $0.batchInstances = 7 }
        try dying.start()
        try eventually { process.isDead }
        dying.stop()
        let next = fixture.service { $0.batchInstances = 7 }
        try next.start()
        try fixture.waitUntilDone()
        #expect(try fixture.state() == Self.undisturbed.get())
        #expect(try fixture.index.counts(tenantID: "t1") == IndexCounts(studies: 3, series: 6, instances: 40))

        // Everything once more changes nothing.
        try fixture.publish(Self.crashed.map { fixture.event($0) })
        try fixture.waitUntilDone()
        next.stop()
        #expect(try fixture.state() == Self.undisturbed.get())
    }

    @Test func cutSessionsLoseNothing() throws {
        let fixture = try ArchiveFixture()
        let all = Self.instances(300)
        for instance in all { try fixture.file(instance) }
        let service = fixture.service { $0.batchInstances = 10 }
        try service.start()
        defer { service.stop() }
        let killer = try PostgresConnection(fixture.pool.connectionString)
        for start in stride(from: 0, to: 300, by: 30) {
            let events = all[start..<(start + 30)].map { fixture.event($0) }
            // The producer's session may be cut as well: at least once.
            try eventually { (try? fixture.publish(events)) != nil }
            try killer.query(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                """, operation: "kill")
        }
        try eventually { (try? fixture.bus.lag(group: "dicom-consumer-group", topic: .storage)) == 0 }
        #expect(try fixture.index.counts(tenantID: "t1") == IndexCounts(studies: 3, series: 6, instances: 300))
        #expect(try fixture.letters.count() == 0)
        #expect(try fixture.state().split(separator: "\n").filter { $0.hasPrefix("metadata") }.count == 300)
    }

    @Test(arguments: [(8_000, 1...2), (16 << 20, 3...500)])
    func aTransactionIsBoundedByBytes(bytes: Int, largest: ClosedRange<Int>) throws {
        final class Counting: IngestStore {
            let inner: PostgresIngestStore
            let largest = Mutex(0)
            init(_ inner: PostgresIngestStore) { self.inner = inner }
            func write(_ batch: IngestBatch) throws -> Int {
                largest.withLock { $0 = max($0, batch.logs.objects.count) }
                return try inner.write(batch)
            }
        }
        let fixture = try ArchiveFixture()
        let all = Self.instances(30)
        for instance in all {
            try fixture.file(instance) { $0.set(.imageComments, String(repeating: "x", count: 5_000)) }
        }
        try fixture.publish(all.map { fixture.event($0) })
        let store = Counting(fixture.store)
        let service = fixture.service(store: store, threads: 1) { $0.batchBytes = bytes }
        try service.start()
        try fixture.waitUntilDone()
        service.stop()
        #expect(largest.contains(store.largest.withLock { $0 }))
        #expect(service.status.instances == 30)
    }

    @Test func oneRefusedRowDoesNotTakeItsBatchAlong() throws {
        final class Refusing: IngestStore {
            let inner: PostgresIngestStore
            let attempts = Mutex(0)
            init(_ inner: PostgresIngestStore) { self.inner = inner }
            func write(_ batch: IngestBatch) throws -> Int {
                attempts.withLock { $0 += 1 }
                if batch.logs.objects.contains(where: { $0.sopUID == "1.9.7" }) {
                    throw PostgresError(code: .init(rawValue: "22021"), operation: "test", message: "")
                }
                return try inner.write(batch)
            }
        }
        let fixture = try ArchiveFixture()
        let all = Self.instances(30)
        for instance in all { try fixture.file(instance) }
        try fixture.publish(all.map { fixture.event($0) })
        let service = fixture.service(store: Refusing(fixture.store))
        try service.start()
        try fixture.waitUntilDone()
        service.stop()
        #expect(try fixture.letters.list(limit: 10).map(\.reason) == ["row_refused"])
        let state = try fixture.state().split(separator: "\n")
        #expect(state.filter { $0.hasPrefix("object") }.count == 29)
    }

    /// What is wrong around the messages, and not with them, is waited for.
    @Test(arguments: ["42501", "42P01", "42703", "23502", "23514", "0A000", "XX000", "28000", "3D000"])
    func whatSomebodyHasToMendIsWaitedFor(code: String) throws {
        final class Broken: IngestStore {
            let inner: PostgresIngestStore
            let code: String
            let attempts = Mutex(0)
            init(_ inner: PostgresIngestStore, _ code: String) {
                self.inner = inner
                self.code = code
            }
            func write(_ batch: IngestBatch) throws -> Int {
                let attempt = attempts.withLock { attempts in
                    attempts += 1
                    return attempts
                }
                guard attempt > 3 else {
                    throw PostgresError(code: .init(rawValue: code), operation: "test", message: "")
                }
                return try inner.write(batch)
            }
        }
        let fixture = try ArchiveFixture()
        let all = Self.instances(8)
        for instance in all { try fixture.file(instance) }
        try fixture.publish(all.map { fixture.event($0) })
        let store = Broken(fixture.store, code)
        let service = fixture.service(store: store, threads: 1)
        try service.start()
        try fixture.waitUntilDone()
        service.stop()
        #expect(store.attempts.withLock { $0 } >= 4)
        #expect(try fixture.letters.count() == 0 && service.status.deadLetters == 0)
        #expect(try fixture.index.counts(tenantID: "t1").instances == 8)
    }

    /// Sessions that met the old table do not stay behind.
    @Test func aMissingColumnIsWaitedFor() throws {
        final class Counting: IngestStore {
            let inner: PostgresIngestStore
            let failures = Mutex(0)
            init(_ inner: PostgresIngestStore) { self.inner = inner }
            func write(_ batch: IngestBatch) throws -> Int {
                do { return try inner.write(batch) } catch {
                    failures.withLock { $0 += 1 }
                    throw error
                }
            }
        }
        let fixture = try ArchiveFixture()
        let connection = try PostgresConnection(fixture.pool.connectionString)
        try connection.run("ALTER TABLE dicom_object_meta RENAME COLUMN file_size TO away", operation: "test")
        let all = Self.instances(20)
        for instance in all { try fixture.file(instance) }
        try fixture.publish(all.map { fixture.event($0) })
        let store = Counting(fixture.store)
        let service = fixture.service(store: store)
        try service.start()
        defer { service.stop() }
        try eventually { store.failures.withLock { $0 } >= 5 }
        #expect(try fixture.letters.count() == 0)
        try connection.run("ALTER TABLE dicom_object_meta RENAME COLUMN away TO file_size", operation: "test")
        try fixture.waitUntilDone()
        #expect(try fixture.letters.count() == 0)
        #expect(try fixture.index.counts(tenantID: "t1").instances == 20)
    }

    @Test func aStoreThatIsNotThereIsWaitedFor() throws {
        let fixture = try ArchiveFixture()
        let instance = Instance(sop: "1.9.1")
        try fixture.file(instance)
        try FileManager.default.moveItem(atPath: fixture.root + "/store", toPath: fixture.root + "/away")
        try fixture.publish([fixture.event(instance)])
        let service = fixture.service()
        try service.start()
        defer { service.stop() }
        try eventually { service.status.failures >= 4 }
        #expect(try fixture.letters.count() == 0)
        try FileManager.default.moveItem(atPath: fixture.root + "/away", toPath: fixture.root + "/store")
        try fixture.waitUntilDone()
        #expect(try fixture.index.counts(tenantID: "t1").instances == 1)
    }
}
