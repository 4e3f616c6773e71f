import Archive
import ArchiveSchema
import DICOMWeb
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Testing

/// Searches use indexes when there are many series.
@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct SearchPlanTests {
    /// Series of two tenants, four to a study, two studies to a patient.
    static func fill(_ connection: PostgresConnection, series: Int) throws {
        try connection.run(
            """
            INSERT INTO dicom_state_meta (tenant_id, study_uid, series_uid, study_uid_hash, series_uid_hash,
                representative_sop_uid, patient_id, patient_name, patient_sex, study_date, study_time, accession_number,
                study_id, study_description, modality, series_number, series_description, series_related_instances,
                procedure_code, created_time, updated_time)
            SELECT CASE WHEN n % 10 = 0 THEN 't2' ELSE 't1' END, '1.2.840.99.' || n / 4, '1.2.840.99.' || n / 4 || '.' || n,
                lpad((n / 4)::text, 20, '0'), lpad(n::text, 20, '0'), '1.2.840.99.' || n || '.1', 'P' || n / 8,
                'Name' || n / 8 || '^First' || n % 7, 'O', date '2000-01-01' + n / 4 % 9000, time '08:00',
                'ACC' || n / 4, 'S' || n / 4, 'Study ' || n / 4, (ARRAY['CT', 'MR', 'US', 'CR'])[1 + n % 4], n % 4,
                'Series ' || n, 100, CASE WHEN n % 2 = 0 THEN ARRAY['PC' || n / 8, 'X'] END, now(), now()
            FROM generate_series(0, \(series - 1)) AS n;
            INSERT INTO dicom_state_variant (\(DicomStateMetaRow.table.columnList), variant_hash)
            SELECT \(DicomStateMetaRow.table.columnList), lpad('1', 20, '0') FROM dicom_state_meta
            WHERE series_number = 3;
            ANALYZE dicom_state_meta, dicom_state_variant
            """, operation: "fill")
    }

    @Test func indexesAreUsed() throws {
        let connection = try PostgresConnection(TestPostgres.makeArchiveDatabase())
        try Self.fill(connection, series: 20_000)
        let cases: [(QIDOLevel, String, String)] = [
            (.studies, "PatientID=P77", "patient_id_idx"), (.studies, "PatientID=P77*", "patient_id_idx"),
            (.studies, "AccessionNumber=ACC500", "accession_number_idx"),
            (.studies, "StudyDate=20100101", "study_date_idx"),
            (.studies, "StudyDate=20100101-20100103", "study_date_idx"),
            (.studies, "StudyInstanceUID=1.2.840.99.5", "dicom_state_meta_pkey"),
            (.studies, "StudyInstanceUID=1.2.840.99.5,1.2.840.99.7", "dicom_state_meta_pkey"),
            (.studies, "PatientName=name77^*", "patient_name_idx"), (.studies, "StudyID=S9", "study_id_idx"),
            (.studies, "", "dicom_state_meta_pkey"), (.studies, "limit=20&offset=40", "dicom_state_meta_pkey"),
            (.series, "SeriesInstanceUID=1.2.840.99.5.21", "dicom_state_meta_series_uid_idx"),
            (.series, "PatientID=P77", "patient_id_idx"),
            (.studies, "ProcedureCodeSequence.CodeValue=PC77", "procedure_code_idx"),
        ]
        for (level, text, index) in cases {
            let statement = try PostgresSeriesIndex.Statement(QIDOQuery(level: level, query: text), tenantID: "t1")
            let plan: PostgresResult
            if statement.isPlain {
                // As a prepared statement has it after some uses.
                try connection.run("SET plan_cache_mode = force_generic_plan", operation: "test")
                plan = try connection.query("EXPLAIN \(statement.sql)", statement.parameters, operation: "explain")
            } else {
                plan = try connection.queryOnce("EXPLAIN \(statement.sql)", statement.parameters, operation: "explain")
            }
            let lines = (0..<plan.rowCount).map { plan.string($0, 0) ?? "" }.joined(separator: "\n")
            #expect(lines.contains(index) && !lines.contains("Seq Scan"), "\(text)\n\(lines)")
            // Where variants can match, too, they are looked up the same way.
            let variants = index.hasPrefix("dicom_state_meta") ? nil : "dicom_state_variant_\(index)"
            #expect(variants.map { lines.contains($0) } ?? !lines.contains("dicom_state_variant"), "\(text)\n\(lines)")
        }
    }

    /// Requests per second, by hand: WADO_MEASURE=1.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["WADO_MEASURE"] != nil, "only when measuring"))
    func measure() throws {
        let string = try TestPostgres.makeArchiveDatabase()
        try Self.fill(PostgresConnection(string), series: 200_000)
        let index = PostgresSeriesIndex(pool: PostgresPool(string, limit: 4))
        for text in [
            "PatientID=P%d", "AccessionNumber=ACC%d", "StudyInstanceUID=1.2.840.99.%d", "PatientName=name%d^*",
            "StudyDate=20100101&limit=50", "limit=50", "limit=50&offset=%d",
        ] {
            let start = Date()
            var count = 0
            while Date().timeIntervalSince(start) < 2 {
                let query = try QIDOQuery(
                    level: .studies, query: text.replacingOccurrences(of: "%d", with: "\(count * 37 % 25_000)"))
                _ = try index.search(query, tenantID: "t1", retrieveRoot: "http://x")
                count += 1
            }
            print("MEASURE \(text): \(Int(Double(count) / Date().timeIntervalSince(start))) a second")
        }
    }
}
