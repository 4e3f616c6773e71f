import Archive
import Foundation
import PostgresAdapter
import PostgresTestSupport
import TestSupport
import Testing

/// Making the partitions of coming months holds nobody up.
@Suite("Partitions of months", .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct MonthPartitionTests {
    private static let months = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'wado_access_log'::regclass"

    private static func count(_ connection: PostgresConnection) throws -> Int64? {
        try connection.queryOnce(months, [], operation: "test").integer(0, 0)
    }

    /// Without the partitions of all months.
    static func archive() throws -> (string: String, connection: PostgresConnection, all: Int64) {
        let string = try TestPostgres.makeArchiveDatabase()
        let connection = try PostgresConnection(string)
        let all = try #require(try count(connection))
        try connection.run(
            """
            DO $$ DECLARE name text; BEGIN
                FOR name IN SELECT inhrelid::regclass::text FROM pg_inherits
                    WHERE inhparent = 'wado_access_log'::regclass AND inhrelid <> 'wado_access_log_default'::regclass
                LOOP EXECUTE 'DROP TABLE ' || name; END LOOP;
            END $$
            """, operation: "test")
        return (string, connection, all)
    }

    @Test func writersPassWhileAReportIsOpen() throws {
        let (string, connection, all) = try Self.archive()
        let report = try PostgresConnection(string)
        try report.run("BEGIN; SELECT count(*) FROM wado_access_log", operation: "test")
        let start = Beside { try SchemaMigrator().migrate(PostgresConnection(string)) }
        // The server ends an insert that waits for longer than this.
        try connection.run("SET lock_timeout = '1s'", operation: "test")
        try eventually {
            let isOver = start.isOver
            try connection.run(
                """
                INSERT INTO wado_access_log (tenant_id, request_time, trace_id, worker_node_id, method, operation, status,
                    bytes_sent, duration_us)
                VALUES ('t', '2001-01-01', gen_random_uuid(), 'n', 'GET', 'metadata', 200, 1, 1)
                """, operation: "test")
            return isOver
        }
        // The start goes on without them, and they are made once the report is done.
        try start.end()
        #expect(try Self.count(connection) == 1)
        try report.run("ROLLBACK", operation: "test")
        try SchemaMigrator().extendPartitions(connection)
        #expect(try Self.count(connection) == all)
    }

    /// As after a rename by hand.
    @Test func aMonthThatAnotherPartitionHasIsLeftToIt() throws {
        let (_, connection, all) = try Self.archive()
        try connection.run(
            "CREATE TABLE mine PARTITION OF wado_access_log FOR VALUES FROM ('2001-01-01') TO ('2101-01-01')",
            operation: "test")
        try SchemaMigrator().migrate(connection)
        try SchemaMigrator().extendPartitions(connection)
        #expect(all > 2)
        #expect(try Self.count(connection) == 2)
    }
}
