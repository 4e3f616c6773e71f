import Dictionary

extension ModelChecker {
    mutating func columns(_ table: TableSpec, _ model: TableModel, _ spec: Spec) -> [ColumnModel] {
        var seen: [String: Mark] = [:]
        var columns: [ColumnModel] = []
        for column in table.columns {
            checkName(column.name, "column")
            if let first = seen[column.name.value] {
                error(
                    "column `\(column.name.value)` is here twice; the first is on line \(first.line)", column.name.mark)
                continue
            }
            let swiftName = ColumnNames.swiftIdentifier(column.name.value)
            if let other = seen.keys.first(where: { ColumnNames.swiftIdentifier($0) == swiftName }) {
                error("`\(column.name.value)` and `\(other)` would both be \(swiftName) in Swift", column.name.mark)
            }
            seen[column.name.value] = column.name.mark
            checkSince(column.since, spec, column.name.mark)
            if let renamed = column.renamedFrom {
                checkName(renamed, "column")
                if table.columns.contains(where: { $0.name.value == renamed.value }) {
                    error("`renamed_from: \(renamed.value)` is still a column of the table", renamed.mark)
                }
            }
            if let model = self.column(column, table, model) {
                columns.append(model)
            } else {
                brokenColumns.insert(column.name.value)
            }
        }
        return columns
    }

    private mutating func column(_ spec: ColumnSpec, _ table: TableSpec, _ model: TableModel) -> ColumnModel? {
        let name = spec.name
        let sources = [spec.tag, spec.from, spec.load].compactMap { $0 }
        guard sources.count == 1, let written = sources.first else {
            if spec.hasUnknownKeys { return nil }
            error(
                sources.isEmpty
                    ? "column `\(name.value)` needs `tag:`, `from:` or `load:`, which says what fills it"
                    : "column `\(name.value)` can have one of `tag:`, `from:` and `load:` only", name.mark)
            return nil
        }
        guard let (source, natural) = source(spec, written) else { return nil }
        guard let type = type(spec, source, natural) else { return nil }
        var column = ColumnModel(
            name: name.value, swiftName: ColumnNames.swiftIdentifier(name.value), type: type, source: source,
            otherwise: otherwise(spec, type), isNullable: true, defaultValue: nil, level: nil, isSearched: false,
            also: [],
            stores: model.stores, comment: spec.comment, since: spec.since, renamedFrom: spec.renamedFrom?.value)
        if let stores = spec.stores {
            column.stores = Set(stores.compactMap { one(of: Store.allCases, $0, "store") })
            for store in stores {
                if let known = Store(rawValue: store.value), !model.stores.contains(known) {
                    error("the table is not in \(store.value)", store.mark)
                }
            }
        }
        if case .computedOnLoad = source {
            column.stores = [.doris]
            if !model.stores.contains(.doris) {
                error("`load:` is computed by Doris, and the table is not there", written.mark)
            }
        }
        column.isNullable = isNullable(spec, column)
        column.defaultValue = defaultValue(spec, column)
        if let status = spec.status {
            if status.value != "retired" {
                error("`status` can only be retired, and this is `\(status.value)`", status.mark)
            }
            if let computed = spec.load {
                error("a column that is computed on load is not filled by messages; take it out at once", computed.mark)
            }
            column.isRetired = true
            column.isNullable = true
            return column
        }
        if case .service = source, !column.isNullable, column.defaultValue == nil,
            table.columns.contains(where: { $0.tag != nil })
        {
            error(
                "`\(name.value)` is required and set by a service; rows that are made from data sets need a `default:` "
                    + "for it", name.mark)
        }
        queryAttributes(spec, &column, model)
        return column
    }

