import Archive

/// Indexes, comments, storage parameters.
extension SchemaPlanner {
    // MARK: Comments and storage parameters

    mutating func describe(_ found: Catalogue.Table, _ wanted: Catalogue.Table) {
        let missing = wanted.options.filter { found.options[$0.key] == nil }.sorted { $0.key < $1.key }
        if !missing.isEmpty {
            let text = missing.map { "\($0.key) = \($0.value)" }.joined(separator: ", ")
            add(wanted.name, "storage parameters", ["ALTER TABLE \(wanted.sqlName) SET (\(text))"])
        }
        var statements: [String] = []
        if found.comment != wanted.comment { statements.append(wanted.commentStatement) }
        for column in wanted.columns {
            let before = found.column(column.name)?.comment ?? ""
            if before == column.comment { continue }
            if ColumnSource(before).isReplaced(by: ColumnSource(column.comment)) {
                refill(column, before, wanted)
            } else {
                statements.append(wanted.commentStatement(column))
            }
        }
        if !statements.isEmpty { add(wanted.name, "comments", statements) }
    }

    // MARK: Indexes

    mutating func changeIndexes(_ found: Catalogue.Table, _ wanted: Catalogue.Table) throws(PostgresError) {
        var unused = found.indexes.filter { index in !wanted.indexes.contains { $0.name == index.name } }
        for index in wanted.indexes {
            let object = "index \(index.name)"
            if let there = found.indexes.first(where: { $0.name == index.name }) {
                if there.isSame(as: index) {
                    if !there.isValid { try finish(index, found, wanted) }
                } else if !waitsForColumn(index) {
                    try drop(there, "is on \(there.definition), and should be on \(index.definition)", found)
                    try make(index, "new index", found, wanted)
                }
            } else if let place = unused.firstIndex(where: {
                $0.definition == index.definition && $0.isUnique == index.isUnique && $0.isValid && !$0.isOfConstraint
                    && (known.contains("index \($0.name)") || isAdopting)
            }) {
                let other = unused.remove(at: place)
                add(
                    object, "is called \(other.name)", ["ALTER INDEX \(other.sqlName) RENAME TO \(index.sqlName)"],
                    table: wanted.name)
            } else if !waitsForColumn(index) {
                try make(index, "new index on \(index.definition)", found, wanted)
            }
        }
        for index in unused {
            if known.contains("index \(index.name)") {
                try drop(index, "no longer in the spec", found)
            } else if isAdopting, let reason = Adoption.superseded[index.name] {
                try drop(index, reason, found)
            } else {
                notes.append("index \(index.name) on \(found.name) is not ours, and stays")
            }
        }
    }

    /// Of what a column is not yet there is no index.
    private mutating func waitsForColumn(_ index: Catalogue.Index) -> Bool {
        guard let column = waitingColumns.sorted().first(where: { index.mentions($0) }) else { return false }
        notes.append("index \(index.name) is made once \(column) has its type")
        return true
    }

    private mutating func drop(_ index: Catalogue.Index, _ reason: String, _ table: Catalogue.Table)
        throws(PostgresError)
    {
        let isLarge = try isLarge(table)
        let isBeside = isLarge && table.partitionKey == nil
        add(
            "index \(index.name)", reason,
            ["DROP INDEX \(isBeside ? "CONCURRENTLY " : "")IF EXISTS \(index.sqlName)"], table: table.name,
            occasion: isBeside ? .background : .start, isTransactional: !isBeside)
    }

    private mutating func make(
        _ index: Catalogue.Index, _ reason: String, _ found: Catalogue.Table, _ wanted: Catalogue.Table
    ) throws(PostgresError) {
        let object = "index \(index.name)"
        if !found.indexes.contains(where: { $0.name == index.name }), let hindrance = hindrance(name: index.name) {
            return add(object, reason, [wanted.createIndex(index)], table: wanted.name, hindrance: hindrance)
        }
        if try !isLarge(found) {
            add(object, reason, [wanted.createIndex(index)], table: wanted.name)
        } else if wanted.partitionKey == nil {
            addBeside(
                object, "\(reason), built beside the writers", [wanted.createIndex(index, concurrently: true)], wanted)
        } else {
            addBeside(
                object, "\(reason), built beside the writers, partition by partition",
                [wanted.createIndex(index, only: true)] + attach(index, wanted), wanted)
        }
    }

    private mutating func addBeside(
        _ object: String, _ reason: String, _ statements: [String], _ table: Catalogue.Table
    ) {
        add(object, reason, statements, table: table.name, occasion: .background, isTransactional: false)
    }

    /// An index whose making was broken off.
    private mutating func finish(
        _ index: Catalogue.Index, _ found: Catalogue.Table, _ wanted: Catalogue.Table
    ) throws(PostgresError) {
        let object = "index \(index.name)"
        if wanted.partitionKey == nil {
            return addBeside(
                object, "its making was broken off; built anew beside the writers",
                ["DROP INDEX CONCURRENTLY IF EXISTS \(index.sqlName)", wanted.createIndex(index, concurrently: true)],
                wanted)
        }
        let parts = real.partitions(of: wanted.name).flatMap(\.indexes)
        if !parts.contains(where: { $0.parent == index.name && !$0.isValid }) {
            return addBeside(object, "some partitions lack it", attach(index, wanted), wanted)
        }
        // PostgreSQL lets go of a part only with the whole; then it is missing, and made.
        try drop(index, "its part of a partition is broken; built anew", found)
    }

    /// Statements that give each partition its part of the index, and leave those alone that have it.
    private func attach(_ index: Catalogue.Index, _ wanted: Catalogue.Table) -> [String] {
        var statements: [String] = []
        for partition in real.partitions(of: wanted.name) {
            if partition.indexes.contains(where: { $0.parent == index.name && $0.isValid }) { continue }
            var part = index
            let suffix = partition.name.dropFirst(wanted.name.count)
            part.name = "\(index.name.prefix(63 - suffix.utf8.count))\(suffix)"
            part.sqlName = SQL.name(part.name)
            if partition.indexes.contains(where: { $0.name == part.name && !$0.isValid && $0.parent == nil }) {
                statements.append("DROP INDEX CONCURRENTLY IF EXISTS \(part.sqlName)")
            }
            statements.append(partition.createIndex(part, concurrently: true))
            statements.append("ALTER INDEX \(index.sqlName) ATTACH PARTITION \(part.sqlName)")
        }
        return statements
    }
}
