public import DICOMDictionary

/// Finds attributes in the DICOM JSON object of an instance without building a model of it: where each lies, so that it
/// can be copied into an answer or compared.
///
/// It expects what `DICOMJSON.encode` writes, attributes in ascending order (PS3.18 F.2.2), and stops behind the last
/// wanted one; white space and unknown order cost time only, except that an attribute out of order may be missed. It
/// trusts nothing: any bytes give ranges inside of them, or an error.
public struct JSONInstanceReader: Sendable {
    /// The wanted tags, ascending, each once.
    public let tags: [Tag]
    /// Their eight digits as big-endian numbers, whose order is the tags' order.
    private let keys: [UInt64]

    public init(tags: some Sequence<Tag>) {
        self.tags = Set(tags).sorted()
        keys = self.tags.map(Self.key)
    }

    /// Finds the wanted attributes of one JSON object that fills `json`.
    /// - Parameter found: Receives for each of `tags` where its value, `{"vr":...}`, lies, braces included; empty when the
    ///   object has none. Its storage is used again.
    public func find(in json: RawSpan, _ found: inout [Range<Int>]) throws(DICOMJSONError) {
        // A closure cannot rethrow a typed error through an untyped parameter, so the result is carried out.
        let failure = json.withUnsafeBytes { bytes -> DICOMJSONError? in
            do throws(DICOMJSONError) {
                try find(in: bytes, &found)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    package func find(in bytes: UnsafeRawBufferPointer, _ found: inout [Range<Int>]) throws(DICOMJSONError) {
        found.removeAll(keepingCapacity: true)
        found.append(contentsOf: repeatElement(0..<0, count: keys.count))
        var scanner = JSONScanner(bytes)
        try scanner.begin()
        var cursor = 0
        var previous: UInt64 = 0
        while cursor < keys.count {
            guard let key = try scanner.nextKey() else { return }
            let start = scanner.position
            try scanner.skipObject()
            if key < previous { cursor = keys.firstIndex { $0 >= key } ?? keys.count }
            previous = key
            while cursor < keys.count, keys[cursor] < key { cursor += 1 }
            if cursor < keys.count, keys[cursor] == key {
                found[cursor] = start..<scanner.position
                cursor += 1
            }
        }
    }

    /// Every attribute of the object, in its order: its tag, and where its value lies.
    public static func forEachAttribute(
        in json: RawSpan, _ body: (Tag, Range<Int>) -> Void
    ) throws(DICOMJSONError) {
        let failure = json.withUnsafeBytes { bytes -> DICOMJSONError? in
            do throws(DICOMJSONError) {
                var scanner = JSONScanner(bytes)
                try scanner.begin()
                while let key = try scanner.nextKey() {
                    let start = scanner.position
                    try scanner.skipObject()
                    guard let tag = Self.tag(key) else { throw DICOMJSONError(.invalidTag, at: start) }
                    body(tag, start..<scanner.position)
                }
                try scanner.end()
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    static func key(_ tag: Tag) -> UInt64 {
        var key: UInt64 = 0
        for shift in stride(from: 28, through: 0, by: -4) {
            let digit = UInt64(tag.rawValue >> UInt32(shift) & 15)
            key = key << 8 | (digit < 10 ? 0x30 + digit : 0x37 + digit)
        }
        return key
    }

    private static func tag(_ key: UInt64) -> Tag? {
        var value: UInt32 = 0
        for shift in stride(from: 56, through: 0, by: -8) {
            guard let digit = hexadecimalValue(UInt8(truncatingIfNeeded: key >> UInt64(shift))) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return Tag(value)
    }
}

/// Walks over the attributes of an object. Strings and brackets are matched, what is between them is not looked at.
struct JSONScanner {
    private let base: UnsafeRawPointer
    private let count: Int
    private(set) var position = 0
    private var isFirst = true

    init(_ bytes: UnsafeRawBufferPointer) {
        count = bytes.count
        // An empty buffer may have no address; nothing of it is read.
        base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped
    }

    @inline(__always)
    private func byte(_ index: Int) -> UInt8 { base.load(fromByteOffset: index, as: UInt8.self) }

    private func unexpected() -> DICOMJSONError {
        DICOMJSONError(position < count ? .invalidSyntax : .truncated, at: position)
    }

    @inline(__always)
    private mutating func skipWhitespace() {
        while position < count, byte(position) <= 0x20 { position += 1 }
    }

    @inline(__always)
    private mutating func take(_ expected: UInt8) throws(DICOMJSONError) {
        skipWhitespace()
        guard position < count, byte(position) == expected else { throw unexpected() }
        position += 1
    }

    mutating func begin() throws(DICOMJSONError) { try take(0x7B) }

    mutating func end() throws(DICOMJSONError) {
        skipWhitespace()
        guard position == count else { throw DICOMJSONError(.trailingBytes, at: position) }
    }

    /// The next attribute's eight digits as a big-endian number, its colon read; nil at the object's end.
    @inline(__always)
    mutating func nextKey() throws(DICOMJSONError) -> UInt64? {
        skipWhitespace()
        if position < count, byte(position) == 0x7D {
            position += 1
            return nil
        }
        if !isFirst { try take(0x2C) }
        isFirst = false
        try take(0x22)
        guard position + 9 <= count, byte(position + 8) == 0x22 else {
            throw DICOMJSONError(position + 9 <= count ? .invalidTag : .truncated, at: position)
        }
        let key = UInt64(bigEndian: base.loadUnaligned(fromByteOffset: position, as: UInt64.self))
        position += 9
        try take(0x3A)
        skipWhitespace()
        return key
    }

    /// Goes behind the object that begins here.
    @inline(__always)
    mutating func skipObject() throws(DICOMJSONError) {
        guard position < count, byte(position) == 0x7B else { throw unexpected() }
        var index = position + 1
        var depth = 1
        while index < count {
            let next = byte(index)
            index += 1
            switch next {
            case 0x22:
                index = endOfString(index)
            case 0x7B, 0x5B: depth += 1
            case 0x7D, 0x5D:
                depth -= 1
                if depth == 0 {
                    guard next == 0x7D else { throw DICOMJSONError(.invalidSyntax, at: index - 1) }
                    position = index
                    return
                }
            default: break
            }
        }
        throw DICOMJSONError(.truncated, at: count)
    }

    /// The place behind the quotation mark that ends the string; `count` when there is none.
    @inline(__always)
    private func endOfString(_ start: Int) -> Int {
        var index = start
        while true {
            // Eight bytes at once: a byte that is zero after the exclusive or is the one looked for.
            while index + 8 <= count {
                let word = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                let quote = word ^ 0x2222_2222_2222_2222
                let escape = word ^ 0x5C5C_5C5C_5C5C_5C5C
                let found =
                    ((quote &- 0x0101_0101_0101_0101) & ~quote | (escape &- 0x0101_0101_0101_0101) & ~escape)
                    & 0x8080_8080_8080_8080
                guard found == 0 else {
                    index += found.trailingZeroBitCount >> 3
                    break
                }
                index += 8
            }
            guard index < count else { return count }
            switch byte(index) {
            case 0x22: return index + 1
            case 0x5C: index = min(index + 2, count)
            default: index += 1
            }
        }
    }
}
