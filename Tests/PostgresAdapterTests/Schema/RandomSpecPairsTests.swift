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

    /// More of them: WADO_SPEC_PAIRS=1000.
    private static let count = ProcessInfo.processInfo.environment["WADO_SPEC_PAIRS"].flatMap(UInt64.init) ?? 40

    @Test(arguments: 1...count)
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
        let kept = new.tables.compactMap { table in old.table(table.name).map { ($0, table) } }
        let before = try kept.map { try database.value($0.0.values(in: $0.1, of: $0.0)) }

        let plan = try database.store(newSchema).plan()
        let destructive = plan.steps.filter(\.isDestructive)
        let what = Comment(rawValue: "\(old.yaml)\n=>\n\(new.yaml)\n\(plan.steps)")
        do {
            try database.migrate(newSchema)
        } catch SchemaFailure.needsDecision {
            #expect(!destructive.isEmpty, what)
        }
        // By itself nothing is lost: each row and each value that both specs have is there.
        for (tables, values) in zip(kept, before) {
            #expect(try database.value("SELECT count(*) FROM \(tables.0.name)") == "24", what)
            if destructive.isEmpty {
                #expect(try database.value(tables.1.values(in: tables.1, of: tables.0)) == values, what)
            }
        }
        for step in destructive { #expect(!step.reason.isEmpty && !step.statements.isEmpty) }
        if !destructive.isEmpty {
            // What a row lacks in the new key has to be filled before.
            for table in new.tables { try fill(table, database, newSchema) }
            try database.migrate(newSchema, allowDestructive: true)
            for (_, table) in kept {
                #expect(try database.value("SELECT count(*) FROM \(table.name)") == "24", what)
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
        for column in table.columns where column.isRequired && objects["\(table.name).\(column.name)"] != nil {
            _ = try? database.run(
                "UPDATE \(table.name) SET \(column.name) = \(column.value("1")) WHERE \(column.name) IS NULL")
        }
    }
}

struct SplitMix {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(bound))
    }
}

/// A spec as it could be written.
struct RandomSpec {
    struct Column {
        var name: String
        var type: String
        var isRequired: Bool
        var defaultValue: String?
        var comment = ""
        var renamedFrom: String?

        /// An expression of SQL for row `g`; the same row has the same value whatever the name.
        func value(_ g: String) -> String {
            switch type {
            case "int", "bigint": "\(g)::int"
            case "double": "\(g)::int + 0.5"
            case "date": "date '2024-02-20' + \(g)::int"
            case "time": "time '01:02:03' + \(g)::int * interval '1 second'"
            case "timestamp": "timestamptz '2026-01-01 00:00+00' + \(g)::int * interval '1 day'"
            default: "'v' || \(g)"
            }
        }
    }

    struct Table {
        var name: String
        var columns: [Column]
        var key: [String]
        var indexes: [[String]]
        var isPartitioned: Bool
        var about = "Things."

        func column(_ name: String) -> Column? { columns.first { $0.name == name } }

        func rows(_ count: Int) -> String {
            let names = columns.map(\.name).joined(separator: ", ")
            let values = columns.map { column in
                if column.name == "part" { return "'v' || g % 5" }
                return column.isRequired ? column.value("g") : "CASE WHEN g % 3 > 0 THEN \(column.value("g")) END"
            }
            return
                "INSERT INTO \(name) (\(names)) SELECT \(values.joined(separator: ", ")) FROM generate_series(1, \(count)) AS g"
        }

        /// A query for a digest of what the columns have that are in `new` and in `old`, by the names that this table has
        /// for them. Only whole numbers change their type without a decision, and their text stays.
        func values(in new: Table, of old: Table) -> String {
            let names = new.columns.compactMap { column -> String? in
                let before =
                    column.renamedFrom.flatMap { old.column($0) == nil || new.column($0) != nil ? nil : $0 }
                    ?? column.name
                guard old.column(before) != nil else { return nil }
                return self.column(column.name) == nil ? before : column.name
            }
            let row = names.map { "COALESCE(\($0)::text, '-')" }.joined(separator: " || ',' || ")
            return "SELECT md5(string_agg(\(row), ';' ORDER BY \(row))) FROM \(name)"
        }
    }

    var tables: [Table]

    func table(_ name: String) -> Table? { tables.first { $0.name == name } }

    private static let types = ["text(16)", "text(64)", "uid", "int", "bigint", "double", "date", "time", "timestamp"]

    init(_ random: inout SplitMix) {
        tables = []
        for number in 0..<(1 + random.next(3)) { tables.append(Self.table("table_\(number)", &random)) }
    }

    private static func table(_ name: String, _ random: inout SplitMix) -> Table {
        let isPartitioned = random.next(4) == 0
        var table = Table(
            name: name,
            columns: [
                Column(name: "tenant_id", type: "text(64)", isRequired: true),
                Column(name: "id", type: "text(64)", isRequired: true),
                Column(name: "part", type: "text(16)", isRequired: true),
            ], key: ["tenant_id", "id"], indexes: [], isPartitioned: isPartitioned)
        if isPartitioned {
            table.columns.append(Column(name: "at", type: "timestamp", isRequired: true))
            table.key.append("at")
        }
        for number in 0..<(1 + random.next(6)) { table.columns.append(column("c\(number)", &random)) }
        for _ in 0..<random.next(4) { addIndex(&table, &random) }
        return table
    }

