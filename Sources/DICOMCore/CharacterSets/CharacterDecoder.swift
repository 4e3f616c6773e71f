/// Bytes into UTF-8, by a character set with its escape sequences (PS3.5 6.1.2.5).
struct CharacterDecoder {
    private let characterSet: SpecificCharacterSet
    private let isPersonName: Bool
    /// Whether a backslash separates values.
    private let isSplit: Bool

    init(_ characterSet: SpecificCharacterSet, isPersonName: Bool, isSplit: Bool) {
        self.characterSet = characterSet
        self.isPersonName = isPersonName
        self.isSplit = isSplit
    }

    /// Appends the characters to `output`.
    func decode(_ bytes: UnsafeRawBufferPointer, into output: inout [UInt8]) {
        output.reserveCapacity(output.count + bytes.count + bytes.count / 2)
        var index = 0
        // What G0 and G1 have: only G0 holds sets of two seven-bit bytes.
        var g0 = CharacterCoding.ascii
        var g1 = characterSet.initial
        if g1 == .jisX0208 || g1 == .jisX0212 { g1 = .ascii }
        while index < bytes.count {
            let byte = bytes[index]
            if byte == 0x1B {
                if let (coding, length) = CharacterCoding.designated(by: bytes[(index + 1)...]),
                    characterSet.allows(coding)
                {
                    index += 1 + length
                    switch coding {
                    case .ascii: g0 = .ascii
                    case .jisX0208, .jisX0212: g0 = coding
                    // ISO IR 14 in G0 is read as ASCII; ISO IR 13 goes into G1.
                    case .katakana:
                        if bytes[index - 2] == 0x28 { g0 = .ascii } else { g1 = .katakana }
                    default: g1 = coding
                    }
                    continue
                }
                output.append(byte)
                index += 1
            } else if byte < 0x80 {
                if g0 != .ascii, byte > 0x20, byte < 0x7F, index + 1 < bytes.count {
                    let trail = bytes[index + 1]
                    if trail > 0x20, trail < 0x7F {
                        append(CharacterTable.of(g0).character(byte | 0x80, trail | 0x80), to: &output)
                        index += 2
                        continue
                    }
                }
                if isDelimiter(byte) {
                    g0 = .ascii
                    g1 = characterSet.initial
                    if g1 == .jisX0208 || g1 == .jisX0212 { g1 = .ascii }
                }
                output.append(byte)
                index += 1
            } else {
                index += high(bytes, index, g1, &output)
            }
        }
    }

    /// What ends a designation (PS3.5 6.1.2.5.3).
    @inline(__always)
    private func isDelimiter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x09, 0x0A, 0x0C, 0x0D: true
        case 0x5C: isSplit
        case 0x5E, 0x3D: isPersonName
        default: false
        }
    }

    /// A character that begins with a byte above 7F; returns how many bytes it has.
    private func high(
        _ bytes: UnsafeRawBufferPointer, _ index: Int, _ coding: CharacterCoding, _ output: inout [UInt8]
    ) -> Int {
        let table = CharacterTable.of(coding)
        let lead = bytes[index]
        switch coding {
        case .utf8:
            // A character set of UTF-8 does not get here but after ESC; it is decoded as a whole elsewhere.
            append(CharacterTable.invalid, to: &output)
            return 1
        case .gbk, .gb18030, .ksX1001, .gb2312, .katakana, .jisX0208, .jisX0212:
            let single = table.character(lead)
            if single != CharacterTable.invalid {
                append(single, to: &output)
                return 1
            }
            guard index + 1 < bytes.count else { break }
            let trail = bytes[index + 1]
            if coding == .gb18030, (0x30...0x39).contains(trail), index + 3 < bytes.count {
                let quartet = [lead, trail, bytes[index + 2], bytes[index + 3]]
                if let scalar = GB18030.scalar(quartet) {
                    append(scalar, to: &output)
                    return 4
                }
            }
            let pair = table.character(lead, trail)
            if pair != CharacterTable.invalid {
                append(pair, to: &output)
                return 2
            }
        default:
            append(table.character(lead), to: &output)
            return 1
        }
        append(CharacterTable.invalid, to: &output)
        return 1
    }

    private func append(_ unit: UInt16, to output: inout [UInt8]) {
        append(Unicode.Scalar(unit) ?? "\u{FFFD}", to: &output)
    }

    private func append(_ scalar: Unicode.Scalar, to output: inout [UInt8]) {
        output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
}

/// The part of GB18030 that is four bytes a character.
enum GB18030 {
    /// Nil when the bytes are no character.
    ///
    /// Above the Basic Multilingual Plane the four bytes are a number; below, the C library's table is asked once.
    static func scalar(_ bytes: [UInt8]) -> Unicode.Scalar? {
        guard bytes.count == 4, bytes[0] >= 0x81, bytes[0] <= 0xFE, (0x30...0x39).contains(bytes[1]),
            bytes[2] >= 0x81, bytes[2] <= 0xFE, (0x30...0x39).contains(bytes[3])
        else { return nil }
        let linear =
            ((Int(bytes[0] - 0x81) * 10 + Int(bytes[1] - 0x30)) * 126 + Int(bytes[2] - 0x81)) * 10
            + Int(bytes[3] - 0x30)
        if linear >= 189_000 { return Unicode.Scalar(UInt32(linear - 189_000 + 0x10000)) }
        guard linear < basic.count, basic[linear] != 0 else { return nil }
        return Unicode.Scalar(basic[linear])
    }

    /// The four bytes of a scalar above the Basic Multilingual Plane, or of one in it that has no two bytes.
    static func bytes(_ scalar: Unicode.Scalar) -> [UInt8]? {
        let linear: Int
        if scalar.value >= 0x10000 {
            linear = Int(scalar.value) - 0x10000 + 189_000
        } else {
            guard let index = basic.firstIndex(of: UInt16(scalar.value)), scalar.value != 0 else { return nil }
            linear = index
        }
        return [
            UInt8(linear / 12600 + 0x81), UInt8(linear / 1260 % 10 + 0x30), UInt8(linear / 10 % 126 + 0x81),
            UInt8(linear % 10 + 0x30),
        ]
    }

    /// The characters of 81308130 to 8431A439; 0 where there is none.
    private static let basic: [UInt16] = {
        guard let converter = Iconv(from: "GB18030") else { return [] }
        return (0..<39420).map { linear in
            let bytes: [UInt8] = [
                UInt8(linear / 12600 + 0x81), UInt8(linear / 1260 % 10 + 0x30), UInt8(linear / 10 % 126 + 0x81),
                UInt8(linear % 10 + 0x30),
            ]
            guard let scalars = converter.scalars(bytes), scalars.count == 1 else { return 0 }
            return UInt16(exactly: scalars[0]) ?? 0
        }
    }()
}
