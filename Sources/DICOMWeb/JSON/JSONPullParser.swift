/// Reads JSON (RFC 8259) value by value out of a buffer that outlives it; strict, without a model and without recursion
/// of its own.
struct JSONPullParser {
    /// A string's place between its quotation marks.
    struct Text {
        var range: Range<Int>
        var hasEscapes: Bool
    }

    enum Kind {
        case object, array, string, number, bool, null
    }

    let bytes: UnsafeRawBufferPointer
    /// Reading ends before this.
    let end: Int
    private(set) var position: Int

    init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>? = nil) {
        self.bytes = bytes
        position = range?.lowerBound ?? 0
        end = range?.upperBound ?? bytes.count
    }

    func error(_ code: DICOMJSONError.Code) -> DICOMJSONError { DICOMJSONError(code, at: position) }

    private func unexpected() -> DICOMJSONError { error(position < end ? .invalidSyntax : .truncated) }

    @inline(__always)
    private mutating func skipWhitespace() {
        while position < end {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    /// What comes next.
    @inline(__always)
    mutating func kind() throws(DICOMJSONError) -> Kind {
        skipWhitespace()
        guard position < end else { throw error(.truncated) }
        switch bytes[position] {
        case 0x7B: return .object
        case 0x5B: return .array
        case 0x22: return .string
        case 0x2D, 0x30...0x39: return .number
        case 0x74, 0x66: return .bool
        case 0x6E: return .null
        default: throw error(.invalidSyntax)
        }
    }

    @inline(__always)
    private mutating func expect(_ byte: UInt8) throws(DICOMJSONError) {
        skipWhitespace()
        guard position < end, bytes[position] == byte else { throw unexpected() }
        position += 1
    }

    mutating func beginObject() throws(DICOMJSONError) { try expect(0x7B) }
    mutating func beginArray() throws(DICOMJSONError) { try expect(0x5B) }

    /// The next member's name, its colon read; nil at the end of the object, which is read too.
    mutating func nextKey(_ isFirst: inout Bool) throws(DICOMJSONError) -> Text? {
        skipWhitespace()
        guard position < end else { throw error(.truncated) }
        if bytes[position] == 0x7D {
            position += 1
            return nil
        }
        if !isFirst { try expect(0x2C) }
        isFirst = false
        skipWhitespace()
        let key = try text()
        try expect(0x3A)
        return key
    }

    /// Whether the array has another element; its end is read.
    mutating func nextElement(_ isFirst: inout Bool) throws(DICOMJSONError) -> Bool {
        skipWhitespace()
        guard position < end else { throw error(.truncated) }
        if bytes[position] == 0x5D {
            position += 1
            return false
        }
        if !isFirst { try expect(0x2C) }
        isFirst = false
        return true
    }

    /// Nothing but white space is left.
    mutating func expectEnd() throws(DICOMJSONError) {
        skipWhitespace()
        guard position == end else { throw error(.trailingBytes) }
    }

    /// A string; its escapes are checked, not resolved.
    mutating func text() throws(DICOMJSONError) -> Text {
        try expect(0x22)
        let start = position
        var hasEscapes = false
        while position < end {
            switch bytes[position] {
            case 0x22:
                position += 1
                return Text(range: start..<(position - 1), hasEscapes: hasEscapes)
            case 0x5C:
                hasEscapes = true
                guard position + 1 < end else { throw error(.truncated) }
                switch bytes[position + 1] {
                case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: position += 2
                case 0x75:
                    guard position + 6 <= end else { throw error(.truncated) }
                    for index in (position + 2)..<(position + 6) where hexadecimalValue(bytes[index]) == nil {
                        throw error(.invalidSyntax)
                    }
                    position += 6
                default: throw error(.invalidSyntax)
                }
            case 0..<0x20: throw error(.invalidSyntax)
            default: position += 1
            }
        }
        throw error(.truncated)
    }

    /// A number's text.
    mutating func number() throws(DICOMJSONError) -> Range<Int> {
        skipWhitespace()
        let start = position
        if position < end, bytes[position] == 0x2D { position += 1 }
        let integer = position
        guard digits() > 0 else { throw unexpected() }
        guard bytes[integer] != 0x30 || position == integer + 1 else { throw error(.invalidSyntax) }
        if position < end, bytes[position] == 0x2E {
            position += 1
            guard digits() > 0 else { throw unexpected() }
        }
        if position < end, bytes[position] | 0x20 == 0x65 {
            position += 1
            if position < end, bytes[position] == 0x2B || bytes[position] == 0x2D { position += 1 }
            guard digits() > 0 else { throw unexpected() }
        }
        return start..<position
    }

    private mutating func digits() -> Int {
        let start = position
        while position < end, bytes[position] &- 0x30 < 10 { position += 1 }
        return position - start
    }

    mutating func null() throws(DICOMJSONError) { try literal("null") }

    private mutating func literal(_ text: StaticString) throws(DICOMJSONError) {
        for index in 0..<text.utf8CodeUnitCount {
            guard position < end, bytes[position] == text.utf8Start[index] else { throw unexpected() }
            position += 1
        }
    }

    /// Reads over one value of any kind, checking it.
    mutating func skipValue(maximumDepth: Int) throws(DICOMJSONError) {
        // A bit for each open level: 1 for an object.
        var isObject: [Bool] = []
        var isFirst = true
        while true {
            var opened = false
            switch try kind() {
            case .object:
                position += 1
                isObject.append(true)
                opened = true
            case .array:
                position += 1
                isObject.append(false)
                opened = true
            case .string: _ = try text()
            case .number: _ = try number()
            case .bool: try bytes[position] == 0x74 ? literal("true") : literal("false")
            case .null: try null()
            }
            guard isObject.count <= maximumDepth else { throw error(.tooDeep) }
            isFirst = opened
            while let inObject = isObject.last {
                let hasNext: Bool
                if inObject { hasNext = try nextKey(&isFirst) != nil } else { hasNext = try nextElement(&isFirst) }
                if hasNext { break }
                isObject.removeLast()
                isFirst = false
            }
            if isObject.isEmpty { return }
        }
    }

    /// The string's UTF-8, escapes resolved.
    func content(_ text: Text) throws(DICOMJSONError) -> [UInt8] {
        guard text.hasEscapes else { return Array(bytes[text.range]) }
        var result: [UInt8] = []
        result.reserveCapacity(text.range.count)
        var index = text.range.lowerBound
        while index < text.range.upperBound {
            let byte = bytes[index]
            index += 1
            guard byte == 0x5C else {
                result.append(byte)
                continue
            }
            let escape = bytes[index]
            index += 1
            switch escape {
            case 0x62: result.append(0x08)
            case 0x66: result.append(0x0C)
            case 0x6E: result.append(0x0A)
            case 0x72: result.append(0x0D)
            case 0x74: result.append(0x09)
            case 0x75:
                var value = hexadecimal(index)
                index += 4
                if value & 0xFC00 == 0xD800 {
                    guard index + 6 <= text.range.upperBound, bytes[index] == 0x5C, bytes[index + 1] == 0x75 else {
                        throw DICOMJSONError(.invalidText, at: index)
                    }
                    let low = hexadecimal(index + 2)
                    guard low & 0xFC00 == 0xDC00 else { throw DICOMJSONError(.invalidText, at: index) }
                    value = 0x10000 + (value & 0x3FF) << 10 + (low & 0x3FF)
                    index += 6
                }
                guard let scalar = Unicode.Scalar(value) else { throw DICOMJSONError(.invalidText, at: index) }
                result.append(contentsOf: Character(scalar).utf8)
            default: result.append(escape)
            }
        }
        return result
    }

    private func hexadecimal(_ start: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in start..<(start + 4) { value = value << 4 | UInt32(hexadecimalValue(bytes[index]) ?? 0) }
        return value
    }

    /// The string; throws `invalidText` when it is not UTF-8.
    func string(_ text: Text) throws(DICOMJSONError) -> String {
        guard let string = String(validating: try content(text), as: UTF8.self) else {
            throw DICOMJSONError(.invalidText, at: text.range.lowerBound)
        }
        return string
    }

    /// Whether a string without escapes is exactly this.
    func equals(_ text: Text, _ other: StaticString) -> Bool {
        guard !text.hasEscapes, text.range.count == other.utf8CodeUnitCount else { return false }
        for index in 0..<text.range.count where bytes[text.range.lowerBound + index] != other.utf8Start[index] {
            return false
        }
        return true
    }
}
