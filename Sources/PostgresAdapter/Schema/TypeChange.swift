/// What it means that a column gets another type.
enum TypeChange: Equatable {
    /// Every value stays what it is. `using` converts it where PostgreSQL does not by itself.
    case wider(rewrites: Bool, using: String?)
    /// Some values may not survive `using`; it never fails.
    case narrower(using: String)
    /// Values of the one are none of the other.
    case different

    /// - Parameters:
    ///   - old, new: types as `format_type` has them.
    ///   - column: as SQL writes it.
    init(from old: String, to new: String, column: String) {
        let oldText = Self.textLength(old)
        let newText = Self.textLength(new)
        if old == new {
            self = .wider(rewrites: false, using: nil)
        } else if let oldText, let newText {
            self = newText >= oldText ? .wider(rewrites: false, using: nil) : .narrower(using: "\(column)::\(new)")
        } else if Self.exact[old]?.contains(new) == true {
            self = .wider(rewrites: true, using: nil)
        } else if old == "timestamp without time zone", new == "timestamp with time zone" {
            self = .wider(rewrites: true, using: nil)
        } else if old.hasSuffix("[]"), new.hasSuffix("[]") {
            self =
                switch TypeChange(from: String(old.dropLast(2)), to: String(new.dropLast(2)), column: column) {
                case .wider: .wider(rewrites: true, using: "\(column)::\(new)")
                case .narrower: .narrower(using: "\(column)::\(new)")
                case .different: .different
                }
        } else if new.hasSuffix("[]"),
            case .wider = TypeChange(from: old, to: String(new.dropLast(2)), column: column)
        {
            self = .wider(
                rewrites: true, using: "CASE WHEN \(column) IS NOT NULL THEN ARRAY[\(column)]::\(new) END")
        } else {
            self = .different
        }
    }

    /// What a program that knows one type can read and write though the column has the other.
    /// - Parameter refusesLonger: whether a shorter text will do, which refuses what does not fit.
    static func isCompatible(program: String, database: String, refusesLonger: Bool) -> Bool {
        if program.hasSuffix("[]"), database.hasSuffix("[]") {
            return isCompatible(
                program: String(program.dropLast(2)), database: String(database.dropLast(2)),
                refusesLonger: refusesLonger)
        }
        guard let wanted = textLength(program), let there = textLength(database) else { return program == database }
        return there >= wanted || refusesLonger
    }

    /// Numbers that hold all values of other ones.
    private static let exact: [String: Set<String>] = [
        "smallint": ["integer", "bigint", "real", "double precision", "numeric"],
        "integer": ["bigint", "double precision", "numeric"],
        "bigint": ["numeric"], "real": ["double precision"],
    ]

    /// Characters at most; nil for what is no text.
    private static func textLength(_ type: String) -> Int? {
        if type == "text" || type == "character varying" { return .max }
        guard type.hasPrefix("character varying("), type.hasSuffix(")") else { return nil }
        return Int(type.dropFirst("character varying(".count).dropLast())
    }
}
