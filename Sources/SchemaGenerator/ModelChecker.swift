import Dictionary

/// Checks a spec against the dictionary and the rules of both databases, and makes the model of it.
struct ModelChecker {
    let path: String
    let registry: Registry
    private(set) var diagnostics: [Diagnostic] = []
    /// Columns of the table at hand that have an error of their own; what refers to them is not reported too.
    var brokenColumns: Set<String> = []
    /// By group, in the order in which they get their blocks.
    var creators: [UInt16: [String]] = [:]

    init(path: String, registry: Registry) {
        self.path = path
        self.registry = registry
    }

    /// The model; of no use when an error was found.
    mutating func check(_ spec: Spec) -> SchemaModel {
        var seen: [String: Mark] = [:]
        var jobs: [String: Mark] = [:]
        var tables: [TableModel] = []
        if spec.version < 1 { error("`version` must be at least 1", Mark(line: 1, column: 1)) }
        for table in spec.tables {
            checkName(table.name, "table")
            if let first = seen[table.name.value] {
                error("table `\(table.name.value)` is here twice; the first is on line \(first.line)", table.name.mark)
            }
            if let other = tables.first(where: {
                $0.rowName == ColumnNames.rowName(table.name.value) && $0.name != table.name.value
            }) {
                error(
                    "`\(table.name.value)` and `\(other.name)` would both be \(other.rowName) in Swift", table.name.mark
                )
            }
            seen[table.name.value] = table.name.mark
            if let job = table.load?.job {
                if let first = jobs[job.value] {
                    error("job `\(job.value)` loads another table too, on line \(first.line)", job.mark)
                }
                jobs[job.value] = job.mark
            }
            tables.append(check(table, spec))
        }
        checkSearches(spec, tables)
        return SchemaModel(version: spec.version, brokers: spec.doris.brokers, tables: tables)
    }

    private mutating func check(_ table: TableSpec, _ spec: Spec) -> TableModel {
        let stores = stores(table.stores, table.name.mark)
        if table.about.isEmpty {
            error("table `\(table.name.value)` has no `about:`, one sentence for its readers", table.name.mark)
        }
        checkSince(table.since, spec, table.name.mark)
        var model = TableModel(
            name: table.name.value, rowName: ColumnNames.rowName(table.name.value), about: table.about,
            level: one(of: Level.allCases, table.level, "level"), stores: stores, key: [], indexes: [],
            since: table.since,
            columns: [])
        if table.columns.isEmpty { error("table `\(table.name.value)` has no columns", table.name.mark) }
        brokenColumns = []
        let all = columns(table, model, spec)
        model.columns = all.filter { !$0.isRetired }
        model.retired = all.filter(\.isRetired)
        resolveHashes(table, &model)
        checkKey(table, &model)
        model.indexes = indexes(table, model)
        checkVariants(table, &model, spec)
        checkPartition(table, &model)
        checkDoris(table, &model, spec)
        checkLoad(table, &model, spec)
        return model
    }

    private mutating func stores(_ names: [Marked<String>], _ mark: Mark) -> Set<Store> {
        guard names.isEmpty else { return Set(names.compactMap { one(of: Store.allCases, $0, "store") }) }
        error("`stores` must name postgres, doris, or both", mark)
        return Set(Store.allCases)
    }

    // MARK: Keys, indexes, partitions

    private mutating func checkKey(_ table: TableSpec, _ model: inout TableModel) {
        if table.key.isEmpty { error("table `\(table.name.value)` has no `key:`", table.name.mark) }
        checkOnce(table.key)
        for name in table.key {
            guard let column = column(name, model, "key") else { continue }
            if column.isNullable {
                let hint = column.attribute == nil ? "make it `required: true`" : "make its column `required: true`"
                error(
                    "key column `\(name.value)` may be NULL; \(hint), or take it out of the key", name.mark)
            }
            for store in model.stores where !column.stores.contains(store) {
                error("key column `\(name.value)` is not in \(store.rawValue), and the table is", name.mark)
            }
            if column.type == .double || column.type.isArray {
                let what = column.type.isArray ? column.type.spelling : "a double"
                error("key column `\(name.value)` is \(what), which Doris takes in no key", name.mark)
            }
            if let length = column.type.characters, length > 512 {
                error("key column `\(name.value)` has \(length) characters; more than 512 fit no index", name.mark)
            }
        }
        model.key = table.key.map(\.value)
        guard model.stores.contains(.doris) else { return }
        let first = model.columns(in: .doris).prefix(model.key.count).map(\.name)
        let areKnown = model.key.allSatisfy { name in model.columns.contains { $0.name == name } }
        if first != model.key, areKnown, brokenColumns.isEmpty, let mark = table.key.first?.mark {
            error(
                "Doris wants the key [\(model.key.joined(separator: ", "))] to be the first columns in that order, and "
                    + "they are [\(first.joined(separator: ", "))]; move the columns", mark)
        }
    }

