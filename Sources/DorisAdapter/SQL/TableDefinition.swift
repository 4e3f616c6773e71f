/// A table of Doris, as the spec wants it or as Doris shows it.
package struct TableDefinition: Hashable, Sendable {
    package struct Column: Hashable, Sendable {
        package var name: String
        /// In upper case, without spaces: `VARCHAR(64)`, `DATETIME(6)`, `ARRAY<INT>`.
        package var type: String
        package var isNullable: Bool
        /// A constant, or a word such as `CURRENT_TIMESTAMP`; nil when there is none.
        package var defaultValue: String?
        package var comment: String

        /// `name type [KEY] NULL DEFAULT .. COMMENT ..`
        func declaration(isKey: Bool = false) -> String {
            var text = "\(DorisText.name(name)) \(type)"
            if isKey { text += " KEY" }
            text += isNullable ? " NULL" : " NOT NULL"
            if let defaultValue {
                let isWord = defaultValue.uppercased().hasPrefix("CURRENT_")
                text += " DEFAULT \(isWord ? defaultValue : DorisText.string(defaultValue))"
            }
            if !comment.isEmpty { text += " COMMENT \(DorisText.string(comment))" }
            return text
        }
    }

    package var name: String
    package var columns: [Column]
    /// `UNIQUE`, `DUPLICATE` or `AGGREGATE`.
    package var model: String
    package var key: [String]
    package var comment: String
    /// Such as `AUTO RANGE(date_trunc(request_time, "month"))`; empty when it is not partitioned.
    package var partition: String
    /// The columns whose hash chooses the bucket; empty for random ones.
    package var distribution: [String]
    /// A number, or `AUTO`.
    package var buckets: String
    package var properties: [String: String]

    package func column(_ name: String) -> Column? { columns.first { $0.name.lowercased() == name.lowercased() } }

    func isKey(_ column: String) -> Bool { key.contains { $0.lowercased() == column.lowercased() } }

    var sequenceColumn: String { properties["function_column.sequence_col"] ?? "" }

    /// Months of partitions that Doris keeps beside those that are not over.
    static let retention = "partition.retention_count"

    /// With the replicas, buckets and retention of the settings.
    package func adapted(to configuration: DorisConfiguration) -> TableDefinition {
        var table = self
        if let replicas = configuration.replicas { table.properties["replication_num"] = String(replicas) }
        if let buckets = configuration.buckets { table.buckets = String(buckets) }
        if let months = configuration.logMonths, !partition.isEmpty {
            table.properties[Self.retention] = String(months)
        }
        return table
    }

    /// The statement that creates it; one that is there already is left as it is.
    package var createStatement: String {
        var text = "CREATE TABLE IF NOT EXISTS \(DorisText.name(name)) (\n"
        text += columns.map { "    " + $0.declaration() }.joined(separator: ",\n") + "\n)\nENGINE=OLAP\n"
        text += "\(model) KEY(\(DorisText.names(key)))\n"
        if !comment.isEmpty { text += "COMMENT \(DorisText.string(comment))\n" }
        if !partition.isEmpty {
            text += partition.replacing("RANGE(", with: "PARTITION BY RANGE (", maxReplacements: 1)
                .replacing("LIST(", with: "PARTITION BY LIST (", maxReplacements: 1)
            text += " ()\n"
        }
        text +=
            distribution.isEmpty
            ? "DISTRIBUTED BY RANDOM" : "DISTRIBUTED BY HASH(\(DorisText.names(distribution)))"
        text += " BUCKETS \(buckets)\nPROPERTIES (\n"
        text += DorisText.properties(properties.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        return text + "\n)"
    }
}

extension TableDefinition {
    /// From the generator's DDL or Doris' SHOW CREATE TABLE.
    package init(reading statement: String) throws(SQLReadingError) {
        var reader = SQLReader(statement)
        try reader.expect("CREATE")
        while !reader.accept("TABLE") {
            guard case .word = reader.take() else { throw reader.failure("TABLE") }
        }
        _ = reader.accept("IF", "NOT", "EXISTS")
        name = try reader.identifier()
        columns = []
        try reader.expectMark("(")
        while !reader.acceptMark(")") {
            if reader.isAt("INDEX") {
                _ = try reader.expression()
            } else {
                columns.append(try Self.column(&reader))
            }
            if !reader.acceptMark(","), reader.next != .mark(")") { throw reader.failure("',' or ')'") }
        }
        model = ""
        (key, comment, partition, distribution, buckets, properties) = ([], "", "", [], "AUTO", [:])
        while reader.next != .end, reader.next != .mark(";") {
            try clause(&reader)
        }
    }

    private mutating func clause(_ reader: inout SQLReader) throws(SQLReadingError) {
        if reader.accept("ENGINE") {
            try reader.expectMark("=")
            _ = try reader.identifier()
        } else if reader.accept("COMMENT") {
            comment = try reader.string()
        } else if reader.accept("PROPERTIES") {
            for pair in try reader.properties() { properties[pair.name] = pair.value }
        } else if reader.accept("DISTRIBUTED", "BY") {
            if reader.accept("HASH") { distribution = try reader.identifiers() } else { _ = reader.accept("RANDOM") }
        } else if reader.accept("BUCKETS") {
            buckets = try reader.identifier().uppercased()
        } else if reader.isAt("AUTO", "PARTITION") || reader.isAt("PARTITION") {
            let isAuto = reader.accept("AUTO")
            try reader.expect("PARTITION", "BY")
            let kind = try reader.identifier().uppercased()
            try reader.expectMark("(")
            partition = "\(isAuto ? "AUTO " : "")\(kind)(\(try reader.restOfBrackets()))".replacing("`", with: "")
            // The partitions there are now.
            if reader.acceptMark("(") { _ = try reader.restOfBrackets() }
        } else if reader.isAt("UNIQUE") || reader.isAt("DUPLICATE") || reader.isAt("AGGREGATE") {
            model = try reader.identifier().uppercased()
            try reader.expect("KEY")
            key = try reader.identifiers()
        } else if reader.accept("CLUSTER", "BY") {
            _ = try reader.identifiers()
        } else {
            throw reader.failure("a clause of CREATE TABLE")
        }
    }

    private static func column(_ reader: inout SQLReader) throws(SQLReadingError) -> Column {
        var column = Column(
            name: try reader.identifier(), type: "", isNullable: true, defaultValue: nil, comment: "")
        column.type = try type(&reader)
        while reader.next != .mark(","), reader.next != .mark(")") {
            if reader.accept("NOT", "NULL") {
                column.isNullable = false
            } else if reader.accept("NULL") {
                column.isNullable = true
            } else if reader.accept("COMMENT") {
                column.comment = try reader.string()
            } else if reader.accept("DEFAULT") {
                column.defaultValue = try value(&reader)
            } else {
                // KEY, aggregations, AUTO_INCREMENT, ON UPDATE: nothing that our tables have.
                switch reader.take() {
                case .mark("("): _ = try reader.restOfBrackets()
                case .end: throw reader.failure("')'")
                default: break
                }
            }
        }
        return column
    }

    private static func value(_ reader: inout SQLReader) throws(SQLReadingError) -> String? {
        switch reader.take() {
        case .string(let text): return text
        case .mark("-"): return "-" + (try reader.identifier())
        case .word(let word):
            if word.uppercased() == "NULL" { return nil }
            if reader.acceptMark("(") { return "\(word.uppercased())(\(try reader.restOfBrackets()))" }
            // 1.5 is three tokens.
            if reader.acceptMark(".") { return "\(word).\(try reader.identifier())" }
            return word.uppercased().hasPrefix("CURRENT_") ? word.uppercased() : word
        default: throw reader.failure("a default")
        }
    }

    /// A type with what stands in its brackets.
    private static func type(_ reader: inout SQLReader) throws(SQLReadingError) -> String {
        var text = canonical(try reader.identifier().uppercased())
        if reader.acceptMark("(") {
            text += "(\(try reader.restOfBrackets().filter { $0 != " " }))"
        } else if reader.acceptMark("<") {
            text += "<" + (try type(&reader))
            while !reader.acceptMark(">") {
                try reader.expectMark(",")
                text += "," + (try type(&reader))
            }
            text += ">"
        }
        return text
    }

    /// Doris shows some types by other names than those they are made with.
    private static func canonical(_ type: String) -> String {
        switch type {
        case "TEXT": "STRING"
        case "INTEGER": "INT"
        case "DATEV2": "DATE"
        case "DATETIMEV2": "DATETIME"
        case "DECIMALV3": "DECIMAL"
        case "BOOL": "BOOLEAN"
        default: type
        }
    }
}
