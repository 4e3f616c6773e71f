import Archive

/// Columns that get another type.
extension SchemaPlanner {
    /// The changes of one table that go together: what it rewrites, it rewrites once.
    private struct TypeChanges {
        var clauses: [String] = []
        /// Statements before it.
        var preparations: [String] = []
        var reasons: [String] = []
        var rewrites = false
        var rebuildsIndexes = false

        mutating func add(_ other: Self) {
            clauses += other.clauses
            preparations += other.preparations
            reasons += other.reasons
            rewrites = rewrites || other.rewrites
            rebuildsIndexes = rebuildsIndexes || other.rebuildsIndexes
        }
    }

    /// - Returns: the columns that have their type, their default and NOT NULL by the end of it.
    mutating func changeTypes(
        _ found: Catalogue.Table, _ wanted: Catalogue.Table
    ) throws(PostgresError) -> Set<String> {
        var quick = TypeChanges()
        var long = TypeChanges()
        var changed: Set<String> = []
        for column in wanted.columns {
            guard let before = found.column(column.name), before.typeSQL != column.typeSQL else { continue }
            let object = "\(wanted.name).\(column.name)"
            let reason = "is \(before.typeSQL), and should be \(column.typeSQL)"
            let hindrance = Self.hindrance(found.users(of: column))
            switch try change(before, column, object, found) {
            case .wider(let isRewritten, let using):
                let fill = column.isNotNull && !before.isNotNull ? Adoption.fill(isAdopting, object) : nil
                var one = TypeChanges()
                // The default of the old type may be none of the new one; it is set again afterwards.
                if before.defaultValue != nil { one.clauses.append("ALTER COLUMN \(column.sqlName) DROP DEFAULT") }
                if column.type.hasSuffix("[]"), !before.type.hasSuffix("[]") {
                    one.preparations = found.indexes.filter { isLower($0, of: column) }.map {
                        "DROP INDEX IF EXISTS \($0.sqlName)"
                    }
                }
                one.clauses.append(
                    "ALTER COLUMN \(column.sqlName) TYPE \(column.typeSQL)"
                        + ((fill ?? using).map { " USING \($0)" } ?? ""))
                if fill != nil { one.clauses.append("ALTER COLUMN \(column.sqlName) SET NOT NULL") }
                if let value = column.defaultValue {
                    one.clauses.append("ALTER COLUMN \(column.sqlName) SET DEFAULT \(value)")
                }
                let hasGotZone = before.type == "timestamp without time zone"
                one.reasons = [
                    "\(column.name) \(reason)" + (hasGotZone ? ", its times read in the time zone of the session" : "")
                ]
                one.rewrites = isRewritten || fill != nil
                one.rebuildsIndexes = before.collation != column.collation
                // The first start after the original design is the time for it: nobody of ours is at work.
                var isLong = false
                if !isAdopting, one.rewrites || one.rebuildsIndexes { isLong = try isLarge(found) }
                if hindrance == nil && !isLong {
                    quick.add(one)
                    changed.insert(column.name)
                    continue
                }
                if TypeChange.isCompatible(program: column.type, database: before.type, refusesLonger: true) {
                    let until = "; until then longer values are refused, and their instances are dead letters"
                    one.reasons = one.reasons.map { $0 + until }
                }
                if hindrance == nil {
                    long.add(one)
                } else {
                    alter(wanted, one, found, object: object, hindrance: hindrance)
                }
            case .narrower(let using):
                let lost = try longerValues(column, found)
                add(
                    object, "\(reason): \(lost) would be cut",
                    [
                        "ALTER TABLE \(wanted.sqlName) ALTER COLUMN \(column.sqlName) TYPE \(column.typeSQL) USING \(using)"
                    ],
                    table: wanted.name, occasion: .decision, hindrance: hindrance)
                widerColumns.insert(column.sqlName)
                continue
            case .different: replace(column, before, reason, found, wanted, hindrance)
            }
            waitingColumns.insert(column.sqlName)
        }
        if !quick.clauses.isEmpty { alter(wanted, quick, found) }
        if !long.clauses.isEmpty { alter(wanted, long, found, occasion: .maintenance) }
        return changed
    }

