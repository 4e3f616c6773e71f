/// The DDL of a table in Doris 3.1.
enum DorisSQL {
    static func ddl(_ table: TableModel) -> String {
        guard let doris = table.doris else { return "" }
        var properties = [
            ("replication_num", String(doris.replicas)), ("enable_unique_key_merge_on_write", "true"),
            ("light_schema_change", "true"),
        ]
        if let sequence = doris.sequence { properties.append(("function_column.sequence_col", sequence)) }
        return """
            \(head(table))
            DISTRIBUTED BY HASH(\(doris.distributeBy.map(ReservedWords.doris).joined(separator: ", "))) BUCKETS \(doris.buckets)
            PROPERTIES (
            \(lines(properties))
            );

            """
    }

    /// The statement up to the distribution.
    private static func head(_ table: TableModel) -> String {
        let quote = ReservedWords.doris
        let list = { (names: [String]) in names.map(quote).joined(separator: ", ") }
        let columns = table.allColumns(in: .doris)
        let rows = columns.map { column in
            let comment = SQLText.comment(column)
            return [
                quote(column.name), column.type.doris, column.isNullable ? "NULL" : "NOT NULL",
                // Doris takes the default of a number in quotes as well as bare.
                (column.defaultValue.map { "DEFAULT \(string($0)) " } ?? "")
                    + (comment.isEmpty ? "" : "COMMENT \(string(comment))"),
            ]
        }
        let lines = SQLText.aligned(rows.map { $0.last == "" ? Array($0.dropLast()) : $0 }).map { trimmed($0) }
        var text = "CREATE TABLE IF NOT EXISTS \(quote(table.name)) (\n"
        text += lines.map { "    \($0)" }.joined(separator: ",\n") + "\n)\n"
        text += "ENGINE=OLAP\n"
        text += "UNIQUE KEY(\(list(table.key)))\n"
        text += "COMMENT \(string(table.about))"
        if let partition = table.partition {
            text += "\nAUTO PARTITION BY RANGE (date_trunc(\(quote(partition)), 'month')) ()"
        }
        return text
    }

    /// The job that loads a table from its topic; nil when the spec has none.
    static func routineLoad(_ table: TableModel, brokers: String) -> String? {
        guard let load = table.load else { return nil }
        let source = [
            ("kafka_broker_list", brokers), ("kafka_topic", load.topic),
            ("property.kafka_default_offsets", "OFFSET_BEGINNING"),
        ]
        return """
            CREATE ROUTINE LOAD \(load.job) \(target(load, table))
            PROPERTIES (
            \(lines(jobProperties(load)))
            )
            FROM KAFKA (
            \(lines(source))
            );

            """
    }

    /// What is loaded: the table and its columns.
    private static func target(_ load: LoadModel, _ table: TableModel) -> String {
        var columns = load.columns.map(ReservedWords.doris)
        columns += computed(table).map { "\(ReservedWords.doris($0.column)) = \($0.expression)" }
        return """
            ON \(ReservedWords.doris(table.name))
            COLUMNS (
            \(columns.map { "    \($0)" }.joined(separator: ",\n"))
            )
            """
    }

    /// The columns that Doris computes.
    static func computed(_ table: TableModel) -> [(column: String, expression: String)] {
        table.columns(in: .doris).compactMap { column in
            if case .computedOnLoad(let expression) = column.source { (column.name, expression) } else { nil }
        }
    }

    /// The spec's, and how messages are read. The n-th path of jsonpaths feeds the n-th name of COLUMNS, so that no field
    /// is read and dropped, and none left behind.
    static func jobProperties(_ load: LoadModel) -> [(name: String, value: String)] {
        let paths = load.columns.map { "\"$.\($0)\"" }.joined(separator: ",")
        return load.properties + [
            ("format", "json"), ("jsonpaths", "[\(paths)]"), ("strip_outer_array", "false"), ("strict_mode", "false"),
            ("timezone", "UTC"),
        ]
    }

    private static func lines(_ entries: [(String, String)]) -> String {
        entries.map { "    \"\($0.0)\" = \(string($0.1))" }.joined(separator: ",\n")
    }

    /// A string in double quotes, with backslash escapes.
    static func string(_ text: String) -> String {
        // By scalars: a quote with an accent upon it is still a quote for Doris.
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result.append(contentsOf: ["\\", scalar])
            case "\n": result.append(contentsOf: ["\\", "n"])
            default: result.append(scalar)
            }
        }
        return "\"" + String(result) + "\""
    }

    private static func trimmed(_ line: String) -> String {
        var line = line
        while line.last == " " { line.removeLast() }
        return line
    }
}
