import Glibc

/// A moment in UTC to the microsecond, in the years 1 to 9999.
public struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let microsecondsSince1970: Int64

    static let range: ClosedRange<Int64> = -62_135_596_800_000_000...253_402_300_799_999_999

    /// Moments outside of the years 1 to 9999 become the nearest one inside.
    public init(microsecondsSince1970: Int64) {
        self.microsecondsSince1970 = min(max(microsecondsSince1970, Self.range.lowerBound), Self.range.upperBound)
    }

    public init(_ date: CalendarDate, _ time: ClockTime) {
        microsecondsSince1970 = Int64(date.daysSince1970) * 86_400_000_000 + time.microseconds
    }

    /// Reads `YYYY-MM-DD HH:MM:SS[.ffffff]`, UTC; a `T` between and a `Z` behind are taken too.
    public init?(_ text: String) {
        var bytes = Array(text.utf8)
        if bytes.last == UInt8(ascii: "Z") { bytes.removeLast() }
        guard bytes.count >= 19, bytes[10] == UInt8(ascii: " ") || bytes[10] == UInt8(ascii: "T"),
            let date = CalendarDate(String(decoding: bytes[0..<10], as: UTF8.self)),
            let time = ClockTime(String(decoding: bytes[11...], as: UTF8.self))
        else { return nil }
        self.init(date, time)
    }

    /// The moment by the system's clock.
    public static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microsecondsSince1970: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    public var date: CalendarDate {
        let (days, _) = parts
        return CalendarDate(daysSince1970: days) ?? CalendarDate.epoch
    }

    /// `YYYY-MM-DD HH:MM:SS.ffffff`, always six digits, UTC: what both databases read.
    public var description: String { asciiString { append(to: &$0) } }

    func append(to bytes: inout [UInt8]) {
        let (_, rest) = parts
        date.append(to: &bytes)
        bytes.append(UInt8(ascii: " "))
        let seconds = Int(rest / 1_000_000)
        appendDigits(seconds / 3600, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(seconds / 60 % 60, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(seconds % 60, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        appendDigits(Int(rest % 1_000_000), width: 6, to: &bytes)
    }

    private var parts: (days: Int32, microseconds: Int64) {
        let day: Int64 = 86_400_000_000
        var days = microsecondsSince1970 / day
        var rest = microsecondsSince1970 % day
        if rest < 0 { (days, rest) = (days - 1, rest + day) }
        return (Int32(days), rest)
    }

    public static func < (a: Self, b: Self) -> Bool { a.microsecondsSince1970 < b.microsecondsSince1970 }
}

extension CalendarDate {
    /// 1970-01-01.
    public static let epoch = CalendarDate(unchecked: 0)

    private init(unchecked days: Int32) { daysSince1970 = days }
}
