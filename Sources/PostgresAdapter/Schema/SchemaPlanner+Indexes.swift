import Archive

/// Keys, indexes, comments.
extension SchemaPlanner {
    // MARK: Key

    mutating func changeKey(_ found: Catalogue.Table, _ wanted: Catalogue.Table) throws(PostgresError) {
        guard let key = wanted.key else { return }
        let object = "key of \(wanted.name)"
        let alter = "ALTER TABLE \(wanted.sqlName) "
        let addition = "ADD CONSTRAINT \(key.sqlName) \(key.definition)"
        guard let before = found.key else {
            // Nobody knows whether rows of a table that is not ours have this key.
            let isForeign = isAdopting && !Adoption.tables.contains(wanted.name)
            return add(object, "is missing", [alter + addition], table: wanted.name, isDestructive: isForeign)
        }
        if before.definition == key.definition {
            if before.name != key.name {
                add(
                    object, "is called \(before.name)",
                    [alter + "RENAME CONSTRAINT \(before.sqlName) TO \(key.sqlName)"], table: wanted.name)
            }
            return
        }
        let change = alter + "DROP CONSTRAINT IF EXISTS \(before.sqlName), " + addition
        let reason = "is \(before.definition), and should be \(key.definition)"
        let areNew = wanted.columns.filter { column in
            key.columns.contains(column.sqlName) && found.column(column.name) == nil && column.defaultValue == nil
        }
        if let new = areNew.first, try exists("SELECT FROM \(found.sqlName)") {
            return add(
                object, "\(reason); fill \(new.name) first, by `wado reindex --columns \(new.name)`", [change],
                table: wanted.name, isDestructive: true)
        }
        let columns = key.columns.joined(separator: ", ")
        var statements: [String] = []
        var lost = ""
        if areNew.isEmpty {
            // Asked by the names that columns have until then.
            let there = key.columns.map { oldNames[$0] ?? $0 }
            let isNull = there.map { "\($0) IS NULL" }.joined(separator: " OR ")
            let row = there.joined(separator: ", ")
            let counted = try connection.queryOnce(
                """
                SELECT count(*) FILTER (WHERE \(isNull)),
                    count(*) FILTER (WHERE NOT (\(isNull)))
                        - count(DISTINCT (\(row))) FILTER (WHERE NOT (\(isNull)))
                FROM \(found.sqlName)
                """, [], operation: "look at the key")
            let empty = counted.integer(0, 0) ?? 0
            let repeated = counted.integer(0, 1) ?? 0
            if empty > 0 {
                lost += "; \(empty) rows without a value in it would be deleted"
                let isNull = key.columns.map { "\($0) IS NULL" }.joined(separator: " OR ")
                statements.append("DELETE FROM \(wanted.sqlName) WHERE \(isNull)")
            }
            if repeated > 0 {
                lost += "; \(repeated) rows that repeat another one's would be deleted"
                statements.append(
                    """
                    DELETE FROM \(wanted.sqlName) AS t USING (
                        SELECT tableoid, ctid, row_number() OVER (PARTITION BY \(columns) ORDER BY tableoid, ctid DESC) AS place
                        FROM \(wanted.sqlName)) AS d
                    WHERE t.tableoid = d.tableoid AND t.ctid = d.ctid AND d.place > 1
                    """)
            }
        }
        statements.append(change)
        add(object, reason + lost, statements, table: wanted.name, isDestructive: true)
    }

    // MARK: Comments and storage parameters

    mutating func describe(_ found: Catalogue.Table, _ wanted: Catalogue.Table) {
        let missing = wanted.options.filter { found.options[$0.key] == nil }.sorted { $0.key < $1.key }
        if !missing.isEmpty {
            let text = missing.map { "\($0.key) = \($0.value)" }.joined(separator: ", ")
            add(wanted.name, "storage parameters", ["ALTER TABLE \(wanted.sqlName) SET (\(text))"])
        }
        var statements: [String] = []
        if found.comment != wanted.comment { statements.append(wanted.commentStatement) }
        for column in wanted.columns where found.column(column.name)?.comment ?? "" != column.comment {
            statements.append(wanted.commentStatement(column))
        }
        if !statements.isEmpty { add(wanted.name, "comments", statements) }
    }

    // MARK: Indexes

