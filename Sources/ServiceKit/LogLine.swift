internal import Glibc

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

/// Times as text.
package enum UTCTime {
    /// `2026-01-31T09:00:00.123Z` of seconds since 1970.
    package static func text(seconds: Int, nanoseconds: Int) -> String {
        var time = seconds
        var parts = tm()
        gmtime_r(&time, &parts)
        let date = "\(pad(Int(parts.tm_year) + 1900, 4))-\(pad(Int(parts.tm_mon) + 1, 2))-\(pad(Int(parts.tm_mday), 2))"
        let clock = "\(pad(Int(parts.tm_hour), 2)):\(pad(Int(parts.tm_min), 2)):\(pad(Int(parts.tm_sec), 2))"
        return "\(date)T\(clock).\(pad(nanoseconds / 1_000_000, 3))Z"
    }

    private static func pad(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}
