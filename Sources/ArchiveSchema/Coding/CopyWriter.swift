/// Writes tuples of PostgreSQL's binary COPY format: a field count, then for each field a length and its bytes in
/// network order. The file's header and trailer are not its matter.
struct CopyWriter {
    var bytes: [UInt8] = []

    /// NULLs written so far.
    private var nulls = 0

    mutating func begin(fields: Int16) { append(UInt16(bitPattern: fields)) }

    /// - Parameter limit: of characters; nil cuts nothing, and leaves a NUL for PostgreSQL to refuse.
    mutating func text(_ value: String?, limit: Int? = nil) {
        guard let value else { return null() }
        value.withLimitedUTF8(limit) { utf8 in
            append(UInt32(utf8.count))
            bytes.append(contentsOf: utf8)
        }
    }

    mutating func int(_ value: Int32?) {
        guard let value else { return null() }
        append(4 as UInt32)
        append(UInt32(bitPattern: value))
    }

    mutating func bigint(_ value: Int64?) {
        guard let value else { return null() }
        append(8 as UInt32)
        append(UInt64(bitPattern: value))
    }

    mutating func double(_ value: Double?) {
        guard let value, value.isFinite else { return null() }
        append(8 as UInt32)
        append(value.bitPattern)
    }

    mutating func date(_ value: CalendarDate?) {
        int(value.map { $0.daysSince1970 - CopyFormat.epochDays })
    }

    mutating func time(_ value: ClockTime?) { bigint(value?.microseconds) }

    mutating func timestamp(_ value: Timestamp?) {
        bigint(value.map { $0.microsecondsSince1970 - CopyFormat.epochMicroseconds })
    }

    /// An array of one dimension: dimensions, whether it has NULLs, type, length and lower bound, then the elements as
    /// fields. The same bytes as the server sends.
    mutating func array<Value>(
        _ values: [Value?]?, of type: ColumnType, _ write: (inout CopyWriter, Value?) -> Void
    ) {
        guard let values else { return null() }
        let start = bytes.count
        append(0 as UInt32)
        append(values.isEmpty ? 0 : 1 as UInt32)
        append(0 as UInt32)
        append(type.postgresOID)
        if !values.isEmpty {
            append(UInt32(values.count))
            append(1 as UInt32)
        }
        let others = nulls
        for value in values { write(&self, value) }
        replace(at: start, UInt32(bytes.count - start - 4))
        if nulls > others { replace(at: start + 8, 1) }
    }

    private mutating func null() {
        nulls += 1
        append(UInt32.max)
    }

    private mutating func replace(at index: Int, _ value: UInt32) {
        withUnsafeBytes(of: value.bigEndian) { bytes.replaceSubrange(index..<index + 4, with: $0) }
    }

    private mutating func append<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}

/// PostgreSQL's binary format, as COPY has it.
public enum CopyFormat {
    /// Days from 1970 to PostgreSQL's epoch, 2000-01-01.
    public static let epochDays: Int32 = 10_957
    /// The same in microseconds.
    public static let epochMicroseconds: Int64 = 946_684_800_000_000

    /// Signature, flags and extension length.
    public static let header: [UInt8] =
        Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00] + [0, 0, 0, 0] + [0, 0, 0, 0]
    public static let trailer: [UInt8] = [0xFF, 0xFF]
}
