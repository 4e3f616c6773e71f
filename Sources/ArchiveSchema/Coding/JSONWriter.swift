/// Writes one flat JSON object; every column is there, those without a value as `null`.
struct JSONWriter {
    var bytes: [UInt8] = []
    private var isFirst = true

    init() {}

    mutating func close() {
        if isFirst { bytes.append(UInt8(ascii: "{")) }
        bytes.append(UInt8(ascii: "}"))
    }

    /// - Parameter limit: of characters; nil cuts nothing.
    mutating func text(_ name: StaticString, _ value: String?, limit: Int? = nil) {
        key(name)
        text(value, limit: limit)
    }

    mutating func int(_ name: StaticString, _ value: Int32?) {
        key(name)
        int(value)
    }

    mutating func bigint(_ name: StaticString, _ value: Int64?) {
        key(name)
        bigint(value)
    }

    mutating func double(_ name: StaticString, _ value: Double?) {
        key(name)
        double(value)
    }

    mutating func date(_ name: StaticString, _ value: CalendarDate?) {
        key(name)
        date(value)
    }

    mutating func time(_ name: StaticString, _ value: ClockTime?) {
        key(name)
        time(value)
    }

    mutating func timestamp(_ name: StaticString, _ value: Timestamp?) {
        key(name)
        timestamp(value)
    }

    mutating func array<Value>(
        _ name: StaticString, _ values: [Value?]?, _ write: (inout JSONWriter, Value?) -> Void
    ) {
        key(name)
        guard let values else { return null() }
        bytes.append(UInt8(ascii: "["))
        for (index, value) in values.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            write(&self, value)
        }
        bytes.append(UInt8(ascii: "]"))
    }

    // MARK: Values without a key

    mutating func text(_ value: String?, limit: Int? = nil) {
        guard let value else { return null() }
        value.withLimitedUTF8(limit) { quoted($0) }
    }

    mutating func int(_ value: Int32?) { bigint(value.map(Int64.init)) }

    mutating func bigint(_ value: Int64?) {
        guard let value else { return null() }
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = value.magnitude
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    mutating func double(_ value: Double?) {
        guard let value, value.isFinite else { return null() }
        bytes.append(contentsOf: value.description.utf8)
    }

    mutating func date(_ value: CalendarDate?) {
        guard let value else { return null() }
        quote { value.append(to: &$0) }
    }

    mutating func time(_ value: ClockTime?) {
        guard let value else { return null() }
        quote { value.append(to: &$0) }
    }

    mutating func timestamp(_ value: Timestamp?) {
        guard let value else { return null() }
        quote { value.append(to: &$0) }
    }

    private mutating func key(_ name: StaticString) {
        bytes.append(isFirst ? UInt8(ascii: "{") : UInt8(ascii: ","))
        isFirst = false
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func null() { bytes.append(contentsOf: [0x6E, 0x75, 0x6C, 0x6C]) }

    private mutating func quote(_ append: (inout [UInt8]) -> Void) {
        bytes.append(UInt8(ascii: "\""))
        append(&bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func quoted(_ utf8: UnsafeBufferPointer<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        var start = 0
        for index in 0..<utf8.count {
            let byte = utf8[index]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F else {
                continue
            }
            bytes.append(contentsOf: utf8[start..<index])
            start = index + 1
            escape(byte)
        }
        bytes.append(contentsOf: utf8[start...])
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case UInt8(ascii: "\n"): bytes.append(UInt8(ascii: "n"))
        case UInt8(ascii: "\r"): bytes.append(UInt8(ascii: "r"))
        case UInt8(ascii: "\t"): bytes.append(UInt8(ascii: "t"))
        default:
            bytes.append(contentsOf: Array("u00".utf8))
            for digit in [byte >> 4, byte & 15] {
                bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
    }
}
