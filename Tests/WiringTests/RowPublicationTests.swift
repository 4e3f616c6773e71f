import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import Foundation
import KafkaAdapter
import KafkaTestSupport
import PostgresAdapter
import PostgresTestSupport
import ServiceKit
import TestSupport
import Testing
import Wiring

/// Runs over old data where the rows of instances are in another store: what they change is published, and all of it
/// (`logs: doris`).
@Suite(
    .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"),
    .enabled(if: OwnKafka.isAvailable, "no Apache Kafka and Java beside the project"))
struct RowPublicationTests {
    private let temporary: TemporaryFolder
    private let kafka: OwnKafka
    private let connection: String
    private let settings: Settings
    private let consumer: any EventConsumer
    private let instances = (1...2).flatMap { series in
        (1...30).map { TestInstance(study: 1, series: series, number: $0) }
    }

    init() throws {
        temporary = try TemporaryFolder()
        kafka = try OwnKafka()
        connection = try TestPostgres.makeArchiveDatabase()
        settings = try WadoSettings.catalogue.read(
            arguments: [
                "--bus=kafka", "--logs=doris", "--data=\(temporary.path)/data", "--kafka-brokers=\(kafka.address)",
                "--database=\(connection)",
            ], environment: [:])
        let folder = DataFolder(settings[WadoSettings.data])
        try folder.prepare()
        consumer = try KafkaEventBus(KafkaConfiguration(brokers: [kafka.address]), logger: .silent).makeConsumer(
            group: "rows", topics: [.state, .image, .objectLog, .problem])
        for instance in instances { try Self.put(instance, in: folder) }
    }

