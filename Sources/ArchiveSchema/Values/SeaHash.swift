/// SeaHash (its reference implementation, with the default seeds): a fast, portable hash of 64 bits, not for security.
public enum SeaHash {
    /// The hash of the bytes.
    public static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var state: (UInt64, UInt64, UInt64, UInt64) = (
            0x16f1_1fe8_9b0d_677c, 0xb480_a793_d8e6_c86c, 0x6fe2_e5aa_f078_ebc9, 0x14f9_94a4_c525_9381
        )
        var word: UInt64 = 0
        var count: UInt64 = 0
        for byte in bytes {
            word |= UInt64(byte) << (8 * (count & 7))
            count += 1
            if count & 7 == 0 {
                state = (state.1, state.2, state.3, diffuse(state.0 ^ word))
                word = 0
            }
        }
        if count & 7 != 0 { state = (state.1, state.2, state.3, diffuse(state.0 ^ word)) }
        return diffuse(state.0 ^ state.1 ^ state.2 ^ state.3 ^ count)
    }

    /// The hash of the text's UTF-8 in decimal, padded with zeros to 20 digits: a column `..._uid_hash`.
    public static func decimal(_ text: String) -> String {
        var text = text
        return decimal(text.withUTF8 { hash($0) })
    }

    /// The hash of the bytes in decimal, padded with zeros to 20 digits.
    public static func decimal(_ bytes: [UInt8]) -> String { decimal(hash(bytes)) }

    private static func decimal(_ hash: UInt64) -> String {
        var value = hash
        return String(unsafeUninitializedCapacity: 20) { buffer in
            for index in stride(from: 19, through: 0, by: -1) {
                buffer[index] = UInt8(ascii: "0") + UInt8(value % 10)
                value /= 10
            }
            return 20
        }
    }

    private static func diffuse(_ value: UInt64) -> UInt64 {
        var x = value &* 0x6eed_0e9d_a4d9_4a4f
        x ^= (x >> 32) >> (x >> 60)
        return x &* 0x6eed_0e9d_a4d9_4a4f
    }
}
