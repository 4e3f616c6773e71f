import Foundation
import PostgresAdapter
import PostgresTestSupport
import ServiceKit
import TestSupport
import Testing
import Wiring

@Suite("Migrations beside a service", .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct BackgroundMigrationTests {
    private static let index = "dicom_state_meta_patient_id_idx"

    /// Waits for a condition on the index that is built.
    private func waitUntil(_ connection: PostgresConnection, _ condition: String) throws {
        try eventually { try connection.query("SELECT \(condition)", operation: "test").bool(0, 0) == true }
    }

    @Test func aStopBreaksABuildOffAndTheNextServiceFinishesIt() throws {
        let string = try TestPostgres.makeArchiveDatabase()
        let connection = try PostgresConnection(string)
        // Large, from 16 MiB on.
        try connection.run(
            """
            INSERT INTO dicom_state_meta (tenant_id, study_uid, series_uid, study_uid_hash, series_uid_hash,
                representative_sop_uid, series_description, created_time, updated_time)
            SELECT 't', g, g, '0', '0', '1', repeat('x', 250), now(), now() FROM generate_series(1, 60000) AS g;
            DROP INDEX \(Self.index)
            """, operation: "test")
        let dump = try PostgresConnection(string)
        try dump.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", operation: "test")
        let first = try BackgroundMigration(string, name: "first", logger: .silent)
        try waitUntil(
            connection,
            """
            EXISTS (SELECT FROM pg_stat_progress_create_index
                WHERE datname = current_database() AND phase LIKE 'waiting for old%')
            """)
        first.stop()
        try waitUntil(connection, "NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass('\(Self.index)')")
        try dump.run("ROLLBACK", operation: "test")
        let second = try BackgroundMigration(string, name: "second", logger: .silent)
        defer { second.stop() }
        try waitUntil(connection, "indisvalid FROM pg_index WHERE indexrelid = to_regclass('\(Self.index)')")
        let pending = "NOT is_pending FROM schema_history WHERE kind = 'reached' ORDER BY id DESC LIMIT 1"
        try waitUntil(connection, pending)
    }
}
