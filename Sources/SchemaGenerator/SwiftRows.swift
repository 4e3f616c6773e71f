import Dictionary

/// `ArchiveSchema+Rows.swift`: for each table its struct, encoders and decoder, and its extractor.
///
/// Local names start with an underscore, which no column's name does.
enum SwiftRows {
    static func rows(_ model: SchemaModel, specPath: String) -> String {
        var text = SwiftText.header(specPath)
        text += "public import DICOMCore\nimport DICOMDictionary\n"
        for table in model.tables {
            text += "\n" + structure(table) + "\n" + codec(table)
            if table.isExtracted { text += "\n" + SwiftExtractor.extractor(table) }
        }
        return text
    }

    private static func structure(_ table: TableModel) -> String {
        var text = "/// \(table.about) A row of `\(table.name)`.\n"
        text += "public struct \(table.rowName): Hashable, Sendable {\n"
        for column in table.rowColumns {
            let comment = SQLText.comment(column)
            if !comment.isEmpty { text += "    /// \(comment)\n" }
            text += "    public var \(column.swiftName): \(type(column))\n"
        }
        let parameters = table.rowColumns.map { column in
            "\(column.swiftName): \(type(column))"
                + (column.defaultValue.map { " = \(literal($0, column.type))" } ?? (column.isNullable ? " = nil" : ""))
        }
        text += "\n    public init(\n        \(parameters.joined(separator: ",\n        "))\n    ) {\n"
        for column in table.rowColumns { text += "        self.\(column.swiftName) = \(column.swiftName)\n" }
        return text + "    }\n}\n"
    }

    private static func codec(_ table: TableModel) -> String {
        var text = "extension \(table.rowName) {\n"
        text += "    /// Appends the row as one JSON object, a message of the event bus; every column is in it.\n"
        text += "    public func encodeJSON(into _bytes: inout [UInt8]) {\n"
        text += "        var _json = JSONWriter()\n        swap(&_json.bytes, &_bytes)\n"
        for column in table.rowColumns {
            let name = SwiftText.string(column.name)
            let method = column.type.method
            text +=
                column.type.isArray
                ? "        _json.array(\(name), \(column.swiftName)) { $0.\(method)($1\(limit(column, table))) }\n"
                : "        _json.\(method)(\(name), \(column.swiftName)\(limit(column, table)))\n"
        }
        text += "        _json.close()\n        swap(&_json.bytes, &_bytes)\n    }\n\n"
        text +=
            "    /// Reads what `encodeJSON` wrote. Unknown keys are skipped; a column that is absent counts as null.\n"
        text += "    public init(json _bytes: [UInt8]) throws(RowDecodingError) {\n"
        text += "        var _json = JSONRowReader(_bytes)\n"
        for column in table.rowColumns { text += "        var \(column.swiftName): \(column.type.swiftType)?\n" }
        text += "        while let _key = try _json.nextKey() {\n            switch _key {\n"
        for column in table.rowColumns {
            let method = column.type.method
            let value =
                column.type.isArray
                ? "_json.array { (_json) throws(RowDecodingError) in try _json.\(method)() }" : "_json.\(method)()"
            text += "            case \(SwiftText.string(column.name)): \(column.swiftName) = try \(value)\n"
        }
        text += "            default: try _json.skip()\n            }\n        }\n"
        for column in table.rowColumns where !column.isNullable && column.defaultValue == nil {
            text +=
                "        guard let \(column.swiftName) else { throw _json.missing(\(SwiftText.string(column.name))) }\n"
        }
        text += assignment(table) { column in
            column.swiftName + (column.defaultValue.map { " ?? \(literal($0, column.type))" } ?? "")
        }
        text += "    }\n"
        if table.stores.contains(.postgres) {
            let columns = table.columns(in: .postgres)
            text +=
                "\n    /// Appends the row as one tuple of PostgreSQL's binary COPY, in the order of `table.columnList`.\n"
            text += "    public func encodeCopy(into _bytes: inout [UInt8]) {\n"
            text += "        var _copy = CopyWriter()\n        swap(&_copy.bytes, &_bytes)\n"
            text += "        _copy.begin(fields: \(columns.count))\n"
            for column in columns {
                let method = column.type.method
                text +=
                    column.type.isArray
                    ? "        _copy.array(\(column.swiftName), of: .\(SwiftTables.caseName(column.type.element))) "
                        + "{ $0.\(method)($1\(limit(column, table))) }\n"
                    : "        _copy.\(method)(\(column.swiftName)\(limit(column, table)))\n"
            }
            text += "        swap(&_copy.bytes, &_bytes)\n    }\n"
        }
        if table.variants != nil {
            let equal = table.rowColumns.filter(\.isSearched).map { "\($0.swiftName) == _other.\($0.swiftName)" }
            text += "\n    /// Whether every search finds both or neither: all columns with `search` are equal.\n"
            text += "    public func isFoundLike(_ _other: Self) -> Bool {\n"
            text += "        \(equal.joined(separator: "\n            && "))\n    }\n"
        }
        return text + "}\n"
    }

    /// `self.init(...)` with every column.
    static func assignment(_ table: TableModel, _ value: (ColumnModel) -> String) -> String {
        let arguments = table.rowColumns.map { "\(ColumnNames.swiftLabel($0.name)): \(value($0))" }
        return "        self.init(\n            \(arguments.joined(separator: ",\n            ")))\n"
    }

    static func type(_ column: ColumnModel) -> String { column.type.swiftType + (column.isNullable ? "?" : "") }

    static func literal(_ value: String, _ type: TypeModel) -> String {
        type.isText ? SwiftText.string(value) : value
    }

    /// A key is never cut: two keys could become one.
    private static func limit(_ column: ColumnModel, _ table: TableModel) -> String {
        table.key.contains(column.name) ? "" : column.type.element.characters.map { ", limit: \($0)" } ?? ""
    }
}