    mutating func changeIndexes(_ found: Catalogue.Table, _ wanted: Catalogue.Table) throws(PostgresError) {
        var unused = found.indexes.filter { index in !wanted.indexes.contains { $0.name == index.name } }
        for index in wanted.indexes {
            let object = "index \(index.name)"
            if let there = found.indexes.first(where: { $0.name == index.name }) {
                if there.definition == index.definition && there.isUnique == index.isUnique {
                    if !there.isValid { finish(index, found, wanted) }
                } else {
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
            } else {
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

    private mutating func drop(_ index: Catalogue.Index, _ reason: String, _ table: Catalogue.Table)
        throws(PostgresError)
    {
        let isLarge = try size(table) >= concurrentBytes && table.partitionKey == nil
        add(
            "index \(index.name)", reason,
            ["DROP INDEX \(isLarge ? "CONCURRENTLY " : "")IF EXISTS \(index.sqlName)"], table: table.name,
            isTransactional: !isLarge)
    }

    private mutating func make(
        _ index: Catalogue.Index, _ reason: String, _ found: Catalogue.Table, _ wanted: Catalogue.Table
    ) throws(PostgresError) {
        let object = "index \(index.name)"
        if try size(found) < concurrentBytes {
            add(object, reason, [wanted.createIndex(index)], table: wanted.name)
        } else if wanted.partitionKey == nil {
            add(
                object, "\(reason), built beside the writers", [wanted.createIndex(index, concurrently: true)],
                table: wanted.name, isTransactional: false)
        } else {
            add(
                object, "\(reason), built beside the writers, partition by partition",
                [wanted.createIndex(index, only: true)] + attach(index, wanted), table: wanted.name,
                isTransactional: false)
        }
    }

    /// An index whose making was broken off.
    private mutating func finish(_ index: Catalogue.Index, _ found: Catalogue.Table, _ wanted: Catalogue.Table) {
        let object = "index \(index.name)"
        if wanted.partitionKey != nil {
            add(
                object, "some partitions lack it", attach(index, wanted), table: wanted.name, isTransactional: false)
        } else {
            add(
                object, "its making was broken off; built anew beside the writers",
                ["DROP INDEX CONCURRENTLY IF EXISTS \(index.sqlName)", wanted.createIndex(index, concurrently: true)],
                table: wanted.name, isTransactional: false)
        }
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
            if partition.indexes.contains(where: { $0.name == part.name && !$0.isValid }) {
                statements.append("DROP INDEX CONCURRENTLY IF EXISTS \(part.sqlName)")
            }
            statements.append(partition.createIndex(part, concurrently: true))
            statements.append("ALTER INDEX \(index.sqlName) ATTACH PARTITION \(part.sqlName)")
        }
        return statements
    }

    // MARK: Whole tables

    /// A table that gets partitions, or loses them, is made anew, and its rows are copied.
    mutating func rebuild(_ found: Catalogue.Table, _ wanted: Catalogue.Table) {
        let schema = "wado_before"
        let shared = wanted.columns.filter { found.column($0.name) != nil }.map(\.sqlName).joined(separator: ", ")
        let lost = found.columns.filter { wanted.column($0.name) == nil }.map(\.name).joined(separator: ", ")
        let partitions = desired.partitions(of: wanted.name).flatMap(\.createStatements)
        add(
            wanted.name,
            "is partitioned by \(found.partitionKey ?? "nothing"), and should be by \(wanted.partitionKey ?? "nothing"): "
                + "made anew, \(Self.count(found)) copied (reading and writing wait meanwhile)"
                + (lost.isEmpty ? "" : "; what is in columns that are not in the spec would be lost: \(lost)"),
            ["CREATE SCHEMA \(schema)", "ALTER TABLE \(wanted.sqlName) SET SCHEMA \(schema)"]
                + real.partitions(of: wanted.name).map { "ALTER TABLE \($0.sqlName) SET SCHEMA \(schema)" }
                + wanted.createStatements + partitions
                + [
                    "INSERT INTO \(wanted.sqlName) (\(shared)) SELECT \(shared) FROM \(schema).\(wanted.sqlName)",
                    "DROP TABLE \(schema).\(wanted.sqlName)", "DROP SCHEMA \(schema)",
                ], isDestructive: true)
    }

    /// A table of our name that somebody else made keeps its rows and columns under another name.
    mutating func setAside(_ found: Catalogue.Table, _ wanted: Catalogue.Table) {
        let name = Adoption.asideName(wanted.name)
        let indexes = found.indexes.map(\.sqlName) + (found.key.map { [$0.sqlName] } ?? [])
        let renamed = found.indexes.map(\.name) + (found.key.map { [$0.name] } ?? [])
        add(
            wanted.name,
            "a table of this name is there that is not ours and cannot be: it stays as it is, and is called \(name) now",
            ["ALTER TABLE \(wanted.sqlName) RENAME TO \(SQL.name(name))"]
                + zip(indexes, renamed).map {
                    "ALTER INDEX \($0) RENAME TO \(SQL.name(Adoption.asideName($1)))"
                } + wanted.createStatements + desired.partitions(of: wanted.name).flatMap(\.createStatements))
    }
}