    private mutating func source(
        _ spec: ColumnSpec, _ written: Marked<String>
    ) -> (ColumnModel.Source, TypeModel?)? {
        if spec.tag != nil {
            guard let path = attributePath(spec, written) else { return nil }
            let natural = path.choice == .joined ? nil : TypeModel.natural(of: path.vr)
            return (.attribute(path), path.isArray ? natural.map(TypeModel.array) : natural)
        }
        for (key, mark) in [
            ("index", spec.index?.mark), ("join", spec.join?.mark), ("values", spec.values?.mark),
            ("vr", spec.vr?.mark), ("vm", spec.vm?.mark), ("otherwise", spec.otherwise?.mark),
            ("level", spec.level?.mark), ("search", spec.search?.mark),
        ] {
            if let mark { error("`\(key)` is for columns with `tag:`", mark) }
        }
        if spec.load != nil {
            if written.value.contains(where: \.isNewline) {
                error("a `load:` expression must be one line", written.mark)
            }
            return (.computedOnLoad(written.value), nil)
        }
        if written.value == "service" { return (.service, nil) }
        if written.value.hasPrefix("hash("), written.value.hasSuffix(")") {
            // The column is found once all are known.
            return (.hash(of: String(written.value.dropFirst(5).dropLast())), .ascii(20))
        }
        let known = ContextValue.allCases.map(\.rawValue) + ["service"]
        guard let value = ContextValue(rawValue: written.value) else {
            let hint =
                nearest(to: written.value, among: known).map { "did you mean `\($0)`?" }
                ?? "known are \(known.joined(separator: ", ")) and hash(Attribute)"
            error("nothing is called `\(written.value)`; \(hint)", written.mark)
            return nil
        }
        return (.context(value), value.type)
    }

    /// Finds the columns that hashes are of.
    mutating func resolveHashes(_ table: TableSpec, _ model: inout TableModel) {
        for index in model.columns.indices {
            guard case .hash(let attribute) = model.columns[index].source,
                let written = table.columns.first(where: { $0.name.value == model.columns[index].name })?.from
            else { continue }
            let match = model.columns.first { column in
                column.attribute.map { $0.steps.isEmpty && $0.element.keyword == attribute } ?? false
            }
            guard let match, match.type.isText else {
                if table.columns.contains(where: { $0.tag?.value == attribute && brokenColumns.contains($0.name.value) }
                ) {
                    continue
                }
                error("`\(written.value)` needs a text column with `tag: \(attribute)` in the table", written.mark)
                continue
            }
            model.columns[index].source = .hash(of: match.name)
            model.columns[index].isNullable = match.isNullable
        }
    }

    private mutating func type(
        _ spec: ColumnSpec, _ source: ColumnModel.Source, _ natural: TypeModel?
    ) -> TypeModel? {
        guard let written = spec.type else {
            if let natural { return natural }
            if case .attribute(let path) = source {
                if TypeModel.choices(of: path.vr).isEmpty { return nil }
                if path.choice == .joined {
                    error("`join` needs a `type: text(N)` with room for all values", spec.name.mark)
                } else {
                    error(
                        "\(path.element.keyword) is \(path.vr.rawValue), whose length has no bound; add a `type: text(N)`",
                        spec.name.mark)
                }
            } else {
                error("column `\(spec.name.value)` needs a `type:`, since no VR tells it", spec.name.mark)
            }
            return nil
        }
        guard let type = TypeModel(written.value) else {
            let hint =
                nearest(to: written.value, among: TypeModel.spellings).map { "did you mean `\($0)`?" }
                ?? "known are \(TypeModel.spellings.joined(separator: ", "))"
            error("no type `\(written.value)`; \(hint)", written.mark)
            return nil
        }
        if let length = type.characters, length > TypeModel.longestText {
            error("text(\(length)) is longer than \(TypeModel.longestText), the most that Doris can hold", written.mark)
            return nil
        }
        switch source {
        case .attribute(let path):
            let choices = path.choice == .joined ? ["text(N)"] : TypeModel.choices(of: path.vr)
            let fits: Bool
            if path.choice == .joined, case .text = type {
                fits = true
            } else {
                fits = path.choice != .joined && type.isAllowed(for: path.vr)
            }
            if path.isArray, let length = type.characters, length > TypeModel.longestTextInArray {
                error(
                    "text(\(length)) is longer than \(TypeModel.longestTextInArray), the most that an element of an "
                        + "array can have", written.mark)
                return nil
            }
            if !fits {
                let what =
                    path.choice == .joined ? "joined values" : "\(path.element.keyword) is \(path.vr.rawValue), which"
                error(
                    "\(what) cannot become \(written.value); it can become \(choices.joined(separator: ", "))",
                    written.mark)
                return nil
            }
            return path.isArray ? .array(type) : type
        case .context(let value):
            let fits: Bool = if case .text = value.type, case .text = type { true } else { type == value.type }
            if !fits {
                error("`\(value.rawValue)` is \(value.type.spelling) and cannot become \(written.value)", written.mark)
                return nil
            }
        case .hash:
            error("a hash has one type, 20 digits; leave `type:` out", written.mark)
            return nil
        case .service, .computedOnLoad: break
        }
        return type
    }

