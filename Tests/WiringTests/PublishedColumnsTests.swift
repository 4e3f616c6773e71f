import Archive
import ArchiveSchema
import DICOMNetwork
import Foundation
import KafkaAdapter
import KafkaTestSupport
import PostgresAdapter
import PostgresTestSupport
import ServiceKit
import Testing
import Wiring

/// Columns of instances are filled while an archive runs whose rows of instances are published (`logs: doris`): what is
/// published is what the consumer has published, or would have.
@Suite(
    .enabled(if: Programs.areBuilt && TestPostgres.isInstalled),
    .enabled(if: OwnKafka.isAvailable, "no Apache Kafka and Java beside the project"))
struct PublishedColumnsTests {
    /// The rows that Doris keeps of what was published.
    private struct Rows {
        var images: [String: DicomImageMetaRow] = [:]
        var objects: [String: DicomObjectMetaRow] = [:]
        /// All that came.
        var count: [Topic: Int] = [:]

        mutating func take(_ messages: [ReceivedMessage]) throws {
            for message in messages {
                count[message.topic, default: 0] += 1
                if message.topic == .image {
                    let row = try DicomImageMetaRow(json: message.message.value)
                    if let other = images[row.sopUID], other.updatedTime > row.updatedTime { continue }
                    images[row.sopUID] = row
                } else {
                    let row = try DicomObjectMetaRow(json: message.message.value)
                    if let other = objects[row.sopUID], other.createdTime > row.createdTime { continue }
                    objects[row.sopUID] = row
                }
            }
        }
    }

    private let kafka: OwnKafka
    private let archive: ArchiveUnderTest
    private let consumer: any EventConsumer
    private let instances = (1...2).flatMap { series in
        (1...12).map { TestInstance(study: 1, series: series, number: $0) }
    }
    /// Of series and of both tables of instances.
    private let columns = ["--columns", "patient_id"]

    init() throws {
        kafka = try OwnKafka()
        archive = try ArchiveUnderTest("--bus", "kafka", "--logs", "doris", "--kafka-brokers", kafka.address)
        consumer = try KafkaEventBus(KafkaConfiguration(brokers: [kafka.address]), logger: .silent).makeConsumer(
            group: "rows", topics: [.image, .objectLog])
    }

    /// What was published since it was last asked, when it is as much as is expected.
    private func published(images: Int, objects: Int) throws -> Rows {
        var rows = Rows()
        try archive.eventually("rows are published") {
            let new = try consumer.poll(limit: 1_000, timeoutMilliseconds: 200)
            try rows.take(new)
            let count = rows.count
            return new.isEmpty && count[.image, default: 0] >= images && count[.objectLog, default: 0] >= objects
                ? () : nil
        }
        try consumer.commit()
        return rows
    }

    private func reindex() throws -> Programs.Output {
        try Programs.run("wado", ["reindex", "--data", archive.folder.path] + columns)
    }

    private func warning(_ path: String) throws -> String? {
        let answer = try #require(LocalHTTP.get(archive.endpoints.web.root + path))
        #expect(answer.status == 200)
        return answer.header("warning")
    }

    private func store(_ instances: some Sequence<TestInstance>) throws {
        let association = try archive.associate()
        for instance in instances { #expect(try instance.store(association).code == 0) }
        try association.release()
    }

    @Test func rowsAreTheConsumersAndAKilledRunGoesOn() throws {
        try store(instances)
        let indexed = try published(images: 24, objects: 24)
        #expect(indexed.images.count == 24 && indexed.objects.count == 24)
        let session = try PostgresConnection(try #require(archive.endpoints.database))

        // After series of the index, a series of files every three seconds: there is time to kill it.
        let program = try ChildProgram(
            path: "\(Programs.folder)/wado",
            arguments: ["reindex", "--data", archive.folder.path, "--rate", "4"] + columns,
            environment: ["PATH": "/usr/bin:/bin"], name: "wado reindex"
        ) { _ in }
        try archive.eventually("a part of it is done") {
            let rows = try session.run(
                "SELECT done FROM reindex_job WHERE done > 0 AND finished_time IS NULL", operation: "read")
            return rows.rowCount == 1 ? () : nil
        }
        program.signal(SIGKILL)
        var status: Int32 = 0
        waitpid(program.processID, &status, 0)
        program.finishOutput()
        try archive.eventually("a search says so") {
            try warning("/series?PatientID=KILL-1")?.contains("PatientID") == true ? () : nil
        }
        #expect(try warning("/series?PatientName=Test*")?.contains("PatientName") != true)
        var again = try published(images: 12, objects: 12)
        #expect(again.images.count < 24)

        let result = try reindex()
        #expect(result.status == 0 && result.text.contains("an earlier run was taken up"), "\(result.text)")
        #expect(result.text.contains("24 instances looked at"), "\(result.text)\(result.errors)")
        let rest = try published(images: 12, objects: 12)
        #expect(rest.images.count == 12)
        again.images.merge(rest.images) { $1 }
        again.objects.merge(rest.objects) { $1 }
        #expect(again.objects == indexed.objects)
        #expect(again.images.count == 24)
        for (sop, row) in again.images {
            var former = try #require(indexed.images[sop])
            #expect(row.updatedTime > former.updatedTime)
            former.updatedTime = row.updatedTime
            #expect(row == former)
        }
        try archive.eventually("searches have nothing to say any more") {
            try warning("/series?PatientID=KILL-1") == nil ? () : nil
        }

        // An instance that is replaced: the row is the new one's.
        try store([TestInstance(study: 1, series: 2, number: 7, pixelSeed: 1)])
        let replaced = try published(images: 1, objects: 1)
        let (sop, image) = try #require(replaced.images.first)
        #expect(try image.createdTime > #require(indexed.images[sop]).createdTime)
        #expect(try reindex().status == 0)
        let last = try published(images: 24, objects: 24)
        #expect(last.images[sop]?.createdTime == image.createdTime)
        #expect(last.objects[sop] == replaced.objects[sop])
        #expect(archive.stop() == 0)
    }
}
