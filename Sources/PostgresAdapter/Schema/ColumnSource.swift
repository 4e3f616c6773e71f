/// What fills a column, as its comment says: so the database knows it of the rows it has, whichever release wrote them.
enum ColumnSource: Equatable {
    /// `StudyDate (0008,0020)`, `SeaHash of study_uid in 20 digits`.
    case attribute(String)
    /// Nothing since a release that retired it, or had it no more.
    case nothing
    /// The comment does not tell.
    case unknown

    /// What stands before the comment of a column that is no longer in the spec.
    static let unfilled = "no longer filled"

    init(_ comment: String) {
        // As `SQLText.comment` has it.
        let parts = comment.split(separator: ": ", omittingEmptySubsequences: false)
        let first = String(parts.first ?? "")
        if first == Self.unfilled || first == "retired, \(Self.unfilled)" {
            self = .nothing
        } else if first.hasPrefix("SeaHash of ") || Self.hasTag(first) {
            self = .attribute(first)
        } else {
            self = .unknown
        }
    }

    /// Whether rows that have values of this one have to be filled again from the other one.
    func isReplaced(by new: Self) -> Bool {
        guard case .attribute = new else { return false }
        return self != new && self != .unknown
    }

    /// `(0008,0020)`, or the beginning of a private one: `(0029,"`.
    private static func hasTag(_ text: String) -> Bool {
        text.split(separator: "(", omittingEmptySubsequences: false).dropFirst().contains { rest in
            rest.prefix(4).utf8.count == 4 && rest.prefix(4).allSatisfy(\.isHexDigit) && rest.dropFirst(4).first == ","
        }
    }
}

/// Columns whose source changes.
extension SchemaPlanner {
    /// Values that are there are those of another attribute, or rows lack some.
    mutating func refill(_ column: Catalogue.Column, _ before: String, _ table: Catalogue.Table) {
        add(
            "\(table.name).\(column.name)",
            "is \(column.comment), and was \(before) in rows that are there: `wado reindex --columns \(column.name)` fills them",
            [table.commentStatement(column)] + ReindexSchema.mark(column.name, addedTo: table.name),
            table: table.name)
    }

    /// A column that is not in the spec, and stays, says so: when it comes back to the spec, rows of the meantime lack it.
    mutating func noteUnfilled(_ column: Catalogue.Column, _ table: Catalogue.Table) {
        if ColumnSource(column.comment) == .nothing { return }
        var described = column
        described.comment = ColumnSource.unfilled + (column.comment.isEmpty ? "" : ": \(column.comment)")
        add(
            "\(table.name).\(column.name)", "no longer in the spec, and says so",
            [table.commentStatement(described)], table: table.name)
    }
}
