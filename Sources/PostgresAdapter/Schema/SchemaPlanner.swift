import Archive

/// A step with what its execution has to know.
struct MigrationStep: Sendable {
    var step: SchemaStep
    /// Steps of one table that follow each other are one transaction.
    var table: String
    /// False for what must not, or need not, be in a transaction.
    var isTransactional = true
}

/// Finds the steps from one catalogue to another.
struct SchemaPlanner {
    let desired: Catalogue
    let real: Catalogue
    let renames: [String: [String: String]]
    /// What migrations have made, now or before: what is none of it is somebody's own and stays.
    let known: Set<String>
    /// Whether nobody of ours has been at this database before.
    let isAdopting: Bool
    let concurrentBytes: Int64
    let connection: PostgresConnection

    /// Columns of the table at hand that are called otherwise until the plan is done, as SQL writes them.
    var oldNames: [String: String] = [:]
    var steps: [MigrationStep] = []
    var notes: [String] = []
    /// True when something has to wait for values that are not there yet.
    var isWaiting = false

    mutating func plan() throws(PostgresError) {
        for wanted in desired.tables {
            guard let found = real.table(wanted.name) else {
                // The table that it is to be a part of has to be made anew first.
                if let parent = wanted.parent.flatMap(real.table), parent.partitionKey == nil { continue }
                add(
                    wanted.name, wanted.parent.map { "new, the default partition of \($0)" } ?? "new table",
                    wanted.createStatements)
                continue
            }
            if wanted.parent == nil { try change(found, to: wanted) }
        }
        for function in desired.functions
        where !real.functions.contains(where: { $0.definition == function.definition }) {
            add("\(function.signature.prefix { $0 != "(" })()", "new, or not as it was", [function.definition])
        }
        for table in real.tables
        where table.parent == nil && known.contains(table.name) && desired.table(table.name) == nil {
            add(
                table.name, "no longer in the spec; \(Self.count(table)) would be lost",
                ["DROP TABLE IF EXISTS \(table.sqlName)"], isDestructive: true)
        }
    }

    mutating func add(
        _ object: String, _ reason: String, _ statements: [String], table: String? = nil,
        isDestructive: Bool = false, isTransactional: Bool = true
    ) {
        let step = SchemaStep(object: object, reason: reason, statements: statements, isDestructive: isDestructive)
        steps.append(MigrationStep(step: step, table: table ?? object, isTransactional: isTransactional))
    }

    private mutating func change(_ found: Catalogue.Table, to wanted: Catalogue.Table) throws(PostgresError) {
        let first = steps.count
        var found = found
        oldNames = [:]
        rename(&found, wanted)
        if found.partitionKey != wanted.partitionKey {
            rebuild(found, wanted)
        } else {
            try changeColumns(found, wanted)
            try changeKey(found, wanted)
            describe(found, wanted)
            try changeIndexes(found, wanted)
        }
        let isForeign = isAdopting && !Adoption.tables.contains(wanted.name)
        guard isForeign, steps[first...].contains(where: { $0.step.isDestructive }) else { return }
        steps.removeSubrange(first...)
        setAside(found, wanted)
    }

    // MARK: Columns

    /// Columns that were called otherwise before.
    private mutating func rename(_ found: inout Catalogue.Table, _ wanted: Catalogue.Table) {
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

    private mutating func changeColumns(
        _ found: Catalogue.Table, _ wanted: Catalogue.Table
    ) throws(PostgresError) {
        let alter = "ALTER TABLE \(wanted.sqlName) "
        for column in found.columns where wanted.column(column.name) == nil { leftOver(column, found) }
        for column in wanted.columns where found.column(column.name) == nil { try addColumn(column, found, wanted) }
        let changed = try changeTypes(found, wanted)
        for column in wanted.columns {
            guard let before = found.column(column.name) else { continue }
            let object = "\(wanted.name).\(column.name)"
            let alterColumn = alter + "ALTER COLUMN \(column.sqlName) "
            if column.defaultValue != before.defaultValue && !changed.contains(column.name) {
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
            add(
                object, "no longer in the spec; its values in \(Self.count(table)) would be lost",
                ["ALTER TABLE \(table.sqlName) DROP COLUMN IF EXISTS \(column.sqlName)"], table: table.name,
                isDestructive: true)
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
        let mark = ReindexSchema.mark(column.name, addedTo: wanted.name).map { [$0] } ?? []
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

    /// Without holding writers up: a constraint is checked beside them first.
    private mutating func forbidNull(
        _ column: Catalogue.Column, _ found: Catalogue.Table, _ wanted: Catalogue.Table
    ) throws(PostgresError) {
        let object = "\(wanted.name).\(column.name)"
        let name = oldNames[column.sqlName] ?? column.sqlName
        if try exists("SELECT FROM \(found.sqlName) WHERE \(name) IS NULL") { return waits(object) }
        let alter = "ALTER TABLE \(wanted.sqlName) "
        let setNotNull = alter + "ALTER COLUMN \(column.sqlName) SET NOT NULL"
        if try size(found) < concurrentBytes {
            return add(object, "may not be NULL now", [setNotNull], table: wanted.name)
        }
        let check = SQL.name("\(column.name.prefix(50))_is_there")
        add(
            object, "may not be NULL now; checked beside the writers",
            [
                alter + "DROP CONSTRAINT IF EXISTS \(check)",
                alter + "ADD CONSTRAINT \(check) CHECK (\(column.sqlName) IS NOT NULL) NOT VALID",
                alter + "VALIDATE CONSTRAINT \(check)", setNotNull, alter + "DROP CONSTRAINT IF EXISTS \(check)",
            ], table: wanted.name, isTransactional: false)
    }

    /// All types that are only wider are one statement, so that a table is rewritten once.
    /// - Returns: the columns of that statement.
    private mutating func changeTypes(
        _ found: Catalogue.Table, _ wanted: Catalogue.Table
    ) throws(PostgresError) -> Set<String> {
        let alter = "ALTER TABLE \(wanted.sqlName) "
        var clauses: [String] = []
        var reasons: [String] = []
        var changed: Set<String> = []
        var rewrites = false
        var rebuildsIndexes = false
        for column in wanted.columns {
            guard let before = found.column(column.name), before.typeSQL != column.typeSQL else { continue }
            let object = "\(wanted.name).\(column.name)"
            var change = TypeChange(from: before.type, to: column.type, column: column.sqlName)
            if case .narrower = change, isAdopting, Adoption.narrowed.contains(object), let width = column.width,
                try !exists("SELECT FROM \(found.sqlName) WHERE char_length(\(before.sqlName)) > \(width)")
            {
                // Without USING a value that does not fit is an error, not cut.
                change = .wider(rewrites: true, using: nil)
            }
            let reason = "is \(before.typeSQL), and should be \(column.typeSQL)"
            switch change {
            case .wider(let isRewritten, let using):
                let fill = column.isNotNull && !before.isNotNull ? Adoption.fill(isAdopting, object) : nil
                // The default of the old type may be none of the new one; it is set again afterwards.
                if before.defaultValue != nil { clauses.append("ALTER COLUMN \(column.sqlName) DROP DEFAULT") }
                clauses.append(
                    "ALTER COLUMN \(column.sqlName) TYPE \(column.typeSQL)"
                        + ((fill ?? using).map { " USING \($0)" } ?? ""))
                if fill != nil { clauses.append("ALTER COLUMN \(column.sqlName) SET NOT NULL") }
                if let value = column.defaultValue {
                    clauses.append("ALTER COLUMN \(column.sqlName) SET DEFAULT \(value)")
                }
                changed.insert(column.name)
                let hasGotZone = before.type == "timestamp without time zone"
                reasons.append(
                    "\(column.name) \(reason)" + (hasGotZone ? ", its times read in the time zone of the session" : ""))
                rewrites = rewrites || isRewritten || fill != nil
                rebuildsIndexes = rebuildsIndexes || before.collation != column.collation
            case .narrower(let using):
                add(
                    object, "\(reason): longer values in \(Self.count(found)) would be cut",
                    [alter + "ALTER COLUMN \(column.sqlName) TYPE \(column.typeSQL) USING \(using)"],
                    table: wanted.name, isDestructive: true)
            case .different: replace(column, before, reason, found, wanted)
            }
        }
        if clauses.isEmpty { return changed }
        var reason = reasons.joined(separator: "; ")
        if rewrites {
            reason += " (rewrites \(Self.count(found)); reading and writing them waits meanwhile)"
        } else if rebuildsIndexes {
            reason += " (builds its indexes anew; writing waits meanwhile)"
        }
        add(wanted.name, reason, [alter + clauses.joined(separator: ", ")])
        return changed
    }

    /// No value of the old type is one of the new type: the column is made anew and filled from the metadata.
    private mutating func replace(
        _ column: Catalogue.Column, _ before: Catalogue.Column, _ reason: String, _ found: Catalogue.Table,
        _ wanted: Catalogue.Table
    ) {
        let object = "\(wanted.name).\(column.name)"
        let alter = "ALTER TABLE \(wanted.sqlName) "
        if wanted.key?.columns.contains(column.sqlName) == true {
            add(
                object, "\(reason), and is part of the key; values that are none of the new type stop this step",
                [
                    alter
                        + "ALTER COLUMN \(column.sqlName) TYPE \(column.typeSQL) USING \(column.sqlName)::text::\(column.type)"
                ],
                table: wanted.name, isDestructive: true)
            return
        }
        var new = column
        if new.defaultValue == nil && found.rows != 0 { new.isNotNull = false }
        add(
            object,
            "\(reason): its values in \(Self.count(found)) would be lost, and filled in again by `wado reindex --columns \(column.name)`",
            [alter + "DROP COLUMN \(before.sqlName), ADD COLUMN \(new.sqlName) \(new.definition)"]
                + (ReindexSchema.mark(column.name, addedTo: wanted.name).map { [$0] } ?? []),
            table: wanted.name, isDestructive: true)
    }

    // MARK: Help

    func exists(_ sql: String) throws(PostgresError) -> Bool {
        try connection.queryOnce("SELECT EXISTS (\(sql))", [], operation: "look at rows").bool(0, 0) ?? false
    }

    /// Of a table with its partitions, in bytes.
    func size(_ table: Catalogue.Table) throws(PostgresError) -> Int64 {
        let names = [table.name] + real.partitions(of: table.name).map(\.name)
        let found = try connection.query(
            "SELECT sum(pg_relation_size(to_regclass(quote_ident(n))))::bigint FROM unnest($1::text[]) AS n",
            [.textArray(names)], operation: "look at sizes")
        return found.integer(0, 0) ?? 0
    }

    /// `about 1200 rows`.
    static func count(_ table: Catalogue.Table) -> String {
        table.rows < 0 ? "its rows" : table.rows == 1 ? "about 1 row" : "about \(table.rows) rows"
    }
}

extension Adoption {
    static func fill(_ isAdopting: Bool, _ object: String) -> String? { isAdopting ? fills[object] : nil }
}

extension Catalogue.Column {
    /// Of `character varying(4)`: 4.
    var width: Int? { type.split(separator: "(").last.flatMap { Int($0.dropLast()) } }
}
