import Archive

/// Keys, and tables that are made anew.
extension SchemaPlanner {
    // MARK: Key

    mutating func changeKey(_ found: Catalogue.Table, _ wanted: Catalogue.Table) throws(PostgresError) {
        guard let key = wanted.key else { return }
        let object = "key of \(wanted.name)"
        let alter = "ALTER TABLE \(wanted.sqlName) "
        let addition = "ADD CONSTRAINT \(key.sqlName) \(key.definition)"
        guard let before = found.key else {
            // Nobody knows whether rows of a table that is not ours have this key.
            return add(
                object, "is missing", [alter + addition], table: wanted.name,
                occasion: isForeign(wanted.name) ? .decision : .start)
        }
        if before.definition == key.definition {
            if before.name != key.name {
                add(
                    object, "is called \(before.name)",
                    [alter + "RENAME CONSTRAINT \(before.sqlName) TO \(key.sqlName)"], table: wanted.name)
            }
            return
        }
        let (lost, deletions) = try lostBy(key, found, wanted)
        add(
            object, "is \(before.definition), and should be \(key.definition)" + lost,
            deletions + [alter + "DROP CONSTRAINT IF EXISTS \(before.sqlName), " + addition], table: wanted.name,
            occasion: .decision, hindrance: Self.hindrance(found.users.filter(\.isForeignKey).map(\.name)))
    }

    /// What rows do not fit a key: in words, and the statements that delete them.
    private func lostBy(
        _ key: Catalogue.Key, _ found: Catalogue.Table, _ wanted: Catalogue.Table
    ) throws(PostgresError) -> (String, [String]) {
        let areNew = wanted.columns.filter { column in
            key.columns.contains(column.sqlName) && found.column(column.name) == nil && column.defaultValue == nil
        }
        if let new = areNew.first {
            guard try exists("SELECT FROM \(found.sqlName)") else { return ("", []) }
            return ("; fill \(new.name) first, by `wado reindex --columns \(new.name)`", [])
        }
        // Columns that come with a default have one value in all rows.
        let there = key.columns.filter { name in
            wanted.columns.contains { $0.sqlName == name && found.column($0.name) != nil }
        }
        if !looksAtRows || there.isEmpty { return ("", []) }
        // Asked by the names that columns have until then.
        let before = there.map { oldNames[$0] ?? $0 }
        let isNull = before.map { "\($0) IS NULL" }.joined(separator: " OR ")
        let row = before.joined(separator: ", ")
        let counted = try connection.queryOnce(
            """
            SELECT count(*) FILTER (WHERE \(isNull)),
                count(*) FILTER (WHERE NOT (\(isNull)))
                    - count(DISTINCT (\(row))) FILTER (WHERE NOT (\(isNull)))
            FROM \(found.sqlName)
            """, [], operation: "look at the key")
        let empty = counted.integer(0, 0) ?? 0
        let repeated = counted.integer(0, 1) ?? 0
        var lost = ""
        var statements: [String] = []
        if empty > 0 {
            lost += "; \(empty) rows without a value in it would be deleted"
            let isNull = there.map { "\($0) IS NULL" }.joined(separator: " OR ")
            statements.append("DELETE FROM \(wanted.sqlName) WHERE \(isNull)")
        }
        if repeated > 0 {
            lost += "; \(repeated) rows that repeat another one's would be deleted"
            let columns = there.joined(separator: ", ")
            statements.append(
                """
                DELETE FROM \(wanted.sqlName) AS t USING (
                    SELECT tableoid, ctid, row_number() OVER (PARTITION BY \(columns) ORDER BY tableoid, ctid DESC) AS place
                    FROM \(wanted.sqlName)) AS d
                WHERE t.tableoid = d.tableoid AND t.ctid = d.ctid AND d.place > 1
                """)
        }
        return (lost, statements)
    }

    // MARK: Whole tables

    /// A table that gets partitions, or loses them, is made anew once its columns are as they should be, and its rows are
    /// copied.
    mutating func rebuild(_ found: Catalogue.Table, _ wanted: Catalogue.Table) throws(PostgresError) {
        let schema = "wado_before"
        let (lost, deletions) =
            try wanted.key.map { key throws(PostgresError) in try lostBy(key, found, wanted) } ?? ("", [])
        var new = wanted
        for (place, column) in wanted.columns.enumerated() where column.isNotNull {
            if wanted.key?.columns.contains(column.sqlName) == true { continue }
            // It becomes NOT NULL when no row lacks it.
            let isEmptied = emptiedColumns.contains(column.sqlName)
            if isEmptied || found.column(column.name).map({ !$0.isNotNull }) ?? (column.defaultValue == nil) {
                new.columns[place].isNotNull = false
            }
        }
        let columns = wanted.columns.filter(\.identity.isEmpty).map(\.sqlName).joined(separator: ", ")
        add(
            wanted.name,
            "is partitioned by \(found.partitionKey ?? "nothing"), and should be by \(wanted.partitionKey ?? "nothing"): "
                + "made anew, \(Self.count(found)) copied (reading and writing wait meanwhile)" + lost,
            deletions + ["CREATE SCHEMA \(schema)", "ALTER TABLE \(wanted.sqlName) SET SCHEMA \(schema)"]
                + real.partitions(of: wanted.name).map { "ALTER TABLE \($0.sqlName) SET SCHEMA \(schema)" }
                + new.createStatements + desired.partitions(of: wanted.name).flatMap(\.createStatements)
                + [
                    "INSERT INTO \(wanted.sqlName) (\(columns)) SELECT \(columns) FROM \(schema).\(wanted.sqlName)",
                    "DROP TABLE \(schema).\(wanted.sqlName)", "DROP SCHEMA \(schema)",
                ], occasion: .decision, hindrance: Self.hindrance(found.users.map(\.name)))
    }

    /// A table of our name that somebody else made keeps its rows and columns under another name.
    func setAside(_ found: Catalogue.Table, _ wanted: Catalogue.Table) -> MigrationStep {
        let name = Adoption.asideName(wanted.name)
        let indexes = found.indexes.map(\.sqlName) + (found.key.map { [$0.sqlName] } ?? [])
        let renamed = found.indexes.map(\.name) + (found.key.map { [$0.name] } ?? [])
        let step = SchemaStep(
            object: wanted.name,
            reason:
                "a table of this name is there that is not ours and cannot be: it stays as it is, and is called \(name) now",
            statements: ["ALTER TABLE \(wanted.sqlName) RENAME TO \(SQL.name(name))"]
                + zip(indexes, renamed).map { "ALTER INDEX \($0) RENAME TO \(SQL.name(Adoption.asideName($1)))" }
                + wanted.createStatements + desired.partitions(of: wanted.name).flatMap(\.createStatements))
        return MigrationStep(step: step, table: wanted.name)
    }
}
