import Dictionary

/// The initializer that makes a row of a data set: one pass over its elements, no look-up.
enum SwiftExtractor {
    /// Columns by the elements they come from, ascending by tag; below a sequence, by the item.
    private final class Place {
        var columns: [ColumnModel] = []
        var items: [Int: [UInt32: Place]] = [:]
    }

    static func extractor(_ table: TableModel) -> String {
        var root: [UInt32: Place] = [:]
        let attributes = table.rowColumns.compactMap { column in column.attribute.map { (column, $0) } }
        for (column, path) in attributes {
            insert(column, path.tags[...], path.steps.map(\.item)[...], into: &root)
        }
        var text = "extension \(table.rowName) {\n"
        text +=
            "    /// Makes the row of an instance. What breaks a column's rule leaves it NULL, or shortened, and is added\n"
        text += "    /// to the problems.\n"
        text += "    /// - Throws: when a column that must have a value has none.\n"
        text += "    public init(\n"
        text +=
            "        extracting _dataSet: DataSet, from _instance: InstanceContext, problems _problems: inout [ColumnProblem]\n"
        text += "    ) throws(ExtractionError) {\n"
        text += "        var _reader = ValueReader(_dataSet, table: \(SwiftText.string(table.name)))\n"
        text += "        defer { _reader.takeProblems(into: &_problems) }\n"
        for (column, _) in attributes { text += "        var \(column.swiftName): \(column.type.swiftType)?\n" }
        let places = root.sorted { $0.key < $1.key }
        for (tag, _) in places { text += "        var \(seen(tag)) = false\n" }
        text += "        for _element in _dataSet.elements {\n"
        text += "            switch _element.tag.rawValue {\n"
        for (tag, place) in places {
            text += "            case \(SwiftText.tag(tag)):\n"
            // Of several elements of one tag, which there should not be, the first counts.
            text += "                if \(seen(tag)) { continue }\n                \(seen(tag)) = true\n"
            text += body(place, indent: "                ", depth: 0)
        }
        text += "            default: break\n            }\n        }\n"
        for (column, path) in attributes where !column.isNullable && column.otherwise == nil {
            let tags = path.tags.map { "Tag(\(SwiftText.tag($0)))" }.joined(separator: ", ")
            text += "        guard let \(column.swiftName) else {\n"
            text += "            throw _reader.refusal(\(SwiftText.string(column.name)), \(tags))\n        }\n"
        }
        text += SwiftRows.assignment(table) { column in
            switch column.source {
            case .attribute:
                return column.swiftName + (column.otherwise.map { " ?? _instance.\($0.swiftName)" } ?? "")
            case .hash(let other):
                guard let hashed = table.columns.first(where: { $0.name == other }) else { return "nil" }
                return hashed.isNullable
                    ? "\(hashed.swiftName).map(SeaHash.decimal)" : "SeaHash.decimal(\(hashed.swiftName))"
            case .context(let value): return "_instance.\(value.swiftName)"
            case .service, .computedOnLoad:
                return column.defaultValue.map { SwiftRows.literal($0, column.type) } ?? "nil"
            }
        }
        return text + "    }\n}\n"
    }

    /// The variable that tells whether the tag was met.
    private static func seen(_ tag: UInt32) -> String {
        "_has" + SwiftText.tag(tag).dropFirst(2)
    }

    private static func insert(
        _ column: ColumnModel, _ tags: ArraySlice<UInt32>, _ items: ArraySlice<Int>, into places: inout [UInt32: Place]
    ) {
        guard let tag = tags.first else { return }
        let place = places[tag] ?? Place()
        places[tag] = place
        if let item = items.first {
            insert(column, tags.dropFirst(), items.dropFirst(), into: &place.items[item, default: [:]])
        } else {
            place.columns.append(column)
        }
    }

    private static func body(_ place: Place, indent: String, depth: Int) -> String {
        var text = ""
        for column in place.columns { text += "\(indent)\(column.swiftName) = \(read(column))\n" }
        for (item, inner) in place.items.sorted(by: { $0.key < $1.key }) {
            let outer = depth == 0 ? "_outer" : "_outer\(depth)"
            text += "\(indent)if let \(outer) = _reader.enter(item: \(item), of: _element) {\n"
            for (tag, place) in inner.sorted(by: { $0.key < $1.key }) {
                text += "\(indent)    if let _element = _reader.dataSet.element(Tag(\(SwiftText.tag(tag)))) {\n"
                text += body(place, indent: indent + "        ", depth: depth + 1)
                text += "\(indent)    }\n"
            }
            text += "\(indent)    _reader.leave(to: \(outer))\n\(indent)}\n"
        }
        return text
    }

    private static func read(_ column: ColumnModel) -> String {
        guard let path = column.attribute else { return "nil" }
        let name = SwiftText.string(column.name)
        switch column.type {
        case .text(let limit):
            let values =
                switch path.choice {
                case .single: ""
                case .index(let index): ", values: .index(\(index))"
                case .joined: ", values: .joined"
                }
            return "_reader.text(_element, \(name), limit: \(limit)\(values))"
        default:
            let method =
                if case .ascii = column.type { path.vr == .as ? "age" : "uid" } else { column.type.method }
            let index = if case .index(let index) = path.choice { ", at: \(index)" } else { "" }
            return "_reader.\(method)(_element, \(name)\(index))"
        }
    }
}
