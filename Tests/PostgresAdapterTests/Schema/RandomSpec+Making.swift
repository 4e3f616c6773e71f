/// Making specs, and their next versions.
extension RandomSpec {
    private static let types = ["text(16)", "text(64)", "uid", "int", "bigint", "double", "date", "time", "timestamp"]

    init(_ random: inout SplitMix) {
        tables = []
        for number in 0..<(1 + random.next(3)) { tables.append(Self.table("table_\(number)", &random, tables)) }
    }

    private static func table(_ name: String, _ random: inout SplitMix, _ others: [Table]) -> Table {
        var table = Table(
            name: name,
            columns: [
                Column(name: "tenant_id", type: "text(64)", isRequired: true, defaultValue: "x"),
                Column(name: "id", type: "text(64)", isRequired: true, defaultValue: "x"),
                Column(name: "part", type: "text(16)", isRequired: true, defaultValue: "x"),
                Column(
                    name: "at", type: "timestamp", isRequired: true,
                    source: .attribute(Attribute(yaml: "tag: InstanceCoercionDateTime", type: "timestamp"))),
            ], key: ["tenant_id", "id"], indexes: [], isPartitioned: random.next(4) == 0,
            wantsVariants: random.next(2) == 0)
        for number in 0..<(1 + random.next(7)) { addColumn("c\(number)", &table, &random, others) }
        for _ in 0..<random.next(4) { addIndex(&table, &random) }
        return table
    }

    private static func addColumn(
        _ name: String, _ table: inout Table, _ random: inout SplitMix, _ others: [Table]
    ) {
        if table.column(name) != nil { return }
        var column: Column
        if random.next(2) == 0 {
            let type = types[random.next(types.count)]
            column = Column(name: name, type: type, isRequired: random.next(3) == 0)
            setDefault(&column, &random)
        } else {
            let ways = Attribute.all[random.next(Attribute.all.count)]
            let way = ways[random.next(ways.count)]
            column = Column(
                name: name, type: way.type, isRequired: random.next(4) == 0, source: .attribute(way))
            if random.next(2) == 0 { search(&column, table, others) }
        }
        if random.next(2) == 0 { column.comment = "What's \(random.next(100)) \\\\ 张" }
        column.isRetired = random.next(8) == 0
        table.columns.append(column)
    }

    /// An attribute is searched in one column only.
    private static func search(_ column: inout Column, _ table: Table, _ others: [Table]) {
        guard case .attribute(let way) = column.source else { return }
        let yamls = way.others.map(\.yaml)
        let isTaken = (others + [table]).contains { table in
            table.columns.contains { other in
                guard case .attribute(let it) = other.source else { return false }
                return other.isSearched && !other.isRetired && yamls.contains(it.yaml)
            }
        }
        column.isSearched = !isTaken && way.canBeSearched
    }

    /// Rows are made from data sets too, so what a service sets has to have one, if it is required.
    private static func setDefault(_ column: inout Column, _ random: inout SplitMix) {
        column.defaultValue = nil
        guard column.isRequired, case .service = column.source else { return }
        switch column.type {
        case "int", "bigint", "double": column.defaultValue = "\(random.next(10))"
        case "text(16)", "text(64)", "text(80)": column.defaultValue = "it\(random.next(10))"
        default: column.isRequired = false
        }
    }

    private static func addIndex(_ table: inout Table, _ random: inout SplitMix) {
        let column = table.columns[2 + random.next(table.columns.count - 2)]
        if column.isRetired { return }
        let isLower = column.isText && !column.isArray && random.next(2) == 0
        let part = isLower ? "lower(\(column.name))" : column.name
        let index = column.isArray || random.next(2) == 0 ? [part] : ["tenant_id", part]
        let isThere = table.indexes.contains { $0.contains { $0 == column.name || $0 == "lower(\(column.name))" } }
        if !isThere && !table.key.starts(with: index) { table.indexes.append(index) }
    }

