import CLibPQ

/// The rows of a statement, in binary; owned by the thread that asked.
public final class PostgresResult {
    private let raw: OpaquePointer

    init(owning raw: OpaquePointer) { self.raw = raw }
    deinit { PQclear(raw) }

    public var rowCount: Int { Int(PQntuples(raw)) }
    public var columnCount: Int { Int(PQnfields(raw)) }
    /// Rows that an INSERT, UPDATE or DELETE touched; 0 for others.
    public var affectedRows: Int { Int(String(cString: PQcmdTuples(raw))) ?? 0 }

    /// The type of a column.
    func oid(_ column: Int) -> UInt32 { PQftype(raw, Int32(column)) }

    public func isNull(_ row: Int, _ column: Int) -> Bool { PQgetisnull(raw, Int32(row), Int32(column)) != 0 }

    /// Lends the value's bytes; an empty buffer for NULL.
    public func withBytes<R>(_ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        let length = Int(PQgetlength(raw, Int32(row), Int32(column)))
        return try body(UnsafeRawBufferPointer(start: PQgetvalue(raw, Int32(row), Int32(column)), count: length))
    }

    /// The value of a `text` or `varchar` column; nil for NULL.
    public func string(_ row: Int, _ column: Int) -> String? {
        isNull(row, column) ? nil : withBytes(row, column) { String(decoding: $0, as: UTF8.self) }
    }

    public func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
        isNull(row, column) ? nil : withBytes(row, column) { [UInt8]($0) }
    }

    /// The value of an `int2`, `int4`, `int8`, `date`, `time` or `timestamp` column by its width (dates in days,
    /// timestamps in microseconds, both since 2000-01-01); nil for NULL and other widths.
    public func integer(_ row: Int, _ column: Int) -> Int64? {
        isNull(row, column) ? nil : withBytes(row, column) { $0.postgresInteger }
    }

    public func double(_ row: Int, _ column: Int) -> Double? {
        isNull(row, column) ? nil : withBytes(row, column) { $0.postgresDouble }
    }

    public func bool(_ row: Int, _ column: Int) -> Bool? {
        isNull(row, column) ? nil : withBytes(row, column) { $0.count == 1 && $0[0] != 0 }
    }
}

/// Values in PostgreSQL's binary form.
extension UnsafeRawBufferPointer {
    var postgresInteger: Int64? {
        switch count {
        case 2: Int64(Int16(bigEndian: loadUnaligned(as: Int16.self)))
        case 4: Int64(Int32(bigEndian: loadUnaligned(as: Int32.self)))
        case 8: Int64(bigEndian: loadUnaligned(as: Int64.self))
        default: nil
        }
    }

    var postgresDouble: Double? {
        switch count {
        case 4: Double(Float(bitPattern: UInt32(bigEndian: loadUnaligned(as: UInt32.self))))
        case 8: Double(bitPattern: UInt64(bigEndian: loadUnaligned(as: UInt64.self)))
        default: nil
        }
    }

    /// The elements of an array of one dimension, nil for NULL; none of other arrays.
    var postgresElements: [UnsafeRawBufferPointer?] {
        // Dimensions, flags, type; length and lower bound of the one dimension.
        guard count >= 20, integer(at: 0) == 1 else { return [] }
        var elements: [UnsafeRawBufferPointer?] = []
        var offset = 20
        for _ in 0..<Swift.max(0, integer(at: 12)) {
            guard offset + 4 <= count else { return [] }
            let length = integer(at: offset)
            offset += 4
            guard length >= 0 else {
                elements.append(nil)
                continue
            }
            guard offset + length <= count else { return [] }
            elements.append(UnsafeRawBufferPointer(rebasing: self[offset..<offset + length]))
            offset += length
        }
        return elements
    }

    private func integer(at offset: Int) -> Int {
        Int(Int32(bigEndian: loadUnaligned(fromByteOffset: offset, as: Int32.self)))
    }
}