    private mutating func indexes(_ table: TableSpec, _ model: TableModel) -> [IndexModel] {
        var indexes: [IndexModel] = []
        for spec in table.indexes {
            guard let first = spec.first else { continue }
            checkOnce(spec)
            var parts: [IndexModel.Part] = []
            for name in spec {
                let isLower = name.value.hasPrefix("lower(") && name.value.hasSuffix(")")
                let bare = isLower ? String(name.value.dropFirst(6).dropLast()) : name.value
                guard let column = column(Marked(value: bare, mark: name.mark), model, "index") else { continue }
                if isLower, !column.type.isText {
                    error("lower(\(bare)) is for text, and `\(bare)` is \(column.type.spelling)", name.mark)
                } else if column.type.isArray, spec.count > 1 {
                    error(
                        "`\(bare)` is an array, whose elements have an index of their own: write [\(bare)]", name.mark)
                }
                if let length = column.type.element.characters, length > 512 {
                    error("`\(bare)` has \(length) characters; more than 512 fit no index", name.mark)
                }
                parts.append(isLower ? .lower(bare) : .column(bare))
            }
            guard parts.count == spec.count else { continue }
            let names = parts.map(\.column)
            if parts.map({ $0 == .column($0.column) }).allSatisfy({ $0 }), model.key.starts(with: names) {
                error("the key serves this index already; leave it out", first.mark)
            }
            let shown = names.count > 1 ? names.drop { $0 == "tenant_id" } : names[...]
            let name = "\(model.name)_\(shown.joined(separator: "_"))_idx"
            if name.utf8.count > 63 { error("the index would be called \(name), and 63 bytes are allowed", first.mark) }
            if indexes.contains(where: { $0.name == name }) { error("a second index \(name)", first.mark) }
            let isOfElements = model.columns.contains { $0.name == parts.first?.column && $0.type.isArray }
            indexes.append(IndexModel(name: name, parts: parts, isOfElements: isOfElements))
        }
        if !indexes.isEmpty, !model.stores.contains(.postgres) {
            error("`indexes` are PostgreSQL's, and the table is not there", table.name.mark)
        }
        return indexes
    }

    private mutating func checkVariants(_ table: TableSpec, _ model: inout TableModel, _ spec: Spec) {
        guard let variants = table.variants else { return }
        let name = variants.value
        checkName(variants, "table")
        if !model.stores.contains(.postgres) {
            error("`variants` is PostgreSQL's, and the table is not there", variants.mark)
        }
        if table.partition != nil { error("a table with partitions can have no `variants`", variants.mark) }
        if spec.tables.contains(where: {
            $0.name.value == name || ($0.variants?.value == name && $0.name != table.name)
        }) {
            error("`\(name)` is another table already", variants.mark)
        }
        if let column = table.columns.first(where: { $0.name.value == TableModel.variantHash }) {
            error("`\(TableModel.variantHash)` is a column that `variants` adds; take another name", column.name.mark)
        }
        let isSearched = { (column: ColumnModel) in column.isSearched && !model.key.contains(column.name) }
        if brokenColumns.isEmpty, !model.columns(in: .postgres).contains(where: isSearched) {
            error(
                "`variants` keeps values that are searched for, and no column outside the key has `search: true`",
                variants.mark)
        }
        model.variants = name
        for index in model.variantTable?.indexes ?? [] where index.name.utf8.count > 63 {
            error("an index would be called \(index.name), and 63 bytes are allowed", variants.mark)
        }
    }

