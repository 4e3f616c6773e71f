import Dictionary

/// `docs/search-keys.md`: what QIDO-RS can be asked for, and what it answers with.
enum SearchKeysDocument {
    private struct Key {
        var name: String
        var tags: [UInt32]
        var table: TableModel
        var column: ColumnModel
        var level: Level
        var vr: ValueRepresentation
        var isSearched: Bool
    }

    static func document(_ model: SchemaModel) -> String {
        var text = """
            # Search keys

            Generated from `dictionary/fields.yaml` by `swift package generate-sql`; [adding-a-tag.md](adding-a-tag.md) says how to
            add one. An attribute is named by its keyword, its tag or a path of these, as in the first two columns. What the
            values may be is in [dicomweb.md](dicomweb.md#searches-qido-rs-ps318-106); equal values, ranges and the beginnings of
            texts and names use the index, all else looks at the rows that the other keys leave. A search for instances takes all
            keys.

            """
        let keys = model.tables.flatMap(keys)
        for level in Level.allCases {
            let searched = keys.filter { $0.level == level && $0.isSearched }
            if searched.isEmpty { continue }
            text += "\n## \(title(level))\n| keyword | tag | column | matching | index |\n|---|---|---|---|---|\n"
            for key in searched.sorted(by: { $0.tags.lexicographicallyPrecedes($1.tags) }) {
                let index =
                    level == .instance ? "the instances of the series found are compared" : Self.index(key) ?? "none"
                text +=
                    "| \(key.name) | \(tag(key.tags)) | `\(key.table.name).\(key.column.name)` | \(matching(key.vr, key.column)) | \(index) |\n"
            }
        }
        let others = keys.filter { !$0.isSearched }
        if others.isEmpty { return text }
        text += """

            ## Answered, not searched
            | keyword | tag | column | level |
            |---|---|---|---|

            """
        for key in others.sorted(by: { $0.tags.lexicographicallyPrecedes($1.tags) }) {
            text +=
                "| \(key.name) | \(tag(key.tags)) | `\(key.table.name).\(key.column.name)` | \(key.level.rawValue) |\n"
        }
        return text
    }

    private static func keys(_ table: TableModel) -> [Key] {
        table.columns.flatMap { column -> [Key] in
            guard let level = column.level, let path = column.attribute else { return [] }
            let own = Key(
                name: path.isPrivate ? path.text : path.keywords.joined(separator: "."), tags: path.tags, table: table,
                column: column, level: level, vr: path.vr, isSearched: column.isSearched)
            return [own]
                + column.also.map { also in
                    Key(
                        name: also.element.keyword, tags: [also.element.tag], table: table, column: column,
                        level: also.level, vr: also.element.vrs.first ?? path.vr, isSearched: true)
                }
        }
    }

    private static func title(_ level: Level) -> String {
        switch level {
        case .patient: "Patients: in searches for studies, series and instances"
        case .study: "Studies: in searches for studies, series and instances"
        case .series: "Series: in searches for series and instances"
        case .instance: "Instances: in searches for instances"
        }
    }

    private static func tag(_ tags: [UInt32]) -> String { tags.map(SQLText.hexadecimal).joined(separator: ".") }

    /// How values of an attribute of this VR are matched with the column (PS3.4 C.2.2.2).
    static func matching(_ vr: ValueRepresentation, _ column: ColumnModel) -> String {
        var text =
            switch vr {
            case .da: "a day, a range of days"
            case .tm, .dt: "a time, a range of times"
            case .ui: "a UID, a list of UIDs"
            case .cs: "equal, `*` and `?`, a list"
            case .pn: "without regard to case, `*` and `?`, fuzzy"
            case .ae, .lo, .lt, .sh, .st, .uc, .ur, .ut: "equal, `*` and `?`"
            default: "equal"
            }
        if column.attribute?.isArray == true { text += "; any of its values" }
        if column.attribute?.choice == .joined { text += "; all values as one text" }
        return text
    }

    /// The index of PostgreSQL that finds rows of a tenant by this column.
    private static func index(_ key: Key) -> String? {
        let table = key.table
        let name = key.column.name
        let isFirst = { (columns: [String]) in columns.drop { $0 == "tenant_id" }.first == name }
        if isFirst(table.key) { return "primary key" }
        guard let index = table.indexes.first(where: { isFirst($0.parts.map(\.column)) }) else { return nil }
        return "`\(index.name)`" + (index.isOfElements ? " (equal values)" : "")
    }
}
