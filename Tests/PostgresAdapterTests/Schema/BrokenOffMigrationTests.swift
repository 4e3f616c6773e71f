import Archive
import Foundation
import PostgresAdapter
import PostgresTestSupport
import TestSupport
import Testing

@Suite("Broken off and concurrent migrations", .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct BrokenOffMigrationTests {
    private static let old = MigrationCase.schema(
        """
        CREATE TABLE IF NOT EXISTS series (
            uid varchar(64) COLLATE "C" NOT NULL, number integer, PRIMARY KEY (uid));
        CREATE TABLE IF NOT EXISTS log (
            id bigint NOT NULL, time timestamp with time zone NOT NULL, PRIMARY KEY (time, id)) PARTITION BY RANGE (time);
        CREATE TABLE IF NOT EXISTS log_default PARTITION OF log DEFAULT;
        """)
    private static let new = MigrationCase.schema(
        old.text + """
            CREATE INDEX IF NOT EXISTS series_number_idx ON series (number);
            CREATE INDEX IF NOT EXISTS log_id_idx ON log (id);
            """, version: 2)

    private func filled() throws -> MigrationCase {
        var database = try MigrationCase()
        database.concurrentBytes = 0
        try database.migrate(Self.old)
        try database.run(
            """
            CREATE TABLE log_202601 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
            INSERT INTO series SELECT g, g FROM generate_series(1, 100) AS g;
            INSERT INTO log SELECT g, timestamptz '2026-01-20' + g * interval '1 day' FROM generate_series(1, 40) AS g
            """)
        return database
    }

    @Test func indexesOfLargeTablesAreBuiltBesideTheWriters() throws {
        let database = try filled()
        let statements = try database.store(Self.new).plan().steps.flatMap(\.statements)
        let builds = statements.filter { $0.hasPrefix("CREATE INDEX") }
        #expect(builds.count == 4)
        #expect(builds.filter { $0.contains("CONCURRENTLY") }.count == 3)
        #expect(builds.contains { $0.contains(" ON ONLY log ") })
        try database.migrate(Self.new)
        #expect(try database.objects(Self.new) == MigrationCase.fresh(Self.new))
        let valid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
        #expect(try database.value(valid) == "0")
        #expect(try database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'log_id_idx'::regclass") == "2")
        // A partition that is made later has the index as well.
        try database.run("CREATE TABLE log_202603 PARTITION OF log FOR VALUES FROM ('2026-03-05') TO ('2026-04-01')")
        #expect(try database.store(Self.new).plan().isEmpty)
    }

    /// The session of the migration is killed while it builds an index, once at each of them.
    @Test(arguments: ["series_number_idx", "log_id_idx_default", "log_id_idx_202601"])
    func theNextStartFinishesAKilledMigration(index: String) throws {
        let database = try filled()
        // CREATE INDEX CONCURRENTLY waits for transactions that write the table, at the index where there is one.
        let blocker = try PostgresConnection(database.string)
        let table = index.hasPrefix("series") ? "series" : index.hasSuffix("202601") ? "log_202601" : "log_default"
        try blocker.run("BEGIN; LOCK TABLE \(table) IN ROW EXCLUSIVE MODE", operation: "test")
        let string = database.string
        let migrator = database.migrator(Self.new)
        let killed = Beside { try migrator.migrate(PostgresConnection(string, applicationName: "victim")) }
        let isBuilding = """
            SELECT count(*) FROM pg_stat_progress_create_index p JOIN pg_class c ON c.oid = p.relid
            WHERE c.relname = '\(table)' AND p.datname = current_database() AND p.phase LIKE 'waiting%'
            """
        try eventually { try database.value(isBuilding) == "1" }
        // The server has the other cases' databases as well.
        try database.run(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = 'victim' AND datname = current_database()
            """)
        let failure = #expect(throws: SchemaFailure.self) { try killed.end() }
        #expect(failure?.description.contains("PostgreSQL") == true)
        try blocker.run("ROLLBACK", operation: "test")
        #expect(try database.value("SELECT count(*) > 0 FROM pg_index WHERE NOT indisvalid") == "true")

        try database.migrate(Self.new)
        #expect(try database.objects(Self.new) == MigrationCase.fresh(Self.new))
        #expect(try database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "0")
        #expect(try database.value("SELECT count(*) FROM log") == "40")
    }

    /// PostgreSQL does not let a part of an index go, so it is the whole that is made again.
    @Test func aBrokenPartOfAnIndexIsMended() throws {
        let database = try filled()
        try database.run(
            """
            INSERT INTO log SELECT g, now() FROM generate_series(1, 2) AS g;
            CREATE INDEX log_id_idx ON ONLY log (id)
            """)
        // Broken off half-way, and attached by hand.
        let holder = try PostgresConnection(database.string)
        try holder.run("BEGIN; LOCK TABLE log_default IN ROW EXCLUSIVE MODE", operation: "test")
        #expect(throws: PostgresError.self) {
            try database.run("SET statement_timeout = 500")
            try database.run("CREATE INDEX CONCURRENTLY log_id_idx_default ON log_default (id)")
        }
        try holder.run("ROLLBACK", operation: "test")
        try database.run("SET statement_timeout = 0")
        try database.run("ALTER INDEX log_id_idx ATTACH PARTITION log_id_idx_default")
        try database.migrate(Self.new)
        #expect(try database.objects(Self.new) == MigrationCase.fresh(Self.new))
        #expect(try database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "0")
    }

    /// A migration that waits for a long reader gives way to writers meanwhile.
    @Test func writersPassAMigrationThatWaits() throws {
        let database = try filled()
        let wider = MigrationCase.schema(
            Self.old.text.replacing("number integer", with: "number integer, note text"), version: 2)
        let reader = try PostgresConnection(database.string)
        try reader.run("BEGIN; SELECT count(*) FROM series", operation: "test")
        let string = database.string
        let migrator = database.migrator(wider)
        let waiting = Beside { try migrator.migrate(PostgresConnection(string, applicationName: "migration")) }
        let isWaiting = """
            SELECT count(*) FROM pg_stat_activity
            WHERE application_name = 'migration' AND datname = current_database() AND wait_event_type = 'Lock'
            """
        try eventually { try database.value(isWaiting) == "1" }
        // Without giving way, none of these would come through before the reader ends.
        for number in 0..<30 { try database.run("UPDATE series SET number = \(number) WHERE uid = '1'") }
        #expect(!waiting.isOver)
        try reader.run("ROLLBACK", operation: "test")
        try waiting.end()
        #expect(try database.objects(wider) == MigrationCase.fresh(wider))
    }

    @Test func aTableThatIsNeverFreeIsNamedWithItsHolder() throws {
        let database = try filled()
        let reader = try PostgresConnection(database.string, applicationName: "long-report")
        try reader.run("BEGIN; SELECT count(*) FROM series", operation: "test")
        var migrator = database.migrator(
            MigrationCase.schema(
                Self.old.text.replacing("number integer", with: "number integer, note text"), version: 2))
        migrator.patience = .milliseconds(300)
        let failure = #expect(throws: SchemaFailure.self) { try migrator.migrate(database.connection) }
        #expect("\(failure!)".contains("(long-report)") && failure?.isRetriable == true)
    }

    @Test func tenAtOnceMigrateOnceAndTheOthersWait() throws {
        let database = try filled()
        let holder = try PostgresConnection(database.string, applicationName: "first")
        try holder.query("SELECT pg_advisory_lock($1)", [.int8(0x7761_646F_0001)], operation: "test")
        let string = database.string
        let migrator = database.migrator(Self.new)
        let lines = Lines()
        let errors = Lines()
        let done = DispatchGroup()
        for _ in 0..<10 {
            done.enter()
            Thread.detachNewThread {
                do {
                    try migrator.migrate(PostgresConnection(string)) { lines.add($0) }
                } catch {
                    errors.add("\(error)")
                }
                done.leave()
            }
        }
        try eventually {
            lines.all.filter {
                $0.hasSuffix("another program migrates the database: process \(holder.backendProcess) (first)")
            }.count == 10
        }
        try holder.query("SELECT pg_advisory_unlock($1)", [.int8(0x7761_646F_0001)], operation: "test")
        done.wait()
        #expect(errors.all == [])
        let count = "SELECT count(*) FROM schema_history WHERE kind = 'change' AND object = 'index series_number_idx'"
        #expect(try database.value(count) == "1")
        #expect(try database.objects(Self.new) == MigrationCase.fresh(Self.new))
    }
}
