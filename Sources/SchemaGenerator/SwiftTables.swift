import Dictionary

/// `ArchiveSchema+Tables.swift`, `ArchiveSchema+SQL.swift` and `ArchiveSchema+Search.swift`.
enum SwiftTables {
    static func tables(_ model: SchemaModel, specPath: String) -> String {
        var text = SwiftText.header(specPath)
        text += "import DICOMDictionary\n\nextension ArchiveSchema {\n"
        text += "    /// The version of the spec.\n    public static let version = \(model.version)\n\n"
        let names = model.tables.map { "\($0.rowName).table" }.joined(separator: ", ")
        text +=
            "    /// All tables, in the order of the spec.\n    public static let tables: [TableSchema] = [\(names)]\n}\n"
        for table in model.tables { text += "\n" + self.table(table, brokers: model.brokers) }
        return text
    }

    private static func table(_ table: TableModel, brokers: String) -> String {
        let postgres = table.stores.contains(.postgres)
        let sql = "ArchiveSQL.\(ColumnNames.swiftIdentifier(table.name))"
        var text = "extension \(table.rowName) {\n    /// \(table.about)\n"
        text += "    public static let table = TableSchema(\n"
        text += "        name: \(SwiftText.string(table.name)), about: \(SwiftText.string(table.about)),\n"
        text +=
            "        level: \(table.level.map { ".\($0.rawValue)" } ?? "nil"), columns: columns, retired: retired,\n"
        text += "        key: [\(table.key.map(SwiftText.string).joined(separator: ", "))],\n"
        if table.indexes.isEmpty {
            text += "        indexes: [],\n"
        } else {
            let indexes = table.indexes.map { index in
                let parts = index.parts.map { SwiftText.string(PostgresSQL.part($0)) }.joined(separator: ", ")
                return "            IndexSchema(\(SwiftText.string(index.name)), [\(parts)]"
                    + "\(index.isOfElements ? ", method: .gin" : "")),\n"
            }
            text += "        indexes: [\n\(indexes.joined())        ],\n"
        }
        text += "        variants: \(table.variants.map(SwiftText.string) ?? "nil"),\n"
        text += "        partitionColumn: \(table.partition.map(SwiftText.string) ?? "nil"),\n"
        text += "        postgresDDL: \(postgres ? "\(sql)Postgres" : "nil"),\n"
        text += "        dorisDDL: \(table.doris == nil ? "nil" : "\(sql)Doris"),\n"
        text +=
            "        load: \(table.load.map { load($0, table, brokers: brokers, statement: "\(sql)Load") } ?? "nil"))\n\n"
        text += "    private static let columns: [ColumnSchema] = [\n"
        text += table.rowColumns.map { "        \(column($0, of: table)),\n" }.joined()
        text += "    ]\n\n    private static let retired: [ColumnSchema] = ["
        text += table.retired.map { "\n        \(column($0, of: table))," }.joined()
        return text + (table.retired.isEmpty ? "]\n}\n" : "\n    ]\n}\n")
    }

    private static func load(_ load: LoadModel, _ table: TableModel, brokers: String, statement: String) -> String {
        let computed = DorisSQL.computed(table).map {
            "RoutineLoad.Computed(\(SwiftText.string($0.column)), \(SwiftText.string($0.expression)))"
        }
        let properties = DorisSQL.jobProperties(load).map {
            "                (\(SwiftText.string($0.name)), \(SwiftText.string($0.value))),\n"
        }
        return """
            RoutineLoad(
                        job: \(SwiftText.string(load.job)), table: \(SwiftText.string(table.name)),
                        topic: \(SwiftText.string(load.topic)),
                        columns: [\(load.columns.map(SwiftText.string).joined(separator: ", "))],
                        computed: [\(computed.joined(separator: ", "))],
                        properties: [
            \(properties.joined())            ],
                        brokers: \(SwiftText.string(brokers)), statement: \(statement))
            """
    }

