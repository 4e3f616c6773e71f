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
import Synchronization
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

    /// By SOP Instance UID, the latest of each.
    private static func images(_ rows: [String]?) throws -> [String: DicomImageMetaRow] {
        let rows = try (rows ?? []).map { try DicomImageMetaRow(json: Array($0.utf8)) }
        return Dictionary(rows.map { ($0.sopUID, $0) }) { $0.updatedTime > $1.updatedTime ? $0 : $1 }
    }

    @Test func everyRunPublishesWhatItWrites() throws {
        try columnsAreFilled()
        try mixedColumnsAreFilled()
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
        let indexed = try Self.images(rows[.image])
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
        #expect(try published([.state: 2])[.image] == nil)

        // A column of instances: whole rows from the files. Nothing else counts as incomplete meanwhile, or afterwards.
        try session.run(
            """
            CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN INSERT INTO marks VALUES (NEW.table_name); RETURN NEW; END $$;
            CREATE TABLE marks (name text);
            CREATE TRIGGER seen AFTER INSERT ON incomplete_column FOR EACH ROW EXECUTE FUNCTION seen()
            """, operation: "watch")
        #expect(try run("dicom_image_meta.bits_allocated").changed == 60)
        rows = try published([.image: 60])
        #expect(rows[.image]?.count == 60 && rows[.objectLog] == nil && rows[.state] == nil)
        let images = try Self.images(rows[.image])
        for (sop, row) in images {
            var earlier = try #require(indexed[sop])
            #expect(row.updatedTime > earlier.updatedTime)
            earlier.updatedTime = row.updatedTime
            #expect(row == earlier && row.bitsAllocated == 16)
        }
        #expect(images.count == 60)
        let marks = try session.run("SELECT DISTINCT name FROM marks", operation: "read")
        #expect(marks.rowCount == 1 && marks.string(0, 0) == "dicom_image_meta")
        #expect(try session.run("SELECT FROM incomplete_column", operation: "read").rowCount == 0)
        let jobs = try session.run(
            "SELECT kind FROM reindex_job WHERE finished_time IS NOT NULL ORDER BY job_id", operation: "read")
        #expect(
            (0..<jobs.rowCount).map { jobs.string($0, 0) } == ["files", "columns", "columns", "columns-from-files"])
    }

    /// A column of both kinds of tables: series from their metadata, rows of instances from the files, in one job.
    private func mixedColumnsAreFilled() throws {
        let session = try PostgresConnection(connection)
        try session.run("UPDATE dicom_state_meta SET patient_id = NULL", operation: "forget")
        var options = ReindexOptions()
        options.isDryRun = true
        let dry = try ColumnReindex(["patient_id"], settings, connection: connection, options: options).run(
            progress: { _ in }, failure: { Issue.record("\($0)") })
        #expect(dry.done == 60 && dry.failed == 0 && dry.changed == 2 && !dry.isCompared)
        #expect(try published([:]).isEmpty)

        let fractions = Mutex<[Double]>([])
        let outcome = try ColumnReindex(["patient_id"], settings, connection: connection, options: ReindexOptions())
            .run(
                progress: { state in fractions.withLock { $0.append(state.fraction) } },
                failure: { Issue.record("\($0)") })
        #expect(outcome.done == 60 && outcome.doneNow == 60 && outcome.changed == 122 && outcome.fraction == 1)
        let seen = fractions.withLock { $0 }
        #expect(seen.count > 1 && seen == seen.sorted() && (seen.first ?? 1) < 0.5)
        let rows = try published([.state: 2, .image: 60, .objectLog: 60])
        #expect(rows[.image]?.count == 60 && rows[.objectLog]?.count == 60)
        #expect(try Self.images(rows[.image]).values.allSatisfy { $0.patientID == "KILL-1" })
        let objects = try (rows[.objectLog] ?? []).map { try DicomObjectMetaRow(json: Array($0.utf8)) }
        #expect(objects.allSatisfy { $0.patientID == "KILL-1" } && Set(objects.map(\.sopUID)).count == 60)
        #expect(try states(rows[.state]).values.map(\.patientID) == ["KILL-1", "KILL-1"])
        let left = try session.run("SELECT FROM dicom_state_meta WHERE patient_id IS NULL", operation: "read")
        #expect(left.rowCount == 0)
        #expect(try session.run("SELECT FROM incomplete_column", operation: "read").rowCount == 0)
        let jobs = try session.run(
            "SELECT kind, done FROM reindex_job WHERE finished_time IS NOT NULL ORDER BY job_id DESC LIMIT 1",
            operation: "read")
        #expect(jobs.string(0, 0) == "columns-from-files" && jobs.string(0, 1) == "60")

        // One that ended among the files has done the series.
        do {
            let journal = try ReindexJournal(connection)
            let names = try ColumnReindex(["patient_id"], settings, connection: connection, options: options).names
            var job = try journal.begin(ReindexJob.Scope(.columnsFromFiles, columns: names))
            job.position = SeriesIdentity(tenantID: "t1", studyUID: instances[0].study, seriesUID: instances[0].series)
            job.done = 30
            try journal.advance(job)
        }
        let second = try run("patient_id")
        #expect(second.isContinued && second.done == 60 && second.doneNow == 30 && second.changed == 60)
        let more = try published([.image: 30, .objectLog: 30])
        #expect(more[.state] == nil && more[.image]?.count == 30)
        #expect(try Self.images(more[.image]).values.allSatisfy { $0.seriesUID == instances[30].series })
        try session.run("UPDATE dicom_state_meta SET patient_id = 'KILL-1'", operation: "remember")
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
