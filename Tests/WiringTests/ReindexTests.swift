import DICOMCore
import DICOMDictionary
import DICOMNetwork
import Foundation
import PostgresAdapter
import PostgresTestSupport
import ServiceKit
import Testing
import Wiring

/// An operator lost the database, or added a column: old instances come back into the index, while the archive runs.
@Suite(.serialized, .enabled(if: Programs.areBuilt && TestPostgres.isInstalled)) struct ReindexTests {
    private static let tables = ["dicom_state_meta", "dicom_state_variant", "dicom_object_meta", "dicom_image_meta"]

    /// Two studies of two series of which one has instances that disagree.
    private func store(_ archive: ArchiveUnderTest, perSeries: Int = 5) throws -> Int {
        let association = try archive.associate()
        var count = 0
        for study in 1...2 {
            for series in 1...2 {
                for number in 1...perSeries {
                    let status = try TestInstance(study: study, series: series, number: number).store(association)
                    #expect(status.code == 0)
                    count += 1
                }
            }
        }
        try association.release()
        try archive.eventually("all are indexed") {
            let rows = try session(archive).run("SELECT count(*) FROM dicom_image_meta", operation: "count")
            return rows.string(0, 0) == "\(count)" ? () : nil
        }
        return count
    }

    private func session(_ archive: ArchiveUnderTest) throws -> PostgresConnection {
        try PostgresConnection(try #require(archive.endpoints.database))
    }

    private func waitUntilCompacted(_ archive: ArchiveUnderTest, _ session: PostgresConnection) throws {
        try archive.eventually("all are compacted") {
            let rows = try session.run("SELECT FROM dicom_json_meta WHERE json_status = 0", operation: "read")
            return rows.rowCount == 0 ? () : nil
        }
    }

    /// All rows, without the times of processing.
    private func rows(_ archive: ArchiveUnderTest) throws -> [String] {
        let session = try session(archive)
        var rows: [String] = []
        for table in Self.tables {
            let found = try session.run(
                "SELECT (to_jsonb(t) - 'updated_time' - 'variant_hash')::text FROM \(table) t ORDER BY 1",
                operation: "read")
            rows += (0..<found.rowCount).map { "\(table) \(found.string($0, 0) ?? "")" }
        }
        return rows
    }

    private func metadata(_ archive: ArchiveUnderTest) throws -> [String] {
        try (1...2).flatMap { study in
            try archive.json("/studies/\(TestInstance.root).\(study)/metadata").map { object in
                let data = try JSONSerialization.data(withJSONObject: object, options: .sortedKeys)
                return String(decoding: data, as: UTF8.self)
            }.sorted()
        }
    }

    private func reindex(_ archive: ArchiveUnderTest, _ arguments: String...) throws -> Programs.Output {
        try Programs.run("wado", ["reindex", "--data", archive.folder.path] + arguments)
    }

    @Test func everythingComesBackFromTheFiles() throws {
        let archive = try ArchiveUnderTest()
        let count = try store(archive)
        let (rows, metadata) = (try rows(archive), try metadata(archive))
        #expect(metadata.count == count)

        let session = try session(archive)
        try session.run("TRUNCATE \(Self.tables.joined(separator: ", ")), dicom_json_meta", operation: "lose")
        try FileManager.default.removeItem(atPath: archive.folder.json)
        try FileManager.default.createDirectory(atPath: archive.folder.json, withIntermediateDirectories: true)
        // A file that is none, where an instance should be.
        let folder = try #require(firstSeriesFolder(archive))
        try Data("nothing".utf8).write(to: URL(fileURLWithPath: folder + "/1.2.3.dcm"))

        let dry = try reindex(archive, "--from-files", "--dry-run")
        #expect(dry.text.contains("\(count) can be indexed, 1 with errors"), "\(dry.text)")
        #expect(try self.rows(archive).isEmpty)

        let result = try reindex(archive, "--from-files")
        #expect(result.status == 1 && result.text.contains("\(count + 1) instances looked at"), "\(result.text)")
        let changed = "\(rows.count + count) rows and metadata added or changed, 1 with errors"
        #expect(result.text.contains(changed), "\(changed): \(result.text)")
        #expect(result.errors.contains("1.2.3: file_unreadable"), "\(result.errors)")
        #expect(try self.rows(archive) == rows)
        #expect(try self.metadata(archive) == metadata)
        // Once more: nothing changes.
        let second = try reindex(archive, "--from-files")
        #expect(second.status == 1 && second.text.contains(", 0 rows and metadata added or changed"), "\(second.text)")
        #expect(try self.rows(archive) == rows)
        #expect(try archive.json("/studies").count == 2)

        // What was wrong is among the problems, and is tried again once it is mended.
        func problem() throws -> String? {
            try session.run(
                "SELECT rule || ' ' || state FROM dicom_problem_meta WHERE sop_uid = '1.2.3'", operation: "read"
            ).string(0, 0)
        }
        #expect(try problem() == "file-unreadable open")
        try mend(folder, "1.2.3")
        let again = try reindex(archive, "--problems", "--rule", "file-unreadable")
        #expect(again.status == 0 && again.text.contains("1 instances looked at"), "\(again.text)\(again.errors)")
        #expect(try problem() == "file-unreadable cleared")
        #expect(try self.metadata(archive).count == count + 1)
        #expect(archive.stop() == 0)
    }

    /// Writes a good file, made of another one in the folder.
    private func mend(_ folder: String, _ uid: String) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0 != "\(uid).dcm" }
        let other = try DICOMFile.read(path: folder + "/" + (try #require(names.first)))
        var data = DataSetBuilder(other.dataSet)
        data.set(.sopInstanceUID, uid)
        let meta = FileMeta(
            mediaStorageSOPClassUID: UIDs.ctImageStorage, mediaStorageSOPInstanceUID: uid,
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid)
        let bytes = meta.encoded() + data.encoded(in: .explicitVRLittleEndian)
        try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(uid).dcm"))
    }

    private func firstSeriesFolder(_ archive: ArchiveUnderTest) -> String? {
        let files = FileManager.default.enumerator(atPath: archive.folder.store)
        while let path = files?.nextObject() as? String {
            if path.hasSuffix(".dcm") {
                return archive.folder.store + "/" + (path as NSString).deletingLastPathComponent
            }
        }
        return nil
    }

    @Test func aKilledRunIsTakenUpAndSearchesSaySoMeanwhile() throws {
        let archive = try ArchiveUnderTest()
        let count = try store(archive, perSeries: 10)
        let session = try session(archive)
        try session.run(
            "UPDATE dicom_state_meta SET patient_name = NULL; UPDATE dicom_image_meta SET bits_allocated = NULL",
            operation: "forget")
        // Of columns a dry run counts the rows that differ, and changes none.
        let dry = try reindex(archive, "--columns", "patient_name,bits_allocated", "--dry-run")
        #expect(dry.text.contains("\(count) instances looked at"), "\(dry.text)")
        #expect(dry.text.contains("\(count + 4) rows would be changed, 0 with errors"), "\(dry.text)")
        #expect(try reindex(archive, "--columns", "modality", "--dry-run").text.contains(", 0 rows would be changed"))
        // A series every five seconds: there is time to kill it.
        let program = try ChildProgram(
            path: "\(Programs.folder)/wado",
            arguments: [
                "reindex", "--data", archive.folder.path, "--columns", "patient_name,bits_allocated", "--rate", "2",
            ], environment: ["PATH": "/usr/bin:/bin"], name: "wado reindex"
        ) { _ in }
        try archive.eventually("a part of it is done") {
            let rows = try session.run(
                "SELECT done FROM reindex_job WHERE done > 0 AND finished_time IS NULL", operation: "read")
            return rows.rowCount == 1 ? () : nil
        }
        try archive.eventually("a search says so") {
            try warning(archive, "/studies?PatientName=Test*")?.contains("PatientName") == true ? () : nil
        }
        for path in ["/series?includefield=PatientName", "/instances?PatientName=Test*"] {
            #expect(try warning(archive, path)?.contains("PatientName") == true, "\(path)")
        }
        program.signal(SIGKILL)
        var status: Int32 = 0
        waitpid(program.processID, &status, 0)
        program.finishOutput()
        let left = try session.run(
            "SELECT count(*) FROM dicom_image_meta WHERE bits_allocated IS NULL", operation: "read")
        #expect(left.string(0, 0) != "0")

        let result = try reindex(archive, "--columns", "bits_allocated,patient_name")
        #expect(result.status == 0 && result.text.contains("an earlier run was taken up"), "\(result.text)")
        #expect(result.text.contains("\(count) instances looked at"), "\(result.text)")
        let now = try session.run(
            """
            SELECT (SELECT count(*) FROM dicom_image_meta WHERE bits_allocated = 16),
                (SELECT count(*) FROM dicom_state_meta WHERE patient_name = 'Test^Kill')
            """, operation: "read")
        #expect(now.string(0, 0) == "\(count)" && now.string(0, 1) == "4")
        try archive.eventually("searches have nothing to say any more") {
            try warning(archive, "/studies?PatientName=Test*") == nil ? () : nil
        }
        #expect(archive.stop() == 0)
    }

    @Test func whatDisagreesIsFoundAndMended() throws {
        let archive = try ArchiveUnderTest()
        _ = try store(archive)
        let (rows, metadata) = (try rows(archive), try metadata(archive))
        func reconcile(_ arguments: String...) throws -> Programs.Output {
            try Programs.run("wado", ["reconcile", "--data", archive.folder.path] + arguments)
        }
        let clean = try reconcile()
        #expect(clean.status == 0 && clean.text.contains("4 series, 20 instances"), "\(clean.text)\(clean.errors)")

        let session = try session(archive)
        // Else the webworker counts a series anew before it is looked at.
        try waitUntilCompacted(archive, session)
        let series = (1...2).flatMap { study in (1...2).map { "\(TestInstance.root).\(study).\($0)" } }
        try session.run(
            """
            DELETE FROM dicom_state_meta WHERE series_uid = '\(series[0])';
            DELETE FROM dicom_image_meta WHERE sop_uid = '\(series[1]).2';
            UPDATE dicom_state_meta SET series_related_instances = 99 WHERE series_uid = '\(series[2])'
            """, operation: "damage")
        let json = FileManager.default.enumerator(atPath: archive.folder.json)
        while let path = json?.nextObject() as? String {
            if path.contains(series[3]) { try FileManager.default.removeItem(atPath: "\(archive.folder.json)/\(path)") }
        }
        let damaged = try reconcile()
        #expect(damaged.status == 2, "\(damaged.text)")
        for line in [
            "\(series[0]): files without rows, dicom_state_meta: 5",
            "\(series[1]): files without rows, dicom_image_meta: 1",
            "\(series[2]): counts that are wrong: 94", "\(series[3]): files without metadata: 5", "4 differences",
        ] { #expect(damaged.text.contains(line), "\(line)\n\(damaged.text)") }
        let mended = try reconcile("--repair")
        #expect(mended.status == 0 && mended.text.contains("4 differences mended"), "\(mended.text)")
        #expect(try self.rows(archive) == rows)
        #expect(try self.metadata(archive) == metadata)

        // What has no file any more is told, and stays.
        let folder = try #require(firstSeriesFolder(archive))
        try FileManager.default.removeItem(atPath: folder)
        let lost = try reconcile("--repair")
        #expect(lost.status == 2 && lost.text.contains("rows without files, dicom_object_meta: 5"), "\(lost.text)")
        #expect(try self.rows(archive) == rows)
        #expect(try reconcile("--tenant", "other").status == 0)

        // Disks that are not mounted: nothing is called lost, made anew, or complete.
        let files = FileManager.default
        for place in [archive.folder.store, archive.folder.json] {
            try files.moveItem(atPath: place, toPath: place + ".away")
            try files.createDirectory(atPath: place, withIntermediateDirectories: false)
            let isStore = place == archive.folder.store
            let run = isStore ? try reindex(archive, "--from-files") : try reindex(archive, "--columns", "patient_name")
            for output in [run, try reconcile("--repair")] {
                #expect(output.status != 0 && output.errors.contains("mounted"), "\(output.text)\(output.errors)")
            }
            try files.removeItem(atPath: place)
            try files.moveItem(atPath: place + ".away", toPath: place)
        }
        #expect(try session.run("SELECT FROM reindex_job", operation: "read").rowCount == 0)
        #expect(archive.stop() == 0)
    }

    /// The Warning header of an answer.
    private func warning(_ archive: ArchiveUnderTest, _ path: String) throws -> String? {
        let answer = try #require(LocalHTTP.get(archive.endpoints.web.root + path))
        #expect(answer.status == 200)
        return answer.header("warning")
    }

    @Test func metadataThatIsReadAgainHasNoProblemAnyMore() throws {
        let archive = try ArchiveUnderTest()
        _ = try store(archive)
        let session = try session(archive)
        try waitUntilCompacted(archive, session)
        let files = (FileManager.default.enumerator(atPath: archive.folder.json) ?? .init()).compactMap {
            $0 as? String
        }
        let compacted = try #require(files.first { $0.hasSuffix(".gz") })
        try Data("no metadata".utf8).write(to: URL(fileURLWithPath: "\(archive.folder.json)/\(compacted)"))
        func states() throws -> [String] {
            let rows = try session.run(
                "SELECT state FROM dicom_problem_meta WHERE rule LIKE 'metadata%' AND sop_uid = ''", operation: "read")
            return (0..<rows.rowCount).compactMap { rows.string($0, 0) }
        }
        #expect(try reindex(archive, "--columns", "patient_name").status == 1)
        #expect(try states() == ["open"])
        #expect(try reindex(archive, "--from-files").status == 0)
        #expect(try reindex(archive, "--columns", "patient_name").status == 0)
        #expect(try states() == ["cleared"])
        #expect(archive.stop() == 0)
    }

    /// What only looks changes nothing, not even the schema, and says that it is another one.
    @Test(arguments: [
        (["reindex", "--columns", "patient_name", "--dry-run"], ["reindex", "--columns", "patient_name"]),
        (["reindex", "--from-files", "--dry-run"], ["reindex", "--from-files"]),
        (["reconcile"], ["reconcile", "--repair"]),
    ])
    func whatOnlyLooksMigratesNothing(_ looking: [String], _ doing: [String]) throws {
        let database = try TestPostgres.makeArchiveDatabase()
        let session = try PostgresConnection(database)
        let temporary = try TemporaryFolder()
        try DataFolder(temporary.path).prepare()
        func saysSo(_ command: [String]) throws -> Bool {
            let output = try Programs.run("wado", command + ["--database", database, "--data", temporary.path])
            #expect(output.status == 0, "\(output)")
            return output.errors.contains("has not the schema of this program")
        }
        func isThere() throws -> Bool {
            let found = try session.run("SELECT to_regclass('dicom_image_meta_sop_uid_idx')", operation: "look")
            return found.string(0, 0) != nil
        }
        try session.run("DROP INDEX dicom_image_meta_sop_uid_idx", operation: "change the schema")
        #expect(try saysSo(looking) && !isThere())
        #expect(try !saysSo(doing) && isThere())
        #expect(try !saysSo(looking))
    }

    @Test func whatCannotBeDoneIsExplained() throws {
        for (arguments, text) in [
            ([], "--columns"), (["--columns", "a", "--from-files"], "--columns"),
            (["--from-files", "--rate", "0"], "--rate"),
            (["--columns"], "needs a value"), (["--columns", "--dry-run"], "needs a value"),
            (["--columns", ",,"], "--columns"), (["--since", "yesterday", "--from-files"], "yesterday"),
            (["--from-files", "--tenant", "a/b"], "a/b"), (["--frmo-files"], "frmo"),
        ] {
            let result = try Programs.run("wado", ["reindex"] + arguments)
            #expect(result.status != 0 && result.errors.contains(text), "\(arguments): \(result.errors)")
        }
    }
}