    /// The next version of it.
    func changed(_ random: inout SplitMix) -> RandomSpec {
        var new = self
        for place in new.tables.indices {
            for _ in 0..<random.next(random.next(4) == 0 ? 20 : 6) {
                let others = new.tables.enumerated().filter { $0.offset != place }.map(\.element)
                Self.change(&new.tables[place], &random, others)
            }
        }
        if random.next(5) == 0 { new.tables.append(Self.table("table_new", &random, new.tables)) }
        if random.next(8) == 0 && new.tables.count > 1 { new.tables.removeLast() }
        return new
    }

    private static func change(_ table: inout Table, _ random: inout SplitMix, _ others: [Table]) {
        let place = table.columns.count > 4 ? 4 + random.next(table.columns.count - 4) : nil
        switch random.next(16) {
        case 0: addColumn("n\(random.next(1_000))", &table, &random, others)
        case 1:
            guard let place else { return }
            dropIndexes(of: table.columns.remove(at: place), &table)
        case 2:
            guard let place, table.columns[place].renamedFrom == nil, table.columns[place].name.hasPrefix("c") else {
                return
            }
            let name = table.columns[place].name
            table.columns[place].renamedFrom = name
            table.columns[place].name = "r_\(name)"
            table.indexes = table.indexes.map {
                $0.map { $0 == name ? "r_\(name)" : $0 == "lower(\(name))" ? "lower(r_\(name))" : $0 }
            }
        case 3:
            guard let place else { return }
            table.columns[place].isRequired.toggle()
            setDefault(&table.columns[place], &random)
        case 4:
            guard let place, case .service = table.columns[place].source else { return }
            switch table.columns[place].type {
            case "text(16)": table.columns[place].type = "text(80)"
            case "int": table.columns[place].type = "bigint"
            default: return
            }
        case 5:
            guard let place else { return }
            changeType(&table.columns[place], &random)
            let column = table.columns[place]
            table.indexes.removeAll { index in
                index.contains("lower(\(column.name))") && (!column.isText || column.isArray)
                    || index.count > 1 && index.contains(column.name) && column.isArray
            }
        case 6:
            guard let place else { return }
            table.columns[place].comment = "Now \(random.next(100))"
        case 7: addIndex(&table, &random)
        case 8: if !table.indexes.isEmpty { table.indexes.remove(at: random.next(table.indexes.count)) }
        case 9:
            // Sometimes a longer key, sometimes other columns, sometimes one that rows repeat.
            table.key = [["tenant_id", "id", "part"], ["id", "part"], ["tenant_id", "part"]][random.next(3)]
        case 10: table.isPartitioned.toggle()
        case 11: table.wantsVariants.toggle()
        case 12:
            guard let place else { return }
            if table.columns[place].isSearched {
                table.columns[place].isSearched = false
            } else {
                search(&table.columns[place], table, others)
            }
        case 13, 14:
            // Out of use, or taken back.
            guard let place else { return }
            table.columns[place].isRetired.toggle()
            let column = table.columns[place]
            if column.isRetired {
                dropIndexes(of: column, &table)
            } else if column.isSearched {
                table.columns[place].isSearched = false
                search(&table.columns[place], table, others)
            }
        default: table.about = "Things \(random.next(100))."
        }
    }

    private static func dropIndexes(of column: Column, _ table: inout Table) {
        table.indexes.removeAll { $0.contains { $0 == column.name || $0 == "lower(\(column.name))" } }
    }

    /// Another type, or for an attribute another way into data sets.
    private static func changeType(_ column: inout Column, _ random: inout SplitMix) {
        switch column.source {
        case .service:
            column.type = types[random.next(types.count)]
            setDefault(&column, &random)
        case .attribute(let attribute):
            let ways = attribute.others
            let way = ways[random.next(ways.count)]
            column.source = .attribute(way)
            column.type = way.type
            column.isSearched = column.isSearched && way.canBeSearched
        }
    }
}

struct SplitMix {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(bound))
    }
}
