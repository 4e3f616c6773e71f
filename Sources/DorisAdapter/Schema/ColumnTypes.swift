/// Which types a column can go to without losing a value, of those that Doris' MODIFY COLUMN takes.
package enum ColumnTypes {
    private static let integers = ["TINYINT", "SMALLINT", "INT", "BIGINT", "LARGEINT"]
    /// What a double holds exactly.
    private static let exactInDouble: Set = ["TINYINT", "SMALLINT", "INT", "FLOAT"]

    package static func widens(from old: String, to new: String) -> Bool {
        let (old, new) = (parts(old), parts(new))
        switch (old.name, new.name) {
        case ("VARCHAR", "VARCHAR"), ("CHAR", "CHAR"), ("CHAR", "VARCHAR"), ("DATETIME", "DATETIME"):
            return (old.numbers.first ?? 0) <= (new.numbers.first ?? 0)
        case ("VARCHAR", "STRING"), ("CHAR", "STRING"), ("DATE", "DATETIME"):
            return true
        case ("DECIMAL", "DECIMAL"):
            guard old.numbers.count == 2, new.numbers.count == 2 else { return false }
            return old.numbers[1] <= new.numbers[1]
                && old.numbers[0] - old.numbers[1] <= new.numbers[0] - new.numbers[1]
        case ("ARRAY", "ARRAY"):
            return parts(old.element).name == "VARCHAR" && widens(from: old.element, to: new.element)
                && parts(new.element).name == "VARCHAR"
        case (let old, "DOUBLE"):
            return exactInDouble.contains(old)
        case (let old, let new):
            guard let from = integers.firstIndex(of: old), let to = integers.firstIndex(of: new) else { return false }
            return from < to
        }
    }

    /// `VARCHAR(64)` in its name and numbers; `ARRAY<INT>` in its name and element.
    private static func parts(_ type: String) -> (name: String, numbers: [Int], element: String) {
        guard let mark = type.firstIndex(where: { $0 == "(" || $0 == "<" }) else { return (type, [], "") }
        let inside = String(type[type.index(after: mark)...].dropLast())
        return type[mark] == "("
            ? (String(type[..<mark]), inside.split(separator: ",").compactMap { Int($0) }, "")
            : (String(type[..<mark]), [], inside)
    }
}
