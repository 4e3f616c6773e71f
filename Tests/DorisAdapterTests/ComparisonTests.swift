import Archive
import DorisAdapter
import Testing

/// What is done about a difference, without a Doris.
@Suite struct ComparisonTests {
    static let table = """
        CREATE TABLE t (
            k VARCHAR(64) NOT NULL COMMENT "key",
            at DATETIME(6) NOT NULL,
            v VARCHAR(64) NULL COMMENT "value",
            n INT NOT NULL DEFAULT "0"
        ) UNIQUE KEY(k, at) COMMENT "about"
        AUTO PARTITION BY RANGE (date_trunc(at, 'month')) ()
        DISTRIBUTED BY HASH(k) BUCKETS 4
        PROPERTIES ("replication_num" = "1", "function_column.sequence_col" = "at")
        """

    /// The steps from a table, made by replacing a text in the one above, to that one; or the other way round.
    static func steps(
        _ old: String, _ new: String, reversed: Bool = false, renames: [String: String] = [:]
    ) throws -> (statements: [String], destructive: Bool, notes: [String]) {
        let one = try TableDefinition(reading: table)
        let other = try TableDefinition(reading: table.replacing(old, with: new))
        let comparison = TableComparison(
            wanted: reversed ? one : other, found: reversed ? other : one, renames: renames, asideName: "t_aside")
        return (
            comparison.changes.flatMap(\.step.statements), comparison.changes.contains { $0.step.isDestructive },
            comparison.notes
        )
    }

    @Test func nothingToDo() throws {
        let found = try Self.steps("nothing", "nothing")
        #expect(found.statements.isEmpty && found.notes.isEmpty)
        // Names are compared without case, and replicas are shown otherwise than made.
        #expect(try Self.steps("k VARCHAR", "K VARCHAR").statements.isEmpty)
        let shown = try Self.steps(
            "\"replication_num\" = \"1\"", "\"replication_allocation\" = \"tag.location.default: 1\"")
        #expect(shown.statements.isEmpty && shown.notes.isEmpty)
    }

    @Test(arguments: [
        (
            "n INT NOT", "m BIGINT NULL COMMENT \"new\",\n n INT NOT",
            "ALTER TABLE `t` ADD COLUMN `m` BIGINT NULL COMMENT \"new\" AFTER `v`"
        ),
        // Rows that are there have no value, and nobody gave one for them.
        ("n INT NOT", "m BIGINT NOT NULL,\n n INT NOT", "ALTER TABLE `t` ADD COLUMN `m` BIGINT NULL AFTER `v`"),
        (
            "n INT NOT", "m INT NOT NULL DEFAULT \"7\",\n n INT NOT",
            "ALTER TABLE `t` ADD COLUMN `m` INT NOT NULL DEFAULT \"7\" AFTER `v`"
        ),
        ("v VARCHAR(64)", "v VARCHAR(256)", "ALTER TABLE `t` MODIFY COLUMN `v` VARCHAR(256) NULL COMMENT \"value\""),
        ("n INT", "n BIGINT", "ALTER TABLE `t` MODIFY COLUMN `n` BIGINT NOT NULL DEFAULT \"0\""),
        ("n INT NOT", "n INT", "ALTER TABLE `t` MODIFY COLUMN `n` INT NULL DEFAULT \"0\""),
        ("\"value\"", "\"other \\\" value\"", "ALTER TABLE `t` MODIFY COLUMN `v` COMMENT \"other \\\" value\""),
        ("\"key\"", "\"the key\"", "ALTER TABLE `t` MODIFY COLUMN `k` COMMENT \"the key\""),
        ("\"about\"", "\"all\"", "ALTER TABLE `t` MODIFY COMMENT \"all\""),
        (
            "\"replication_num\"", "\"partition.retention_count\" = \"12\", \"replication_num\"",
            "ALTER TABLE `t` SET (\"partition.retention_count\" = \"12\")"
        ),
    ])
    func additive(_ old: String, _ new: String, _ statement: String) throws {
        let found = try Self.steps(old, new)
        #expect(found.statements == [statement])
        #expect(!found.destructive)
    }

