import Dictionary

/// The initializer that makes a row of a data set: one pass over its elements, no look-up.
enum SwiftExtractor {
    /// Columns by the elements they come from, ascending by tag; below a sequence, by the item.
    private final class Place {
        /// How a private element is found.
        var look: String?
        var columns: [ColumnModel] = []
        var items: [Int: [UInt32: Place]] = [:]
        var allItems: [UInt32: Place] = [:]
        /// Whose arrays get an element for each item: it is the last sequence of their paths that is taken whole.
        var arrays: [ColumnModel] = []
    }

    static func extractor(_ table: TableModel) -> String {
        var root: [UInt32: Place] = [:]
        let attributes = table.rowColumns.compactMap { column in column.attribute.map { (column, $0) } }
        for (column, path) in attributes {
            insert(column, path, 0, into: &root)
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
        for (column, path) in attributes {
            text += "        var \(column.swiftName): \(column.type.swiftType)\(path.takesAllItems ? " = []" : "?")\n"
        }
        let places = root.filter { $0.value.look == nil }.sorted { $0.key < $1.key }
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
        text += elements(root.filter { $0.value.look != nil }, indent: "        ", depth: -1)
        for (column, path) in attributes where !column.isNullable && column.otherwise == nil {
            let tags = path.tags.map { "Tag(\(SwiftText.tag($0)))" }.joined(separator: ", ")
            let value = path.takesAllItems ? " = ValueReader.filled(\(column.swiftName))" : ""
            text += "        guard let \(column.swiftName)\(value) else {\n"
            text += "            throw _reader.refusal(\(SwiftText.string(column.name)), \(tags))\n        }\n"
        }
        text += SwiftRows.assignment(table) { column in
            switch column.source {
            case .attribute(let path):
                if path.takesAllItems, column.isNullable { return "ValueReader.filled(\(column.swiftName))" }
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
        _ column: ColumnModel, _ path: AttributePath, _ depth: Int, into places: inout [UInt32: Place]
    ) {
        let tag = path.tags[depth]
        let place = places[tag] ?? Place()
        places[tag] = place
        if let creator = path.creators[depth] {
            let group = "0x" + SQLText.hexadecimal(tag).prefix(4)
            let element = "0x" + SQLText.hexadecimal(tag).suffix(2)
            let vr = depth == path.steps.count ? SwiftTables.vr(path.vr.rawValue) : "sq"
            place.look =
                "_reader.privateElement(\(group), \(SwiftText.string(creator.name)), \(element), as: .\(vr))"
        }
        guard depth < path.steps.count else { return place.columns.append(column) }
        switch path.steps[depth].item {
        case .number(let item): insert(column, path, depth + 1, into: &place.items[item, default: [:]])
        case .all:
            if !path.steps[(depth + 1)...].contains(where: { $0.item == .all }) { place.arrays.append(column) }
            insert(column, path, depth + 1, into: &place.allItems)
        }
    }

    private static func body(_ place: Place, indent: String, depth: Int) -> String {
        var text = ""
        for column in place.columns {
            let last = column.attribute?.takesAllItems == true ? "[\(column.swiftName).count - 1]" : ""
            text += "\(indent)\(column.swiftName)\(last) = \(read(column))\n"
        }
        let outer = depth == 0 ? "_outer" : "_outer\(depth)"
        for (item, inner) in place.items.sorted(by: { $0.key < $1.key }) {
            text += "\(indent)if let \(outer) = _reader.enter(item: \(item), of: _element) {\n"
            text += elements(inner, indent: indent + "    ", depth: depth)
            text += "\(indent)    _reader.leave(to: \(outer))\n\(indent)}\n"
        }
        guard !place.allItems.isEmpty else { return text }
        let names = place.arrays.map { SwiftText.string($0.name) }.joined(separator: ", ")
        let count = place.arrays.first.map { "\($0.swiftName).count" } ?? "0"
        text += "\(indent)for _item in _reader.items(of: _element, after: \(count), for: [\(names)]) {\n"
        text += "\(indent)    let \(outer) = _reader.enter(_item, of: _element)\n"
        for column in place.arrays { text += "\(indent)    \(column.swiftName).append(nil)\n" }
        text += elements(place.allItems, indent: indent + "    ", depth: depth)
        text += "\(indent)    _reader.leave(to: \(outer))\n\(indent)}\n"
        return text
    }

    private static func elements(_ places: [UInt32: Place], indent: String, depth: Int) -> String {
        places.sorted { $0.key < $1.key }.map { tag, place in
            "\(indent)if let _element = \(place.look ?? "_reader.dataSet.element(Tag(\(SwiftText.tag(tag))))") {\n"
                + body(place, indent: indent + "    ", depth: depth + 1) + "\(indent)}\n"
        }.joined()
    }

    private static func read(_ column: ColumnModel) -> String {
        guard let path = column.attribute else { return "nil" }
        let name = SwiftText.string(column.name)
        switch column.type.element {
        case .text(let limit):
            let values =
                switch path.choice {
                case .single: ""
                case .index(let index): ", values: .index(\(index))"
                case .joined: ", values: .joined"
                case .all: nil as String?
                }
            guard let values else { return "_reader.texts(_element, \(name), limit: \(limit))" }
            return "_reader.text(_element, \(name), limit: \(limit)\(values))"
        default:
            let method =
                if case .ascii = column.type.element { path.vr == .as ? "age" : "uid" } else { column.type.method }
            if path.choice == .all {
                return "_reader.array(_element, \(name)) { $0.\(method)(_element, \(name), at: $1) }"
            }
            let index = if case .index(let index) = path.choice { ", at: \(index)" } else { "" }
            return "_reader.\(method)(_element, \(name)\(index))"
        }
    }
}
