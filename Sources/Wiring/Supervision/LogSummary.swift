internal import Synchronization

/// A line of a service's log, for people.
package enum LogSummary {
    /// `09:00:00 storescp  started  port=11111` of a line of JSON; nil when people need not see it.
    package static func text(_ line: [UInt8]) -> String? { summary(line)?.text }

    /// The same, with what its like have in common.
    static func summary(_ line: [UInt8]) -> (text: String, kind: String)? {
        guard let fields = FlatJSON.parse(line) else {
            // Not by our logger: a crash report or a library's own words, whose first lines say what it is.
            let text = String(decoding: line, as: UTF8.self)
            return text.allSatisfy(\.isWhitespace) ? nil : (text, "")
        }
        func value(_ key: String) -> String { fields.first { $0.key == key }?.value ?? "" }
        let level = value("level")
        guard level == "warning" || level == "error" else { return nil }
        let time = value("time").dropFirst(11).prefix(8)
        let service = value("service").hasPrefix("wado-") ? String(value("service").dropFirst(5)) : value("service")
        var text = "\(time) \(service): \(level): \(value("event"))"
        for (key, value) in fields where !["time", "level", "service", "event"].contains(key) {
            text += value.contains(" ") || value.isEmpty ? " \(key)='\(value)'" : " \(key)=\(value)"
        }
        return (text, "\(service) \(level) \(value("event"))")
    }
}

/// Keeps a terminal readable: of one kind of line, the first few in a minute.
package final class RepeatedLines: Sendable {
    private static let limit = 3
    private static let milliseconds = 60_000
    private let seen = Mutex<[String: (count: Int, since: Int)]>([:])

    package init() {}

    /// The line to show, or nil when there were enough of its kind; `now` in milliseconds.
    package func filter(_ line: String, kind: String, now: Int) -> String? {
        seen.withLock { seen in
            if seen.count > 1_000 { seen = [:] }
            var (count, since) = seen[kind] ?? (0, now)
            if now - since > RepeatedLines.milliseconds { (count, since) = (0, now) }
            count += 1
            seen[kind] = (count, since)
            if count < RepeatedLines.limit { return line }
            return count == RepeatedLines.limit ? line + " (more of these are in the log)" : nil
        }
    }
}

/// Objects of texts, numbers and flags in one level, as the logger writes them.
package enum FlatJSON {
    package static func parse(_ bytes: [UInt8]) -> [(key: String, value: String)]? {
        var rest = bytes[...]
        guard rest.popFirst() == UInt8(ascii: "{") else { return nil }
        var fields: [(key: String, value: String)] = []
        while true {
            guard let key = text(&rest), rest.popFirst() == UInt8(ascii: ":") else { return nil }
            let value: String
            if rest.first == UInt8(ascii: "\"") {
                guard let text = text(&rest) else { return nil }
                value = text
            } else {
                let plain = rest.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "}") }
                rest = rest.dropFirst(plain.count)
                value = String(decoding: plain, as: UTF8.self)
            }
            fields.append((key: key, value: value))
            switch rest.popFirst() {
            case UInt8(ascii: ","): continue
            case UInt8(ascii: "}"): return fields
            default: return nil
            }
        }
    }

    private static func text(_ rest: inout ArraySlice<UInt8>) -> String? {
        guard rest.popFirst() == UInt8(ascii: "\"") else { return nil }
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: bytes, as: UTF8.self)
            case UInt8(ascii: "\\"):
                switch rest.popFirst() {
                case UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"): bytes.append(UInt8(ascii: " "))
                case UInt8(ascii: "u"):
                    rest = rest.dropFirst(4)
                    bytes.append(UInt8(ascii: "?"))
                case let other?: bytes.append(other)
                case nil: return nil
                }
            default: bytes.append(byte)
            }
        }
        return nil
    }
}
