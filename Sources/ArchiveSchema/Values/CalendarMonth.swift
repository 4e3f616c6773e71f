/// A month of UTC, from January of the year 1 on.
public struct CalendarMonth: Comparable, Sendable {
    /// Months since the year 0.
    private let count: Int

    private init(count: Int) { self.count = Swift.max(12, count) }

    /// The month of a moment.
    public init(_ time: Timestamp) {
        let (year, month, _) = time.date.components
        self.init(count: year * 12 + month - 1)
    }

    /// Reads `202611`.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 6, let year = digits(bytes[..<4]), let month = digits(bytes[4...]),
            year > 0, 1...12 ~= month
        else { return nil }
        self.init(count: year * 12 + month - 1)
    }

    public func advanced(by months: Int) -> CalendarMonth { CalendarMonth(count: count + months) }
    public var next: CalendarMonth { advanced(by: 1) }

    /// `202611`.
    public var name: String { asciiString { append(separator: nil, to: &$0) } }

    /// Its first moment as a literal of SQL: `'2026-11-01 00:00:00+00'`.
    public var start: String { "'\(asciiString { append(separator: UInt8(ascii: "-"), to: &$0) })-01 00:00:00+00'" }

    private func append(separator: UInt8?, to bytes: inout [UInt8]) {
        appendDigits(count / 12, width: 4, to: &bytes)
        if let separator { bytes.append(separator) }
        appendDigits(count % 12 + 1, width: 2, to: &bytes)
    }

    public static func < (a: CalendarMonth, b: CalendarMonth) -> Bool { a.count < b.count }
}
