/// The characters of a coding, asked once from the C library's `iconv` and kept: decoding is then a lookup, without
/// locks or allocations. Immutable.
final class CharacterTable: Sendable {
    /// Stands for a byte, or a pair, that is no character.
    static let invalid: UInt16 = 0xFFFD

    /// By byte, from 80.
    private let single: [UInt16]
    /// By lead byte from 81 and trail byte from 40; empty for codings of one byte.
    private let double: [UInt16]

    private static let trailCount = 0xFF - 0x40

    private static let latin1 = CharacterTable(.latin1)
    private static let latin2 = CharacterTable(.latin2)
    private static let latin3 = CharacterTable(.latin3)
    private static let latin4 = CharacterTable(.latin4)
    private static let cyrillic = CharacterTable(.cyrillic)
    private static let arabic = CharacterTable(.arabic)
    private static let greek = CharacterTable(.greek)
    private static let hebrew = CharacterTable(.hebrew)
    private static let latin5 = CharacterTable(.latin5)
    private static let latin9 = CharacterTable(.latin9)
    private static let thai = CharacterTable(.thai)
    private static let katakana = CharacterTable(.katakana)
    private static let gbk = CharacterTable(.gbk)
    private static let gb18030 = CharacterTable(.gb18030)
    private static let jisX0208 = CharacterTable(.jisX0208)
    private static let jisX0212 = CharacterTable(.jisX0212)
    private static let ksX1001 = CharacterTable(.ksX1001)
    private static let gb2312 = CharacterTable(.gb2312)

    /// Each is made at its first use: 0.1 ms for one byte a character, some ms for two.
    static func of(_ coding: CharacterCoding) -> CharacterTable {
        switch coding {
        case .ascii, .utf8, .latin1: latin1
        case .latin2: latin2
        case .latin3: latin3
        case .latin4: latin4
        case .cyrillic: cyrillic
        case .arabic: arabic
        case .greek: greek
        case .hebrew: hebrew
        case .latin5: latin5
        case .latin9: latin9
        case .thai: thai
        case .katakana: katakana
        case .gbk: gbk
        case .gb18030: gb18030
        case .jisX0208: jisX0208
        case .jisX0212: jisX0212
        case .ksX1001: ksX1001
        case .gb2312: gb2312
        }
    }

    private init(_ coding: CharacterCoding) {
        var single = [UInt16](repeating: Self.invalid, count: 128)
        var double: [UInt16] = []
        if let converter = Iconv(from: coding.iconvName) {
            switch coding {
            case .ascii, .utf8, .latin1:
                break
            case .jisX0208, .jisX0212, .ksX1001, .gb2312, .gbk, .gb18030, .katakana:
                double = [UInt16](repeating: Self.invalid, count: (0xFF - 0x81) * Self.trailCount)
                for lead: UInt8 in 0x81...0xFE {
                    for trail: UInt8 in 0x40...0xFE {
                        let bytes = coding == .jisX0212 ? [0x8F, lead, trail] : [lead, trail]
                        // Two single bytes are no pair.
                        guard let scalars = converter.scalars(bytes), scalars.count == 1, scalars[0] <= 0xFFFF
                        else { continue }
                        double[Int(lead - 0x81) * Self.trailCount + Int(trail - 0x40)] = UInt16(scalars[0])
                    }
                }
                if coding == .katakana {
                    for byte: UInt8 in 0xA1...0xDF { single[Int(byte - 0x80)] = 0xFF61 + UInt16(byte - 0xA1) }
                }
            default:
                for byte: UInt8 in 0x80...0xFF {
                    if let scalars = converter.scalars([byte]), scalars.count == 1, scalars[0] <= 0xFFFF {
                        single[Int(byte - 0x80)] = UInt16(scalars[0])
                    }
                }
            }
        }
        if coding == .ascii || coding == .latin1 { single = (0x80...0xFF).map { $0 } }
        self.single = single
        self.double = double
    }

    @inline(__always) func character(_ byte: UInt8) -> UInt16 { single[Int(byte - 0x80)] }

    @inline(__always) func character(_ lead: UInt8, _ trail: UInt8) -> UInt16 {
        guard lead >= 0x81, lead != 0xFF, trail >= 0x40, trail != 0xFF else { return Self.invalid }
        return double[Int(lead - 0x81) * Self.trailCount + Int(trail - 0x40)]
    }

    /// The bytes of a character; nil when the coding has none. A search: for writing only.
    func bytes(of character: Unicode.Scalar) -> [UInt8]? {
        guard character.value <= 0xFFFF, character.value != UInt32(Self.invalid) else { return nil }
        let value = UInt16(character.value)
        if let index = single.firstIndex(of: value) { return [UInt8(index + 0x80)] }
        if let index = double.firstIndex(of: value) {
            return [UInt8(index / Self.trailCount + 0x81), UInt8(index % Self.trailCount + 0x40)]
        }
        return nil
    }
}
