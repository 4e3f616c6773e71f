import Foundation
import SchemaGenerator
import TestSupport
import Testing

/// What is generated from the project's own spec.
@Suite struct GeneratedSQLTests {
    @Test func theCommittedFilesAreTheGeneratedOnes() throws {
        let generated = try ProjectSpec.sql()
        let folder = PackageFolder.url("generated-sql")
        let enumerator = try #require(FileManager.default.enumerator(atPath: folder.path))
        let committed = enumerator.compactMap { $0 as? String }.filter {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: folder.appending(path: $0).path, isDirectory: &isFolder)
                && !isFolder.boolValue
        }
        let hint = "run `swift package generate-sql` and commit generated-sql/"
        #expect(Set(committed).subtracting(generated.keys) == [], "stale; \(hint)")
        #expect(Set(generated.keys).subtracting(committed) == [], "missing; \(hint)")
        for name in committed.sorted() {
            let contents = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
            #expect(contents == generated[name], "\(name) differs; \(hint)")
        }
    }

    @Test func theCommittedPageIsTheGeneratedOne() throws {
        let output = try SchemaGenerator.documents(
            specPath: "fields.yaml", spec: PackageFolder.bytes("dictionary/fields.yaml"),
            registry: try #require(SpecSamples.registry))
        #expect(output.files.map(\.name) == ["search-keys.md"])
        let committed = String(decoding: try PackageFolder.bytes("docs/search-keys.md"), as: UTF8.self)
        #expect(
            output.files.first?.contents == committed, "run `swift package generate-sql` and commit docs/search-keys.md"
        )
    }

    @Test func thePageTellsHowEachKeyIsFound() throws {
        let spec = SpecSamples.spec(
            "name: a, tag: PatientID, level: patient, search: true, also: {AccessionNumber: study}",
            "name: b, tag: 'ProcedureCodeSequence[*].CodeValue', level: study, search: true",
            "name: c, tag: '(0029,\"ACME\",08)', vr: DA, level: series, search: true",
            "name: d, tag: ImageType, join: true, type: text(64), level: series",
            "name: e, tag: StudyID, level: study, search: true, status: retired"
        ).replacing("    doris: {", with: "    indexes: [[tenant_id, a], [b]]\n    doris: {")
        let page = try SchemaGenerator.documents(
            specPath: "fields.yaml", spec: Array(spec.utf8), registry: try #require(SpecSamples.registry)
        ).files.first?.contents
        let lines = page?.split(separator: "\n").filter { $0.hasPrefix("| ") || $0.hasPrefix("## ") } ?? []
        let heading = "| keyword | tag | column | matching | index |"
        #expect(
            lines == [
                "## Patients: in searches for studies, series and instances", Substring(heading),
                "| PatientID | 00100020 | `things.a` | equal, `*` and `?` | `things_a_idx` |",
                "## Studies: in searches for studies, series and instances", Substring(heading),
                "| AccessionNumber | 00080050 | `things.a` | equal, `*` and `?` | `things_a_idx` |",
                "| ProcedureCodeSequence.CodeValue | 00081032.00080100 | `things.b` | equal, `*` and `?`; any of its values | `things_b_idx` (equal values) |",
                "## Series: in searches for series and instances", Substring(heading),
                "| (0029,\"ACME\",08) | 00291008 | `things.c` | a day, a range of days | none |",
                "## Answered, not searched", "| keyword | tag | column | level |",
                "| ImageType | 00080008 | `things.d` | series |",
            ])
    }

    /// A combining mark makes one character with what stands before it, and no other text for a database.
    @Test func quotesWithAccentsAreQuotesStill() throws {
        let accent: Unicode.Scalar = "\u{301}"
        let sql = try SpecSamples.sql(
            SpecSamples.spec(
                "name: a, tag: PatientID, comment: x'\(accent)y", "name: b, tag: StudyID, comment: 'x\"\(accent)y'"))
        func has(_ name: String, _ text: String) -> Bool {
            sql[name].map { Array($0.unicodeScalars).contains(Array(text.unicodeScalars)) } ?? false
        }
        #expect(has("postgres/things.sql", "x''\(accent)y"))
        #expect(has("doris/things.sql", "x\\\"\(accent)y"))
    }

    @Test func theSpecHasNoWarnings() throws {
        let output = try SpecSamples.generate(PackageFolder.bytes("dictionary/fields.yaml"))
        #expect(output.warnings == [])
    }

    @Test(.enabled(if: SharedFiles.has("doris-check/doris-check"), "no shared/doris-check here"))
    func dorisWouldParseIt() throws {
        let checker = try #require(SharedFiles.url("doris-check/doris_check.py"))
        let folder = PackageFolder.url("generated-sql")
        let files = try ProjectSpec.sql().keys.filter { $0.hasPrefix("doris/") }.sorted()
        #expect(files.count == 10)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            ["python3", checker.path, "--strict"] + files.map { folder.appending(path: $0).path }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text)")
    }

    @Test func everyTableOfTheSeedKeepsItsColumns() throws {
        for (store, tables) in SeedColumns.all {
            for (table, columns) in tables {
                let sql = try #require(try ProjectSpec.sql()["\(store)/\(table).sql"])
                let found = Set(ProjectSpec.columns(of: sql).map(\.name))
                #expect(
                    Set(columns.split(separator: " ").map(String.init)).subtracting(found) == [], "\(store) \(table)")
            }
        }
    }

    @Test(.enabled(if: SharedFiles.has("seed/doris.sql"), "no shared/seed here"))
    func theListOfTheSeedsColumnsIsTheSeeds() throws {
        for (store, tables) in SeedColumns.all {
            let sql = try String(contentsOf: try #require(SharedFiles.url("seed/\(store).sql")), encoding: .utf8)
            let words = Set(sql.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.map(String.init))
            for (table, columns) in tables {
                #expect(words.contains(table))
                #expect(columns.split(separator: " ").allSatisfy { words.contains(String($0)) })
            }
        }
    }
}

