import ArchiveSchema
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Testing

/// The generated DDL and the encoders on a real PostgreSQL.
@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct PostgresTests {
    private func create(_ connection: PostgresConnection) throws {
        for table in ArchiveSchema.tables {
            if let ddl = table.postgresDDL { try connection.run(ddl, operation: "create \(table.name)") }
            if let month = CalendarMonth("202311"), let partition = table.partitionDDL(of: month) {
                try connection.run(partition, operation: "create partition")
            }
        }
    }

    @Test func theDDLRunsTwice() throws {
        let connection = try PostgresConnection(TestPostgres.makeDatabase())
        for _ in 0..<2 { try create(connection) }
        for table in ArchiveSchema.tables {
            let result = try connection.query(
                """
                SELECT column_name::text, is_nullable = 'YES', col_description($1::text::regclass, ordinal_position)
                FROM information_schema.columns WHERE table_name = $1::text ORDER BY ordinal_position
                """, [.text(table.name)], operation: "columns")
            let columns = table.columns.filter(\.isInPostgres)
            #expect((0..<result.rowCount).map { result.string($0, 0) } == columns.map(\.name))
            #expect((0..<result.rowCount).map { result.bool($0, 1) } == columns.map(\.isNullable))
            #expect((0..<result.rowCount).map { result.string($0, 2) ?? "" } == columns.map(\.comment))
            let indexes = try connection.query(
                "SELECT indexname::text FROM pg_indexes WHERE tablename = $1::text", [.text(table.name)],
                operation: "indexes")
            let names = Set((0..<indexes.rowCount).compactMap { indexes.string($0, 0) })
            #expect(names == Set(table.indexes.map(\.name) + ["\(table.name)_pkey"]))
            guard let variants = table.variants else { continue }
            let others = try connection.query(
                """
                SELECT column_name::text, udt_name::text || coalesce(character_maximum_length, 0) || is_nullable
                FROM information_schema.columns WHERE table_name = $1::text
                EXCEPT SELECT column_name::text, udt_name::text || coalesce(character_maximum_length, 0) || is_nullable
                FROM information_schema.columns WHERE table_name = $2::text
                """, [.text(variants), .text(table.name)], operation: "columns")
            #expect(others.rowCount == 1 && others.string(0, 0) == "variant_hash")
        }
    }

    @Test func rowsReadBackAsTheyWereCopied() throws {
        let connection = try PostgresConnection(TestPostgres.makeDatabase())
        try create(connection)
        var random = SplitMix(seed: 17)
        for _ in 0..<40 {
            for (table, tuple) in RowSamples.tuples(&random) {
                try connection.run("TRUNCATE \(table.name)", operation: "truncate")
                try connection.copyIn(
                    "COPY \(table.name) (\(table.columnList)) FROM STDIN (FORMAT binary)", tuples: tuple,
                    operation: "copy")
                let result = try connection.query(
                    "SELECT \(table.columnList) FROM \(table.name)", operation: "select")
                try #require(result.rowCount == 1)
                #expect((0..<result.columnCount).map { result.bytes(0, $0) } == fields(of: tuple), "\(table.name)")
            }
        }
    }

    @Test func valuesMeanTheSameAsText() throws {
        let connection = try PostgresConnection(TestPostgres.makeDatabase())
        try create(connection)
        var random = SplitMix(seed: 23)
        for _ in 0..<40 {
            let row = RowSamples.state(&random)
            var tuple: [UInt8] = []
            row.encodeCopy(into: &tuple)
            try connection.run("TRUNCATE dicom_state_meta", operation: "truncate")
            try connection.copyIn(
                "COPY dicom_state_meta (\(DicomStateMetaRow.table.columnList)) FROM STDIN (FORMAT binary)",
                tuples: tuple, operation: "copy")
            let result = try connection.query(
                """
                SELECT study_date::text, study_time::text, to_char(created_time AT TIME ZONE 'UTC',
                    'YYYY-MM-DD HH24:MI:SS.US'), patient_name, series_number::text, patient_size
                FROM dicom_state_meta
                """, operation: "select")
            #expect(result.string(0, 0) == row.studyDate?.description)
            #expect(result.string(0, 1) == row.studyTime?.description)
            #expect(result.string(0, 2) == row.createdTime.description)
            #expect(result.string(0, 3) == row.patientName)
            #expect(result.string(0, 4) == row.seriesNumber.map { "\($0)" })
            #expect(result.double(0, 5) == row.patientSize)
        }
    }

    @Test func textThatDoesNotFitDoesNotSpoilTheBatch() throws {
        let connection = try PostgresConnection(TestPostgres.makeDatabase())
        try create(connection)
        var row = RowSamples.access
        row.userAgent = String(repeating: "東", count: 300)
        row.path = "/dicom-web\0/studies"
        var tuple: [UInt8] = []
        row.encodeCopy(into: &tuple)
        try connection.copyIn(
            "COPY wado_access_log (\(WadoAccessLogRow.table.columnList)) FROM STDIN (FORMAT binary)", tuples: tuple,
            operation: "copy")
        let result = try connection.query(
            "SELECT char_length(user_agent), path, tableoid::regclass::text FROM wado_access_log", operation: "select")
        #expect(result.integer(0, 0) == 256 && result.string(0, 1) == "/dicom-web")
        #expect(result.string(0, 2) == "wado_access_log_202311")
    }

    @Test func searchesUseTheirIndexes() throws {
        let connection = try PostgresConnection(TestPostgres.makeDatabase())
        try create(connection)
        try connection.run(
            """
            INSERT INTO dicom_state_meta (tenant_id, study_uid, series_uid, study_uid_hash, series_uid_hash,
                representative_sop_uid, patient_id, patient_name, study_date, accession_number, study_id, created_time,
                updated_time)
            SELECT 't' || i % 2, '1.' || i, '2.' || i, '', '', '3.' || i, 'p' || i, 'Name' || i,
                '2000-01-01'::date + i, 'a' || i, 's' || i, now(), now() FROM generate_series(1, 5000) i;
            ANALYZE dicom_state_meta; SET enable_bitmapscan = off
            """, operation: "fill")
        for (condition, index) in [
            ("patient_id = 'p77'", "dicom_state_meta_patient_id_idx"),
            ("patient_id LIKE 'p77%'", "dicom_state_meta_patient_id_idx"),
            ("lower(patient_name) LIKE 'name77%'", "dicom_state_meta_patient_name_idx"),
            ("study_date BETWEEN '2004-01-01' AND '2004-01-02'", "dicom_state_meta_study_date_idx"),
            ("accession_number = 'a77'", "dicom_state_meta_accession_number_idx"),
            ("study_uid = '1.77'", "dicom_state_meta_pkey"), ("series_uid = '2.77'", "dicom_state_meta_series_uid_idx"),
        ] {
            let plan = try connection.run(
                "EXPLAIN SELECT 1 FROM dicom_state_meta WHERE tenant_id = 't1' AND \(condition)", operation: "explain")
            let text = (0..<plan.rowCount).compactMap { plan.string($0, 0) }.joined(separator: "\n")
            #expect(text.contains(" using \(index) "), "\(condition)\n\(text)")
            let column = condition.prefix { $0 != " " }.split { $0 == "(" || $0 == ")" }.last.map(String.init) ?? ""
            let used = text.split(separator: "\n").first { $0.contains("Index Cond: ") }
            #expect(used?.contains(column) == true, "\(condition)\n\(text)")
        }
    }

    /// The values of one tuple of binary COPY.
    private func fields(of tuple: [UInt8]) -> [[UInt8]?] {
        var fields: [[UInt8]?] = []
        var index = 2
        while index < tuple.count {
            let length = tuple[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) }
            index += 4
            if length == .max {
                fields.append(nil)
            } else {
                fields.append(Array(tuple[index..<index + Int(length)]))
                index += Int(length)
            }
        }
        return fields
    }
}
