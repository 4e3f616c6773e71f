internal import ArchiveSchema

/// A parameter of a statement, sent in binary.
public enum PostgresValue: Sendable {
    case null
    case bool(Bool)
    case int4(Int32)
    case int8(Int64)
    case float8(Double)
    case text(String)
    /// `text` as UTF-8 bytes; a NUL byte is refused by the server.
    case utf8([UInt8])
    case bytea([UInt8])
    /// Days since 2000-01-01.
    case date(days: Int32)
    /// Microseconds since midnight.
    case time(microseconds: Int64)
    /// Microseconds since 2000-01-01, UTC; `timestamp with time zone`.
    case timestamp(microseconds: Int64)
    case int4Array([Int32])
    case int8Array([Int64])
    case textArray([String])
    case byteaArray([[UInt8]])

    var oid: UInt32 {
        switch self {
        case .null: 0
        case .bool: 16
        case .int4: 23
        case .int8: 20
        case .float8: 701
        case .text, .utf8: 25
        case .bytea: 17
        case .date: 1082
        case .time: 1083
        case .timestamp: 1184
        case .int4Array: 1007
        case .int8Array: 1016
        case .textArray: 1009
        case .byteaArray: 1001
        }
    }

    /// Appends the binary form; nothing for NULL.
    func encode(into out: inout [UInt8]) {
        switch self {
        case .null: break
        case .bool(let value): out.append(value ? 1 : 0)
        case .int4(let value), .date(days: let value): out.append(bigEndian: value)
        case .int8(let value), .time(microseconds: let value), .timestamp(microseconds: let value):
            out.append(bigEndian: value)
        case .float8(let value): out.append(bigEndian: value.bitPattern)
        case .text(let value): out.append(contentsOf: value.utf8)
        case .utf8(let value), .bytea(let value): out.append(contentsOf: value)
        case .int4Array(let values):
            Self.arrayHeader(count: values.count, oid: 23, into: &out)
            for value in values {
                out.append(bigEndian: Int32(4))
                out.append(bigEndian: value)
            }
        case .int8Array(let values):
            Self.arrayHeader(count: values.count, oid: 20, into: &out)
            for value in values {
                out.append(bigEndian: Int32(8))
                out.append(bigEndian: value)
            }
        case .textArray(let values):
            Self.arrayHeader(count: values.count, oid: 25, into: &out)
            for value in values {
                out.append(bigEndian: Int32(truncatingIfNeeded: value.utf8.count))
                out.append(contentsOf: value.utf8)
            }
        case .byteaArray(let values):
            Self.arrayHeader(count: values.count, oid: 17, into: &out)
            for value in values {
                out.append(bigEndian: Int32(truncatingIfNeeded: value.count))
                out.append(contentsOf: value)
            }
        }
    }

    private static func arrayHeader(count: Int, oid: UInt32, into out: inout [UInt8]) {
        out.append(bigEndian: Int32(count == 0 ? 0 : 1))
        out.append(bigEndian: Int32(0))
        out.append(bigEndian: oid)
        if count > 0 {
            out.append(bigEndian: Int32(truncatingIfNeeded: count))
            out.append(bigEndian: Int32(1))
        }
    }
}

extension [UInt8] {
    @inline(__always)
    mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}
