import Archive
import PostgresAdapter
import PostgresTestSupport
import Testing

/// What somebody took away or changed comes back at the next start, each kind of object by itself.
@Suite("Mending", .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct MendingTests {
    @Test(arguments: [
        "DROP FUNCTION bus_publish",
        "DELETE FROM bus_partition WHERE topic = 'log_queue'",
        """
        DROP INDEX dicom_state_meta_procedure_code_idx;
        CREATE INDEX dicom_state_meta_procedure_code_idx ON dicom_state_meta USING btree (procedure_code)
        """,
        "COMMENT ON COLUMN dicom_state_meta.patient_id IS NULL",
        "COMMENT ON TABLE dicom_state_meta IS 'mine'",
        "ALTER TABLE dicom_json_meta RESET (fillfactor)",
        "DROP TABLE wado_access_log_default",
        "ALTER TABLE dicom_state_meta ALTER COLUMN series_related_instances SET DEFAULT 7",
        "ALTER TABLE dicom_state_meta DROP CONSTRAINT dicom_state_meta_pkey",
        "ALTER TABLE dicom_state_variant DROP COLUMN patient_id",
    ])
    func whatIsMissingComesBack(change: String) throws {
        let string = try TestPostgres.makeArchiveDatabase()
        let connection = try PostgresConnection(string)
        let migrator = SchemaMigrator()
        let fresh = try migrator.objects(connection)
        let store = PostgresSchemaStore(string)
        try connection.run(change, operation: "test")
        #expect(try !store.plan().isEmpty)
        try migrator.migrate(connection)
        #expect(try migrator.objects(connection) == fresh)
        #expect(try store.plan().isEmpty && store.differences().isEmpty)
        // And then a start has nothing to do.
        let history = "SELECT count(*) FROM schema_history"
        let before = try connection.query(history, operation: "test").integer(0, 0)
        try migrator.migrate(connection)
        #expect(try connection.query(history, operation: "test").integer(0, 0) == before)
    }

    @Test func whatSomebodyWorksAgainstIsTriedOnce() throws {
        let string = try TestPostgres.makeArchiveDatabase()
        let connection = try PostgresConnection(string)
        try connection.run(
            """
            CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER swallow BEFORE INSERT ON bus_partition FOR EACH ROW EXECUTE FUNCTION swallow();
            DELETE FROM bus_partition WHERE topic = 'log_queue'
            """, operation: "test")
        var tries = 0
        let failure = #expect(throws: SchemaFailure.self) {
            try SchemaMigrator().migrate(connection) { if $0.hasPrefix("bus_partition: ") { tries += 1 } }
        }
        #expect("\(failure!)".contains("topic log_queue is new"))
        #expect(tries == 1)
    }

    private static let series = MigrationCase.schema(
        """
        CREATE TABLE IF NOT EXISTS series (
            uid varchar(64) COLLATE "C" NOT NULL, patient varchar(16) COLLATE "C", number integer, PRIMARY KEY (uid));
        CREATE INDEX IF NOT EXISTS series_patient_idx ON series (lower(patient));
        """)

    @Test(arguments: [0, 16 << 20] as [Int64])
    func anIndexedTextThatSomebodyMadeLongerStays(concurrentBytes: Int64) throws {
        var database = try MigrationCase()
        database.concurrentBytes = concurrentBytes
        try database.migrate(Self.series)
        try database.run("INSERT INTO series SELECT g, 'p' || g, g FROM generate_series(1, 50) AS g")
        try database.run("ALTER TABLE series ALTER COLUMN patient TYPE text COLLATE \"C\"")
        let file = "SELECT relfilenode FROM pg_class WHERE relname = 'series_patient_idx'"
        let before = try database.value(file)
        #expect(try database.store(Self.series).plan().steps.map(\.object) == ["series.patient"])
        #expect(try database.migrate(Self.series).contains { $0.contains("series.patient: is text") })
        #expect(try database.value(file) == before)
        // An index of it that is missing is made for the type that is there.
        try database.run("DROP INDEX series_patient_idx")
        try database.migrate(Self.series)
        #expect(try database.value(file) != nil)
        try database.migrate(Self.series, allowDestructive: true)
        #expect(try database.objects(Self.series) == MigrationCase.fresh(Self.series))
    }

    @Test func whatSomebodyAddedIsShown() throws {
        let database = try MigrationCase()
        try database.migrate(Self.series)
        try database.run(
            """
            ALTER TABLE series ADD CONSTRAINT small CHECK (number < 100);
            CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER swallow BEFORE INSERT ON series FOR EACH ROW EXECUTE FUNCTION swallow();
            CREATE RULE nothing AS ON DELETE TO series DO INSTEAD NOTHING;
            CREATE TABLE theirs (uid text PRIMARY KEY);
            ALTER TABLE series ADD CONSTRAINT known FOREIGN KEY (uid) REFERENCES theirs;
            ALTER TABLE series ENABLE ROW LEVEL SECURITY;
            CREATE POLICY mine ON series USING (number > 1);
            """)
        #expect(
            try database.store(Self.series).differences() == [
                "check small on series is not in the spec (made by hand): CHECK (number < 100)",
                "foreign key known on series is not in the spec (made by hand): FOREIGN KEY (uid) REFERENCES theirs(uid)",
                "policy mine on series is not in the spec (made by hand): ALL USING ((number > 1))",
                "row level security of series is not in the spec (made by hand): enabled",
                "rule nothing on series is not in the spec (made by hand): ON DELETE TO series DO INSTEAD NOTHING",
                "trigger swallow on series is not in the spec (made by hand): BEFORE INSERT ON series FOR EACH ROW EXECUTE FUNCTION swallow()",
            ])
        try database.run(
            """
            ALTER TABLE series DROP CONSTRAINT small, DROP CONSTRAINT known, DISABLE ROW LEVEL SECURITY;
            DROP POLICY mine ON series; DROP TRIGGER swallow ON series; DROP RULE nothing ON series;
            ALTER TABLE series SET UNLOGGED
            """)
        #expect(
            try database.store(Self.series).differences()
                == ["series is table, UNLOGGED: a crash empties it, and should be table"])
    }
}
