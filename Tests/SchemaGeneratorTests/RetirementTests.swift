import Testing

/// A column is taken out in two steps: retired, then gone.
@Suite struct RetirementTests {
    private static let inUse = SpecSamples.spec(
        "name: a, tag: PatientID, level: patient, search: true",
        "name: b, from: service, type: int, default: 0, required: true")
    private static let retired = inUse.replacing("search: true", with: "search: true, status: retired").replacing(
        "default: 0, required: true", with: "default: 0, required: true, status: retired")

    @Test func aRetiredColumnIsOnlyInTheDatabases() throws {
        let sql = try SpecSamples.sql(Self.retired)
        let postgres = try #require(sql["postgres/things.sql"])
        #expect(postgres.contains("\n    a         varchar(64) COLLATE \"C\",\n"))
        #expect(postgres.contains("\n    b         integer                          DEFAULT 0,\n"))
        #expect(postgres.contains("COMMENT ON COLUMN things.a IS 'retired, no longer filled: PatientID (0010,0020)';"))
        let doris = try #require(sql["doris/things.sql"])
        #expect(doris.contains("\n    a         VARCHAR(256) NULL "))
        let load = try #require(sql["doris/routine-load/things.sql"])
        #expect(load.contains("COLUMNS (\n    tenant_id,\n    study_uid\n)") && !load.contains("$.a"))
        let swift = try SpecSamples.swift(Self.retired)
        let rows = try #require(swift["ArchiveSchema+Rows.swift"])
        #expect(!rows.contains("_has0010_0020") && !rows.contains("\"a\"") && !rows.contains("var b:"))
        #expect(swift["ArchiveSchema+Search.swift"]?.contains("PatientID") == false)
        let tables = try #require(swift["ArchiveSchema+Tables.swift"])
        let list = try #require(tables.split(separator: "static let retired: [ColumnSchema] = [").last)
        #expect(list.contains("ColumnSchema(\"a\", .text(64), nullable: true, ") && !list.contains("level:"))
        #expect(list.contains("ColumnSchema(\"b\", .int, nullable: true, defaultValue: \"0\""))
        #expect(tables.contains("columns: [\"tenant_id\", \"study_uid\"]"))
    }

    @Test func nothingRestsOnIt() throws {
        let spec = Self.retired.replacing("about:", with: "indexes: [[tenant_id, a]]\n    about:")
        #expect(
            try SpecSamples.diagnose(spec) == [
                "fields.yaml:4:27: error: index column `a` is retired, and nothing may rest on it; take it out here"
            ])
        #expect(
            try SpecSamples.diagnose(Self.retired.replacing("status: retired", with: "status: old")) == [
                "fields.yaml:12:73: error: `status` can only be retired, and this is `old`",
                "fields.yaml:13:81: error: `status` can only be retired, and this is `old`",
            ])
        let hash = SpecSamples.spec("name: a, tag: PatientID, status: retired", "name: h, from: hash(PatientID)")
        #expect(
            try SpecSamples.diagnose(hash) == [
                "fields.yaml:13:25: error: `hash(PatientID)` needs a text column with `tag: PatientID` in the table"
            ])
    }
}
