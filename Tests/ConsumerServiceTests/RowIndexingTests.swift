import Archive
import ArchiveSchema
import ConsumerService
import DICOMCore
import DICOMDictionary
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Synchronization
import Testing

/// Rows of instances made anew from their files and published, and nothing else (`wado reindex --columns` with
/// `logs: doris`).
@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct RowIndexingTests {
    private typealias Instance = ArchiveFixture.Instance

    /// What was published, in its order.
    private final class Topics: EventProducer {
        private let all = Mutex<[(topic: Topic, json: [UInt8])]>([])
        private let event = Mutex<(@Sendable () throws -> Void)?>(nil)

        /// Calls `body` once, before something is published.
        func beforePublishing(_ body: @escaping @Sendable () throws -> Void) { event.withLock { $0 = body } }

        func publish(_ messages: [Message], to topic: Topic) throws {
            let event = event.withLock { event in
                defer { event = nil }
                return event
            }
            try event?()
            all.withLock { $0 += messages.map { (topic, $0.value) } }
        }

        func take(_ topic: Topic) -> [[UInt8]] {
            all.withLock { all in
                defer { all.removeAll { $0.topic == topic } }
                return all.filter { $0.topic == topic }.map(\.json)
            }
        }

        func images() throws -> [DicomImageMetaRow] { try take(.image).map { try DicomImageMetaRow(json: $0) } }
        func objects() throws -> [DicomObjectMetaRow] { try take(.objectLog).map { try DicomObjectMetaRow(json: $0) } }
        func problems() throws -> [DicomProblemMetaRow] { try take(.problem).map { try DicomProblemMetaRow(json: $0) } }

        func close() {}
    }

    private func indexer(
        _ fixture: ArchiveFixture, _ topics: Topics, rows: Set<Topic>?, since: Timestamp? = nil
    ) -> FileIndexer {
        let logs = TopicLogStore(producer: topics)
        let store = TopicIngestStore(index: fixture.store, logs: logs, instanceTopics: rows ?? [.image, .objectLog])
        var configuration = ConsumerService.Configuration(storeRoot: fixture.root + "/store")
        configuration.batchInstances = 3
        return FileIndexer(
            configuration, store: store, metadata: rows == nil ? fixture.metadata : nil, since: since)
    }

    private func instances(_ count: Int) -> [Instance] {
        (1...count).map { Instance(series: "1.2.1.\($0 % 2)", sop: "1.2.9.\($0)", description: "\($0)") }
    }

    private func comparable(_ rows: [DicomImageMetaRow]) -> [DicomImageMetaRow] {
        rows.map { row in
            var row = row
            row.updatedTime = row.createdTime
            return row
        }.sorted { $0.sopUID < $1.sopUID }
    }

    @Test func rowsAreThoseOfTheWholeRoadAndNothingElseIsWritten() throws {
        let (fixture, topics) = (try ArchiveFixture(), Topics())
        let instances = instances(7)
        for instance in instances { try fixture.file(instance) { $0.set(.sliceThickness, "1.5") } }
        let identities = instances.compactMap(\.identity)
        #expect(try indexer(fixture, topics, rows: nil).index(identities).indexed == 7)
        let (images, objects) = (comparable(try topics.images()), try topics.objects().sorted { $0.sopUID < $1.sopUID })
        #expect(images.count == 7 && objects.count == 7 && images.allSatisfy { $0.sliceThickness == 1.5 })
        #expect(topics.take(.state).count > 1)

        // Without them the whole road would write them again.
        func marks() throws -> [String] {
            try fixture.pool.withConnection { connection throws(PostgresError) in
                let result = try connection.run(
                    "SELECT xmin::text || flag_time::text FROM dicom_json_meta ORDER BY series_uid", operation: "test")
                return (0..<result.rowCount).map { result.string($0, 0) ?? "" }
            }
        }
        let (state, before) = (try fixture.state(), try marks())
        #expect(try indexer(fixture, topics, rows: [.image]).index(identities).indexed == 7)
        #expect(comparable(try topics.images()) == images)
        #expect(try topics.objects().isEmpty)
        #expect(try indexer(fixture, topics, rows: [.objectLog]).index(identities).indexed == 7)
        #expect(try topics.images().isEmpty)
        #expect(try topics.objects().sorted { $0.sopUID < $1.sopUID } == objects)
        #expect(topics.take(.state).isEmpty)
        #expect(try fixture.state() == state)
        #expect(try marks() == before && before.count == 2)

        let later = Timestamp(microsecondsSince1970: Timestamp.now.microsecondsSince1970 + 60_000_000)
        let none = try indexer(fixture, topics, rows: [.image], since: later).index(identities)
        #expect(none.indexed == 0 && none.skipped == 7)
        #expect(try topics.images().isEmpty)
    }

    /// What broke a rule is told, and cleared once it is mended; what cannot be read does not stop the rest.
    @Test func problemsComeAndGo() throws {
        let (fixture, topics) = (try ArchiveFixture(), Topics())
        let instances = instances(5)
        for instance in instances { try fixture.file(instance) }
        try fixture.file(instances[0]) { $0.set(.sliceThickness, "thick") }
        try fixture.put(Array("nothing".utf8), at: try #require(instances[1].identity))
        let identities = instances.compactMap(\.identity)
        func open() throws -> [String] {
            try PostgresProblems(pool: fixture.pool).page(ProblemFilter(), after: nil, limit: 10).map {
                "\($0.sopUID) \($0.rule) \($0.columnName)"
            }.sorted()
        }
        let checked = try indexer(fixture, topics, rows: [.image]).check(identities)
        #expect(try open().isEmpty && topics.images().isEmpty)
        for _ in 0..<2 {
            let outcome = try indexer(fixture, topics, rows: [.image]).index(identities)
            #expect(outcome.failures == checked.failures && outcome.indexed == 4 && outcome.changed == 4)
            #expect(outcome.failures.map(\.reason) == ["file_unreadable"])
            #expect(try open() == ["1.2.9.1 not-a-number slice_thickness", "1.2.9.2 file-unreadable "])
            let told = try topics.problems()
            #expect(told.map(\.sopUID).sorted() == ["1.2.9.1", "1.2.9.2"] && told.allSatisfy { $0.state == "open" })
            #expect(try topics.images().count == 4)
        }
        // Those of columns that are in other tables too.
        try fixture.file(instances[2]) { $0.set(.studyDate, "yesterday") }
        for instance in instances[0...1] { try fixture.file(instance) }
        #expect(try indexer(fixture, topics, rows: [.image]).index(identities).indexed == 5)
        let rules = try open()
        #expect(rules.contains("1.2.9.3 not-a-date study_date") && rules.allSatisfy { $0.hasPrefix("1.2.9.3 ") })
        let cleared = try topics.problems().filter { $0.state == "cleared" }
        #expect(cleared.map(\.rule).sorted() == ["file-unreadable", "not-a-number"])
    }

    /// Doris keeps the row of the latest time: also of an instance that is replaced while its row is made, whoever of the
    /// two is the faster one.
    @Test(arguments: [true, false]) func theRowOfAReplacedInstanceIsTheNewOne(isConsumerFaster: Bool) throws {
        let (fixture, topics) = (try ArchiveFixture(), Topics())
        let instances = instances(4)
        for instance in instances { try fixture.file(instance) { $0.set(.sliceThickness, "1") } }
        let (replaced, identity) = (instances[1], try #require(instances[1].identity))
        let url = try fixture.url(of: replaced)
        topics.beforePublishing {
            try FileManager.default.removeItem(at: url)
            try fixture.file(replaced) { $0.set(.sliceThickness, "2") }
            if isConsumerFaster { _ = try indexer(fixture, topics, rows: nil).index([identity]) }
        }
        let outcome = try indexer(fixture, topics, rows: [.image, .objectLog]).index(instances.compactMap(\.identity))
        #expect(outcome.indexed == 4)
        let images = try topics.images().filter { $0.sopUID == replaced.sop }
        #expect(images.contains { $0.sliceThickness == 1 })
        #expect(images.max { $0.updatedTime < $1.updatedTime }?.sliceThickness == 2)
        // The reception decides between the others; of a file without provenance it is when it was made.
        let objects = try topics.objects().filter { $0.sopUID == replaced.sop }
        let newest = try #require(objects.map(\.createdTime).max())
        #expect(objects.last?.createdTime == newest && objects.contains { $0.createdTime < newest })
    }
}
