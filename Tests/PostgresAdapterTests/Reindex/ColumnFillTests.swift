import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Testing

/// Columns of rows that are there get their values from stored metadata.
@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct ColumnFillTests {
    @Test func rowsOfInstancesGetTheirOwnValues() throws {
        let fixture = try FillFixture()
        for number in 1...5 {
            try fixture.ingest(
                fixture.series(number),
                (1...3).map { instance in
                    (
                        "1.4.\(number).\(instance)",
                        { data in
                            data.set(.sliceThickness, vr: .ds, text: "\(number).\(instance)")
                            data.set(.rescaleType, "HU é")
                        }
                    )
                },
                forget: { _, image in
                    image.sliceThickness = nil
                    image.rescaleType = nil
                })
        }
        let before = try fixture.texts("SELECT updated_time::text FROM dicom_image_meta ORDER BY 1")
        #expect(try fixture.fill(["slice_thickness", "dicom_image_meta.rescale_type"]).changed == 15)
        let values = try fixture.texts(
            "SELECT sop_uid || ' ' || slice_thickness || ' ' || rescale_type FROM dicom_image_meta ORDER BY sop_uid")
        let wanted = (1...5).flatMap { series in (1...3).map { "1.4.\(series).\($0) \(series).\($0) HU é" } }
        #expect(values == wanted)
        #expect(try fixture.texts("SELECT updated_time::text FROM dicom_image_meta ORDER BY 1") == before)
        // Again: nothing is left to do, and nothing is written.
        #expect(try fixture.fill(["slice_thickness", "rescale_type"]).changed == 0)
    }

    @Test func aSeriesShowsWhatItsRepresentativeHas() throws {
        let fixture = try FillFixture()
        try fixture.ingest(
            fixture.series(1),
            ["1.4.2", "1.4.1", "1.4.3"].map { sop in (sop, { $0.set(.protocolName, "protocol of \(sop)") }) },
            forget: { state, _ in state.protocolName = nil })
        #expect(try fixture.fill(["protocol_name"]).changed == 1)
        #expect(try fixture.texts("SELECT protocol_name FROM dicom_state_meta") == ["protocol of 1.4.1"])
    }

    @Test func columnsThatANewerProgramAddedStayAsTheyAre() throws {
        let fixture = try FillFixture()
        for table in ["dicom_state_meta", "dicom_image_meta"] {
            _ = try fixture.texts("ALTER TABLE \(table) ADD COLUMN later integer NOT NULL DEFAULT 7")
        }
        try fixture.ingest(
            fixture.series(1),
            [
                (
                    "1.4.1",
                    {
                        $0.set(.protocolName, "p")
                        $0.set(.rescaleType, "HU")
                    }
                )
            ],
            forget: { state, image in
                state.protocolName = nil
                image.rescaleType = nil
            })
        #expect(try fixture.fill(["protocol_name", "rescale_type"]).changed == 2)
        #expect(
            try fixture.texts(
                "SELECT protocol_name || rescale_type || s.later || i.later FROM dicom_state_meta s, dicom_image_meta i"
            )
                == ["pHU77"])
    }

    @Test func seriesAreFoundByWhatAnyInstanceSays() throws {
        let fixture = try FillFixture()
        try fixture.ingest(
            fixture.series(1),
            [("1.4.1", "North"), ("1.4.2", "South"), ("1.4.3", "South"), ("1.4.4", "West")].map { sop, name in
                (sop, { $0.set(.institutionName, name) })
            }, forget: { state, _ in state.institutionName = nil })
        // Instances that agree, and one whose series had variants before.
        try fixture.ingest(
            fixture.series(2), ["1.5.1", "1.5.2"].map { sop in (sop, { $0.set(.institutionName, "North") }) },
            forget: { state, _ in state.institutionName = nil })
        try fixture.ingest(
            fixture.series(3),
            ["1.6.1", "1.6.2"].map { sop in
                (
                    sop,
                    {
                        $0.set(.institutionName, "East")
                        $0.set(.patientID, "patient of \(sop)")
                    }
                )
            }, forget: { state, _ in state.institutionName = nil })
        for name in ["North", "South", "West", "East"] {
            #expect(try fixture.seriesFound("InstitutionName=\(name)") == 0)
        }
        try fixture.fill(["institution_name"])
        #expect(try fixture.seriesFound("InstitutionName=North") == 2)
        for name in ["South", "West", "East"] {
            #expect(try fixture.seriesFound("InstitutionName=\(name)") == 1, "\(name)")
        }
        // Values of one instance match together.
        #expect(try fixture.seriesFound("InstitutionName=East&PatientID=patient%20of%201.6.2") == 1)
        let variants = try fixture.texts(
            "SELECT series_uid || ' ' || institution_name FROM dicom_state_variant ORDER BY 1")
        #expect(variants == ["1.3.1 South", "1.3.1 West", "1.3.3 East"])
    }

    @Test func whatComesMeanwhileIsNotWrittenOver() throws {
        let fixture = try FillFixture()
        func ingest(_ text: String, forgets: Bool) throws {
            try fixture.ingest(
                fixture.series(1), [("1.4.1", { $0.set(.protocolName, text) })],
                forget: { state, _ in if forgets { state.protocolName = nil } })
        }
        try ingest("old", forgets: true)
        let columns = try ColumnSelection(["protocol_name"])
        let fill = ColumnFill(pool: fixture.pool, columns: columns)
        let reader = ColumnReader(columns, metadata: fixture.metadata, store: fixture.files)
        var batches: [FillBatch] = []
        try reader.read(try fill.series(ColumnFill.Filter(), after: nil, limit: 9)) {
            batches.append($0)
            return true
        }
        try ingest("new", forgets: false)
        let batch = try #require(batches.first)
        let (changed, again) = try fill.write(batch)
        #expect(changed == 0 && again == [fixture.series(1)])
        #expect(try fixture.texts("SELECT protocol_name FROM dicom_state_meta") == ["new"])
    }

    @Test func whatTheJSONLacksComesFromTheFile() throws {
        let fixture = try FillFixture()
        let long = String(repeating: "x", count: 1_500)
        try fixture.ingest(
            fixture.series(1), [("1.4.1", { $0.set(.protocolName, vr: .un, bytes: Array(long.utf8)) })],
            forget: { state, _ in state.protocolName = nil })
        let result = try fixture.fill(["protocol_name"])
        #expect(result.changed == 1 && result.failures.isEmpty)
        #expect(try fixture.texts("SELECT protocol_name FROM dicom_state_meta") == [String(long.prefix(64))])
    }

    @Test func anInstanceWithErrorsDoesNotStopTheRest() throws {
        let fixture = try FillFixture()
        for number in 1...3 {
            try fixture.ingest(
                fixture.series(number), [("1.4.\(number)", { $0.set(.protocolName, "P") })],
                forget: { state, _ in state.protocolName = nil })
        }
        let bad = InstanceMetadata(sopInstanceUID: "1.4.2", json: Array("{\"00181030\":[}".utf8))
        _ = try fixture.metadata.append([SeriesMetadataUpdate(series: fixture.series(2), instances: [bad])])
        try FileManager.default.removeItem(atPath: fixture.files.paths.root)
        let result = try fixture.fill(["protocol_name"])
        #expect(result.changed == 2)
        #expect(result.failures.map(\.sopInstanceUID) == ["1.4.2"])
        // Of one tenant, and of what was written since a day.
        #expect(try fixture.fill(["protocol_name"], filter: .init(tenantID: "other")).failures.isEmpty)
        let later = Timestamp(microsecondsSince1970: fixture.time.microsecondsSince1970 + 1)
        #expect(try fixture.fill(["protocol_name"], filter: .init(since: later)).failures.isEmpty)
        #expect(try fixture.fill(["protocol_name"], filter: .init(since: fixture.time)).failures.count == 1)
    }

    @Test func columnsThatCannotBeFilledAreNamed() throws {
        for name in ["nope", "dicom_state_meta.nope", "study_uid", "file_path", "representative_sop_uid", "a.b.c", ""] {
            #expect(throws: ColumnSelectionError.self, "\(name)") { try ColumnSelection([name]) }
        }
        #expect(
            try ColumnSelection(["patient_id"]).names
                == ["dicom_image_meta.patient_id", "dicom_object_meta.patient_id", "dicom_state_meta.patient_id"])
        #expect(try ColumnSelection(["modality", "dicom_state_meta.modality"]).names == ["dicom_state_meta.modality"])
    }
}