    private static func put(_ instance: TestInstance, in folder: DataFolder) throws {
        let identity = try #require(
            InstanceIdentity(
                tenantID: "t1", studyUID: instance.study, seriesUID: instance.series, sopUID: instance.instance))
        let path = ArchivePaths(root: folder.store).absolute(ArchivePaths.instance(identity))
        let meta = FileMeta(
            mediaStorageSOPClassUID: UIDs.ctImageStorage, mediaStorageSOPInstanceUID: instance.instance,
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid)
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(meta.encoded() + instance.bytes).write(to: URL(fileURLWithPath: path))
    }

    /// What was published since it was last asked, when it is as much as is expected.
    private func published(_ counts: [Topic: Int]) throws -> [Topic: [String]] {
        var found: [Topic: [String]] = [:]
        try eventually {
            let new = try consumer.poll(limit: 1_000, timeoutMilliseconds: 200)
            for message in new {
                found[message.topic, default: []].append(String(decoding: message.message.value, as: UTF8.self))
            }
            // Nor is there more.
            return new.isEmpty && counts.allSatisfy { found[$0, default: []].count >= $1 }
        }
        try consumer.commit()
        return found
    }

    private func run(_ columns: String...) throws -> ReindexProgress {
        try ColumnReindex(columns, settings, connection: connection, options: ReindexOptions()).run(
            progress: { _ in }, failure: { Issue.record("\($0)") })
    }

    private func states(_ rows: [String]?) throws -> [String: DicomStateMetaRow] {
        let rows = try (rows ?? []).map { try DicomStateMetaRow(json: Array($0.utf8)) }
        return Dictionary(rows.map { ($0.seriesUID, $0) }) { $0.updatedTime > $1.updatedTime ? $0 : $1 }
    }

    @Test func everyRunPublishesWhatItWrites() throws {
        try columnsAreFilled()
        try problemsAreTriedAgain()
    }

    private func columnsAreFilled() throws {
        let session = try PostgresConnection(connection)
        let all = try FileReindex(settings, connection: connection, options: ReindexOptions()).run(
            progress: { _ in }, failure: { Issue.record("\($0)") })
        // Two series, and of each instance two rows and its metadata.
        #expect(all.changed == 2 + 3 * instances.count && all.failed == 0)
        var rows = try published([.state: 2, .image: 60, .objectLog: 60])
        #expect(rows[.image]?.count == 60 && rows[.objectLog]?.count == 60)
        let before = try states(rows[.state])
        #expect(before.count == 2)
        #expect(try session.run("SELECT FROM dicom_image_meta", operation: "read").rowCount == 0)

        // A column of series: filled here, and its rows once more, later than they were.
        try session.run("UPDATE dicom_state_meta SET patient_name = NULL", operation: "forget")
        #expect(try run("dicom_state_meta.patient_name").changed == 2)
        rows = try published([.state: 2])
        #expect(rows[.image] == nil && rows[.objectLog] == nil)
        let after = try states(rows[.state])
        #expect(after.values.allSatisfy { $0.patientName == "Test^Kill" } && after.count == 2)
        for (series, row) in after { #expect(try row.updatedTime > #require(before[series]).updatedTime) }
        // Nothing to fill: nothing is lost if they are published again.
        #expect(try run("dicom_state_meta.patient_name").changed == 0)

        // A column of instances: whole rows from the files. Nothing else counts as incomplete meanwhile, or afterwards.
        try session.run(
            """
            CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN INSERT INTO marks VALUES (NEW.table_name); RETURN NEW; END $$;
            CREATE TABLE marks (name text);
            CREATE TRIGGER seen AFTER INSERT ON incomplete_column FOR EACH ROW EXECUTE FUNCTION seen()
            """, operation: "watch")
        #expect(try run("dicom_image_meta.bits_allocated").changed == 120)
        rows = try published([.image: 60])
        let images = try (rows[.image] ?? []).map { try DicomImageMetaRow(json: Array($0.utf8)) }
        #expect(images.allSatisfy { $0.bitsAllocated == 16 } && Set(images.map(\.sopUID)).count == 60)
        let marks = try session.run("SELECT DISTINCT name FROM marks", operation: "read")
        #expect(marks.rowCount == 1 && marks.string(0, 0) == "dicom_image_meta")
        #expect(try session.run("SELECT FROM incomplete_column", operation: "read").rowCount == 0)
        let jobs = try session.run(
            "SELECT kind FROM reindex_job WHERE finished_time IS NOT NULL ORDER BY job_id", operation: "read")
        #expect(
            (0..<jobs.rowCount).map { jobs.string($0, 0) } == ["files", "columns", "columns", "columns-from-files"])
    }

    /// What is well again is told, and a run that was killed goes on where it was.
    private func problemsAreTriedAgain() throws {
        let session = try PostgresConnection(connection)
        let store = PostgresIngestStore(pool: PostgresPool(connection, limit: 1))
        var rows = LogRows()
        for instance in instances {
            let subject = InstanceProblems.Subject(
                tenantID: "t1", studyUID: instance.study, seriesUID: instance.series, sopUID: instance.instance,
                traceID: "", workerNodeID: "n", createdTime: Timestamp(microsecondsSince1970: 1_600_000_000_000_000))
            var problems = InstanceProblems()
            problems.add("not-a-date", .error, tagPath: "(0008,0020)")
            problems.add("not-a-time", .error, tagPath: "(0008,0030)")
            rows.problems += problems.rows(of: subject, by: "test", seen: subject.createdTime)
        }
        try store.append(rows)
        var options = ReindexOptions()
        // Twenty problems at a time, so that there are steps.
        options.rate = 40
        func reindex(_ rule: String? = nil) throws -> ReindexProgress {
            try ProblemReindex(settings, connection: connection, options: options, rule: rule).run(
                progress: { _ in }, failure: { Issue.record("\($0)") })
        }
        let first = try reindex("not-a-date")
        // Of each instance two rows are published.
        #expect(first.done == 60 && first.changed == 120 && first.fraction == 1 && !first.isContinued)
        let told = try published([.problem: 120])[.problem] ?? []
        let cleared = try told.map { try DicomProblemMetaRow(json: Array($0.utf8)) }
        #expect(cleared.allSatisfy { $0.state == "cleared" })
        #expect(Set(cleared.map { $0.sopUID + $0.rule }).count == 120)
        let left = try session.run("SELECT FROM dicom_problem_meta WHERE state = 'open'", operation: "read")
        #expect(left.rowCount == 0)

        // As a run leaves it that was killed behind the first series.
        try session.run("UPDATE dicom_problem_meta SET state = 'open'", operation: "again")
        do {
            let journal = try ReindexJournal(connection)
            var job = try journal.begin(ReindexJob.Scope(.problems))
            job.position = SeriesIdentity(
                tenantID: "t1", studyUID: instances[0].study, seriesUID: instances[0].series)
            job.done = 30
            try journal.advance(job)
            #expect(throws: ReindexBusy.self) { try reindex() }
        }
        let second = try reindex()
        #expect(second.isContinued && second.done == 60 && second.doneNow == 30 && second.fractionBefore == 0.5)
        let open = try session.run(
            "SELECT DISTINCT series_uid FROM dicom_problem_meta WHERE state = 'open'", operation: "read")
        #expect(open.rowCount == 1 && open.string(0, 0) == instances[0].series)
        #expect(try !reindex().isContinued)
    }
}
