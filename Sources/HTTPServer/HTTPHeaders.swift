/// The headers of a request in their order, duplicates kept, in two allocations however many there are.
public struct HTTPHeaders: Sendable {
    var bytes: [UInt8] = []
    var fields: [Field] = []

    struct Field: Sendable {
        var name: Int32
        var value: Int32
        var end: Int32
    }

    public init() {}

    public var count: Int { fields.count }

    public mutating func append(name: String, value: String) {
        var name = name
        var value = value
        name.withUTF8 { name in value.withUTF8 { append(name: name, value: $0) } }
    }

    /// White space behind a value is no part of it (RFC 9110 5.5); that in front the library takes away.
    mutating func append(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) {
        let end = value.lastIndex { $0 != 0x20 && $0 != 0x09 }.map { $0 + 1 } ?? 0
        let value = UnsafeBufferPointer(rebasing: value[..<end])
        let start = bytes.count
        bytes.append(contentsOf: name)
        bytes.append(contentsOf: value)
        fields.append(
            Field(
                name: Int32(truncatingIfNeeded: start), value: Int32(truncatingIfNeeded: start + name.count),
                end: Int32(truncatingIfNeeded: bytes.count)))
    }

    /// The first value under a name, which is compared without regard to case; nil when there is none. Bytes that are
    /// not UTF-8 come as U+FFFD.
    public subscript(name: StaticString) -> String? {
        for field in fields where matches(field, name) { return value(of: field) }
        return nil
    }

    /// All values under a name, joined by commas as RFC 9110 5.3 allows; nil when there is none.
    public func joined(_ name: StaticString) -> String? {
        var result: String?
        for field in fields where matches(field, name) {
            if let first = result {
                result = first + ", " + value(of: field)
            } else {
                result = value(of: field)
            }
        }
        return result
    }

    /// Whether the one field under a name has one of these values, letter by letter; nil when there is no such field.
    public func only(_ name: StaticString, isOneOf values: [StaticString]) -> Bool? {
        var result: Bool?
        for field in fields where matches(field, name) {
            guard result == nil else { return false }
            result = values.contains { value in
                let start = Int(field.value)
                let length = Int(field.end) - start
                return length == value.utf8CodeUnitCount
                    && bytes.withUnsafeBufferPointer { bytes in
                        (0..<length).allSatisfy { bytes[start + $0] == value.utf8Start[$0] }
                    }
            }
        }
        return result
    }

    public func count(of name: StaticString) -> Int {
        var count = 0
        for field in fields where matches(field, name) { count += 1 }
        return count
    }

    private func value(of field: Field) -> String {
        String(decoding: bytes[Int(field.value)..<Int(field.end)], as: UTF8.self)
    }

    func matches(_ field: Field, _ name: StaticString) -> Bool {
        let length = Int(field.value - field.name)
        guard length == name.utf8CodeUnitCount else { return false }
        let start = Int(field.name)
        let pointer = name.utf8Start
        return bytes.withUnsafeBufferPointer { bytes in
            for i in 0..<length where lowercase(bytes[start + i]) != lowercase(pointer[i]) { return false }
            return true
        }
    }
}

/// The lower case of an ASCII letter; any other byte as it is.
func lowercase(_ byte: UInt8) -> UInt8 {
    byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
}
