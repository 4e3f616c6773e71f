import Glibc

extension String {
    /// Lends the UTF-8 of the text limited to so many characters; of all of it when the limit is nil.
    @inline(__always) func withLimitedUTF8(_ limit: Int?, _ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        var text = self
        let isLent = text.withUTF8 { utf8 in
            if let limit, utf8.count > limit || hasNUL(utf8) {
                return false
            }
            body(utf8)
            return true
        }
        if isLent { return }
        text = limited(to: limit ?? .max).text
        text.withUTF8(body)
    }

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

private func hasNUL(_ utf8: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let start = utf8.baseAddress else { return false }
    return memchr(start, 0, utf8.count) != nil
}