    private static func column(_ name: String, _ random: inout SplitMix) -> Column {
        let type = types[random.next(types.count)]
        var column = Column(name: name, type: type, isRequired: random.next(3) == 0)
        if column.isRequired, random.next(2) == 0, type == "int" || type == "bigint" { column.defaultValue = "7" }
        if random.next(2) == 0 { column.comment = "What's \(random.next(100)) \\\\ 张" }
        return column
    }

    private static func addIndex(_ table: inout Table, _ random: inout SplitMix) {
        let column = table.columns[2 + random.next(table.columns.count - 2)]
        let part = column.type.hasPrefix("text") && random.next(2) == 0 ? "lower(\(column.name))" : column.name
        let index = random.next(2) == 0 ? [part] : ["tenant_id", part]
        let isThere = table.indexes.contains { $0.contains { $0 == column.name || $0 == "lower(\(column.name))" } }
        if !isThere && !table.key.starts(with: index) { table.indexes.append(index) }
    }

    /// The next version of it.
    func changed(_ random: inout SplitMix) -> RandomSpec {
        var new = self
        for place in new.tables.indices {
            for _ in 0..<random.next(5) { Self.change(&new.tables[place], &random) }
        }
        if random.next(5) == 0 { new.tables.append(Self.table("table_new", &random)) }
        if random.next(8) == 0 && new.tables.count > 1 { new.tables.removeLast() }
        return new
    }

    private static func change(_ table: inout Table, _ random: inout SplitMix) {
        let first = table.isPartitioned ? 4 : 3
        let place = table.columns.count > first ? first + random.next(table.columns.count - first) : nil
        switch random.next(11) {
        case 0:
            let name = "n\(random.next(1_000))"
            if table.column(name) == nil { table.columns.append(column(name, &random)) }
        case 1:
            guard let place else { return }
            let name = table.columns.remove(at: place).name
            table.indexes.removeAll { $0.contains { $0 == name || $0 == "lower(\(name))" } }
        case 2:
            guard let place, table.columns[place].renamedFrom == nil, table.columns[place].name.hasPrefix("c") else {
                return
            }
            let name = table.columns[place].name
            table.columns[place].renamedFrom = name
            table.columns[place].name = "r_\(name)"
            table.indexes = table.indexes.map {
                $0.map { $0 == name ? "r_\(name)" : $0 == "lower(\(name))" ? "lower(r_\(name))" : $0 }
            }
        case 3:
            guard let place else { return }
            table.columns[place].isRequired.toggle()
            if !table.columns[place].isRequired { table.columns[place].defaultValue = nil }
        case 4:
            guard let place else { return }
            switch table.columns[place].type {
            case "text(16)": table.columns[place].type = "text(80)"
            case "int": table.columns[place].type = "bigint"
            default: break
            }
        case 5:
            guard let place else { return }
            let type = types[random.next(types.count)]
            let name = table.columns[place].name
            table.columns[place].type = type
            table.columns[place].defaultValue = nil
            if !type.hasPrefix("text") { table.indexes.removeAll { $0.contains("lower(\(name))") } }
        case 6:
            guard let place else { return }
            table.columns[place].comment = "Now \(random.next(100))"
        case 7: addIndex(&table, &random)
        case 8: if !table.indexes.isEmpty { table.indexes.remove(at: random.next(table.indexes.count)) }
        case 9:
            // Sometimes a longer key, sometimes one that rows repeat.
            let parts = random.next(2) == 0 ? ["tenant_id", "id", "part"] : ["id", "part"]
            table.key = parts + (table.isPartitioned ? ["at"] : [])
            table.indexes.removeAll { table.key.starts(with: $0) }
        default: table.about = "Things \(random.next(100))."
        }
    }

    var renames: [String: [String: String]] {
        var renames: [String: [String: String]] = [:]
        for table in tables {
            for column in table.columns {
                if let old = column.renamedFrom { renames[table.name, default: [:]][column.name] = old }
            }
        }
        return renames
    }

    var yaml: String {
        var text = "version: 2\ntables:\n"
        for table in tables {
            text += "  \(table.name):\n    about: \(table.about)\n    stores: [postgres]\n"
            text += "    key: [\(table.key.joined(separator: ", "))]\n"
            if table.isPartitioned { text += "    partition: {by: at, every: month}\n" }
            if !table.indexes.isEmpty {
                text += "    indexes:\n" + table.indexes.map { "      - [\($0.joined(separator: ", "))]\n" }.joined()
            }
            text += "    columns:\n"
            for column in table.columns {
                text += "      - {name: \(column.name), from: service, type: \(column.type)"
                if column.isRequired { text += ", required: true" }
                if let value = column.defaultValue { text += ", default: \(value)" }
                if let old = column.renamedFrom { text += ", renamed_from: \(old)" }
                if !column.comment.isEmpty { text += ", comment: \"\(column.comment)\"" }
                text += "}\n"
            }
        }
        return text
    }
}
