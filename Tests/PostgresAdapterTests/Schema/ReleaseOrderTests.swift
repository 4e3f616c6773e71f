import Archive
import PostgresAdapter
import PostgresTestSupport
import Testing

/// Releases follow each other, also those whose tables are the same as an earlier one's.
@Suite("Order of releases", .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct ReleaseOrderTests {
    private static func release(
        _ version: Int, _ columns: String, renames: [String: [String: String]] = [:]
    ) -> DesiredSchema {
        MigrationCase.schema(
            "CREATE TABLE IF NOT EXISTS series (uid varchar(64) COLLATE \"C\" NOT NULL\(columns), PRIMARY KEY (uid));",
            version: version, renames: renames)
    }

    @Test func aColumnIsAddedRetiredAndTakenOut() throws {
        let database = try MigrationCase()
        let first = Self.release(2, "")
        let added = Self.release(3, ", code text")
        let retired = MigrationCase.schema(
            added.text + "COMMENT ON COLUMN series.code IS 'retired, no longer filled: a code';", version: 4)
        // Its statements are those of the first.
        let without = Self.release(5, "")
        for schema in [first, added, retired] { try database.migrate(schema) }
        try database.run("INSERT INTO series VALUES ('1', 'a')")
        #expect(try database.store(without).plan().steps.map(\.object) == ["series.code"])
        let lines = try database.migrate(without)
        #expect(lines.contains { $0.contains("series.code: no longer in the spec") })
        #expect(try database.value("SELECT code FROM series") == "a")
        // Who has not yet the new release is the older one now.
        #expect(try database.migrate(retired).first?.hasPrefix("the database has a newer schema") == true)
        try database.migrate(without, allowDestructive: true)
        #expect(try database.objects(without) == MigrationCase.fresh(without))
        #expect(throws: SchemaFailure.self) { try database.migrate(retired, allowDestructive: true) }
    }

    @Test func aRenameIsTakenBack() throws {
        let database = try MigrationCase()
        let first = Self.release(1, ", code text")
        let renamed = Self.release(2, ", mark text", renames: ["series": ["mark": "code"]])
        let back = Self.release(3, ", code text", renames: ["series": ["code": "mark"]])
        try database.migrate(first)
        try database.run("INSERT INTO series VALUES ('1', 'a')")
        try database.migrate(renamed)
        #expect(throws: SchemaFailure.self) { try database.migrate(first) }
        try database.migrate(back)
        #expect(try database.value("SELECT code FROM series") == "a")
        #expect(try database.objects(back) == MigrationCase.fresh(back))
        #expect(throws: SchemaFailure.self) { try database.migrate(renamed) }
    }

    @Test func aReleaseThatSkipsTheOthersIsTheLastOne() throws {
        let database = try MigrationCase()
        let added = Self.release(3, ", code text")
        let without = Self.release(5, "")
        try database.migrate(Self.release(2, ""))
        try database.migrate(without)
        // One between them comes late, and is no step forward.
        #expect(throws: SchemaFailure.self) { try database.migrate(added) }
        #expect(try database.objects(without) == MigrationCase.fresh(without))
    }

    /// Of programs with the same numbers, as between two releases, who was here before is the older one.
    @Test func whoComesBackWithTheSameNumbersIsOlder() throws {
        let database = try MigrationCase()
        let first = Self.release(1, "")
        let second = Self.release(1, ", code text")
        try database.migrate(first)
        try database.migrate(second)
        #expect(try database.migrate(first).first?.hasPrefix("the database has a newer schema") == true)
        #expect(try database.migrate(second) == [])
    }
}