    private mutating func checkPartition(_ table: TableSpec, _ model: inout TableModel) {
        guard let partition = table.partition else { return }
        if partition.every.value != "month" {
            error("`every` can only be month, and this is `\(partition.every.value)`", partition.every.mark)
        }
        guard let column = column(partition.by, model, "partition") else { return }
        let name = column.name
        if column.type != .timestamp {
            error("partitions by month need a timestamp, and `\(name)` is \(column.type.spelling)", partition.by.mark)
        }
        if column.isNullable {
            error("`\(name)` may be NULL, and a row without it would have no partition", partition.by.mark)
        }
        if !model.key.contains(name) {
            error(
                "`\(name)` must be in the key: both databases can only keep a key unique within a partition",
                partition.by.mark)
        }
        model.partition = name
    }

    // MARK: Help

    /// No name stands in the list twice.
    mutating func checkOnce(_ names: [Marked<String>]) {
        for (position, name) in names.enumerated() where names[..<position].contains(where: { $0.value == name.value })
        {
            error("`\(name.value)` is in this list twice", name.mark)
        }
    }

    /// Each attribute is searched in one column only, or no one could tell which.
    private mutating func checkSearches(_ spec: Spec, _ tables: [TableModel]) {
        var seen: [[UInt32]: String] = [:]
        for (table, written) in zip(tables, spec.tables) {
            for column in table.columns where column.isSearched {
                guard let path = column.attribute,
                    let mark = written.columns.first(where: { $0.name.value == column.name })?.search?.mark
                else { continue }
                for (tags, name) in [(path.tags, path.text)]
                    + column.also.map({ ([$0.element.tag], $0.element.keyword) })
                {
                    if let other = seen[tags] {
                        error("\(name) is searched in \(other) already; take `search` out of one of them", mark)
                    }
                    seen[tags] = "\(table.name).\(column.name)"
                }
            }
        }
    }

    mutating func column(_ name: Marked<String>, _ model: TableModel, _ what: String) -> ColumnModel? {
        if let column = model.columns.first(where: { $0.name == name.value }) { return column }
        if brokenColumns.contains(name.value) { return nil }
        if model.retired.contains(where: { $0.name == name.value }) {
            error("\(what) column `\(name.value)` is retired, and nothing may rest on it; take it out here", name.mark)
            return nil
        }
        let hint = nearest(to: name.value, among: model.columns.map(\.name)).map { "; did you mean `\($0)`?" } ?? ""
        error("\(what) column `\(name.value)` is no column of `\(model.name)`\(hint)", name.mark)
        return nil
    }

    mutating func checkName(_ name: Marked<String>, _ what: String) {
        if !ColumnNames.isLegal(name.value) {
            error(
                "`\(name.value)` is no name for a \(what); take small letters, digits and single underscores, a letter "
                    + "first, at most 63", name.mark)
        } else if name.value.hasPrefix("mv_") || name.value.hasPrefix("mva_") {
            error("`\(name.value)` starts with mv_ or mva_, which Doris keeps for itself", name.mark)
        }
    }

    mutating func checkSince(_ since: Int, _ spec: Spec, _ mark: Mark) {
        if since < 1 || since > spec.version {
            error(
                "`since: \(since)` is not between 1 and the spec's `version: \(spec.version)`; raise `version` with it",
                mark)
        }
    }

    mutating func one<Value: RawRepresentable<String>>(
        of values: [Value], _ text: Marked<String>?, _ what: String
    ) -> Value? {
        guard let text else { return nil }
        if let value = Value(rawValue: text.value) { return value }
        let names = values.map(\.rawValue)
        let hint =
            nearest(to: text.value, among: names).map { "did you mean `\($0)`?" }
            ?? "known are \(names.joined(separator: ", "))"
        error("no \(what) `\(text.value)`; \(hint)", text.mark)
        return nil
    }

    mutating func error(_ message: String, _ mark: Mark) {
        diagnostics.append(
            Diagnostic(path: path, line: mark.line, column: mark.column, severity: .error, message: message))
    }

    mutating func warn(_ message: String, _ mark: Mark) {
        diagnostics.append(
            Diagnostic(path: path, line: mark.line, column: mark.column, severity: .warning, message: message))
    }
}
