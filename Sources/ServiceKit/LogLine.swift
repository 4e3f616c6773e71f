/// The bytes of one line of the log.
package enum LogLine {
    /// The longest line, `PIPE_BUF` of Linux.
    package static let limit = 4096
    /// The longest text of a field, in bytes of UTF-8.
    package static let textLimit = 1024

    package static func encode(
        seconds: Int, nanoseconds: Int, level: Logger.Level, service: String, event: String, fields: Logger.Fields
    ) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(256)
        line.append(contentsOf: #"{"time":""#.utf8)
        line.append(contentsOf: UTCTime.text(seconds: seconds, nanoseconds: nanoseconds).utf8)
        line.append(contentsOf: #"","level":""#.utf8)
        line.append(contentsOf: level.name.utf8)
        line.append(contentsOf: #"","service":"#.utf8)
        appendText(service, to: &line)
        line.append(contentsOf: #","event":"#.utf8)
        appendText(event, to: &line)
        let tail = #","truncated":true}"# + "\n"
        for (key, value) in fields.pairs {
            let mark = line.count
            line.append(UInt8(ascii: ","))
            appendText(key, to: &line)
            line.append(UInt8(ascii: ":"))
            switch value {
            case .string(let text): appendText(text, to: &line)
            case .int(let number): line.append(contentsOf: String(number).utf8)
            case .double(let number):
                line.append(contentsOf: (number.isFinite ? String(number) : "null").utf8)
            case .bool(let flag): line.append(contentsOf: (flag ? "true" : "false").utf8)
            }
            if line.count > limit - tail.utf8.count {
                line.removeSubrange(mark...)
                line.append(contentsOf: tail.utf8)
                return line
            }
        }
        line.append(UInt8(ascii: "}"))
        line.append(UInt8(ascii: "\n"))
        return line
    }

    private static func appendText(_ text: String, to line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        var count = 0
        for scalar in text.unicodeScalars {
            count += UTF8.width(scalar)
            if count > textLimit { break }
            switch scalar {
            case "\"": line.append(contentsOf: #"\""#.utf8)
            case "\\": line.append(contentsOf: #"\\"#.utf8)
            case "\n": line.append(contentsOf: #"\n"#.utf8)
            case "\r": line.append(contentsOf: #"\r"#.utf8)
            case "\t": line.append(contentsOf: #"\t"#.utf8)
            case "\u{0}"..<" ", "\u{7F}":
                line.append(contentsOf: #"\u00"#.utf8)
                line.append(hexadecimal(UInt8(scalar.value) >> 4))
                line.append(hexadecimal(UInt8(scalar.value) & 15))
            default: line.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        line.append(UInt8(ascii: "\""))
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
}

/// Times as text, without a calendar library.
package enum UTCTime {
    /// `2026-01-31T09:00:00.123Z` of seconds since 1970.
    package static func text(seconds: Int, nanoseconds: Int) -> String {
        let (days, second) = (floorDivide(seconds, 86_400), floorRemainder(seconds, 86_400))
        let date = civil(days: days)
        let milliseconds = nanoseconds / 1_000_000
        return "\(pad(date.year, 4))-\(pad(date.month, 2))-\(pad(date.day, 2))T\(pad(second / 3600, 2)):"
            + "\(pad(second / 60 % 60, 2)):\(pad(second % 60, 2)).\(pad(milliseconds, 3))Z"
    }

    /// The Gregorian date of a number of days since 1970-01-01.
    package static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        )
    }

    private static func floorDivide(_ value: Int, _ divisor: Int) -> Int {
        value >= 0 ? value / divisor : -((divisor - 1 - value) / divisor)
    }

    private static func floorRemainder(_ value: Int, _ divisor: Int) -> Int {
        value - floorDivide(value, divisor) * divisor
    }

    private static func pad(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}
