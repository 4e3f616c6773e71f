package import Archive

/// What makes a table of Doris as the spec wants it.
package struct TableComparison {
    package enum Effect {
        case plain
        /// A job that fills the column by its old name must not run on.
        case renamesColumn
        /// The table gets another name and a new one its place: a job would follow the old one.
        case replacesTable
    }

    package struct Change {
        package let step: SchemaStep
        package let effect: Effect
    }

    package private(set) var changes: [Change] = []
    /// What differs and is left so.
    package private(set) var notes: [String] = []

    private let wanted: TableDefinition
    private var found: TableDefinition

    /// - Parameters:
    ///   - renames: what columns were called before, by their names.
    ///   - retired: columns that stay though nothing fills them any more.
    ///   - asideName: what the table is called from then on if it has to make room.
    package init(
        wanted: TableDefinition, found: TableDefinition, renames: [String: String], retired: Set<String> = [],
        asideName: String
    ) {
        self.wanted = wanted
        self.found = found
        renameColumns(renames)
        if let reason = reasonToReplace {
            changes = [replacement(reason, asideName)]
            return
        }
        for (index, column) in wanted.columns.enumerated() {
            if let old = self.found.column(column.name) {
                compare(column, old, asideName)
            } else {
                add(column, after: index > 0 ? wanted.columns[index - 1].name : nil, asideName)
            }
            if changes.last?.effect == .replacesTable {
                changes = changes.suffix(1)
                return
            }
        }
        lookAtOthers(retired)
        compareTable()
    }

    private var table: String { DorisText.name(wanted.name) }

    private mutating func alter(
        _ object: String, _ reason: String, _ clauses: [String], isDestructive: Bool = false,
        effect: Effect = .plain
    ) {
        let name = object.isEmpty ? wanted.name : "\(wanted.name).\(object)"
        changes.append(
            Change(
                step: SchemaStep(
                    object: name, reason: reason, statements: clauses.map { "ALTER TABLE \(table) \($0)" },
                    occasion: isDestructive ? .decision : .start),
                effect: effect))
    }

    // MARK: Columns

    private mutating func renameColumns(_ renames: [String: String]) {
        for column in wanted.columns where found.column(column.name) == nil {
            guard let old = renames[column.name], wanted.column(old) == nil,
                let index = found.columns.firstIndex(where: { $0.name.lowercased() == old.lowercased() })
            else { continue }
            let former = found.columns[index].name
            alter(
                column.name, "was called \(former)",
                ["RENAME COLUMN \(DorisText.name(former)) \(DorisText.name(column.name))"], effect: .renamesColumn)
            found.columns[index].name = column.name
            found.key = found.key.map { $0 == former ? column.name : $0 }
            found.distribution = found.distribution.map { $0 == former ? column.name : $0 }
            if found.sequenceColumn == former { found.properties["function_column.sequence_col"] = column.name }
        }
    }

    private mutating func add(_ column: TableDefinition.Column, after previous: String?, _ asideName: String) {
        if wanted.isKey(column.name) {
            changes.append(replacement("its key gets \(column.name)", asideName))
            return
        }
        var column = column
        if !column.isNullable && column.defaultValue == nil {
            // Doris wants a default for the rows that are there; NULL is the truth about them. Loads always fill it.
            column.isNullable = true
        }
        var clause = "ADD COLUMN \(column.declaration())"
        if let previous { clause += " AFTER \(DorisText.name(previous))" }
        alter(column.name, "is new", [clause])
        let place = found.columns.firstIndex { $0.name == previous }.map { $0 + 1 } ?? found.columns.endIndex
        found.columns.insert(column, at: place)
    }

    private mutating func compare(
        _ new: TableDefinition.Column, _ old: TableDefinition.Column, _ asideName: String
    ) {
        var target = old
        target.comment = new.comment
        var reasons: [String] = []
        if old.type != new.type {
            if ColumnTypes.widens(from: old.type, to: new.type) {
                target.type = new.type
                reasons.append("\(old.type) becomes \(new.type)")
            } else if ColumnTypes.widens(from: new.type, to: old.type) {
                notes.append("\(wanted.name).\(new.name) is \(old.type), wider than \(new.type): left so")
            } else {
                return replaceColumn(new, old, asideName)
            }
        }
        if old.isNullable != new.isNullable {
            if new.isNullable {
                target.isNullable = true
                reasons.append("may be NULL")
            } else {
                notes.append(
                    "\(wanted.name).\(new.name) may be NULL: Doris makes no column NOT NULL later; loads always fill it"
                )
            }
        }
        if old.defaultValue != new.defaultValue {
            notes.append(
                "\(wanted.name).\(new.name) has default \(old.defaultValue ?? "NULL") instead of "
                    + "\(new.defaultValue ?? "NULL"): Doris changes no default; loads always fill it")
        }
        if !reasons.isEmpty {
            let name = new.name.lowercased()
            let isFixed =
                wanted.distribution.contains { $0.lowercased() == name } || wanted.partition.contains("(\(new.name),")
                || wanted.sequenceColumn.lowercased() == name
            if isFixed {
                changes.append(
                    replacement(
                        "\(new.name): \(reasons.joined(separator: ", ")), and Doris changes no column that partitions, "
                            + "distributes or orders rows", asideName))
                return
            }
            alter(
                new.name, reasons.joined(separator: ", "),
                ["MODIFY COLUMN \(target.declaration(isKey: wanted.isKey(new.name)))"])
        } else if old.comment != new.comment {
            alter(
                new.name, "another comment",
                ["MODIFY COLUMN \(DorisText.name(new.name)) COMMENT \(DorisText.string(new.comment))"])
        }
    }

    /// A type that the old one cannot become.
    private mutating func replaceColumn(
        _ new: TableDefinition.Column, _ old: TableDefinition.Column, _ asideName: String
    ) {
        if wanted.isKey(new.name) || wanted.sequenceColumn.lowercased() == new.name.lowercased() {
            changes.append(replacement("\(new.name) is \(old.type) and has to be \(new.type)", asideName))
            return
        }
        var column = new
        if column.defaultValue == nil { column.isNullable = true }
        alter(
            new.name, "is \(old.type) and has to be \(new.type), which Doris cannot make of it: its values are lost",
            ["DROP COLUMN \(DorisText.name(new.name))", "ADD COLUMN \(column.declaration())"], isDestructive: true)
    }

    /// Columns that the spec does not have.
    private mutating func lookAtOthers(_ retired: Set<String>) {
        for column in found.columns where wanted.column(column.name) == nil {
            if column.isNullable || column.defaultValue != nil {
                if retired.contains(column.name) { continue }
                notes.append(
                    "\(wanted.name).\(column.name) is not in this program's spec: left as it is, and not loaded")
            } else {
                var target = column
                target.isNullable = true
                alter(
                    column.name, "is not in this program's spec; as NOT NULL it would make every load fail",
                    ["MODIFY COLUMN \(target.declaration())"])
            }
        }
    }

    // MARK: The table

    /// What no ALTER TABLE of Doris changes.
    private var reasonToReplace: String? {
        func differ(_ a: [String], _ b: [String]) -> Bool { a.map { $0.lowercased() } != b.map { $0.lowercased() } }
        if found.model != wanted.model { return "its model is \(found.model) KEY, not \(wanted.model) KEY" }
        if differ(found.key, wanted.key) {
            return "its key is \(found.key.joined(separator: ", ")), not \(wanted.key.joined(separator: ", "))"
        }
        if differ(found.distribution, wanted.distribution) {
            let columns = found.distribution.joined(separator: ", ")
            return "its rows are distributed by \(columns.isEmpty ? "chance" : columns)"
        }
        if found.partition != wanted.partition {
            return "it is partitioned by \(found.partition.isEmpty ? "nothing" : found.partition), not by "
                + (wanted.partition.isEmpty ? "nothing" : wanted.partition)
        }
        if found.sequenceColumn.lowercased() != wanted.sequenceColumn.lowercased() {
            return "its sequence column is \(found.sequenceColumn.isEmpty ? "none" : found.sequenceColumn)"
        }
        if wanted.model == "UNIQUE", found.properties["enable_unique_key_merge_on_write"] == "false" {
            return "it merges rows when they are read, not when they are written"
        }
        return nil
    }

    private func replacement(_ reason: String, _ asideName: String) -> Change {
        Change(
            step: SchemaStep(
                object: wanted.name,
                reason:
                    "\(reason), which Doris cannot change: the table is kept as \(asideName), and an empty one takes "
                    + "its place",
                statements: ["ALTER TABLE \(table) RENAME \(DorisText.name(asideName))", wanted.createStatement],
                occasion: .decision),
            effect: .replacesTable)
    }

    private mutating func compareTable() {
        if found.comment != wanted.comment {
            alter("", "another comment", ["MODIFY COMMENT \(DorisText.string(wanted.comment))"])
        }
        if let months = wanted.properties[TableDefinition.retention],
            found.properties[TableDefinition.retention] != months
        {
            alter(
                "", "partitions of \(months) months are kept",
                ["SET (\(DorisText.string(TableDefinition.retention)) = \(DorisText.string(months)))"])
        }
        if let wantedCopies = replicas(wanted), let copies = replicas(found), copies != wantedCopies {
            notes.append("\(wanted.name) has \(copies) replicas instead of \(wantedCopies): see docs/doris.md")
        }
        if found.buckets != wanted.buckets {
            notes.append("\(wanted.name) has \(found.buckets) buckets instead of \(wanted.buckets): left so")
        }
    }

    /// Written as a number, shown as `tag.location.default: 3`.
    private func replicas(_ table: TableDefinition) -> Int? {
        let text = table.properties["replication_num"] ?? table.properties["replication_allocation"]
        return text.flatMap { Int($0.split(separator: ":").last?.trimmingPrefix(" ") ?? "") }
    }
}
