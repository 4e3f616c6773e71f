extension QIDOQuery {
    /// Splits a raw query string and decodes names and values, `+` being a space. Only afterwards are lists split at
    /// commas, since viewers send `%2C`.
    public static func items(_ query: String, limits: Limits = Limits()) throws(QIDOError) -> [Item] {
        guard query.utf8.count <= limits.queryBytes else {
            throw QIDOError(.tooLarge, nil, "the query string has more than \(limits.queryBytes) bytes")
        }
        var items: [Item] = []
        for pair in query.utf8.split(separator: 0x26) {
            guard items.count < limits.parameters else {
                throw QIDOError(.tooLarge, nil, "more than \(limits.parameters) query parameters")
            }
            let parts = pair.split(separator: 0x3D, maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decoded(parts[0]), let value = parts.count > 1 ? decoded(parts[1]) : "" else {
                throw QIDOError(
                    .malformedQuery, nil,
                    "the query string has a '%' without two hexadecimal digits behind it, or is not UTF-8")
            }
            items.append((name, value))
        }
        return items
    }

    private static func decoded(_ text: Substring.UTF8View) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            index = text.index(after: index)
            switch byte {
            case 0x2B: bytes.append(0x20)
            case 0x25:
                var value: UInt8 = 0
                for _ in 0..<2 {
                    guard index < text.endIndex, let digit = hexadecimalValue(text[index]) else { return nil }
                    value = value << 4 | digit
                    index = text.index(after: index)
                }
                bytes.append(value)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
