import Archive
import Dictionary
import Foundation
import PostgresAdapter
import PostgresTestSupport
import SchemaGenerator
import TestSupport
import Testing

/// Random pairs of specs, old and new: migrating gives what creating gives and keeps the rows, or the plan says what
/// would be lost.
@Suite("Random pairs of specs", .enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct RandomSpecPairsTests {
    private static let registry = try? RegistryReader.read(PackageFolder.bytes("dictionary/part06.xml"))

    private static func schema(_ spec: RandomSpec, version: Int) throws -> DesiredSchema {
        let output = try SchemaGenerator.sqlFiles(
            specPath: "spec.yaml", spec: Array(spec.yaml.utf8), registry: try #require(registry))
        let statements = output.files.filter { $0.name.hasPrefix("postgres/") }.map {
            (name: $0.name, sql: $0.contents)
        }
        return DesiredSchema(version: version, statements: statements, renames: spec.renames)
    }

    /// The same pairs in each run, and others. `SEED=N` does the pair of that number alone, `SEED=N PAIRS=1000` those
    /// from there on.
    private static let seeds: [UInt64] = {
        let count = number("PAIRS")
        if let first = number("SEED") { return Array(first..<first + (count ?? 1)) }
        let fresh = UInt64.random(in: 1_000..<1_000_000_000)
        return Array(1...15) + Array(fresh..<fresh + (count ?? 15))
    }()

    private static func number(_ variable: String) -> UInt64? {
        ProcessInfo.processInfo.environment[variable].flatMap(UInt64.init)
    }

    @Test(arguments: seeds)
    func migratingIsCreatingAndKeepsRows(seed: UInt64) throws {
        var random = SplitMix(seed)
        let old = RandomSpec(&random)
        let new = old.changed(&random)
        let (oldSchema, newSchema) = (try Self.schema(old, version: 1), try Self.schema(new, version: 2))
        var database = try MigrationCase()
        // Sometimes all tables are large.
        database.concurrentBytes = random.next(4) == 0 ? 0 : 16 << 20
        try database.migrate(oldSchema)
        for table in old.tables { try database.run(table.rows(24)) }
        // Each table that both have, and its digest.
        var kept: [(name: String, old: RandomSpec.Table, new: RandomSpec.Table, digest: String?)] = []
        for table in new.tables {
            guard let before = old.table(table.name) else { continue }
            for name in table.tableNames where before.tableNames.contains(name) {
                kept.append(
                    (name, before, table, try database.value(before.values(in: table, of: before, table: name))))
            }
        }

        let plan = try database.store(newSchema).plan()
        let destructive = plan.steps.filter(\.isDestructive)
        let what = Comment(
            rawValue:
                "SEED=\(seed)\n\(old.yaml)\n=>\n\(new.yaml)\n\(plan.steps.map { "\($0)" }.joined(separator: "\n"))")
        if Self.seeds.count == 1 { print(what.rawValue) }
        do {
            try database.migrate(newSchema)
        } catch SchemaFailure.needsPerson {
            #expect(!destructive.isEmpty, what)
        }
        // By itself nothing is lost: each row and each value that both specs have is there.
        for table in kept {
            #expect(try database.value("SELECT count(*) FROM \(table.name)") == "24", what)
            if destructive.isEmpty {
                #expect(
                    try database.value(table.new.values(in: table.new, of: table.old, table: table.name))
                        == table.digest, what)
            }
        }
        for step in destructive { #expect(!step.reason.isEmpty && !step.statements.isEmpty) }
        if !destructive.isEmpty {
            // What a row lacks in the new key has to be filled before.
            for table in new.tables { try fill(table, database, newSchema) }
            try database.migrate(newSchema, allowDestructive: true)
            for table in kept {
                let left = table.new.differentRows(of: table.name)
                #expect(try database.value("SELECT count(*) FROM \(table.name)") == "\(left)", what)
                // It was said.
                if left < 24 {
                    #expect(destructive.contains { $0.reason.contains("\(24 - left) rows that repeat") }, what)
                }
            }
        }
        // What waits for values gets them.
        for table in new.tables { try fill(table, database, newSchema) }
        try database.migrate(newSchema, allowDestructive: true)
        #expect(try database.objects(newSchema) == MigrationCase.fresh(newSchema), what)
        #expect(try database.store(newSchema).plan().isEmpty, what)
    }

    /// Gives required columns that are there and still lack values some.
    private func fill(_ table: RandomSpec.Table, _ database: MigrationCase, _ schema: DesiredSchema) throws {
        let objects = try database.objects(schema)
        for name in table.tableNames {
            for column in table.columns
            where column.isRequired && !column.isRetired && objects["\(name).\(column.name)"] != nil {
                // It may still have its old type.
                _ = try? database.run(
                    "UPDATE \(name) SET \(column.name) = \(column.value("1")) WHERE \(column.name) IS NULL")
            }
        }
    }
}
