import Archive
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Testing

@Suite("Migrations", .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct SchemaMigrationTests {
    private static let old = MigrationCase.schema(
        """
        CREATE TABLE IF NOT EXISTS series (
            tenant_id varchar(64) COLLATE "C" NOT NULL,
            uid varchar(64) COLLATE "C" NOT NULL,
            patient varchar(16) COLLATE "C" NOT NULL,
            number integer,
            count integer NOT NULL DEFAULT 0,
            code varchar(8) COLLATE "C",
            gone varchar(8) COLLATE "C" NOT NULL,
            PRIMARY KEY (tenant_id, uid)
        );
        CREATE INDEX IF NOT EXISTS series_patient_idx ON series (tenant_id, lower(patient));
        CREATE INDEX IF NOT EXISTS series_number_idx ON series (number);
        COMMENT ON TABLE series IS 'Series';
        COMMENT ON COLUMN series.number IS 'Number';
        """)

    private static let new = MigrationCase.schema(
        """
        CREATE TABLE IF NOT EXISTS series (
            tenant_id varchar(64) COLLATE "C" NOT NULL,
            uid varchar(64) COLLATE "C" NOT NULL,
            patient_id varchar(64) COLLATE "C",
            number bigint,
            count integer NOT NULL DEFAULT 1,
            code varchar(8)[] COLLATE "C",
            status varchar(8) COLLATE "C" NOT NULL DEFAULT 'it''s',
            PRIMARY KEY (tenant_id, uid)
        ) WITH (fillfactor = 80);
        CREATE INDEX IF NOT EXISTS series_patient_id_idx ON series (tenant_id, lower(patient_id));
        CREATE INDEX IF NOT EXISTS series_code_idx ON series (status, number);
        COMMENT ON TABLE series IS 'All series';
        COMMENT ON COLUMN series.status IS 'O''Neill\\''s';
        CREATE TABLE IF NOT EXISTS other (id bigint PRIMARY KEY);
        """, version: 2, renames: ["series": ["patient_id": "patient"]])

    private static let rows = """
        INSERT INTO series SELECT 't', g, 'p' || g, g, g, 'c' || g, 'gone' FROM generate_series(1, 50) AS g
        """

    @Test func everythingThatLosesNothingIsDoneAndRowsStay() throws {
        let database = try MigrationCase()
        try database.migrate(Self.old)
        try database.run(Self.rows)
        let index = try database.value("SELECT relfilenode FROM pg_class WHERE relname = 'series_patient_idx'")
        let plan = try database.store(Self.new).plan()
        #expect(plan.steps.filter(\.isDestructive).map(\.object) == ["series.gone"])
        // A plan changes nothing.
        #expect(try database.value("SELECT to_regclass('other') IS NULL") == "true")
        let lines = try database.migrate(Self.new)
        #expect(lines.contains { $0.hasPrefix("waits for somebody: series.gone: no longer in the spec") })

        var objects = try database.objects(Self.new)
        // Its rows are not filled by this program.
        #expect(objects.removeValue(forKey: "series.gone") == "character varying(8) COLLATE \"C\"")
        #expect(objects.removeValue(forKey: "comment on series.gone") == "no longer filled")
        #expect(try objects == MigrationCase.fresh(Self.new))
        #expect(
            try database.value("SELECT count(*) FROM series WHERE patient_id = 'p' || uid AND number = uid::int")
                == "50")
        #expect(try database.value("SELECT count(*) FROM series WHERE code = ARRAY['c' || uid]::varchar[]") == "50")
        #expect(try database.value("SELECT count(*) FROM series WHERE status = 'it''s' AND gone = 'gone'") == "50")
        // Renamed, not built anew... but `number`, of which the table was rewritten, has the index rebuilt.
        #expect(index != nil)
        #expect(try database.value("SELECT to_regclass('series_patient_idx') IS NULL") == "true")
        // The column waits for somebody; what else is asked for now is nothing.
        #expect(try database.store(Self.new).plan().steps.map(\.object) == ["series.gone"])
        #expect(throws: SchemaFailure.self) {
            try database.store(Self.new).apply(allowDestructive: false) { _ in }
        }
        try database.store(Self.new).apply(allowDestructive: true) { _ in }
        #expect(try database.objects(Self.new) == MigrationCase.fresh(Self.new))
        #expect(try database.store(Self.new).plan().isEmpty)
        #expect(try database.value("SELECT count(*) FROM series") == "50")
    }

    @Test func eachChangeIsInTheHistory() throws {
        let database = try MigrationCase()
        // As the first release made it.
        try database.run(
            """
            CREATE TABLE schema_history (fingerprint text PRIMARY KEY,
                applied_time timestamp with time zone NOT NULL DEFAULT clock_timestamp());
            INSERT INTO schema_history VALUES ('1'), ('2')
            """)
        try database.migrate(Self.old)
        try database.run(Self.rows)
        try database.migrate(Self.new)
        #expect(try database.value("SELECT count(*) FROM schema_history WHERE fingerprint IN ('1', '2')") == "2")
        let change = """
            FROM schema_history WHERE kind = 'change' AND object = 'series.status' AND spec_version = 2
                AND duration_ms >= 0 AND program_version <> '' AND fingerprint <> ''
            """
        #expect(
            try database.value("SELECT statements \(change)")
                == "ALTER TABLE series ADD COLUMN IF NOT EXISTS status character varying(8) COLLATE \"C\" NOT NULL DEFAULT 'it''s'::character varying;"
        )
        // A program of the first release still finds itself, and writes.
        try database.run("INSERT INTO schema_history (fingerprint) VALUES ('3') ON CONFLICT DO NOTHING")
        #expect(try database.store(Self.new).status().contains { $0.hasPrefix("the last of ") })
    }

    @Test func aColumnBecomesNotNullOnceAllRowsHaveIt() throws {
        let new = MigrationCase.schema(
            Self.old.text.replacing("gone varchar", with: "owner varchar(8) COLLATE \"C\" NOT NULL, gone varchar"),
            version: 2)
        for bytes: Int64 in [16 << 20, 0] {
            var database = try MigrationCase()
            database.concurrentBytes = bytes
            try database.migrate(Self.old)
            try database.run(Self.rows)
            let lines = try database.migrate(new)
            #expect(lines.contains { $0.hasPrefix("series.owner becomes NOT NULL at a later start") })
            #expect(try database.objects(new)["series.owner"] == "character varying(8) COLLATE \"C\"")
            try database.migrate(new)
            try database.run("UPDATE series SET owner = 'me'")
            try database.migrate(new)
            #expect(try database.objects(new) == MigrationCase.fresh(new))
            #expect(
                try database.value(
                    "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid = 'series'::regclass") == "0")
        }
    }

    @Test(arguments: [
        ("number integer", "number date", "series.number is integer, and this"),
        ("PRIMARY KEY (tenant_id, uid)", "PRIMARY KEY (tenant_id, patient)", "key"),
    ])
    func whatCouldLoseDataWaitsForADecision(old: String, new: String, says: String) throws {
        let database = try MigrationCase()
        try database.migrate(Self.old)
        try database.run(Self.rows)
        try database.run("UPDATE series SET patient = 'p' || number % 10")
        let schema = MigrationCase.schema(Self.old.text.replacing(old, with: new), version: 2)
        let before = try database.objects(Self.old)
        let failure = #expect(throws: SchemaFailure.self) { try database.migrate(schema) }
        #expect("\(failure!)".contains("wado schema apply --allow-destructive"))
        #expect(try database.objects(Self.old) == before)
        #expect(try database.value("SELECT count(*) FROM series") == "50")
        let step = try #require(try database.store(schema).plan().steps.first(where: \.isDestructive))
        if says == "key" {
            #expect(step.reason.hasSuffix("; 40 rows that repeat another one's would be deleted"))
        }
        try database.migrate(schema, allowDestructive: true)
        #expect(try database.objects(schema) == MigrationCase.fresh(schema))
        #expect(try database.value("SELECT count(*) FROM series") == (says == "key" ? "10" : "50"))
    }

    @Test func aNarrowerColumnStaysWideUntilSomebodyDecides() throws {
        let database = try MigrationCase()
        try database.migrate(Self.old)
        try database.run(Self.rows)
        let schema = MigrationCase.schema(Self.old.text.replacing("patient varchar(16)", with: "patient varchar(2)"))
        let lines = try database.migrate(schema)
        #expect(
            lines.contains {
                $0.hasPrefix("waits for somebody: series.patient: is character varying(16)")
                    && $0.hasSuffix(": 41 longer values would be cut")
            })
        #expect(try database.value("SELECT max(length(patient)) FROM series") == "3")
        try database.migrate(schema, allowDestructive: true)
        #expect(try database.value("SELECT max(length(patient)) FROM series") == "2")
        #expect(try database.objects(schema) == MigrationCase.fresh(schema))
    }

    @Test func aTableThatGetsPartitionsIsMadeAnewWithItsRows() throws {
        let database = try MigrationCase()
        let plain = MigrationCase.schema(
            """
            CREATE TABLE IF NOT EXISTS log (id bigint NOT NULL, time timestamp with time zone NOT NULL, gone text,
                PRIMARY KEY (time, id));
            CREATE INDEX IF NOT EXISTS log_id_idx ON log (id);
            """)
        let partitioned = MigrationCase.schema(
            """
            CREATE TABLE IF NOT EXISTS log (id bigint NOT NULL, time timestamp with time zone NOT NULL,
                PRIMARY KEY (time, id)) PARTITION BY RANGE (time);
            CREATE TABLE IF NOT EXISTS log_default PARTITION OF log DEFAULT;
            CREATE INDEX IF NOT EXISTS log_id_idx ON log (id);
            """, version: 2)
        try database.migrate(plain)
        try database.run("INSERT INTO log SELECT g, now() FROM generate_series(1, 50) AS g")
        let lines = try database.migrate(partitioned)
        #expect(lines.contains { $0.hasPrefix("waits for somebody: log: is partitioned by nothing") })
        try database.migrate(partitioned, allowDestructive: true)
        #expect(try database.objects(partitioned) == MigrationCase.fresh(partitioned))
        #expect(try database.value("SELECT count(*) FROM log_default") == "50")
        // And back.
        let back = MigrationCase.schema(plain.text.replacing(", gone text", with: ""), version: 3)
        try database.migrate(back, allowDestructive: true)
        #expect(try database.objects(back) == MigrationCase.fresh(back))
        #expect(try database.value("SELECT count(*) FROM log") == "50")
    }

    /// A column of another type has no values at first, also in a table that is made anew at the same time.
    @Test func aColumnIsEmptiedInATableThatIsMadeAnew() throws {
        let database = try MigrationCase()
        let plain = MigrationCase.schema(
            """
            CREATE TABLE IF NOT EXISTS log (id bigint NOT NULL, time timestamp with time zone NOT NULL,
                code integer NOT NULL, PRIMARY KEY (time, id));
            """)
        let partitioned = MigrationCase.schema(
            """
            CREATE TABLE IF NOT EXISTS log (id bigint NOT NULL, time timestamp with time zone NOT NULL,
                code date NOT NULL, PRIMARY KEY (time, id)) PARTITION BY RANGE (time);
            CREATE TABLE IF NOT EXISTS log_default PARTITION OF log DEFAULT;
            """, version: 2)
        try database.migrate(plain)
        try database.run("INSERT INTO log SELECT g, now(), g FROM generate_series(1, 50) AS g")
        try database.migrate(partitioned, allowDestructive: true)
        #expect(try database.value("SELECT count(*) FROM log_default WHERE code IS NULL") == "50")
        try database.run("UPDATE log SET code = '2026-01-01'")
        try database.migrate(partitioned)
        #expect(try database.objects(partitioned) == MigrationCase.fresh(partitioned))
    }

    /// There are no small letters of an array: the index on them goes before the column becomes one.
    @Test func aSearchedTextBecomesAnArray() throws {
        let database = try MigrationCase()
        try database.migrate(Self.old)
        try database.run(Self.rows)
        let schema = MigrationCase.schema(
            Self.old.text.replacing("patient varchar(16) COLLATE \"C\"", with: "patient varchar(16)[] COLLATE \"C\"")
                .replacing("ON series (tenant_id, lower(patient))", with: "ON series USING gin (patient)"), version: 2)
        try database.migrate(schema)
        #expect(try database.objects(schema) == MigrationCase.fresh(schema))
        #expect(try database.value("SELECT count(*) FROM series WHERE patient @> ARRAY['p7'::varchar]") == "1")
    }

    @Test func anOlderProgramGoesOnWhenTheDifferenceIsAdditive() throws {
        let database = try MigrationCase()
        try database.migrate(Self.old)
        let newer = MigrationCase.schema(
            Self.old.text.replacing(
                "number integer,",
                with: "number integer, note varchar(8) COLLATE \"C\", rank integer NOT NULL DEFAULT 1,"
            )
            .replacing("varchar(16)", with: "varchar(64)"), version: 2)
        try database.migrate(newer)
        let objects = try database.objects(newer)
        let lines = try database.migrate(Self.old)
        #expect(lines.count == 1 && lines[0].hasPrefix("the database has a newer schema, made by Wado "))
        #expect(try database.objects(newer) == objects)
        #expect(try database.store(Self.old).plan().isEmpty)
        // One that has never been here is told by the version of its spec.
        let stranger = MigrationCase.schema(Self.old.text + "COMMENT ON COLUMN series.uid IS 'UID';")
        #expect(try database.migrate(stranger).count == 1)
        try database.migrate(newer)
    }

    @Test(arguments: [
        ("number integer", "rank integer NOT NULL, number integer", "series.rank may not be NULL"),
        ("number integer", "number bigint", "series.number is bigint"),
        ("code varchar(8) COLLATE \"C\"", "code varchar(8) COLLATE \"C\" NOT NULL", "series.code may not be NULL"),
    ])
    func anOlderProgramRefusesWhatItCannotLiveWith(old: String, new: String, says: String) throws {
        let database = try MigrationCase()
        try database.migrate(Self.old)
        let newer = MigrationCase.schema(Self.old.text.replacing(old, with: new), version: 2)
        try database.migrate(newer)
        let failure = #expect(throws: SchemaFailure.self) { try database.migrate(Self.old) }
        let text = "\(failure!)"
        #expect(text.contains(says) && text.contains("install that version of Wado"))
        // The plan is not that there is nothing to do.
        let refusal = #expect(throws: SchemaFailure.self) { try database.store(Self.old).plan() }
        #expect("\(refusal!)" == text)
        #expect(try database.store(Self.old).status().contains { $0.contains("cannot use it") && $0.contains(says) })
        #expect(throws: SchemaFailure.self) {
            try database.migrate(Self.old, allowDestructive: true)
        }
    }

    @Test func changesByHandAreShownAndMendedWhereNothingIsLost() throws {
        let database = try MigrationCase()
        try database.migrate(Self.old)
        #expect(try database.store(Self.old).differences() == [])
        try database.run(
            """
            DROP INDEX series_number_idx; CREATE INDEX mine ON series (code);
            ALTER TABLE series ADD COLUMN note text; ALTER TABLE series ALTER COLUMN patient TYPE varchar(8) COLLATE "C";
            CREATE TABLE theirs (id integer)
            """)
        #expect(
            try database.store(Self.old).differences() == [
                "index mine is not in the spec (made by hand): on series btree (code)",
                "index series_number_idx is missing: on series btree (number)",
                "series.note is not in the spec (made by hand): text",
                "series.patient is character varying(8) COLLATE \"C\" NOT NULL, and should be character varying(16) COLLATE \"C\" NOT NULL",
            ])
        try database.migrate(Self.old)
        #expect(try database.store(Self.old).differences().count == 2)
        #expect(try database.value("SELECT to_regclass('theirs') IS NOT NULL") == "true")
    }

    @Test(arguments: [
        ("role=pg_read_all_data", "TEMP on the database"), ("default_transaction_read_only=on", "name the primary"),
    ])
    func whoMayNotWriteIsToldWhatToDo(option: String, says: String) throws {
        let database = try MigrationCase()
        try database.run("REVOKE TEMP ON DATABASE \(try database.value("current_database()") ?? "") FROM public")
        let connection = try PostgresConnection(database.string + " options='-c \(option)'")
        let failure = #expect(throws: SchemaFailure.self) {
            try database.migrator(Self.old).prepare(connection)
        }
        #expect("\(failure!)".contains(says))
    }

    /// Nothing is written for a look: also a session that only reads sees all of it.
    @Test func whoOnlyReadsSeesWhatDiffers() throws {
        let database = try MigrationCase()
        try database.migrate(Self.old)
        func reading(_ schema: DesiredSchema) -> PostgresSchemaStore {
            PostgresSchemaStore(
                database.string + " options='-c default_transaction_read_only=on'", migrator: database.migrator(schema))
        }
        for schema in [Self.old, Self.new] {
            let writing = database.store(schema)
            #expect(try reading(schema).status() == writing.status())
            #expect(try reading(schema).differences() == writing.differences())
            #expect(try reading(schema).plan().steps == writing.plan().steps)
        }
        #expect(try reading(Self.new).plan().steps.count > 5)
    }

    /// On a standby no session can make tables, as for this role: then what is known is what the last program has left.
    @Test func whereNoTablesCanBeMadeTheHistoryTells() throws {
        let database = try MigrationCase()
        try database.run("REVOKE TEMP ON DATABASE \(try database.value("current_database()") ?? "") FROM public")
        func reading(_ schema: DesiredSchema) -> PostgresSchemaStore {
            PostgresSchemaStore(
                database.string + " options='-c role=pg_read_all_data'", migrator: database.migrator(schema))
        }
        func isRefused(_ schema: DesiredSchema) throws {
            #expect("\(#expect(throws: SchemaFailure.self) { try reading(schema).plan() }!)".contains("TEMP"))
            #expect(throws: SchemaFailure.self) { try reading(schema).differences() }
            #expect(
                try reading(schema).status().contains { $0.contains("the schema is not as this program leaves it") })
        }
        try isRefused(Self.old)
        try database.migrate(Self.old)
        #expect(try reading(Self.old).status() == database.store(Self.old).status())
        #expect(try reading(Self.old).differences() == [])
        #expect(try reading(Self.old).plan().isEmpty)
        try isRefused(Self.new)
        try database.run("DROP INDEX series_number_idx")
        try isRefused(Self.old)
    }

    @Test func theArchivesOwnTablesAreMendedWhateverIsMissing() throws {
        let string = try TestPostgres.makeArchiveDatabase()
        let connection = try PostgresConnection(string)
        let migrator = SchemaMigrator()
        let fresh = try migrator.objects(connection)
        try connection.run(
            """
            ALTER TABLE dicom_state_meta DROP COLUMN patient_name; ALTER TABLE dicom_state_variant DROP COLUMN patient_id;
            ALTER TABLE dicom_state_variant ALTER COLUMN modality TYPE varchar(4) COLLATE "C";
            ALTER TABLE dicom_json_meta RESET (fillfactor); DROP TABLE bus_dead_letter; DROP TABLE wado_access_log;
            ALTER TABLE bus_offset DROP COLUMN last_seen; DROP INDEX dicom_image_meta_sop_uid_idx;
            DROP FUNCTION bus_publish; DELETE FROM bus_partition WHERE topic = 'log_queue'
            """, operation: "test")
        try migrator.migrate(connection)
        #expect(try migrator.objects(connection) == fresh)
        let partitions = try connection.query(
            "SELECT count(*) FROM bus_partition WHERE topic = 'log_queue'", operation: "test")
        #expect(partitions.integer(0, 0) == 8)
        #expect(try connection.query("SELECT FROM wado_access_log_default", operation: "test").rowCount == 0)
    }
}

extension DesiredSchema {
    /// The DDL.
    var text: String { statements.map(\.sql).joined() }
}
