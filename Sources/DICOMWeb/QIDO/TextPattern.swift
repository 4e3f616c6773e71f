/// A text to compare values with (PS3.4 C.2.2.2.1, C.2.2.2.4).
struct TextPattern: Hashable, Sendable {
    private enum Form: Hashable {
        case exact, wildcard, words
    }

    private let form: Form
    private let ignoresCase: Bool
    private let text: String
    private let scalars: [Unicode.Scalar]
    private let words: [String]

    /// - Parameters:
    ///   - isName: Without regard to case, `^` counts as a space, empty components at the end do not count.
    ///   - isFuzzy: Of a name without wildcards: each word begins a word of the value, in any order.
    init(_ text: String, hasWildcards: Bool, isName: Bool, isFuzzy: Bool) {
        ignoresCase = isName
        let folded = isName ? Self.folded(text) : text
        self.text = folded
        scalars = Array(folded.unicodeScalars)
        words = folded.split(whereSeparator: { $0 == " " || $0 == "=" }).map(String.init)
        form = hasWildcards ? .wildcard : isName && isFuzzy ? .words : .exact
    }

    func matches(_ value: String) -> Bool {
        let value = ignoresCase ? Self.folded(value) : value
        switch form {
        case .exact: return value == text
        case .wildcard: return Self.glob(scalars, Array(value.unicodeScalars))
        case .words:
            let parts = value.split(whereSeparator: { $0 == " " || $0 == "=" })
            return words.allSatisfy { word in parts.contains { $0.hasPrefix(word) } }
        }
    }

    private static func folded(_ name: String) -> String {
        var text = name.lowercased().replacing("^", with: " ")
        while text.utf8.last == 0x20 { text.removeLast() }
        return text
    }

    /// `*` any characters, `?` exactly one. The work is bounded by the product of the lengths.
    static func glob(_ pattern: [Unicode.Scalar], _ value: [Unicode.Scalar]) -> Bool {
        var (p, v) = (0, 0)
        var star: (pattern: Int, value: Int)?
        while v < value.count {
            if p < pattern.count, pattern[p] == "*" {
                star = (p, v)
                p += 1
            } else if p < pattern.count, pattern[p] == "?" || pattern[p] == value[v] {
                p += 1
                v += 1
            } else if let (starPattern, starValue) = star {
                p = starPattern + 1
                v = starValue + 1
                star = (starPattern, v)
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == "*" }
    }
}
