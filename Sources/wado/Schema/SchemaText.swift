internal import Archive
internal import ArchiveSchema
internal import DICOMDictionary
internal import PostgresAdapter
internal import ServiceKit
internal import Wiring

/// What `wado schema` prints.
enum SchemaText {
    /// The steps of a plan with their statements, by who makes them.
    static func plan(_ plan: SchemaPlan) -> String {
        var text = plan.isEmpty ? "\(plan.store): nothing to do\n" : ""
        let occasions: [(SchemaStep.Occasion, String)] = [
            (.start, ", made by the next service that starts, or by `wado schema apply`"),
            (.background, ", made by services beside their work, or by `wado schema apply`"),
            (.maintenance, " that would hold everybody up for long, made only by `wado schema apply`"),
            (.decision, " that could lose data, made only by `wado schema apply --allow-destructive`"),
            (.hindered, " that cannot be made as long as something is in the way"),
        ]
        for (occasion, title) in occasions {
            let steps = plan.steps.filter { $0.occasion == occasion }
            if steps.isEmpty { continue }
            text += "\(plan.store): \(count(steps))\(title):\n\n" + steps.map(step).joined() + "\n"
        }
        for note in plan.notes { text += "\(plan.store): \(note)\n" }
        return text
    }

    private static func count(_ steps: [SchemaStep]) -> String {
        steps.count == 1 ? "1 change" : "\(steps.count) changes"
    }

    private static func step(_ step: SchemaStep) -> String {
        "  \(step.object): \(step.reason)\n" + step.statements.map(statement).joined()
    }

    private static func statement(_ statement: String) -> String {
        let lines = statement.split(separator: "\n").filter { !$0.allSatisfy(\.isWhitespace) }
        return lines.map { "      \($0)" }.joined(separator: "\n") + (statement.hasSuffix(";") ? "\n" : ";\n")
    }

    /// The DDL of both databases, or of one, as services with these settings would run it; without secrets.
    static func sql(store: String?, _ settings: Settings) throws -> String {
        guard [nil, "postgresql", "doris"].contains(store) else {
            throw SettingsError(problems: ["there is no store '\(store ?? "")': postgresql, doris"])
        }
        var text = ""
        if store != "doris" { text += "-- PostgreSQL\n\n" + SchemaMigrator().sql }
        if store == nil || store == "doris" {
            text += (store == nil ? "\n" : "") + "-- Doris\n\n"
            text += try SchemaStores.dorisStatements(settings).map { $0 + ";\n" }.joined(separator: "\n")
        }
        return text
    }

    // MARK: Explain

    /// Everything about the columns of a name, `patient_name` or `dicom_state_meta.patient_name`, or of an attribute by
    /// its keyword or its tag: `PatientName`, `(0010,0010)`.
    static func explain(_ name: String) throws -> String {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        let column = parts.last ?? ""
        var found = ArchiveSchema.tables.compactMap { table in
            parts.count == 1 || parts[0] == table.name ? table.column(column).map { (table, $0) } : nil
        }
        let attribute =
            DataDictionary.entry(keyword: name)
            ?? WadoSettings.tagNumber(name).flatMap { DataDictionary.entry(for: Tag($0)) }
        if found.isEmpty, let attribute {
            found = ArchiveSchema.tables.flatMap { table in
                table.columns.filter { $0.path.last == attribute.tag }.map { (table, $0) }
            }
            if found.isEmpty {
                throw CommandError("no table has a column of \(attribute.keyword) \(attribute.tag)")
            }
        }
        guard !found.isEmpty else {
            let columns = ArchiveSchema.tables.flatMap(\.columns)
            let keywords = columns.compactMap { $0.path.last.flatMap { DataDictionary.entry(for: $0)?.keyword } }
            let names = Set(columns.map(\.name) + keywords).sorted()
            let hint = Nearest.name(to: column, among: names).map { "; did you mean \($0)?" } ?? ""
            throw CommandError("no table has a column '\(name)'\(hint)")
        }
        return found.map { explain($1, of: $0) }.joined(separator: "\n")
    }

    private static func explain(_ column: ColumnSchema, of table: TableSchema) -> String {
        var lines: [(String, String)] = []
        if !column.comment.isEmpty { lines.append(("meaning", column.comment)) }
        if let tag = column.path.last {
            lines.append(("tag", column.path.map(\.description).joined(separator: " > ")))
            if let entry = DataDictionary.entry(for: tag) {
                lines.append(("attribute", "\(entry.keyword), \(entry.name)"))
            }
        } else {
            lines.append(("tag", "none: the programs fill it"))
        }
        if let vr = column.vr {
            lines.append(("VR", String(decoding: [UInt8(vr.rawValue >> 8), UInt8(vr.rawValue & 0xFF)], as: UTF8.self)))
        }
        if let tables = postgresTables(table), column.isInPostgres {
            lines.append(("PostgreSQL", "\(column.type.postgresName)\(suffix(column)), in \(tables)"))
        } else {
            lines.append(("PostgreSQL", "not there"))
        }
        let indexes = table.indexes.filter { $0.parts.contains { $0 == column.name || $0 == "lower(\(column.name))" } }
        var served = indexes.map {
            "\($0.name) (\($0.method == .gin ? "GIN of " : "")\($0.parts.joined(separator: ", ")))"
        }
        if table.key.contains(column.name) { served.insert("the key (\(table.key.joined(separator: ", ")))", at: 0) }
        lines.append(("index", served.isEmpty ? "none" : served.joined(separator: ", ")))
        if table.dorisDDL != nil, column.isInDoris {
            lines.append(("Doris", "\(column.type.dorisName)\(column.isNullable ? "" : " NOT NULL"), in \(table.name)"))
            lines.append(("load", load(column, of: table)))
        } else {
            lines.append(("Doris", "not there"))
        }
        let keys = ArchiveSchema.searchKeys.filter { $0.table == table.name && $0.column == column.name }
        lines.append(
            (
                "QIDO-RS",
                keys.isEmpty
                    ? column.level.map { "answered for each \($0.rawValue), and no search key" } ?? "no search key"
                    : keys.map {
                        "\($0.keywords.joined(separator: ".")) (\($0.matching)), \($0.level.rawValue) level"
                    }
                    .joined(separator: "; ")
            ))
        lines.append(("since", "spec version \(column.since)"))
        if let old = column.renamedFrom { lines.append(("before", "called \(old)")) }
        let width = lines.map(\.0.count).max() ?? 0
        return "\(table.name).\(column.name)\n"
            + lines.map { "  \($0)\(String(repeating: " ", count: width - $0.count + 2))\($1)\n" }.joined()
    }

    private static func suffix(_ column: ColumnSchema) -> String {
        (column.isNullable ? "" : " NOT NULL") + (column.defaultValue.map { " DEFAULT \($0)" } ?? "")
    }

    private static func postgresTables(_ table: TableSchema) -> String? {
        table.postgresDDL == nil ? nil : table.name + (table.variants.map { " and \($0)" } ?? "")
    }

    private static func load(_ column: ColumnSchema, of table: TableSchema) -> String {
        guard let load = table.load else { return "none" }
        if let computed = load.computed.first(where: { $0.column == column.name }) {
            return "job \(load.job): computed as \(computed.expression)"
        }
        return load.columns.contains(column.name)
            ? "job \(load.job): field \(column.name) of topic \(load.topic)" : "not loaded by job \(load.job)"
    }
}