    /// Whether an index of ours is on the small letters of a column, which an array has not.
    private func isLower(_ index: Catalogue.Index, of column: Catalogue.Column) -> Bool {
        known.contains("index \(index.name)") && index.definition.contains("lower(") && index.mentions(column.sqlName)
    }

    /// What a narrower column has no room for.
    private func longerValues(
        _ column: Catalogue.Column, _ found: Catalogue.Table
    ) throws(PostgresError) -> String {
        if !looksAtRows, try isLarge(found) { return "longer values in \(Self.count(found))" }
        let name = oldNames[column.sqlName] ?? column.sqlName
        let longer = try connection.queryOnce(
            "SELECT count(*) FROM \(found.sqlName) WHERE \(name)::\(column.type) <> \(name)", [],
            operation: "look at rows"
        ).integer(0, 0)
        return longer == 1 ? "1 longer value" : "\(longer ?? 0) longer values"
    }

    private func change(
        _ before: Catalogue.Column, _ column: Catalogue.Column, _ object: String, _ found: Catalogue.Table
    ) throws(PostgresError) -> TypeChange {
        let change = TypeChange(from: before.type, to: column.type, column: column.sqlName)
        guard case .narrower = change, isAdopting, Adoption.narrowed.contains(object), let width = column.width,
            try !exists("SELECT FROM \(found.sqlName) WHERE char_length(\(before.sqlName)) > \(width)")
        else { return change }
        // Without USING a value that does not fit is an error, not cut.
        return .wider(rewrites: true, using: nil)
    }

    private mutating func alter(
        _ wanted: Catalogue.Table, _ changes: TypeChanges, _ found: Catalogue.Table, object: String? = nil,
        occasion: SchemaStep.Occasion = .start, hindrance: String? = nil
    ) {
        var reason = changes.reasons.joined(separator: "; ")
        if changes.rewrites {
            reason += " (rewrites \(Self.count(found)); reading and writing them waits meanwhile)"
        } else if changes.rebuildsIndexes {
            reason += " (builds its indexes anew; writing waits meanwhile)"
        }
        add(
            object ?? wanted.name, reason,
            changes.preparations + ["ALTER TABLE \(wanted.sqlName) " + changes.clauses.joined(separator: ", ")],
            table: wanted.name,
            occasion: occasion, hindrance: hindrance)
    }

    /// No value of the old type is one of the new type: the column is made anew and filled from the metadata.
    private mutating func replace(
        _ column: Catalogue.Column, _ before: Catalogue.Column, _ reason: String, _ found: Catalogue.Table,
        _ wanted: Catalogue.Table, _ hindrance: String?
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
                table: wanted.name, occasion: .decision, hindrance: hindrance)
            return
        }
        var new = column
        if new.defaultValue == nil {
            emptiedColumns.insert(column.sqlName)
            if found.rows != 0 { new.isNotNull = false }
        }
        add(
            object,
            "\(reason): its values in \(Self.count(found)) would be lost, and filled in again by `wado reindex --columns \(column.name)`",
            [alter + "DROP COLUMN \(before.sqlName), ADD COLUMN \(new.sqlName) \(new.definition)"]
                + ReindexSchema.mark(column.name, addedTo: wanted.name),
            table: wanted.name, occasion: .decision, hindrance: hindrance)
    }
}

extension Adoption {
    static func fill(_ isAdopting: Bool, _ object: String) -> String? { isAdopting ? fills[object] : nil }
}

extension Catalogue.Column {
    /// Of `character varying(4)`: 4.
    var width: Int? { type.split(separator: "(").last.flatMap { Int($0.dropLast()) } }
}
