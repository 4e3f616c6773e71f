/// Rows of text for people and for scripts.
struct TextTable {
    var header: [String]
    var rows: [[String?]] = []
    /// Columns that hold numbers; they are aligned at the right.
    var numbers: Set<Int> = []

    init(_ header: [String], numbers: Set<Int> = []) {
        self.header = header
        self.numbers = numbers
    }

    /// In columns of equal width, two blanks between; `-` where there is no value.
    var text: String {
        let shown: [[String]] = [header] + rows.map { $0.map(Self.cell) }
        let widths = header.indices.map { column in shown.map { $0[column].count }.max() ?? 0 }
        return shown.map { row in
            var line = ""
            for (column, value) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - value.count)
                let isLast = column == row.count - 1
                line += numbers.contains(column) ? padding + value : isLast ? value : value + padding
                if !isLast { line += "  " }
            }
            return line + "\n"
        }.joined()
    }

    /// RFC 4180, with the header as its first record.
    var csv: String {
        ([header.map { Optional($0) }] + rows).map { row in row.map(Self.field).joined(separator: ",") + "\r\n" }
            .joined()
    }

    static func field(_ value: String?) -> String {
        guard let value else { return "" }
        let isPlain = !value.unicodeScalars.contains { $0 == "\"" || $0 == "," || $0 == "\r" || $0 == "\n" }
        if isPlain { return value }
        // By scalars: a quote with an accent upon it is still one.
        var doubled = String.UnicodeScalarView()
        for scalar in value.unicodeScalars { doubled.append(contentsOf: scalar == "\"" ? [scalar, scalar] : [scalar]) }
        return "\"" + String(doubled) + "\""
    }

    /// One line of a terminal, whatever a sender wrote.
    private static func cell(_ value: String?) -> String {
        guard let value, !value.isEmpty else { return "-" }
        var scalars = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            scalars.append(scalar.properties.generalCategory == .control ? "?" : scalar)
        }
        return String(scalars)
    }
}
