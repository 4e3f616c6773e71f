internal import DICOMCore
import DICOMDictionary

/// Dates, times and date-times (PS3.5 6.2) brought to a form whose order as text is their order in time.
struct TemporalValue: Hashable {
    /// The earliest moment that the value can mean; the forms are those of `QIDORange`.
    var lower: String
    /// The latest.
    var upper: String

    /// A query's value: a single one or a range (PS3.4 C.2.2.2.1, C.2.2.2.5); nil when it is neither or is a range whose
    /// lower bound is above its upper.
    static func matching(_ text: String, _ vr: VR) -> QIDOMatch.Matching? {
        var bytes = Array(text.utf8)
        // The `+` of an offset from UTC is often decoded to a space, as in forms.
        if vr == .dt { bytes.replace([0x20], with: [0x2B]) }
        if let value = TemporalValue(bytes[...], vr) {
            return value.lower == value.upper
                ? .single(value.lower) : .range(QIDORange(lower: value.lower, upper: value.upper))
        }
        // In a date-time a hyphen may belong to an offset from UTC, so every hyphen is tried as the range's.
        for (index, byte) in bytes.enumerated() where byte == 0x2D {
            let (left, right) = (bytes[..<index], bytes[(index + 1)...])
            guard !left.isEmpty || !right.isEmpty else { return nil }
            let lower = TemporalValue(left, vr)
            let upper = TemporalValue(right, vr)
            guard lower != nil || left.isEmpty, upper != nil || right.isEmpty else { continue }
            if let lower, let upper, lower.lower > upper.upper { return nil }
            return .range(QIDORange(lower: lower?.lower, upper: upper?.upper))
        }
        return nil
    }

    /// A value as it stands in a data set or a query, padding trimmed; nil when it is not valid. The forms of ACR-NEMA
    /// (`2020.01.31`, `10:20:30`) are read too.
    init?(_ text: ArraySlice<UInt8>, _ vr: VR) {
        switch vr {
        case .da:
            guard let date = Self.date(text), date.count == 8 else { return nil }
            (lower, upper) = (date, date)
        case .tm:
            guard let time = Self.time(text) else { return nil }
            self = time
        case .dt:
            guard let value = Self.dateTime(text) else { return nil }
            self = value
        default: return nil
        }
    }

    private init(lower: String, upper: String) {
        self.lower = lower
        self.upper = upper
    }

    private static func date(_ text: ArraySlice<UInt8>) -> String? {
        var digits = Array(text)
        if digits.count == 10, digits[4] == 0x2E, digits[7] == 0x2E {
            digits.remove(at: 7)
            digits.remove(at: 4)
        }
        guard digits.count == 8, let year = number(digits[..<4]), let month = number(digits[4..<6]),
            let day = number(digits[6...]), (1...12).contains(month),
            (1...GregorianCalendar.days(of: month, in: year)).contains(day)
        else { return nil }
        return String(decoding: digits, as: UTF8.self)
    }

    /// HH[MM[SS[.F{1-6}]]], colons allowed; a leap second counts as the one before it.
    private static func time(_ text: ArraySlice<UInt8>) -> TemporalValue? {
        var digits: [UInt8] = []
        var fraction: [UInt8]?
        for (index, byte) in text.enumerated() {
            if fraction != nil {
                fraction?.append(byte)
            } else if byte == 0x2E {
                fraction = []
            } else if byte != 0x3A || index != 2 && index != 5 {
                digits.append(byte)
            }
        }
        guard digits.count == 2 || digits.count == 4 || digits.count == 6 else { return nil }
        let fields = stride(from: 0, to: digits.count, by: 2).map { number(digits[$0..<($0 + 2)]) }
        for (field, limit) in zip(fields, [23, 59, 60]) {
            guard let field, field <= limit else { return nil }
        }
        if fields.count == 3, fields[2] == 60 { digits.replaceSubrange(4..<6, with: [0x35, 0x39]) }
        if let fraction {
            guard digits.count == 6, (1...6).contains(fraction.count),
                fraction.allSatisfy({ (0x30...0x39).contains($0) })
            else { return nil }
        }
        var lower = digits + Array("000000".utf8.dropFirst(digits.count))
        var upper = digits + Array("235959".utf8.dropFirst(digits.count))
        let decimals = fraction ?? []
        // A time means all that begins with it, the whole hour, minute or second; with a fraction it is that moment.
        let last = Array((fraction == nil ? "999999" : "000000").utf8)
        lower += [0x2E] + decimals + Array("000000".utf8.dropFirst(decimals.count))
        upper += [0x2E] + decimals + last.dropFirst(decimals.count)
        return TemporalValue(
            lower: String(decoding: lower, as: UTF8.self), upper: String(decoding: upper, as: UTF8.self))
    }

