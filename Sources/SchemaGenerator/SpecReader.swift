import Dictionary

/// Turns nodes into a `Spec`: known keys, values of the right kind. Collects all errors.
package struct SpecReader {
    let path: String
    private(set) var diagnostics: [Diagnostic] = []

    package static let topKeys = ["version", "doris", "tables"]
    package static let tableKeys = [
        "about", "level", "stores", "key", "indexes", "variants", "partition", "doris", "load", "since", "columns",
    ]
    package static let columnKeys = [
        "name", "tag", "from", "load", "otherwise", "type", "index", "join", "values", "vr", "vm", "required",
        "default", "level", "search",
        "also", "stores", "comment", "since", "status", "renamed_from",
    ]

    init(path: String) { self.path = path }

    mutating func read(_ root: YAMLNode?) -> Spec {
        var spec = Spec()
        guard let root else {
            error("the spec is empty; it must have `tables:`", Mark(line: 1, column: 1))
            return spec
        }
        for (key, value) in entries(root, "the spec", Self.topKeys) {
            switch key.value {
            case "version": if let number = integer(value, key) { spec.version = number.value }
            case "doris": spec.doris = dorisDefaults(value)
            default: spec.tables = entries(value, "`tables`", nil).compactMap { table($0, $1) }
            }
        }
        if spec.tables.isEmpty, diagnostics.isEmpty { error("the spec has no tables", root.mark) }
        return spec
    }

    private mutating func table(_ name: Marked<String>, _ node: YAMLNode) -> TableSpec? {
        var table = TableSpec(name: name)
        for (key, value) in entries(node, "table `\(name.value)`", Self.tableKeys) {
            switch key.value {
            case "about": table.about = sentence(value, key)
            case "level": table.level = text(value, key)
            case "stores": table.stores = texts(value, key)
            case "key": table.key = texts(value, key)
            case "indexes": table.indexes = items(value, key).map { texts($0, key) }
            case "variants": table.variants = text(value, key)
            case "partition": table.partition = partition(value)
            case "doris": table.doris = doris(value)
            case "load": table.load = load(value)
            case "since": table.since = integer(value, key)?.value ?? 1
            default: table.columns = items(value, key).compactMap { column($0) }
            }
        }
        return table
    }

    private mutating func column(_ node: YAMLNode) -> ColumnSpec? {
        let entries = entries(node, "a column", Self.columnKeys)
        guard case .mapping(let all, _) = node else { return nil }
        guard let named = entries.first(where: { $0.key.value == "name" }) else {
            error("a column without `name`", node.mark)
            return nil
        }
        guard let name = text(named.value, named.key) else { return nil }
        var column = ColumnSpec(mark: node.mark, name: name)
        column.hasUnknownKeys = entries.count < all.count
        for (key, value) in entries {
            switch key.value {
            case "name": continue
            case "tag": column.tag = text(value, key)
            case "from": column.from = text(value, key)
            case "load": column.load = text(value, key)
            case "otherwise": column.otherwise = text(value, key)
            case "type": column.type = text(value, key)
            case "index": column.index = integer(value, key)
            case "join": column.join = boolean(value, key)
            case "values": column.values = text(value, key)
            case "vr": column.vr = text(value, key)
            case "vm": column.vm = text(value, key)
            case "required": column.required = boolean(value, key)
            case "default": column.defaultValue = text(value, key)
            case "level": column.level = text(value, key)
            case "search": column.search = boolean(value, key)
            case "also":
                column.also = self.entries(value, "`also`", nil).compactMap { keyword, level in
                    text(level, keyword).map { (keyword, $0) }
                }
            case "stores": column.stores = texts(value, key)
            case "comment": column.comment = sentence(value, key)
            case "since": column.since = integer(value, key)?.value ?? 1
            case "status": column.status = text(value, key)
            default: column.renamedFrom = text(value, key)
            }
        }
        return column
    }

    private mutating func partition(_ node: YAMLNode) -> PartitionSpec? {
        var by: Marked<String>?
        var every: Marked<String>?
        for (key, value) in entries(node, "`partition`", ["by", "every"]) {
            if key.value == "by" { by = text(value, key) } else { every = text(value, key) }
        }
        guard let by, let every else {
            error("`partition` needs `by:` (a column) and `every:` (month)", node.mark)
            return nil
        }
        return PartitionSpec(by: by, every: every)
    }

    private mutating func doris(_ node: YAMLNode) -> DorisSpec {
        var doris = DorisSpec(mark: node.mark)
        let keys = ["distribute_by", "buckets", "replicas", "sequence", "model"]
        for (key, value) in entries(node, "`doris`", keys) {
            switch key.value {
            case "distribute_by": doris.distributeBy = texts(value, key)
            case "buckets": doris.buckets = integer(value, key)
            case "replicas": doris.replicas = integer(value, key)?.value
            case "sequence": doris.sequence = text(value, key)
            default: doris.model = text(value, key)
            }
        }
        return doris
    }

    private mutating func load(_ node: YAMLNode) -> LoadSpec {
        var load = LoadSpec(mark: node.mark)
        for (key, value) in entries(node, "`load`", ["job", "topic", "columns", "properties"]) {
            switch key.value {
            case "job": load.job = text(value, key)
            case "topic": load.topic = text(value, key)
            case "columns": load.columns = texts(value, key)
            default: load.properties = properties(value)
            }
        }
        return load
    }

    private mutating func dorisDefaults(_ node: YAMLNode) -> DorisDefaults {
        var defaults = DorisDefaults()
        for (key, value) in entries(node, "`doris`", ["replicas", "brokers", "load"]) {
            switch key.value {
            case "replicas": defaults.replicas = integer(value, key)?.value ?? 1
            case "brokers": defaults.brokers = text(value, key)?.value ?? defaults.brokers
            default: defaults.jobProperties = properties(value)
            }
        }
        return defaults
    }

    private mutating func properties(_ node: YAMLNode) -> [(name: String, value: String)] {
        entries(node, "job properties", RoutineLoadProperty.allNames).compactMap { key, value in
            text(value, key).map { (key.value, $0.value) }
        }
    }

    // MARK: Kinds of nodes

    private mutating func entries(
        _ node: YAMLNode, _ what: String, _ known: [String]?
    ) -> [(key: Marked<String>, value: YAMLNode)] {
        guard case .mapping(let entries, _) = node else {
            error("\(what) must be a mapping (`key: value`), and this is \(node.kind)", node.mark)
            return []
        }
        guard let known else { return entries }
        return entries.filter { key, _ in
            if known.contains(key.value) { return true }
            let hint =
                nearest(to: key.value, among: known).map { "; did you mean `\($0)`?" }
                ?? "; known are \(known.joined(separator: ", "))"
            error("\(what) has no key `\(key.value)`\(hint)", key.mark)
            return false
        }
    }

    private mutating func items(_ node: YAMLNode, _ key: Marked<String>) -> [YAMLNode] {
        if case .sequence(let items, _) = node { return items }
        error("`\(key.value)` must be a list, and this is \(node.kind)", node.mark)
        return []
    }

    private mutating func text(_ node: YAMLNode, _ key: Marked<String>) -> Marked<String>? {
        if case .scalar(let text, let isQuoted) = node, isQuoted || !text.value.isEmpty { return text }
        error("`\(key.value)` must be a single value, and this is \(node.kind)", node.mark)
        return nil
    }

    /// Words in one line, whatever the lines in the spec.
    private mutating func sentence(_ node: YAMLNode, _ key: Marked<String>) -> String {
        (text(node, key)?.value ?? "").split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    private mutating func texts(_ node: YAMLNode, _ key: Marked<String>) -> [Marked<String>] {
        items(node, key).compactMap { text($0, key) }
    }

    private mutating func integer(_ node: YAMLNode, _ key: Marked<String>) -> Marked<Int>? {
        guard let text = text(node, key) else { return nil }
        guard let value = Int(text.value), value >= 0, value <= 1_000_000_000 else {
            error("`\(key.value)` must be a whole number from 0 up, and this is `\(text.value)`", text.mark)
            return nil
        }
        return Marked(value: value, mark: text.mark)
    }

    private mutating func boolean(_ node: YAMLNode, _ key: Marked<String>) -> Marked<Bool>? {
        guard let text = text(node, key) else { return nil }
        switch text.value {
        case "true": return Marked(value: true, mark: text.mark)
        case "false": return Marked(value: false, mark: text.mark)
        default:
            error("`\(key.value)` must be true or false, and this is `\(text.value)`", text.mark)
            return nil
        }
    }

    private mutating func error(_ message: String, _ mark: Mark) {
        diagnostics.append(
            Diagnostic(path: path, line: mark.line, column: mark.column, severity: .error, message: message))
    }
}
