extension String {
    /// The text without anything from its first NUL on, and not longer than `limit` Unicode scalars, which is how
    /// PostgreSQL counts; cut between characters as people see them.
    package func limited(to limit: Int) -> (text: String, isCut: Bool, hadNUL: Bool) {
        var text = self
        if text.utf8.count <= limit, text.utf8.firstIndex(of: 0) == nil { return (text, false, false) }
        var hadNUL = false
        if let nul = text.utf8.firstIndex(of: 0) {
            text = String(text[..<nul])
            hadNUL = true
        }
        guard text.utf8.count > limit, text.unicodeScalars.count > limit else { return (text, false, hadNUL) }
        // Only the start matters; a prefix of scalars bounds the work, whatever the length.
        let scalars = text.unicodeScalars
        let end = scalars.index(scalars.startIndex, offsetBy: limit)
        var boundary = text.startIndex
        while boundary < text.endIndex {
            let next = text.index(after: boundary)
            if next > end { break }
            boundary = next
        }
        if boundary == text.startIndex { boundary = end }
        return (String(text[..<boundary]), true, hadNUL)
    }
}