    @Test func renamed() throws {
        let found = try Self.steps("v VARCHAR(64)", "w VARCHAR(100)", renames: ["w": "v"])
        #expect(
            found.statements == [
                "ALTER TABLE `t` RENAME COLUMN `v` `w`",
                "ALTER TABLE `t` MODIFY COLUMN `w` VARCHAR(100) NULL COMMENT \"value\"",
            ])
        #expect(!found.destructive)
        // Without that declaration it is another column, and the old one stays.
        let other = try Self.steps("v VARCHAR(64)", "w VARCHAR(100)")
        #expect(other.statements == ["ALTER TABLE `t` ADD COLUMN `w` VARCHAR(100) NULL COMMENT \"value\" AFTER `at`"])
        #expect(other.notes.count == 1)
    }

    @Test func whatTheSpecDoesNotHave() throws {
        let kept = try Self.steps("n INT NOT", "m INT NULL,\n n INT NOT", reversed: true)
        #expect(kept.statements.isEmpty && kept.notes.count == 1)
        let freed = try Self.steps("n INT NOT", "m INT NOT NULL,\n n INT NOT", reversed: true)
        #expect(freed.statements == ["ALTER TABLE `t` MODIFY COLUMN `m` INT NULL"])
        #expect(!freed.destructive)
    }

    @Test(arguments: [
        ("v VARCHAR(64)", "v VARCHAR(32)"), ("v VARCHAR(64) NULL", "v VARCHAR(64) NOT NULL"),
        ("DEFAULT \"0\"", "DEFAULT \"1\""), ("BUCKETS 4", "BUCKETS 8"),
        ("\"replication_num\" = \"1\"", "\"replication_num\" = \"3\""),
    ])
    func leftAsItIs(_ old: String, _ new: String) throws {
        let found = try Self.steps(old, new)
        #expect(found.statements.isEmpty)
        #expect(found.notes.count == 1)
    }

    @Test(arguments: [
        ("UNIQUE KEY(k, at)", "DUPLICATE KEY(k, at)"), ("UNIQUE KEY(k, at)", "UNIQUE KEY(k)"),
        ("HASH(k)", "HASH(at)"), ("'month'", "'day'"), ("AUTO PARTITION BY RANGE (date_trunc(at, 'month')) ()", ""),
        (", \"function_column.sequence_col\" = \"at\"", ""), ("k VARCHAR(64)", "k VARCHAR(128)"),
        ("k VARCHAR(64)", "k INT"),
        (
            "\"replication_num\" = \"1\"",
            "\"replication_num\" = \"1\", \"enable_unique_key_merge_on_write\" = \"false\""
        ),
    ])
    func needsAnotherTable(_ old: String, _ new: String) throws {
        let found = try Self.steps(old, new, reversed: new.contains("merge_on_write"))
        #expect(found.destructive)
        #expect(found.statements.count == 2)
        #expect(found.statements.first == "ALTER TABLE `t` RENAME `t_aside`")
        #expect(found.statements.last?.hasPrefix("CREATE TABLE IF NOT EXISTS `t`") == true)
    }

    @Test func needsAnotherColumn() throws {
        let found = try Self.steps("v VARCHAR(64)", "v DATE")
        #expect(found.destructive)
        #expect(
            found.statements == [
                "ALTER TABLE `t` DROP COLUMN `v`", "ALTER TABLE `t` ADD COLUMN `v` DATE NULL COMMENT \"value\"",
            ])
    }

    @Test(arguments: [
        ("VARCHAR(1)", "VARCHAR(1)", true), ("VARCHAR(1)", "VARCHAR(2)", true), ("VARCHAR(2)", "VARCHAR(1)", false),
        ("VARCHAR(9)", "STRING", true), ("STRING", "VARCHAR(9)", false), ("INT", "BIGINT", true),
        ("BIGINT", "INT", false), ("INT", "DOUBLE", true), ("BIGINT", "DOUBLE", false), ("FLOAT", "DOUBLE", true),
        ("DATE", "DATETIME(6)", true), ("DATETIME", "DATETIME(6)", true), ("DATETIME(6)", "DATETIME(3)", false),
        ("DECIMAL(10,2)", "DECIMAL(12,4)", true), ("DECIMAL(10,2)", "DECIMAL(10,4)", false), ("INT", "STRING", false),
        ("ARRAY<VARCHAR(8)>", "ARRAY<VARCHAR(16)>", true), ("ARRAY<VARCHAR(16)>", "ARRAY<VARCHAR(8)>", false),
        ("ARRAY<INT>", "ARRAY<BIGINT>", false), ("VARCHAR", "VARCHAR(1)", true), ("", "", false),
    ])
    func widening(_ old: String, _ new: String, _ isWider: Bool) {
        #expect(ColumnTypes.widens(from: old, to: new) == isWider)
    }
}
