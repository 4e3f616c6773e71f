/// A time of day to the microsecond, without a zone.
public struct ClockTime: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// From 0 to 86,399,999,999.
    public let microseconds: Int64

    /// Nil when the day has no such microsecond.
    public init?(microseconds: Int64) {
        guard 0..<86_400_000_000 ~= microseconds else { return nil }
        self.microseconds = microseconds
    }

    /// A leap second (60) counts as the last microsecond of the minute: neither database has a 60th second.
    public init?(hour: Int, minute: Int, second: Int, microsecond: Int) {
        guard 0...23 ~= hour, 0...59 ~= minute, 0...60 ~= second, 0...999_999 ~= microsecond else { return nil }
        let leap = second == 60
        microseconds =
            Int64(hour * 3600 + minute * 60 + (leap ? 59 : second)) * 1_000_000
            + (leap ? 999_999 : Int64(microsecond))
    }

    /// Reads `HH:MM:SS` with up to six digits of a second's fraction.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        let colon = UInt8(ascii: ":")
        guard bytes.count >= 8, bytes[2] == colon, bytes[5] == colon, let hour = digits(bytes[0..<2]),
            let minute = digits(bytes[3..<5]), let second = digits(bytes[6..<8])
        else { return nil }
        var microsecond = 0
        if bytes.count > 8 {
            guard bytes[8] == UInt8(ascii: "."), 10...15 ~= bytes.count, let fraction = digits(bytes[9...]) else {
                return nil
            }
            microsecond = fraction
            for _ in bytes.count..<15 { microsecond *= 10 }
        }
        self.init(hour: hour, minute: minute, second: second, microsecond: microsecond)
    }

    /// `HH:MM:SS`, and as many digits of the fraction as it has, as PostgreSQL prints it.
    public var description: String { asciiString { append(to: &$0) } }

    /// `HHMMSS` or `HHMMSS.FFFFFF`, a TM value (PS3.5 6.2).
    public var dicomValue: String { description.filter { $0 != ":" } }

    func append(to bytes: inout [UInt8]) {
        let seconds = Int(microseconds / 1_000_000)
        appendDigits(seconds / 3600, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(seconds / 60 % 60, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(seconds % 60, width: 2, to: &bytes)
        let fraction = Int(microseconds % 1_000_000)
        guard fraction != 0 else { return }
        bytes.append(UInt8(ascii: "."))
        appendDigits(fraction, width: 6, to: &bytes)
        while bytes.last == UInt8(ascii: "0") { bytes.removeLast() }
    }

    public static func < (a: Self, b: Self) -> Bool { a.microseconds < b.microseconds }
}
