/// Why a statement could not be read: its place, without its text.
public struct SQLReadingError: Error, Equatable, CustomStringConvertible {
    /// What was expected.
    public let expected: String
    /// Offset of the token in tokens.
    public let position: Int

    public var description: String { "\(expected) expected at token \(position)" }
}

/// Goes through a statement word by word. It reads what the generator and Doris' SHOW CREATE TABLE write, and is no
/// check of the syntax.
struct SQLReader {
    enum Token: Equatable {
        /// As it is written, without quotes: a keyword, a name, a number.
        case word(String)
        /// In backticks.
        case name(String)
        /// In either kind of quotes.
        case string(String)
        case mark(Character)
        case end
    }

    private let tokens: [Token]
    private(set) var position = 0

    init(_ text: String) { tokens = Self.tokens(of: text) }

    var next: Token { position < tokens.count ? tokens[position] : .end }

    mutating func take() -> Token {
        defer { if position < tokens.count { position += 1 } }
        return next
    }

    func failure(_ expected: String) -> SQLReadingError { SQLReadingError(expected: expected, position: position) }

    /// Whether these keywords come next.
    func isAt(_ words: String...) -> Bool { isAt(words) }

    private func isAt(_ words: [String]) -> Bool {
        for (offset, word) in words.enumerated() {
            guard position + offset < tokens.count, case .word(let found) = tokens[position + offset],
                found.uppercased() == word
            else { return false }
        }
        return true
    }

    /// Takes the keywords if they come next.
    mutating func accept(_ words: String...) -> Bool {
        guard isAt(words) else { return false }
        position += words.count
        return true
    }

    mutating func acceptMark(_ mark: Character) -> Bool {
        guard next == .mark(mark) else { return false }
        position += 1
        return true
    }

    mutating func expectMark(_ mark: Character) throws(SQLReadingError) {
        guard acceptMark(mark) else { throw failure("'\(mark)'") }
    }

    mutating func expect(_ words: String...) throws(SQLReadingError) {
        guard isAt(words) else { throw failure(words.joined(separator: " ")) }
        position += words.count
    }

    /// A name, quoted or not; of `database.table` the table.
    mutating func identifier() throws(SQLReadingError) -> String {
        while true {
            let text: String
            switch take() {
            case .word(let word): text = word
            case .name(let name): text = name
            default: throw failure("a name")
            }
            if !acceptMark(".") { return text }
        }
    }

    mutating func string() throws(SQLReadingError) -> String {
        guard case .string(let text) = take() else { throw failure("a string") }
        return text
    }

    /// `(a, b)`.
    mutating func identifiers() throws(SQLReadingError) -> [String] {
        try expectMark("(")
        var names: [String] = []
        while !acceptMark(")") {
            names.append(try identifier())
            if !acceptMark(","), next != .mark(")") { throw failure("','") }
        }
        return names
    }

    /// `("a" = "b", ...)`.
    mutating func properties() throws(SQLReadingError) -> [(name: String, value: String)] {
        try expectMark("(")
        var pairs: [(name: String, value: String)] = []
        while !acceptMark(")") {
            let name = try string()
            try expectMark("=")
            pairs.append((name, try string()))
            if !acceptMark(","), next != .mark(")") { throw failure("','") }
        }
        return pairs
    }

    /// What stands up to the bracket that closes the one that was taken before, as one text; takes that bracket.
    mutating func restOfBrackets() throws(SQLReadingError) -> String {
        var depth = 1
        var text = ""
        while true {
            let token = take()
            switch token {
            // Doris shows the range of a partition as [('a'), ('b')).
            case .mark("("), .mark("["): depth += 1
            case .mark(")"), .mark("]"): depth -= 1
            case .end: throw failure("')'")
            default: break
            }
            if depth == 0 { return text }
            Self.append(token, to: &text)
        }
    }

    /// An expression: what stands up to a comma or bracket that is not its own.
    mutating func expression() throws(SQLReadingError) -> String {
        var depth = 0
        var text = ""
        while true {
            switch next {
            case .mark(","), .mark(")"): if depth == 0 { return text }
            case .end: throw failure("')'")
            default: break
            }
            let token = take()
            if token == .mark("(") { depth += 1 }
            if token == .mark(")") { depth -= 1 }
            Self.append(token, to: &text)
        }
    }

    private static func append(_ token: Token, to text: inout String) {
        switch token {
        case .word(let word):
            if text.last.map({ $0.isLetter || $0.isNumber || $0 == "_" }) == true { text += " " }
            text += word
        case .name(let name): text += DorisText.name(name)
        case .string(let string): text += DorisText.string(string)
        case .mark(","): text += ", "
        case .mark(let mark): text.append(mark)
        case .end: break
        }
    }

    private static func tokens(of text: String) -> [Token] {
        var tokens: [Token] = []
        let source = Array(text.unicodeScalars)
        var at = 0
        func isWord(_ scalar: Unicode.Scalar) -> Bool {
            scalar == "_" || scalar == "$" || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
        }
        while at < source.count {
            let scalar = source[at]
            switch scalar {
            case _ where scalar.properties.isWhitespace: at += 1
            case "-" where at + 1 < source.count && source[at + 1] == "-":
                while at < source.count, source[at] != "\n" { at += 1 }
            case "`": tokens.append(.name(quoted(source, &at, escapes: false)))
            case "\"", "'": tokens.append(.string(quoted(source, &at, escapes: true)))
            case _ where isWord(scalar):
                let start = at
                while at < source.count, isWord(source[at]) { at += 1 }
                var word = String.UnicodeScalarView()
                word.append(contentsOf: source[start..<at])
                tokens.append(.word(String(word)))
            default:
                tokens.append(.mark(Character(scalar)))
                at += 1
            }
        }
        return tokens
    }

    /// What stands between quotes; a doubled quote is one. Ends at the end of the text at the latest.
    private static func quoted(_ source: [Unicode.Scalar], _ at: inout Int, escapes: Bool) -> String {
        let quote = source[at]
        var text = String.UnicodeScalarView()
        at += 1
        while at < source.count {
            let scalar = source[at]
            at += 1
            if scalar == quote {
                guard at < source.count, source[at] == quote else { break }
                at += 1
                text.append(quote)
            } else if escapes, scalar == "\\", at < source.count {
                let escaped = source[at]
                at += 1
                switch escaped {
                case "n": text.append("\n")
                case "r": text.append("\r")
                case "t": text.append("\t")
                case "0": text.append("\0")
                default: text.append(escaped)
                }
            } else {
                text.append(scalar)
            }
        }
        return String(text)
    }
}