/// The columns of the original's scripts.
enum SeedColumns {
    static let state = """
        tenant_id patient_id study_uid series_uid study_uid_hash series_uid_hash study_date_origin patient_name \
        patient_sex patient_birth_date patient_birth_time patient_age patient_size patient_weight pregnancy_status \
        study_date study_time accession_number study_id study_description modality series_number series_date series_time \
        series_description body_part_examined protocol_name created_time updated_time
        """
    static let all: [String: [String: String]] = [
        "postgres": [
            "dicom_state_meta": state + " series_related_instances",
            "dicom_json_meta": """
            tenant_id study_uid series_uid study_uid_hash series_uid_hash study_date_origin flag_time created_time \
            json_status retry_times
            """,
        ],
        "doris": [
            "dicom_state_meta": state,
            "dicom_object_meta": """
            tenant_id patient_id study_uid series_uid sop_uid file_size file_path transfer_syntax_uid number_of_frames \
            created_time series_uid_hash study_uid_hash accession_number target_ts study_date transfer_status source_ip \
            source_ae trace_id worker_node_id
            """,
            "dicom_image_meta": """
            tenant_id patient_id study_uid series_uid sop_uid study_uid_hash series_uid_hash study_date_origin \
            content_date content_time instance_number image_type image_orientation_patient image_position_patient \
            slice_thickness spacing_between_slices slice_location samples_per_pixel photometric_interpretation width \
            columns bits_allocated bits_stored high_bit pixel_representation rescale_intercept rescale_slope rescale_type \
            window_center window_width transfer_syntax_uid pixel_data_location thumbnail_location sop_class_uid \
            image_status space_size created_time updated_time
            """,
        ],
    ]
}

/// The project's own spec, generated.
enum ProjectSpec {
    static func sql() throws -> [String: String] {
        try SpecSamples.sql(String(decoding: try PackageFolder.bytes("dictionary/fields.yaml"), as: UTF8.self))
    }

    struct Column: Hashable {
        var name: String
        var type: String
        var isNullable: Bool
    }

    /// The columns of a generated CREATE TABLE.
    static func columns(of sql: String) -> [Column] {
        let lines = sql.split(separator: "\n").drop { !$0.hasPrefix("CREATE TABLE") }.dropFirst().prefix {
            $0.hasPrefix("    ")
        }
        return lines.compactMap { line in
            let words = line.split(separator: " ").map { $0.trimmingCharacters(in: ["`", "\"", ","]) }
            guard words.count >= 2, words[0] != "PRIMARY" else { return nil }
            return Column(name: words[0], type: words[1], isNullable: !line.contains(" NOT NULL"))
        }
    }
}