    private static func column(_ column: ColumnModel, of table: TableModel) -> String {
        var parts = [SwiftText.string(column.name), ".\(caseName(column.type))", "nullable: \(column.isNullable)"]
        if column.stores != table.stores, let store = column.stores.first { parts.append("only: .\(store.rawValue)") }
        if let path = column.attribute {
            parts.append("path: [\(steps(path))]")
            parts.append("vr: .\(vr(path.vr.rawValue))")
        }
        if let level = column.level { parts.append("level: .\(level.rawValue)") }
        if column.isSearched { parts.append("searched: true") }
        if let value = column.defaultValue {
            parts.append("defaultValue: \(SwiftText.string(PostgresSQL.literal(value, column.type)))")
        }
        if column.since > 1 { parts.append("since: \(column.since)") }
        if let name = column.renamedFrom { parts.append("renamedFrom: \(SwiftText.string(name))") }
        let comment = SQLText.comment(column)
        if !comment.isEmpty { parts.append("comment: \(SwiftText.string(comment))") }
        return "ColumnSchema(\(parts.joined(separator: ", ")))"
    }

    static func vr(_ name: String) -> String {
        let name = name.lowercased()
        return name == "as" || name == "is" ? "`\(name)`" : name
    }

    private static func steps(_ path: AttributePath) -> String {
        let steps = path.steps.map { step in
            let item = if case .number(let number) = step.item { ".number(\(number))" } else { ".all" }
            return "PathStep(\(SwiftText.tag(step.sequence.tag)), \(item)\(creator(step.creator)))"
        }
        let last = "PathStep(\(SwiftText.tag(path.element.tag))\(creator(path.creator)))"
        return (steps + [last]).joined(separator: ", ")
    }

    private static func creator(_ creator: AttributePath.Creator?) -> String {
        creator.map { ", creator: \(SwiftText.string($0.name))" } ?? ""
    }

    static func caseName(_ type: TypeModel) -> String {
        switch type {
        case .array(let element): "array(.\(caseName(element)))"
        case .text(let length): "text(\(length))"
        case .ascii(let length): "ascii(\(length))"
        default: type.spelling
        }
    }

    static func sql(_ model: SchemaModel, specPath: String) -> String {
        var text = SwiftText.header(specPath) + "\nenum ArchiveSQL {\n"
        for table in model.tables {
            let name = ColumnNames.swiftName(table.name)
            if table.stores.contains(.postgres) {
                text += "    static let \(name)Postgres = \(SwiftText.text(PostgresSQL.ddl(table)))\n\n"
            }
            if table.doris != nil {
                text += "    static let \(name)Doris = \(SwiftText.text(DorisSQL.ddl(table)))\n\n"
            }
            if let load = DorisSQL.routineLoad(table, brokers: model.brokers) {
                text += "    static let \(name)Load = \(SwiftText.text(load))\n\n"
            }
        }
        return text + "}\n"
    }

    static func search(_ model: SchemaModel, specPath: String) -> String {
        var text = SwiftText.header(specPath) + "\nextension ArchiveSchema {\n"
        text += "    /// What QIDO-RS can be asked for, in the order of the spec.\n"
        text += "    public static let searchKeys: [SearchKey] = [\n"
        for table in model.tables {
            for column in table.columns {
                guard column.isSearched, let level = column.level, let path = column.attribute else { continue }
                text += key(path.tags, path.keywords, path.vr, level, table, column)
                for also in column.also {
                    let element = also.element
                    text += key(
                        [element.tag], [element.keyword], element.vrs.first ?? path.vr, also.level, table, column)
                }
            }
        }
        return text + "    ]\n}\n"
    }

    private static func key(
        _ tags: [UInt32], _ keywords: [String], _ vr: ValueRepresentation, _ level: Level, _ table: TableModel,
        _ column: ColumnModel
    ) -> String {
        let words = keywords.map(SwiftText.string).joined(separator: ", ")
        return "        SearchKey([\(SwiftText.tags(tags))], [\(words)], .\(level.rawValue), "
            + "\(SwiftText.string(table.name)), \(SwiftText.string(column.name)), "
            + "matching: \(SwiftText.string(SearchKeysDocument.matching(vr, column)))),\n"
    }
}
