import Dictionary

/// Pieces that the SQL of both databases has in common.
enum SQLText {
    static let header = "-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.\n"

    /// What a column's comment says: the tag that fills it, and the spec's comment.
    static func comment(_ column: ColumnModel) -> String {
        var parts: [String] = []
        switch column.source {
        case .attribute(let path):
            var text = path.text
            switch path.choice {
            case .single: break
            case .index(let index): text += ", value \(index + 1)"
            case .joined, .all: text += ", all values"
            }
            parts.append(path.creator == nil ? "\(text) (\(tag(path.element.tag)))" : text)
        case .hash(let other): parts.append("SeaHash of \(other) in 20 digits")
        case .context, .service: break
        case .computedOnLoad: parts.append("computed when the row is loaded")
        }
        if !column.comment.isEmpty { parts.append(column.comment) }
        if column.isRetired { parts.insert("retired, no longer filled", at: 0) }
        return parts.joined(separator: ": ")
    }

    /// `0010,0020`.
    static func tag(_ tag: UInt32) -> String {
        let digits = hexadecimal(tag)
        return digits.prefix(4) + "," + digits.suffix(4)
    }

    static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// Lines of words and columns, the columns below each other.
    static func aligned(_ rows: [[String]]) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { $0.indices.contains(column) ? $0[column].unicodeScalars.count : 0 }.max() ?? 0
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() where !cell.isEmpty {
                let start = widths[..<column].reduce(0) { $0 + ($1 > 0 ? $1 + 1 : 0) }
                line +=
                    String(repeating: " ", count: max(start - line.unicodeScalars.count, line.isEmpty ? 0 : 1)) + cell
            }
            return line
        }
    }
}
