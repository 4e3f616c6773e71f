internal import DICOMDictionary

/// What a rule makes of a value's bytes.
package enum Ruled<Value: Sendable>: Sendable {
    case value(Value)
    /// Nothing but padding.
    case empty
    case broken(ValueRule)

    @inline(__always) func map<Other: Sendable>(_ transform: (Value) -> Ruled<Other>) -> Ruled<Other> {
        switch self {
        case .value(let value): transform(value)
        case .empty: .empty
        case .broken(let rule): .broken(rule)
        }
    }
}

/// One rule for each VR that is text (PS3.5 6.2): what is taken, and what it becomes. docs/types.md has the table.
/// Each takes one value, without the backslashes between values.
package enum ValueRules {
    package typealias Bytes = UnsafeRawBufferPointer

    /// Without spaces and NULs at both ends.
    @inline(__always) static func trimmed(_ bytes: Bytes) -> Bytes {
        var start = 0
        var end = bytes.count
        while end > start, bytes[end - 1] == 0x20 || bytes[end - 1] == 0 { end -= 1 }
        while start < end, bytes[start] == 0x20 || bytes[start] == 0 { start += 1 }
        return Bytes(rebasing: bytes[start..<end])
    }

    /// The value at this index, or the only one when the index is nil.
    static func pick(_ index: Int?, _ bytes: Bytes) -> Ruled<Range<Int>> {
        let backslash = UInt8(ascii: "\\")
        guard let index else {
            return bytes.contains(backslash) ? .broken(.tooManyValues) : .value(0..<bytes.count)
        }
        var start = 0
        var left = index
        for position in 0..<bytes.count where bytes[position] == backslash {
            if left == 0 { return .value(start..<position) }
            left -= 1
            start = position + 1
        }
        return left == 0 ? .value(start..<bytes.count) : .empty
    }

    /// DA: `YYYYMMDD`; `YYYY.MM.DD` of ACR-NEMA and `YYYY-MM-DD` are taken too.
    package static func date(_ value: Bytes) -> Ruled<CalendarDate> {
        let bytes = trimmed(value)
        if bytes.isEmpty { return .empty }
        let step = bytes.count == 8 ? 0 : 1
        if bytes.count == 10 {
            guard bytes[4] == bytes[7], bytes[4] == UInt8(ascii: ".") || bytes[4] == UInt8(ascii: "-") else {
                return .broken(.notADate)
            }
        } else if bytes.count != 8 {
            return .broken(.notADate)
        }
        guard let year = number(bytes, 0, 4), let month = number(bytes, 4 + step, 2),
            let day = number(bytes, 6 + 2 * step, 2), let date = CalendarDate(year: year, month: month, day: day)
        else { return .broken(.notADate) }
        return .value(date)
    }

    /// TM: `HH`, `HHMM`, `HHMMSS`, `HHMMSS.F` with any number of digits, of which six count; colons between are taken.
    package static func time(_ value: Bytes) -> Ruled<ClockTime> {
        let bytes = trimmed(value)
        if bytes.isEmpty { return .empty }
        guard let (time, end) = clock(bytes, 0), end == bytes.count else { return .broken(.notATime) }
        return .value(time)
    }

    /// DT: `YYYYMMDDHHMMSS.FFFFFF&ZZXX`, any part after the year left out, which then counts as its lowest. With an
    /// offset it becomes UTC; without one it counts as UTC.
    package static func timestamp(_ value: Bytes) -> Ruled<Timestamp> {
        let bytes = trimmed(value)
        if bytes.isEmpty { return .empty }
        var end = bytes.count
        var offset: Int64 = 0
        if let sign = bytes.indices.last(where: { bytes[$0] == UInt8(ascii: "+") || bytes[$0] == UInt8(ascii: "-") }) {
            guard end - sign == 5, let hours = number(bytes, sign + 1, 2), let minutes = number(bytes, sign + 3, 2),
                hours <= 14, minutes <= 59
            else { return .broken(.notADateTime) }
            offset = Int64(hours * 60 + minutes) * (bytes[sign] == UInt8(ascii: "-") ? -60_000_000 : 60_000_000)
            end = sign
        }
        let month = end >= 6 ? number(bytes, 4, 2) : 1
        let day = end >= 8 ? number(bytes, 6, 2) : 1
        guard end == 4 || end == 6 || end >= 8, let year = number(bytes, 0, 4), let month, let day,
            let date = CalendarDate(year: year, month: month, day: day)
        else { return .broken(.notADateTime) }
        var micros: Int64 = 0
        if end > 8 {
            guard let (time, stop) = clock(Bytes(rebasing: bytes[..<end]), 8), stop == end else {
                return .broken(.notADateTime)
            }
            micros = time.microseconds
        }
        let moment = Int64(date.daysSince1970) * 86_400_000_000 + micros - offset
        guard Timestamp.range.contains(moment) else { return .broken(.outOfRange) }
        return .value(Timestamp(microsecondsSince1970: moment))
    }

    /// AS: up to three digits and one of D, W, M, Y; it becomes three digits and a capital.
    package static func age(_ value: Bytes) -> Ruled<String> {
        let bytes = trimmed(value)
        if bytes.isEmpty { return .empty }
        let unit = bytes[bytes.count - 1] & 0xDF
        guard 2...4 ~= bytes.count, let age = number(bytes, 0, bytes.count - 1),
            unit == UInt8(ascii: "D") || unit == UInt8(ascii: "W") || unit == UInt8(ascii: "M")
                || unit == UInt8(ascii: "Y")
        else { return .broken(.notAnAge) }
        return .value(
            asciiString {
                appendDigits(age, width: 3, to: &$0)
                $0.append(unit)
            })
    }

    /// UI (`UIDRule`).
    package static func uid(_ value: Bytes) -> Ruled<String> {
        let bytes = trimmed(value)
        if bytes.isEmpty { return .empty }
        return UIDRule.isUID(bytes) ? .value(String(decoding: bytes, as: UTF8.self)) : .broken(.notAUID)
    }

    /// IS: a sign and digits; a fraction of zeros is taken.
    package static func integer(_ value: Bytes) -> Ruled<Int64> {
        let bytes = trimmed(value)
        if bytes.isEmpty { return .empty }
        var index = 0
        let isNegative = bytes[0] == UInt8(ascii: "-")
        if isNegative || bytes[0] == UInt8(ascii: "+") { index = 1 }
        let start = index
        var result: Int64 = 0
        var overflows = false
        while index < bytes.count, isDigit(bytes[index]) {
            let digit = Int64(bytes[index] - UInt8(ascii: "0"))
            let (product, tooLarge) = result.multipliedReportingOverflow(by: 10)
            let (sum, stillTooLarge) = product.subtractingReportingOverflow(digit)
            overflows = overflows || tooLarge || stillTooLarge
            result = sum
            index += 1
        }
        guard index > start else { return .broken(.notANumber) }
        if index < bytes.count {
            guard bytes[index] == UInt8(ascii: "."), bytes[(index + 1)...].allSatisfy({ $0 == UInt8(ascii: "0") })
            else { return .broken(.notANumber) }
        }
        // Summed up below zero, where there is one number more.
        if overflows || !isNegative && result == .min { return .broken(.outOfRange) }
        return .value(isNegative ? result : -result)
    }

    /// DS: a decimal number; more than 16 characters are taken.
    package static func decimal(_ value: Bytes) -> Ruled<Double> {
        let bytes = trimmed(value)
        if bytes.isEmpty { return .empty }
        var index = 0
        let isNegative = bytes[0] == UInt8(ascii: "-")
        if isNegative || bytes[0] == UInt8(ascii: "+") { index = 1 }
        var mantissa: UInt64 = 0
        var count = 0
        var scale = 0
        var digits = 0
        var sawPoint = false
        while index < bytes.count {
            let byte = bytes[index]
            if isDigit(byte) {
                digits += 1
                if count < 19 {
                    mantissa = mantissa * 10 + UInt64(byte - UInt8(ascii: "0"))
                    if mantissa > 0 { count += 1 }
                    if sawPoint { scale -= 1 }
                } else {
                    count += 1
                }
            } else if byte == UInt8(ascii: "."), !sawPoint {
                sawPoint = true
            } else {
                break
            }
            index += 1
        }
        guard digits > 0 else { return .broken(isNamedNotFinite(bytes) ? .notFinite : .notANumber) }
        if index < bytes.count {
            guard bytes[index] & 0xDF == UInt8(ascii: "E") else { return .broken(.notANumber) }
            index += 1
            var sign = 1
            if index < bytes.count, bytes[index] == UInt8(ascii: "-") || bytes[index] == UInt8(ascii: "+") {
                sign = bytes[index] == UInt8(ascii: "-") ? -1 : 1
                index += 1
            }
            guard index < bytes.count else { return .broken(.notANumber) }
            var exponent = 0
            while index < bytes.count {
                guard isDigit(bytes[index]) else { return .broken(.notANumber) }
                exponent = min(exponent * 10 + Int(bytes[index] - UInt8(ascii: "0")), 100_000)
                index += 1
            }
            scale += sign * exponent
        }
        // A mantissa below 2^53 and a power of ten up to 10^22 are exact, and so one operation rounds correctly.
        if count < 19, mantissa < 1 << 53, -22...22 ~= scale {
            let value = scale < 0 ? Double(mantissa) / powers[-scale] : Double(mantissa) * powers[scale]
            return .value(isNegative ? -value : value)
        }
        guard bytes.count <= 1024, let value = Double(String(decoding: bytes, as: UTF8.self)) else {
            return .broken(.notANumber)
        }
        return value.isFinite ? .value(value) : .broken(.outOfRange)
    }

    private static let powers: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    private static func isNamedNotFinite(_ bytes: Bytes) -> Bool {
        guard bytes.count <= 9 else { return false }
        let word = String(decoding: bytes, as: UTF8.self).lowercased().drop { $0 == "+" || $0 == "-" }
        return ["nan", "inf", "infinity"].contains(word)
    }

    @inline(__always) private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    private static func number(_ bytes: Bytes, _ start: Int, _ count: Int) -> Int? {
        guard start + count <= bytes.count else { return nil }
        var value = 0
        for index in start..<start + count {
            guard isDigit(bytes[index]) else { return nil }
            value = value * 10 + Int(bytes[index] - UInt8(ascii: "0"))
        }
        return value
    }

    /// Hour, minute, second and fraction from `start`; where it ended.
    private static func clock(_ bytes: Bytes, _ start: Int) -> (ClockTime, Int)? {
        guard let hour = number(bytes, start, 2) else { return nil }
        var end = start + 2
        let hasColons = end < bytes.count && bytes[end] == UInt8(ascii: ":")
        var parts = [0, 0]
        for part in 0..<2 where end < bytes.count && bytes[end] != UInt8(ascii: ".") {
            if hasColons {
                guard bytes[end] == UInt8(ascii: ":") else { return nil }
                end += 1
            }
            guard let value = number(bytes, end, 2) else { return nil }
            parts[part] = value
            end += 2
        }
        var microsecond = 0
        if end < bytes.count, bytes[end] == UInt8(ascii: "."), end == start + (hasColons ? 8 : 6) {
            end += 1
            let first = end
            while end < bytes.count, isDigit(bytes[end]) {
                if end - first < 6 { microsecond = microsecond * 10 + Int(bytes[end] - UInt8(ascii: "0")) }
                end += 1
            }
            guard end > first else { return nil }
            for _ in (end - first)..<max(6, end - first) { microsecond *= 10 }
        }
        return ClockTime(hour: hour, minute: parts[0], second: parts[1], microsecond: microsecond).map { ($0, end) }
    }
}
