/// Characters into bytes, for data sets that are made. Not a hot path.
struct CharacterEncoder {
    let characterSet: SpecificCharacterSet
    let isPersonName: Bool

    /// A character that no coding of the set has becomes a question mark.
    func encode(_ text: String) -> [UInt8] {
        if characterSet.initial == .utf8 || text.utf8.allSatisfy({ $0 < 0x80 }) { return [UInt8](text.utf8) }
        var bytes: [UInt8] = []
        let codings = characterSet.codings
        var g0 = CharacterCoding.ascii
        var g1 = characterSet.initial
        for scalar in text.unicodeScalars {
            if scalar.value < 0x80 {
                if g0 != .ascii { bytes += [0x1B, 0x28, 0x42] }
                g0 = .ascii
                bytes.append(UInt8(scalar.value))
                if isDelimiter(UInt8(scalar.value)) { g1 = characterSet.initial }
                continue
            }
            guard let (coding, code) = code(of: scalar, current: g0 == .ascii ? g1 : g0, codings) else {
                if g0 != .ascii { bytes += [0x1B, 0x28, 0x42] }
                g0 = .ascii
                bytes.append(0x3F)
                continue
            }
            let isTwoBytesInG0 = coding == .jisX0208 || coding == .jisX0212
            if coding != (isTwoBytesInG0 ? g0 : g1), let escape = coding.escape {
                bytes.append(0x1B)
                escape.withUTF8Buffer { bytes.append(contentsOf: $0) }
            }
            if isTwoBytesInG0 {
                g0 = coding
                bytes += code.map { $0 & 0x7F }
            } else {
                g1 = coding
                bytes += code
            }
        }
        if g0 != .ascii { bytes += [0x1B, 0x28, 0x42] }
        return bytes
    }

    private func isDelimiter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x09, 0x0A, 0x0C, 0x0D, 0x5C: true
        case 0x5E, 0x3D: isPersonName
        default: false
        }
    }

    /// The coding in force if it has the character, else the first that has.
    private func code(
        of scalar: Unicode.Scalar, current: CharacterCoding, _ codings: [CharacterCoding]
    ) -> (CharacterCoding, [UInt8])? {
        for coding in [current] + codings {
            // In the default repertoire there is nothing above 7F.
            if coding == .ascii || coding == .utf8 { continue }
            if let bytes = CharacterTable.of(coding).bytes(of: scalar) {
                let isWhole = coding == .katakana ? bytes.count == 1 : true
                let isPair = coding == .jisX0208 || coding == .jisX0212 ? bytes.count == 2 && bytes[0] >= 0xA1 : true
                if isWhole && isPair { return (coding, bytes) }
            }
            if coding == .gb18030, let bytes = GB18030.bytes(scalar) { return (coding, bytes) }
        }
        return nil
    }
}
