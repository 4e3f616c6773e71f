internal import Glibc

/// Makes trace ids: UUIDs of version 7 (RFC 9562 5.7), in lower case with hyphens.
public enum TraceID {
    /// - Parameter microseconds: since 1970.
    public static func make(microseconds: Int64) -> String {
        var generator = SystemRandomNumberGenerator()
        return make(microseconds: microseconds, using: &generator)
    }

    /// - Parameters:
    ///   - microseconds: since 1970.
    ///   - generator: gives the random bits, one number for each id.
    public static func make(microseconds: Int64, using generator: inout some RandomNumberGenerator) -> String {
        let milliseconds = UInt64(clamping: microseconds / 1000) & 0xFFFF_FFFF_FFFF
        // The 12 bits after the version: the fraction of the millisecond, so that ids of one process are in order.
        let fraction = UInt64(clamping: microseconds % 1000) * 4096 / 1000
        let high = milliseconds << 16 | 0x7000 | fraction
        let low = generator.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        return String(unsafeUninitializedCapacity: 36) { text in
            var end = 0
            for index in 0..<32 {
                if index == 8 || index == 12 || index == 16 || index == 20 {
                    text[end] = UInt8(ascii: "-")
                    end += 1
                }
                let word = index < 16 ? high : low
                let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (index & 15)) & 15)
                text[end] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
                end += 1
            }
            return end
        }
    }
}
