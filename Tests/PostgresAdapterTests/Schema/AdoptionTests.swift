import Archive
import Foundation
import PostgresAdapter
import PostgresTestSupport
import TestSupport
import Testing

/// A database that the original's own script made becomes ours.
@Suite("Adoption", .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct AdoptionTests {
    private static let script = SharedFiles.url("seed/postgres.sql").flatMap {
        try? String(contentsOf: $0, encoding: .utf8)
    }

    private static let rows = """
        INSERT INTO dicom_state_meta (tenant_id, patient_id, study_uid, series_uid, study_uid_hash, series_uid_hash,
            patient_name, patient_age, study_date, study_date_origin, accession_number, created_time, updated_time)
        SELECT '1234567890', 'P' || g, '1.2.' || g, '1.2.' || g || '.1', lpad(g::text, 20, '0'), lpad(g::text, 20, '0'),
            '张^三', '045Y', '2024-02-29', '20240229', 'A' || g, CASE WHEN g % 2 = 0 THEN timestamp '2024-02-29 12:00' END,
            CASE WHEN g % 3 = 0 THEN timestamp '2024-03-01 12:00' END
        FROM generate_series(1, 300) AS g;
        INSERT INTO dicom_json_meta (tenant_id, study_uid, series_uid, study_uid_hash, series_uid_hash, study_date_origin,
            flag_time, json_status)
        SELECT tenant_id, study_uid, series_uid, study_uid_hash, series_uid_hash, study_date_origin,
            timestamp '2024-02-29 12:00', 1 FROM dicom_state_meta
        """

    @Test(.enabled(if: script != nil, "no ../shared/seed"))
    func theOriginalsDatabaseIsAdoptedWithEveryRow() throws {
        let string = try TestPostgres.makeDatabase()
        let connection = try PostgresConnection(string + " options='-c timezone=Asia/Shanghai'")
        try connection.run(
            """
            \(Self.script ?? "");
            \(Self.rows);
            CREATE TABLE theirs (id integer PRIMARY KEY, note text); INSERT INTO theirs VALUES (1, 'ours not')
            """, operation: "test")
        let migrator = SchemaMigrator()
        try migrator.migrate(connection)

        // Every object is as in a new database, and nothing waits for a decision.
        let fresh = try migrator.objects(PostgresConnection(TestPostgres.makeArchiveDatabase()))
        #expect(try migrator.objects(connection) == fresh)
        let store = PostgresSchemaStore(string)
        #expect(try store.plan().isEmpty && store.differences().isEmpty)
        func value(_ sql: String) throws -> String? {
            try connection.queryOnce("SELECT (\(sql))::text", [], operation: "test").string(0, 0)
        }
        #expect(try value("SELECT count(*) FROM dicom_json_meta WHERE json_status = 1") == "300")
        #expect(
            try value(
                """
                SELECT count(*) FROM dicom_state_meta WHERE patient_id LIKE 'P%' AND patient_name = '张^三'
                    AND patient_age = '045Y' AND study_date = '2024-02-29' AND study_date_origin = '20240229'
                    AND accession_number LIKE 'A%'
                """) == "300")
        // Local times have their zone, and where there was none at all, the other one or now stands in.
        #expect(
            try value(
                "SELECT count(*) FROM dicom_state_meta WHERE created_time = '2024-02-29 12:00+08'") == "150")
        #expect(
            try value("SELECT count(*) FROM dicom_state_meta WHERE updated_time = '2024-03-01 12:00+08'") == "100")
        #expect(try value("SELECT count(*) FROM dicom_json_meta WHERE flag_time = '2024-02-29 12:00+08'") == "300")
        // The next instance of a series takes the place of a row that has no representative.
        #expect(try value("SELECT bool_and(representative_sop_uid > '9.9') FROM dicom_state_meta") == "true")
        #expect(try value("SELECT count(*) FROM theirs") == "1")
        // Searches of what the original did not have say that rows may be missing.
        #expect(
            try value(
                """
                SELECT count(*) FROM incomplete_column WHERE table_name = 'dicom_state_meta'
                    AND column_name IN ('referring_physician_name', 'issuer_of_patient_id', 'institution_name')
                """) == "3")
        #expect(try value("SELECT count(*) FROM incomplete_column WHERE column_name = 'patient_name'") == "0")
        #expect(try value("SELECT to_regclass('index_state_unique') IS NULL") == "true")
    }

    @Test(.enabled(if: script != nil, "no ../shared/seed"))
    func tablesOfOurNamesThatAreNotOursKeepTheirRowsAsTheyAre() throws {
        let string = try TestPostgres.makeDatabase()
        let connection = try PostgresConnection(string)
        // As installs have them beside the script's tables; the images' key has the patient in it.
        try connection.run(
            """
            \(Self.script ?? "");
            \(Self.rows);
            CREATE TABLE dicom_object_meta (tenant_id varchar(64) NOT NULL, patient_id varchar(64) NOT NULL,
                study_uid varchar(64), series_uid varchar(64), sop_uid varchar(64), file_size bigint,
                created_time timestamp, trace_id varchar(36) NOT NULL PRIMARY KEY, worker_node_id varchar(64) NOT NULL);
            INSERT INTO dicom_object_meta SELECT 't', 'p', '1', '2', '3', g, now(), g, 'n' FROM generate_series(1, 40) AS g;
            CREATE TABLE dicom_image_meta (tenant_id varchar(64), patient_id varchar(64), study_uid varchar(64),
                series_uid varchar(64), sop_uid varchar(64), study_date_origin date NOT NULL, width integer,
                PRIMARY KEY (tenant_id, patient_id, study_uid, series_uid, sop_uid));
            INSERT INTO dicom_image_meta SELECT 't', 'p', '1', '2', g, now(), g FROM generate_series(1, 40) AS g
            """, operation: "test")
        let migrator = SchemaMigrator()
        let before = try connection.queryOnce(
            "SELECT string_agg(o::text, ',' ORDER BY trace_id) FROM dicom_object_meta o", [], operation: "test")
        var lines: [String] = []
        try migrator.migrate(connection) { lines.append($0) }
        #expect(lines.contains { $0.contains("is called dicom_object_meta_original now") })
        // It is no table to be filled.
        #expect(!lines.contains { $0.hasPrefix("dicom_object_meta.") })
        let after = try connection.queryOnce(
            """
            SELECT string_agg(o::text, ',' ORDER BY trace_id), (SELECT count(*) FROM dicom_image_meta_original)
            FROM dicom_object_meta_original o
            """, [], operation: "test")
        #expect(after.string(0, 0) == before.string(0, 0))
        #expect(after.integer(0, 1) == 40)
        let fresh = try migrator.objects(PostgresConnection(TestPostgres.makeArchiveDatabase()))
        #expect(try migrator.objects(connection) == fresh)
    }

    @Test(.enabled(if: script != nil, "no ../shared/seed"))
    func aKilledAdoptionIsFinished() throws {
        let string = try TestPostgres.makeDatabase()
        let connection = try PostgresConnection(string)
        try connection.run("\(Self.script ?? ""); \(Self.rows)", operation: "test")
        let migrator = SchemaMigrator()
        // The session ends itself at the fourth step.
        var steps = 0
        #expect(throws: SchemaFailure.self) {
            let victim = try PostgresConnection(string)
            try migrator.migrate(victim) { _ in
                steps += 1
                if steps == 4 {
                    _ = try? connection.query(
                        "SELECT pg_terminate_backend($1)", [.int4(victim.backendProcess)], operation: "kill")
                }
            }
        }
        try migrator.migrate(connection)
        let fresh = try migrator.objects(PostgresConnection(TestPostgres.makeArchiveDatabase()))
        #expect(try migrator.objects(connection) == fresh)
        let count = try connection.query("SELECT count(*) FROM dicom_state_meta", operation: "test")
        #expect(count.integer(0, 0) == 300)
    }

    /// A database of ours whose history somebody has dropped is ours all the same.
    @Test func ourTablesStayOursWithoutTheirHistory() throws {
        let connection = try PostgresConnection(TestPostgres.makeArchiveDatabase())
        let migrator = SchemaMigrator()
        let fresh = try migrator.objects(connection)
        // Each needs somebody's decision.
        try connection.run(
            """
            DROP TABLE schema_history; ALTER TABLE bus_offset ALTER COLUMN committed TYPE date USING current_date;
            ALTER TABLE dicom_image_meta DROP CONSTRAINT dicom_image_meta_pkey,
                ADD CONSTRAINT dicom_image_meta_pkey PRIMARY KEY (tenant_id, sop_uid)
            """, operation: "test")
        let failure = #expect(throws: SchemaFailure.self) { try migrator.prepare(connection) }
        #expect("\(failure!)".contains("bus_offset.committed") && "\(failure!)".contains("key of dicom_image_meta"))
        let aside = try connection.query("SELECT FROM pg_class WHERE relname LIKE '%\\_original'", operation: "test")
        #expect(aside.rowCount == 0)
        try migrator.migrate(connection, allowDestructive: true)
        #expect(try migrator.objects(connection) == fresh)
    }
}
