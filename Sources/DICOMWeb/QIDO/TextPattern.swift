/// A text to compare values with (PS3.4 C.2.2.2.1, C.2.2.2.4).
struct TextPattern: Hashable, Sendable {
    private enum Form: Hashable {
        case exact, words
        case wildcard(Glob)
    }

    private let form: Form
    private let ignoresCase: Bool
    private let text: String
    private let words: [String]

    /// - Parameters:
    ///   - isName: Without regard to case, `^` counts as a space, empty components at the end do not count.
    ///   - isFuzzy: Of a name without wildcards: each word begins a word of the value, in any order.
    init(_ text: String, hasWildcards: Bool, isName: Bool, isFuzzy: Bool) {
        ignoresCase = isName
        let folded = isName ? Self.folded(text) : text
        self.text = folded
        words = folded.split(whereSeparator: { $0 == " " || $0 == "=" }).map(String.init)
        form = hasWildcards ? .wildcard(Glob(folded)) : isName && isFuzzy ? .words : .exact
    }

    func matches(_ value: String) -> Bool {
        let value = ignoresCase ? Self.folded(value) : value
        switch form {
        case .exact: return value == text
        case .wildcard(let glob): return glob.matches(value)
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
}