    /// YYYY[MM[DD[HH[MM[SS[.F{1-6}]]]]]][&ZZXX]
    private static func dateTime(_ text: ArraySlice<UInt8>) -> TemporalValue? {
        var text = text
        var offset = 0
        if text.count >= 9, let sign = text.dropLast(4).last, sign == 0x2B || sign == 0x2D {
            let digits = text.suffix(4)
            guard let hours = number(digits.prefix(2)), let minutes = number(digits.suffix(2)), hours <= 14,
                minutes < 60
            else { return nil }
            offset = (sign == 0x2D ? -1 : 1) * (hours * 60 + minutes)
            text = text.dropLast(5)
        }
        let datePart = Array(text.prefix(8))
        guard datePart.count >= 4, datePart.count % 2 == 0, let year = number(datePart[..<4]) else { return nil }
        let month = datePart.count >= 6 ? number(datePart[4..<6]) : 1
        guard let month, (1...12).contains(month) else { return nil }
        let day = datePart.count == 8 ? number(datePart[6...]) : 1
        guard let day, (1...GregorianCalendar.days(of: month, in: year)).contains(day) else { return nil }
        let lastMonth = datePart.count >= 6 ? month : 12
        let lastDay = datePart.count == 8 ? day : GregorianCalendar.days(of: lastMonth, in: year)
        var lowerTime = "000000.000000"
        var upperTime = "235959.999999"
        if text.count > 8 {
            guard let time = time(text.dropFirst(8)), !text.contains(0x3A) else { return nil }
            (lowerTime, upperTime) = (time.lower, time.upper)
        }
        guard let lower = moment(year, month, day, lowerTime, offset),
            let upper = moment(year, lastMonth, lastDay, upperTime, offset)
        else { return nil }
        return TemporalValue(lower: lower, upper: upper)
    }

    /// The moment in UTC; nil before year 0 or after 9999.
    private static func moment(_ year: Int, _ month: Int, _ day: Int, _ time: String, _ offset: Int) -> String? {
        var (year, month, day) = (year, month, day)
        let bytes = Array(time.utf8)
        guard let hours = number(bytes[..<2]), let minutes = number(bytes[2..<4]) else { return nil }
        var minute = hours * 60 + minutes - offset
        if minute < 0 {
            minute += 1440
            day -= 1
            if day == 0 {
                month -= 1
                if month == 0 { (year, month) = (year - 1, 12) }
                day = GregorianCalendar.days(of: month, in: year)
            }
        } else if minute >= 1440 {
            minute -= 1440
            day += 1
            if day > GregorianCalendar.days(of: month, in: year) {
                (month, day) = (month + 1, 1)
                if month == 13 { (year, month) = (year + 1, 1) }
            }
        }
        guard (0...9999).contains(year) else { return nil }
        return padded(year, 4) + padded(month, 2) + padded(day, 2) + padded(minute / 60, 2) + padded(minute % 60, 2)
            + time.dropFirst(4)
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            value = value * 10 + Int(digit - 0x30)
        }
        return digits.isEmpty ? nil : value
    }
}
