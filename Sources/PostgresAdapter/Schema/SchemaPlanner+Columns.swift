import Archive

/// Columns that come, go, get another name, default or NOT NULL.
extension SchemaPlanner {
    /// Columns that were called otherwise before.
    mutating func rename(_ found: inout Catalogue.Table, _ wanted: Catalogue.Table) {
        for column in wanted.columns where found.column(column.name) == nil {
            guard let old = renames[wanted.name]?[column.name], wanted.column(old) == nil,
                let before = found.column(old)
            else { continue }
            add(
                "\(wanted.name).\(column.name)", "was called \(old)",
                ["ALTER TABLE \(wanted.sqlName) RENAME COLUMN \(before.sqlName) TO \(column.sqlName)"],
                table: wanted.name)
            found = found.renaming(before, to: column)
            oldNames[column.sqlName] = before.sqlName
        }
    }

    mutating func changeColumns(_ found: Catalogue.Table, _ wanted: Catalogue.Table) throws(PostgresError) {
        let alter = "ALTER TABLE \(wanted.sqlName) "
        for column in found.columns where wanted.column(column.name) == nil { leftOver(column, found) }
        for column in wanted.columns where found.column(column.name) == nil { try addColumn(column, found, wanted) }
        let changed = try changeTypes(found, wanted)
        for column in wanted.columns {
            guard let before = found.column(column.name) else { continue }
            let object = "\(wanted.name).\(column.name)"
            let alterColumn = alter + "ALTER COLUMN \(column.sqlName) "
            // A default of another type comes with the type.
            let comesWithType =
                changed.contains(column.name) || waitingColumns.contains(column.sqlName)
                || widerColumns.contains(column.sqlName)
            if column.defaultValue != before.defaultValue && !comesWithType {
                let value = column.defaultValue
                add(
                    object, "its default is \(before.defaultValue ?? "none"), and should be \(value ?? "none")",
                    [alterColumn + (value.map { "SET DEFAULT \($0)" } ?? "DROP DEFAULT")], table: wanted.name)
            }
            if before.isNotNull && !column.isNotNull {
                // The old key has to go first.
                if found.key?.columns.contains(column.sqlName) == true { continue }
                add(object, "may be NULL now", [alterColumn + "DROP NOT NULL"], table: wanted.name)
            } else if column.isNotNull && !before.isNotNull
                && !(changed.contains(column.name) && Adoption.fill(isAdopting, object) != nil)
            {
                try forbidNull(column, found, wanted)
            }
        }
    }

    /// A column that the spec has not.
    private mutating func leftOver(_ column: Catalogue.Column, _ table: Catalogue.Table) {
        let object = "\(table.name).\(column.name)"
        let isInKey = table.key?.columns.contains(column.sqlName) ?? false
        if column.isNotNull && column.defaultValue == nil && column.identity.isEmpty && !isInKey {
            add(
                object, "not in the spec, so new rows have no value of it: may be NULL now",
                ["ALTER TABLE \(table.sqlName) ALTER COLUMN \(column.sqlName) DROP NOT NULL"], table: table.name)
        }
        if known.contains(object) {
            noteUnfilled(column, table)
            add(
                object, "no longer in the spec; its values in \(Self.count(table)) would be lost",
                ["ALTER TABLE \(table.sqlName) DROP COLUMN IF EXISTS \(column.sqlName)"], table: table.name,
                occasion: .decision, hindrance: Self.hindrance(table.users(of: column)))
        } else if !isAdopting {
            notes.append("\(object) is not ours, and stays")
        }
    }

    private mutating func addColumn(
        _ column: Catalogue.Column, _ found: Catalogue.Table, _ wanted: Catalogue.Table
    ) throws(PostgresError) {
        let object = "\(wanted.name).\(column.name)"
        let alter = "ALTER TABLE \(wanted.sqlName) "
        let what = column.comment.isEmpty ? "new column" : "new column, \(column.comment)"
        // Searches say that it is incomplete until rows that are there are filled in.
        let mark = ReindexSchema.mark(column.name, addedTo: wanted.name)
        var column = column
        let lacksValues = column.isNotNull && column.defaultValue == nil && column.identity.isEmpty
        guard lacksValues, try exists("SELECT FROM \(found.sqlName)") else {
            add(
                object, what, [alter + "ADD COLUMN IF NOT EXISTS \(column.sqlName) \(column.definition)"] + mark,
                table: wanted.name)
            return
        }
        if isAdopting, let value = Adoption.placeholders[object] {
            column.defaultValue = value
            add(
                object, "\(what); rows that are there get \(value)",
                [
                    alter + "ADD COLUMN IF NOT EXISTS \(column.sqlName) \(column.definition)",
                    alter + "ALTER COLUMN \(column.sqlName) DROP DEFAULT",
                ] + mark, table: wanted.name)
            return
        }
        column.isNotNull = false
        add(
            object, "\(what); NOT NULL once all rows have it",
            [alter + "ADD COLUMN IF NOT EXISTS \(column.sqlName) \(column.definition)"] + mark, table: wanted.name)
        waits(object)
    }

    private mutating func waits(_ object: String) {
        isWaiting = true
        let column = object.split(separator: ".").last ?? ""
        notes.append(
            "\(object) becomes NOT NULL at a later start, when no row lacks it; `wado reindex --columns \(column)` fills rows"
        )
    }

    /// Without holding writers up: in a large table a constraint is checked beside them first.
    private mutating func forbidNull(
        _ column: Catalogue.Column, _ found: Catalogue.Table, _ wanted: Catalogue.Table
    ) throws(PostgresError) {
        let object = "\(wanted.name).\(column.name)"
        let name = oldNames[column.sqlName] ?? column.sqlName
        let isLarge = try isLarge(found)
        if looksAtRows || !isLarge, try exists("SELECT FROM \(found.sqlName) WHERE \(name) IS NULL") {
            return waits(object)
        }
        let alter = "ALTER TABLE \(wanted.sqlName) "
        let setNotNull = alter + "ALTER COLUMN \(column.sqlName) SET NOT NULL"
        if !isLarge { return add(object, "may not be NULL now", [setNotNull], table: wanted.name) }
        let check = SQL.name("\(column.name.prefix(50))_is_there")
        add(
            object, "may not be NULL now; checked beside the writers",
            [
                alter + "DROP CONSTRAINT IF EXISTS \(check)",
                alter + "ADD CONSTRAINT \(check) CHECK (\(column.sqlName) IS NOT NULL) NOT VALID",
                alter + "VALIDATE CONSTRAINT \(check)", setNotNull, alter + "DROP CONSTRAINT IF EXISTS \(check)",
            ], table: wanted.name, occasion: .background, isTransactional: false)
    }
}
