import Archive
import Foundation
import PostgresAdapter
import PostgresTestSupport
import TestSupport
import Testing

/// What does not hold services up: what they leave for later, for people, or until something is out of the way.
@Suite("What services do not wait for", .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct BackgroundMigrationTests {
    private static let old = MigrationCase.schema(
        """
        CREATE TABLE IF NOT EXISTS series (
            uid varchar(64) COLLATE "C" NOT NULL, number integer, note varchar(8) COLLATE "C",
            codes varchar(8)[] COLLATE "C", PRIMARY KEY (uid));
        CREATE TABLE IF NOT EXISTS log (
            id bigint NOT NULL, time timestamp with time zone NOT NULL, PRIMARY KEY (time, id)) PARTITION BY RANGE (time);
        CREATE TABLE IF NOT EXISTS log_default PARTITION OF log DEFAULT;
        """)
    private static let indexed = changed(
        "number integer", "number integer, rank integer",
        more: """
            CREATE INDEX IF NOT EXISTS series_number_idx ON series (number);
            CREATE INDEX IF NOT EXISTS log_id_idx ON log (id);
            """)

    private static func changed(_ part: String, _ other: String, more: String = "") -> DesiredSchema {
        MigrationCase.schema(old.text.replacing(part, with: other) + more, version: 2)
    }

    private func filled(large: Bool = true) throws -> MigrationCase {
        var database = try MigrationCase()
        database.concurrentBytes = large ? 0 : 16 << 20
        try database.migrate(Self.old)
        try database.run("INSERT INTO series SELECT g, g, g, ARRAY[g] FROM generate_series(1, 100) AS g")
        return database
    }

    private func prepare(_ database: MigrationCase, _ schema: DesiredSchema) throws -> [String] {
        var lines: [String] = []
        try database.migrator(schema).prepare(database.connection) { lines.append($0) }
        return lines
    }

    @Test func indexesOfLargeTablesAreBuiltAfterTheStart() throws {
        let database = try filled()
        // A dump of hours, which a concurrent build waits for.
        let dump = try PostgresConnection(database.string, applicationName: "pg_dump")
        try dump.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM log", operation: "test")
        _ = try prepare(database, Self.indexed)
        #expect(try database.objects(Self.indexed)["series.rank"] == "integer")
        #expect(try database.value("SELECT to_regclass('series_number_idx') IS NULL") == "true")
        let left = try database.store(Self.indexed).plan().steps
        #expect(left.map(\.occasion) == [.background, .background])

        let lines = Lines()
        let string = database.string
        let migrator = database.migrator(Self.indexed)
        let build = Beside {
            try eventually { try migrator.finish(PostgresConnection(string), report: { lines.add($0) }) }
        }
        let holder = "waits for process \(dump.backendProcess) (pg_dump), in a transaction since "
        try eventually { lines.all.contains { $0.contains(holder) } }
        // Other services start meanwhile.
        _ = try prepare(database, Self.indexed)
        #expect(try database.migrator(Self.indexed).finish(database.connection) == false)
        try dump.run("ROLLBACK", operation: "test")
        try build.end()
        #expect(try database.objects(Self.indexed) == MigrationCase.fresh(Self.indexed))
        #expect(try database.store(Self.indexed).plan().isEmpty)
    }

    /// Who needs a table at its start does not wait for hours for one that builds an index of it.
    @Test func aBuildMakesRoomForANewerProgram() throws {
        let database = try filled()
        let dump = try PostgresConnection(database.string, applicationName: "pg_dump")
        try dump.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", operation: "test")
        _ = try prepare(database, Self.indexed)
        let string = database.string
        let migrator = database.migrator(Self.indexed)
        let build = Beside { _ = try migrator.finish(PostgresConnection(string)) }
        let waits = """
            SELECT count(*) FROM pg_stat_progress_create_index
            WHERE datname = current_database() AND phase = 'waiting for old snapshots'
            """
        try eventually { try database.value(waits) == "1" }
        let newer = MigrationCase.schema(
            Self.indexed.text.replacing("rank integer", with: "rank integer, more text"), version: 3)
        _ = try prepare(database, newer)
        let failure = #expect(throws: SchemaFailure.self) { try build.end() }
        #expect(failure?.isRetriable == true)
        try dump.run("ROLLBACK", operation: "test")
        #expect(try database.migrator(newer).finish(database.connection))
        #expect(try database.objects(newer) == MigrationCase.fresh(newer))
    }

    @Test func whoStopsBreaksTheBuildOffAndTheNextOneFinishesIt() throws {
        let database = try filled()
        let dump = try PostgresConnection(database.string)
        try dump.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", operation: "test")
        _ = try prepare(database, Self.indexed)
        var looks = 0
        let failure = #expect(throws: SchemaFailure.self) {
            _ = try database.migrator(Self.indexed).finish(
                database.connection,
                isStopped: {
                    looks += 1
                    return looks > 1
                })
        }
        #expect(failure?.isRetriable == true)
        try dump.run("ROLLBACK", operation: "test")
        #expect(try database.migrator(Self.indexed).finish(database.connection))
        #expect(try database.objects(Self.indexed) == MigrationCase.fresh(Self.indexed))
    }

    @Test func aLargeTableIsNotRewrittenByAServiceThatStarts() throws {
        let wider = Self.changed("number integer", "number bigint, rank integer")
        let database = try filled()
        let failure = #expect(throws: SchemaFailure.self) { try prepare(database, wider) }
        #expect("\(failure!)".contains("by `wado schema apply` when there is time:\n  series: number is integer"))
        // Everything else is done, and the old program goes on.
        #expect(try database.objects(wider)["series.rank"] == "integer")
        _ = try prepare(database, Self.old)
        try database.store(wider).apply(allowDestructive: false) { _ in }
        #expect(try database.objects(wider) == MigrationCase.fresh(wider))
        // Of a small one nobody notices.
        let small = try filled(large: false)
        _ = try prepare(small, wider)
        #expect(try small.objects(wider) == MigrationCase.fresh(wider))
    }

    @Test func aServiceWorksWithShorterTextsUntilThereIsTimeToRewrite() throws {
        let wider = Self.changed("codes varchar(8)[]", "codes varchar(16)[]")
        let database = try filled()
        let lines = try prepare(database, wider)
        #expect(lines.contains { $0.contains("until then longer values are refused") })
        #expect(try database.store(wider).plan().steps.map(\.occasion) == [.maintenance])
        try database.migrate(wider)
        #expect(try database.objects(wider) == MigrationCase.fresh(wider))
    }

    @Test func aViewOnAColumnIsNamedAndTheOthersAreDone() throws {
        let database = try filled(large: false)
        try database.run(
            """
            CREATE VIEW report AS SELECT uid, note FROM series;
            CREATE MATERIALIZED VIEW slow AS SELECT note FROM report
            """)
        let wider = Self.changed("note varchar(8)", "rank integer, note varchar(16)")
        let lines = try prepare(database, wider)
        #expect(
            lines.contains {
                $0.hasPrefix("waits for somebody: series.note: ") && $0.contains("; view report depends on it")
            })
        #expect(try database.objects(wider)["series.rank"] == "integer")
        let step = try #require(try database.store(wider).plan().steps.first)
        #expect(step.occasion == .hindered && step.object == "series.note")
        #expect(throws: SchemaFailure.self) { try database.store(wider).apply(allowDestructive: true) { _ in } }
        try database.run("DROP VIEW report CASCADE")
        _ = try prepare(database, wider)
        #expect(try database.objects(wider) == MigrationCase.fresh(wider))
    }

    @Test(arguments: [
        ("CREATE VIEW mine AS SELECT note FROM series", "view mine"),
        ("CREATE FUNCTION f() RETURNS bigint RETURN (SELECT count(note) FROM series)", "function f()"),
        ("ALTER TABLE series ADD COLUMN upper text GENERATED ALWAYS AS (upper(note)) STORED", "series"),
        (
            """
            CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            CREATE TRIGGER t AFTER UPDATE OF note ON series FOR EACH ROW EXECUTE FUNCTION f()
            """, "trigger t on table series"
        ),
        ("CREATE POLICY p ON series USING (note > '')", "policy p on table series"),
    ])
    func whateverDependsOnAColumnIsNamed(made: String, name: String) throws {
        let database = try filled(large: false)
        try database.run(made)
        for schema in [
            Self.changed("note varchar(8)", "note varchar(16)"), Self.changed("note varchar(8) COLLATE \"C\",", ""),
        ] {
            _ = try prepare(database, schema)
            let step = try #require(try database.store(schema).plan().steps.first { $0.object == "series.note" })
            #expect(step.occasion == .hindered && step.reason.contains(name))
        }
    }

    @Test func foreignKeysOfOthersKeepAKeyAndATable() throws {
        let database = try filled(large: false)
        try database.run("CREATE TABLE theirs (uid varchar(64) REFERENCES series)")
        let other = Self.changed("PRIMARY KEY (uid)", "PRIMARY KEY (uid, number)")
        let failure = #expect(throws: SchemaFailure.self) {
            try database.store(other).apply(allowDestructive: true) { _ in }
        }
        #expect("\(failure!)".contains("key of series: is PRIMARY KEY (uid)") && "\(failure!)".contains("theirs"))
    }

    @Test(arguments: [
        ("CREATE VIEW other AS SELECT 1 AS id", "other: new table; a view has this name"),
        ("CREATE SEQUENCE other", "other: new table; a sequence has this name"),
        (
            "CREATE TABLE mine (id bigint); CREATE INDEX series_number_idx ON mine (id)",
            "index series_number_idx: new index on btree (number); an index of mine has this name"
        ),
    ])
    func aNameThatIsTakenIsSaid(made: String, says: String) throws {
        let database = try filled(large: false)
        try database.run(made)
        let more = Self.changed(
            "number integer", "number integer, rank integer",
            more: """
                CREATE TABLE IF NOT EXISTS other (id bigint PRIMARY KEY);
                CREATE INDEX IF NOT EXISTS series_number_idx ON series (number);
                """)
        let text: String
        do {
            text = try prepare(database, more).joined(separator: "\n")
        } catch {
            text = "\(error)"
        }
        #expect(text.contains(says))
        #expect(try database.objects(more)["series.rank"] == "integer")
    }

    /// A start never counts the rows of a large table.
    @Test func aKeyThatWaitsIsCountedForPeopleOnly() throws {
        let database = try filled()
        try database.run("UPDATE series SET number = 1")
        let other = Self.changed("PRIMARY KEY (uid)", "PRIMARY KEY (number)")
        let failure = #expect(throws: SchemaFailure.self) { try prepare(database, other) }
        #expect(!"\(failure!)".contains("would be deleted"))
        let plan = try database.store(other).plan()
        #expect(plan.steps.contains { $0.reason.contains("99 rows that repeat another one's would be deleted") })
        try database.store(other).apply(allowDestructive: true) { _ in }
        #expect(try database.value("SELECT count(*) FROM series") == "1")
    }
}
