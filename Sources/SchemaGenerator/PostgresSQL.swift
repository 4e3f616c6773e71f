/// The DDL of a table in PostgreSQL 14 or later. It can be run again.
enum PostgresSQL {
    static func ddl(_ table: TableModel) -> String {
        statements(table) + (table.variantTable.map { "\n" + statements($0) } ?? "")
    }

    private static func statements(_ table: TableModel) -> String {
        let columns = table.allColumns(in: .postgres)
        let quote = ReservedWords.postgres
        let name = quote(table.name)
        var rows = columns.map { column in
            [
                quote(column.name), column.type.postgres, column.isNullable ? "" : "NOT NULL",
                column.defaultValue.map { "DEFAULT \(literal($0, column.type))" } ?? "",
            ]
        }
        for index in rows.indices { while rows[index].last == "" { rows[index].removeLast() } }
        var lines = SQLText.aligned(rows).map { "    \($0)," }
        lines.append("    PRIMARY KEY (\(table.key.map(quote).joined(separator: ", ")))")
        var text = "CREATE TABLE IF NOT EXISTS \(name) (\n\(lines.joined(separator: "\n"))\n)"
        if let partition = table.partition { text += " PARTITION BY RANGE (\(quote(partition)))" }
        text += ";\n"
        if table.partition != nil {
            text += "\n-- Rows of a month that has no partition yet.\n"
            text += "CREATE TABLE IF NOT EXISTS \(table.name)_default PARTITION OF \(name) DEFAULT;\n"
        }
        if !table.indexes.isEmpty { text += "\n" }
        for index in table.indexes {
            let parts = index.parts.map(part).joined(separator: ", ")
            let method = index.isOfElements ? " USING gin" : ""
            text += "CREATE INDEX IF NOT EXISTS \(index.name) ON \(name)\(method) (\(parts));\n"
        }
        text += "\nCOMMENT ON TABLE \(name) IS \(string(table.about));\n"
        for column in columns {
            let comment = SQLText.comment(column)
            if comment.isEmpty { continue }
            text += "COMMENT ON COLUMN \(name).\(quote(column.name)) IS \(string(comment));\n"
        }
        return text
    }

    /// A part of an index.
    static func part(_ part: IndexModel.Part) -> String {
        switch part {
        case .column(let column): ReservedWords.postgres(column)
        case .lower(let column): "lower(\(ReservedWords.postgres(column)))"
        }
    }

    static func literal(_ value: String, _ type: TypeModel) -> String { type.isText ? string(value) : value }

    /// A string constant; backslashes are characters as long as standard_conforming_strings is on, its default.
    static func string(_ text: String) -> String {
        // By scalars: a quote with an accent upon it is still a quote for PostgreSQL.
        var doubled = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            doubled.append(contentsOf: scalar == "'" || scalar == "\\" ? [scalar, scalar] : [scalar])
        }
        return (text.unicodeScalars.contains("\\") ? "E'" : "'") + String(doubled) + "'"
    }
}
