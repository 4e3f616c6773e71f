import Dictionary

/// `ArchiveSchema+Rows.swift`: for each table its struct, encoders and decoder, and its extractor.
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
        text += "    public func encodeJSON(into bytes: inout [UInt8]) {\n"
        text += "        var json = JSONWriter()\n        swap(&json.bytes, &bytes)\n"
        for column in table.rowColumns {
            text +=
                "        json.\(column.type.method)(\(SwiftText.string(column.name)), \(column.swiftName)\(limit(column)))\n"
        }
        text += "        json.close()\n        swap(&json.bytes, &bytes)\n    }\n\n"
        text +=
            "    /// Reads what `encodeJSON` wrote. Unknown keys are skipped; a column that is absent counts as null.\n"
        text += "    public init(json bytes: [UInt8]) throws(RowDecodingError) {\n"
        text += "        var json = JSONRowReader(bytes)\n"
        for column in table.rowColumns { text += "        var \(column.swiftName): \(column.type.swiftType)?\n" }
        text += "        while let key = try json.nextKey() {\n            switch key {\n"
        for column in table.rowColumns {
            text +=
                "            case \(SwiftText.string(column.name)): \(column.swiftName) = try json.\(column.type.method)()\n"
        }
        text += "            default: try json.skip()\n            }\n        }\n"
        for column in table.rowColumns where !column.isNullable && column.defaultValue == nil {
            text +=
                "        guard let \(column.swiftName) else { throw json.missing(\(SwiftText.string(column.name))) }\n"
        }
        text += assignment(table) { column in
            column.swiftName + (column.defaultValue.map { " ?? \(literal($0, column.type))" } ?? "")
        }
        text += "    }\n"
        if table.stores.contains(.postgres) {
            let columns = table.columns(in: .postgres)
            text +=
                "\n    /// Appends the row as one tuple of PostgreSQL's binary COPY, in the order of `table.columnList`.\n"
            text += "    public func encodeCopy(into bytes: inout [UInt8]) {\n"
            text += "        var copy = CopyWriter()\n        swap(&copy.bytes, &bytes)\n"
            text += "        copy.begin(fields: \(columns.count))\n"
            for column in columns {
                text += "        copy.\(column.type.method)(\(column.swiftName)\(limit(column)))\n"
            }
            text += "        swap(&copy.bytes, &bytes)\n    }\n"
        }
        return text + "}\n"
    }

    /// `self.init(...)` with every column.
    static func assignment(_ table: TableModel, _ value: (ColumnModel) -> String) -> String {
        let arguments = table.rowColumns.map { "\($0.swiftName): \(value($0))" }
        return "        self.init(\n            \(arguments.joined(separator: ",\n            ")))\n"
    }

    static func type(_ column: ColumnModel) -> String { column.type.swiftType + (column.isNullable ? "?" : "") }

    static func literal(_ value: String, _ type: TypeModel) -> String {
        type.isText ? SwiftText.string(value) : value
    }

    private static func limit(_ column: ColumnModel) -> String {
        column.type.characters.map { ", limit: \($0)" } ?? ""
    }
}
