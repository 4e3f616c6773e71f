/// Why bytes are not a row's JSON object. It never holds a value.
public struct RowDecodingError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        /// Not JSON, or not one flat object.
        case malformed
        /// A column's value has another type or form than the column.
        case invalid(column: String)
        /// A column that cannot be NULL is absent or null.
        case missing(column: String)
    }

    public let reason: Reason
    /// Where in the bytes, from 0.
    public let byteOffset: Int

    public init(reason: Reason, byteOffset: Int) {
        self.reason = reason
        self.byteOffset = byteOffset
    }

    public var description: String {
        switch reason {
        case .malformed: "not a row's JSON object (byte \(byteOffset))"
        case .invalid(let column): "column \(column) has no valid value (byte \(byteOffset))"
        case .missing(let column): "column \(column) is missing"
        }
    }
}

/// Reads one JSON object of scalars and arrays of scalars, key by key. Values of unknown keys are skipped, whatever they are.
struct JSONRowReader {
    private let bytes: [UInt8]
    private var index = 0
    private var isFirst = true
    private var key = ""

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The next key, or nil when the object has ended and nothing but white space follows.
    mutating func nextKey() throws(RowDecodingError) -> String? {
        skipSpace()
        if isFirst {
            try expect(UInt8(ascii: "{"))
            skipSpace()
        }
        if peek == UInt8(ascii: "}") {
            index += 1
            skipSpace()
            guard index == bytes.count else { throw malformed }
            return nil
        }
        if !isFirst {
            try expect(UInt8(ascii: ","))
            skipSpace()
        }
        isFirst = false
        key = try string()
        skipSpace()
        try expect(UInt8(ascii: ":"))
        skipSpace()
        return key
    }

    mutating func text() throws(RowDecodingError) -> String? {
        if try null() { return nil }
        guard peek == UInt8(ascii: "\"") else { throw invalid }
        return try string()
    }

    mutating func int() throws(RowDecodingError) -> Int32? {
        guard let value = try bigint() else { return nil }
        guard let value = Int32(exactly: value) else { throw invalid }
        return value
    }

    mutating func bigint() throws(RowDecodingError) -> Int64? {
        if try null() { return nil }
        let text = try number()
        if let value = Int64(text) { return value }
        guard let value = Double(text).flatMap(Int64.init(exactly:)) else { throw invalid }
        return value
    }

    mutating func double() throws(RowDecodingError) -> Double? {
        if try null() { return nil }
        guard let value = Double(try number()), value.isFinite else { throw invalid }
        return value
    }

    mutating func date() throws(RowDecodingError) -> CalendarDate? {
        guard let text = try text() else { return nil }
        guard let value = CalendarDate(text) else { throw invalid }
        return value
    }

    mutating func time() throws(RowDecodingError) -> ClockTime? {
        guard let text = try text() else { return nil }
        guard let value = ClockTime(text) else { throw invalid }
        return value
    }

    mutating func timestamp() throws(RowDecodingError) -> Timestamp? {
        guard let text = try text() else { return nil }
        guard let value = Timestamp(text) else { throw invalid }
        return value
    }

    /// Reads each element by `read`.
    mutating func array<Value>(
        _ read: (inout JSONRowReader) throws(RowDecodingError) -> Value?
    ) throws(RowDecodingError) -> [Value?]? {
        if try null() { return nil }
        guard peek == UInt8(ascii: "[") else { throw invalid }
        index += 1
        var values: [Value?] = []
        skipSpace()
        while peek != UInt8(ascii: "]") {
            if !values.isEmpty {
                try expect(UInt8(ascii: ","))
                skipSpace()
            }
            values.append(try read(&self))
            skipSpace()
        }
        index += 1
        return values
    }

    mutating func skip() throws(RowDecodingError) { try skip(depth: 0) }

    func missing(_ column: String) -> RowDecodingError {
        RowDecodingError(reason: .missing(column: column), byteOffset: index)
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }
    private var malformed: RowDecodingError { RowDecodingError(reason: .malformed, byteOffset: index) }
    private var invalid: RowDecodingError {
        RowDecodingError(reason: .invalid(column: key), byteOffset: index)
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private mutating func expect(_ byte: UInt8) throws(RowDecodingError) {
        guard peek == byte else { throw malformed }
        index += 1
    }

    private mutating func word(_ word: StaticString) -> Bool {
        let matches = word.withUTF8Buffer { bytes[index...].starts(with: $0) }
        if matches { index += word.utf8CodeUnitCount }
        return matches
    }

    private mutating func null() throws(RowDecodingError) -> Bool {
        guard peek == UInt8(ascii: "n") else { return false }
        guard word("null") else { throw malformed }
        return true
    }

    private mutating func number() throws(RowDecodingError) -> String {
        let start = index
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
                UInt8(ascii: "e"), UInt8(ascii: "E"):
                index += 1
                continue
            default: break
            }
            break
        }
        guard index > start, index - start <= 400 else { throw invalid }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    private mutating func skip(depth: Int) throws(RowDecodingError) {
        guard depth < 32 else { throw malformed }
        switch peek {
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            let isObject = peek == UInt8(ascii: "{")
            let end = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
            index += 1
            skipSpace()
            if peek == end {
                index += 1
                return
            }
            while true {
                if isObject {
                    _ = try string()
                    skipSpace()
                    try expect(UInt8(ascii: ":"))
                    skipSpace()
                }
                try skip(depth: depth + 1)
                skipSpace()
                if peek == end { break }
                try expect(UInt8(ascii: ","))
                skipSpace()
            }
            index += 1
        case UInt8(ascii: "t"): guard word("true") else { throw malformed }
        case UInt8(ascii: "f"): guard word("false") else { throw malformed }
        case UInt8(ascii: "n"): guard word("null") else { throw malformed }
        default: _ = try number()
        }
    }

    private mutating func string() throws(RowDecodingError) -> String {
        try expect(UInt8(ascii: "\""))
        let start = index
        while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
            guard byte >= 0x20 else { throw malformed }
            index += 1
        }
        guard let stop = peek else { throw malformed }
        if stop == UInt8(ascii: "\"") {
            guard let text = String(validating: bytes[start..<index], as: UTF8.self) else { throw malformed }
            index += 1
            return text
        }
        var unescaped = Array(bytes[start..<index])
        while let byte = peek, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20 else { throw malformed }
            index += 1
            if byte == UInt8(ascii: "\\") { try unescape(into: &unescaped) } else { unescaped.append(byte) }
        }
        try expect(UInt8(ascii: "\""))
        guard let text = String(validating: unescaped, as: UTF8.self) else { throw malformed }
        return text
    }

    private mutating func unescape(into text: inout [UInt8]) throws(RowDecodingError) {
        guard let byte = peek else { throw malformed }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if 0xD800...0xDBFF ~= code {
                guard word("\\u") else { throw malformed }
                let low = try hexadecimal()
                guard 0xDC00...0xDFFF ~= low else { throw malformed }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw malformed }
            text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        default: throw malformed
        }
    }

    private mutating func hexadecimal() throws(RowDecodingError) -> UInt32 {
        guard index + 4 <= bytes.count,
            let code = UInt32(String(decoding: bytes[index..<index + 4], as: UTF8.self), radix: 16),
            bytes[index] != UInt8(ascii: "+"), bytes[index] != UInt8(ascii: "-")
        else { throw malformed }
        index += 4
        return code
    }
}
