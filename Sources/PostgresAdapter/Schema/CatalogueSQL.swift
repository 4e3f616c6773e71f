/// Statements that make what a catalogue has. Each can be run again.
extension Catalogue.Table {
    /// The table with its key, its indexes, its comments.
    var createStatements: [String] {
        if parent != nil { return [create] }
        return [create] + indexes.map { createIndex($0) } + commentStatements
    }

    private var create: String {
        if let parent { return "CREATE TABLE IF NOT EXISTS \(sqlName) PARTITION OF \(SQL.name(parent)) \(bound)" }
        var lines = columns.map { "    \($0.sqlName) \($0.definition)" }
        if let key { lines.append("    CONSTRAINT \(key.sqlName) \(key.definition)") }
        let settings = options.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)" }
        return "CREATE TABLE IF NOT EXISTS \(sqlName) (\n\(lines.joined(separator: ",\n"))\n)"
            + (partitionKey.map { " PARTITION BY \($0)" } ?? "")
            + (settings.isEmpty ? "" : " WITH (\(settings.joined(separator: ", ")))")
    }

    private var commentStatements: [String] {
        (comment.isEmpty ? [] : [commentStatement])
            + columns.filter { !$0.comment.isEmpty }.map { commentStatement($0) }
    }

    var commentStatement: String { "COMMENT ON TABLE \(sqlName) IS \(SQL.literal(comment))" }

    func commentStatement(_ column: Catalogue.Column) -> String {
        "COMMENT ON COLUMN \(sqlName).\(column.sqlName) IS \(SQL.literal(column.comment))"
    }

    func createIndex(_ index: Catalogue.Index, concurrently: Bool = false, only: Bool = false) -> String {
        "CREATE \(index.isUnique ? "UNIQUE " : "")INDEX \(concurrently ? "CONCURRENTLY " : "")IF NOT EXISTS "
            + "\(index.sqlName) ON \(only ? "ONLY " : "")\(sqlName) USING \(index.definition)"
    }
}

/// Small pieces of SQL.
enum SQL {
    /// A string constant, NULL for the empty one; whatever `standard_conforming_strings` is.
    static func literal(_ text: String) -> String {
        if text.isEmpty { return "NULL" }
        return (text.unicodeScalars.contains("\\") ? "E'" : "'") + doubled(["'", "\\"], in: text) + "'"
    }

    /// A name in quotes.
    static func name(_ name: String) -> String {
        "\"" + doubled(["\""], in: name) + "\""
    }

    /// By scalars: a quote with an accent upon it is still a quote for PostgreSQL.
    private static func doubled(_ special: Set<Unicode.Scalar>, in text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            result.append(contentsOf: special.contains(scalar) ? [scalar, scalar] : [scalar])
        }
        return String(result)
    }
}
