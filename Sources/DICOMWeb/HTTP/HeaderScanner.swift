/// Reads the parts of a header field's value (RFC 9110 5.6), byte by byte, leniently where clients are known to be lax.
struct HeaderScanner {
    let bytes: [UInt8]
    var position = 0

    init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    var isAtEnd: Bool { position >= bytes.count }
    var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipWhitespace() {
        while let byte = current, byte == 0x20 || byte == 0x09 { position += 1 }
    }

    /// Takes the byte if it is the next one.
    mutating func take(_ byte: UInt8) -> Bool {
        guard current == byte else { return false }
        position += 1
        return true
    }

    /// The longest run of token characters (RFC 9110 5.6.2); nil when there is none.
    mutating func token() -> String? {
        let start = position
        while let byte = current, Self.isTokenCharacter(byte) { position += 1 }
        return position > start ? String(decoding: bytes[start..<position], as: UTF8.self) : nil
    }

    /// A quoted string's content (RFC 9110 5.6.4), or what stands before the next `;` or `,`, trimmed. The standard asks
    /// for quotation marks around a value like `application/dicom`, and clients leave them out.
    mutating func parameterValue() -> String? {
        guard take(0x22) else {
            let start = position
            while let byte = current, byte != 0x3B, byte != 0x2C, byte != 0x22 { position += 1 }
            var end = position
            while end > start, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
            let value = bytes[start..<end]
            guard !value.isEmpty, value.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
            return String(decoding: value, as: UTF8.self)
        }
        var value: [UInt8] = []
        while let byte = current {
            position += 1
            switch byte {
            case 0x22: return String(decoding: value, as: UTF8.self)
            case 0x5C:
                guard let escaped = current, escaped >= 0x20, escaped != 0x7F else { return nil }
                position += 1
                value.append(escaped)
            case 0..<0x20 where byte != 0x09, 0x7F: return nil
            default: value.append(byte)
            }
        }
        return nil
    }

    /// Goes on to the byte after the next comma that stands outside quotation marks.
    mutating func skipListElement() {
        var quoted = false
        while let byte = current {
            position += 1
            switch byte {
            case 0x5C where quoted: position = min(position + 1, bytes.count)
            case 0x22: quoted.toggle()
            case 0x2C where !quoted: return
            default: break
            }
        }
    }

    static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E: true
        default: false
        }
    }
}
