internal import DICOMCore

/// A day of the Gregorian calendar, from 0001-01-01 to 9999-12-31, what both databases can hold.
public struct CalendarDate: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Days since 1970-01-01, negative before it.
    public let daysSince1970: Int32

    static let firstDay: Int32 = -719_162
    static let lastDay: Int32 = 2_932_896

    /// Nil when there is no such day.
    public init?(year: Int, month: Int, day: Int) {
        guard 1...9999 ~= year, 1...12 ~= month, day >= 1, day <= GregorianCalendar.days(of: month, in: year) else {
            return nil
        }
        let y = month <= 2 ? year - 1 : year
        let era = y / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        daysSince1970 = Int32(era * 146_097 + dayOfEra - 719_468)
    }

    /// Nil outside of the years 1 to 9999.
    public init?(daysSince1970: Int32) {
        guard Self.firstDay...Self.lastDay ~= daysSince1970 else { return nil }
        self.daysSince1970 = daysSince1970
    }

    /// Reads `YYYY-MM-DD`.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            let year = digits(bytes[0..<4]), let month = digits(bytes[5..<7]), let day = digits(bytes[8..<10])
        else { return nil }
        self.init(year: year, month: month, day: day)
    }

    public var components: (year: Int, month: Int, day: Int) {
        let z = Int(daysSince1970) + 719_468
        let era = z / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1
        )
    }

    /// `YYYY-MM-DD`.
    public var description: String { asciiString { append(to: &$0) } }

    /// `YYYYMMDD`, a DA value (PS3.5 6.2).
    public var dicomValue: String {
        let (year, month, day) = components
        return asciiString {
            appendDigits(year, width: 4, to: &$0)
            appendDigits(month, width: 2, to: &$0)
            appendDigits(day, width: 2, to: &$0)
        }
    }

    func append(to bytes: inout [UInt8]) {
        let (year, month, day) = components
        appendDigits(year, width: 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendDigits(month, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendDigits(day, width: 2, to: &bytes)
    }

    public static func < (a: Self, b: Self) -> Bool { a.daysSince1970 < b.daysSince1970 }
}

func appendDigits(_ value: Int, width: Int, to bytes: inout [UInt8]) {
    var scale = 1
    for _ in 1..<max(width, 1) { scale *= 10 }
    while scale > 0 {
        bytes.append(UInt8(ascii: "0") + UInt8(value / scale % 10))
        scale /= 10
    }
}

func asciiString(_ append: (inout [UInt8]) -> Void) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(32)
    append(&bytes)
    return String(decoding: bytes, as: UTF8.self)
}

/// The number that these bytes spell, all digits and at most nine; otherwise nil.
func digits(_ bytes: some Collection<UInt8>) -> Int? {
    guard 1...9 ~= bytes.count else { return nil }
    var value = 0
    for byte in bytes {
        guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte else { return nil }
        value = value * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return value
}