    private mutating func otherwise(_ spec: ColumnSpec, _ type: TypeModel) -> ContextValue? {
        guard let written = spec.otherwise, spec.tag != nil,
            let value = one(of: ContextValue.allCases, written, "value of the instance")
        else { return nil }
        if value.type != type {
            error("`\(value.rawValue)` is \(value.type.spelling), and the column is \(type.spelling)", written.mark)
        }
        return value
    }

    private mutating func isNullable(_ spec: ColumnSpec, _ column: ColumnModel) -> Bool {
        let required = spec.required?.value ?? false
        switch column.source {
        case .attribute:
            if let otherwise = column.otherwise, !otherwise.isNullable {
                if let mark = spec.required?.mark {
                    error("with `otherwise` it always has a value; leave `required` out", mark)
                }
                return false
            }
            return !required
        case .hash: return true
        case .context(let value):
            if let mark = spec.required?.mark {
                error(
                    "`\(value.rawValue)` \(value.isNullable ? "may be absent" : "is always there"); leave `required` out",
                    mark)
            }
            return value.isNullable
        case .service: return !required
        case .computedOnLoad:
            if let mark = spec.required?.mark {
                error("a computed column may always be NULL; leave `required` out", mark)
            }
            return true
        }
    }

    private mutating func defaultValue(_ spec: ColumnSpec, _ column: ColumnModel) -> String? {
        guard let written = spec.defaultValue else { return nil }
        guard case .service = column.source else {
            error("`default` is for columns with `from: service`", written.mark)
            return nil
        }
        let fits: Bool
        switch column.type {
        case .text(let length), .ascii(let length):
            fits =
                written.value.unicodeScalars.count <= length && !written.value.unicodeScalars.contains { $0.value < 32 }
        case .int: fits = Int32(written.value) != nil
        case .bigint: fits = Int64(written.value) != nil
        case .double: fits = Double(written.value).map(\.isFinite) ?? false
        case .date, .time, .timestamp, .array:
            error("a \(column.type.spelling) cannot have a default", written.mark)
            return nil
        }
        guard fits else {
            error("`\(written.value)` is no \(column.type.spelling)", written.mark)
            return nil
        }
        return written.value
    }

    private mutating func queryAttributes(_ spec: ColumnSpec, _ column: inout ColumnModel, _ model: TableModel) {
        column.level = one(of: Level.allCases, spec.level, "level")
        column.isSearched = spec.search?.value == true
        if let level = column.level, let row = model.level, let mark = spec.level?.mark, level.depth > row.depth {
            error("a row is one \(row.rawValue), which has no attribute of the level \(level.rawValue)", mark)
        }
        guard column.isSearched, let mark = spec.search?.mark else {
            if let first = spec.also.first { error("`also` is for columns with `search: true`", first.keyword.mark) }
            return
        }
        if column.level == nil, spec.level == nil {
            error("`search` needs a `level:`, the one the attribute is asked for at", mark)
        }
        if spec.stores != nil, !column.stores.contains(.postgres) {
            error("searches are answered by PostgreSQL, and the column is not there", mark)
        }
        checkSearched(column.attribute?.vr, column.type, mark)
        if column.attribute?.isPrivate == true, column.level == .instance {
            error("instances are searched by tag, which a private element has another of in each file", mark)
        }
        for also in spec.also {
            guard let element = element(also.keyword), let level = one(of: Level.allCases, also.level, "level") else {
                continue
            }
            checkSearched(element.vrs.first, column.type, also.keyword.mark)
            column.also.append(ColumnModel.AlsoSearched(element: element, level: level))
        }
    }

    /// What is searched by ranges needs a column that has their order.
    private mutating func checkSearched(_ vr: ValueRepresentation?, _ type: TypeModel, _ mark: Mark) {
        let needed: TypeModel
        switch vr {
        case .da?: needed = .date
        case .tm?: needed = .time
        case .dt?: return error("a DT cannot be searched", mark)
        default: return
        }
        if type.element != needed {
            error("searches for a \(needed.spelling) need a column of that type, and this is \(type.spelling)", mark)
        }
    }
}
