import Archive
import PostgresAdapter
import PostgresTestSupport
import Testing

/// A column that holds another attribute from now on, or is filled again, is incomplete until it is indexed anew.
@Suite("Sources of columns", .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct ColumnSourceTests {
    /// The comment says what fills a column.
    @Test(arguments: [
        ("SeriesDescription (0008,103E)", true),
        ("RequestAttributesSequence[0].StudyDescription (0008,1030)", true),
        ("retired, no longer filled: StudyDescription (0008,1030)", true),
        ("StudyDescription (0008,1030): in other words", false),
        ("somebody''s own words", false),
    ])
    func rowsThatHaveAnotherAttributeAreIncomplete(comment: String, isIncomplete: Bool) throws {
        let string = try TestPostgres.makeArchiveDatabase()
        let connection = try PostgresConnection(string)
        let marks = """
            SELECT count(*) FROM incomplete_column
            WHERE table_name = 'dicom_state_meta' AND column_name = 'study_description'
            """
        let insert = """
            INSERT INTO dicom_state_meta (tenant_id, study_uid, series_uid, study_uid_hash, series_uid_hash,
                representative_sop_uid, created_time, updated_time)
            VALUES ('t', '1.2', '1.3', '1', '2', '1.4', now(), now())
            """
        try connection.run(insert, operation: "test")
        let change = "COMMENT ON COLUMN dicom_state_meta.study_description IS '\(comment)'"
        try connection.run(change, operation: "test")
        var lines: [String] = []
        try SchemaMigrator().migrate(connection) { lines.append($0) }
        #expect(try connection.query(marks, operation: "test").integer(0, 0) == (isIncomplete ? 1 : 0))
        #expect(lines.contains { $0.contains("wado reindex --columns study_description") } == isIncomplete)
        #expect(try PostgresSchemaStore(string).plan().isEmpty)
    }

    /// One that is out of the spec, and stays, says so; so its way back into it is seen.
    /// For PostgreSQL a quote with an accent upon it is a quote.
    @Test func commentsMayHoldWhateverTheyLike() throws {
        let table = "CREATE TABLE IF NOT EXISTS series (uid varchar(64) COLLATE \"C\" NOT NULL, PRIMARY KEY (uid));"
        let comment = "it''\u{301}s \\\u{301} \"\u{301}; 界"
        let after = MigrationCase.schema(
            table + " COMMENT ON COLUMN series.uid IS '\(comment)'; COMMENT ON TABLE series IS '\(comment)'", version: 2
        )
        let database = try MigrationCase()
        try database.migrate(MigrationCase.schema(table))
        try database.migrate(after)
        #expect(try database.objects(after) == MigrationCase.fresh(after))
        #expect(
            try database.value("SELECT obj_description('series'::regclass)") == "it'\u{301}s \\\u{301} \"\u{301}; 界")
    }

    @Test func aColumnThatIsTakenBackSaysThatItWasOut() throws {
        let with = MigrationCase.schema(
            """
            CREATE TABLE IF NOT EXISTS series (uid varchar(64) COLLATE "C" NOT NULL, code text, PRIMARY KEY (uid));
            COMMENT ON COLUMN series.code IS 'CodeValue (0008,0100)';
            """)
        let without = MigrationCase.schema(
            "CREATE TABLE IF NOT EXISTS series (uid varchar(64) COLLATE \"C\" NOT NULL, PRIMARY KEY (uid));", version: 2
        )
        let again = MigrationCase.schema(with.text, version: 3)
        let database = try MigrationCase()
        try database.migrate(with)
        try database.run("INSERT INTO series VALUES ('1', 'a'); ALTER TABLE series ADD COLUMN mine text")
        try database.run("COMMENT ON COLUMN series.mine IS 'mine'")
        try database.migrate(without)
        let comment = "SELECT string_agg(col_description('series'::regclass, n), '|') FROM generate_series(1, 3) AS n"
        #expect(try database.value(comment) == "no longer filled: CodeValue (0008,0100)|mine")
        // Once.
        #expect(try database.migrate(without).count == database.migrate(without).count)
        #expect(try database.value(comment) == "no longer filled: CodeValue (0008,0100)|mine")
        #expect(try database.store(without).plan().steps.map(\.object) == ["series.code"])
        let lines = try database.migrate(again)
        #expect(lines.contains { $0.contains("wado reindex --columns code") })
        #expect(try database.value(comment) == "CodeValue (0008,0100)|mine")
        #expect(try database.value("SELECT code FROM series") == "a")
        // Two programs that fill a column with different attributes do not go together.
        let other = MigrationCase.schema(
            with.text.replacing("CodeValue (0008,0100)", with: "CodeMeaning (0008,0104)"), version: 4)
        #expect(try database.migrate(other).contains { $0.contains("was CodeValue (0008,0100) in rows") })
        let failure = #expect(throws: SchemaFailure.self) { try database.migrate(again) }
        #expect("\(failure!)".contains("series.code has values of CodeMeaning (0008,0104)"))
    }
}
