/// The DDL of a table in Doris 3.1.
enum DorisSQL {
    static func ddl(_ table: TableModel) -> String {
        guard let doris = table.doris else { return "" }
        let quote = ReservedWords.doris
        let list = { (names: [String]) in names.map(quote).joined(separator: ", ") }
        let columns = table.columns(in: .doris)
        let rows = columns.map { column in
            let comment = SQLText.comment(column)
            return [
                quote(column.name), column.type.doris, column.isNullable ? "NULL" : "NOT NULL",
                (column.defaultValue.map { "DEFAULT \(literal($0, column.type)) " } ?? "")
                    + (comment.isEmpty ? "" : "COMMENT \(string(comment))"),
            ]
        }
        let lines = SQLText.aligned(rows.map { $0.last == "" ? Array($0.dropLast()) : $0 }).map { trimmed($0) }
        var properties = [
            ("replication_num", String(doris.replicas)), ("enable_unique_key_merge_on_write", "true"),
            ("light_schema_change", "true"),
        ]
        if let sequence = doris.sequence { properties.append(("function_column.sequence_col", sequence)) }
        var text = "CREATE TABLE IF NOT EXISTS \(quote(table.name)) (\n"
        text += lines.map { "    \($0)" }.joined(separator: ",\n") + "\n)\n"
        text += "ENGINE=OLAP\n"
        text += "UNIQUE KEY(\(list(table.key)))\n"
        text += "COMMENT \(string(table.about))\n"
        if let partition = table.partition {
            text += "AUTO PARTITION BY RANGE (date_trunc(\(quote(partition)), 'month')) ()\n"
        }
        text += "DISTRIBUTED BY HASH(\(list(doris.distributeBy))) BUCKETS \(doris.buckets)\n"
        text += "PROPERTIES (\n"
        text += properties.map { "    \"\($0.0)\" = \"\($0.1)\"" }.joined(separator: ",\n") + "\n);\n"
        return text
    }

    /// The job that loads a table from its topic; nil when the spec has none. The n-th path of jsonpaths feeds the n-th
    /// name of COLUMNS, so that no field is read and dropped, and none left behind.
    static func routineLoad(_ table: TableModel, brokers: String) -> String? {
        guard let load = table.load else { return nil }
        let quote = ReservedWords.doris
        var columns = load.columns.map(quote)
        for column in table.columns(in: .doris) {
            if case .computedOnLoad(let expression) = column.source {
                columns.append("\(quote(column.name)) = \(expression)")
            }
        }
        let paths = load.columns.map { "\"$.\($0)\"" }.joined(separator: ",")
        var properties = load.properties
        properties += [
            ("format", "json"), ("jsonpaths", "[\(paths)]"), ("strip_outer_array", "false"), ("strict_mode", "false"),
            ("timezone", "UTC"),
        ]
        let source = [
            ("kafka_broker_list", brokers), ("kafka_topic", load.topic),
            ("property.kafka_default_offsets", "OFFSET_BEGINNING"),
        ]
        let lines = { (entries: [(String, String)]) in
            entries.map { "    \"\($0.0)\" = \(string($0.1))" }.joined(separator: ",\n")
        }
        return """
            CREATE ROUTINE LOAD \(load.job) ON \(quote(table.name))
            COLUMNS (
            \(columns.map { "    \($0)" }.joined(separator: ",\n"))
            )
            PROPERTIES (
            \(lines(properties.map { ($0.name, $0.value) }))
            )
            FROM KAFKA (
            \(lines(source))
            );

            """
    }

    /// Doris takes the default of a number in quotes as well as bare.
    private static func literal(_ value: String, _ type: TypeModel) -> String { string(value) }

    /// A string in double quotes, with backslash escapes.
    static func string(_ text: String) -> String {
        var result = "\""
        for character in text {
            switch character {
            case "\"", "\\": result += "\\\(character)"
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result + "\""
    }

    private static func trimmed(_ line: String) -> String {
        var line = line
        while line.last == " " { line.removeLast() }
        return line
    }
}
