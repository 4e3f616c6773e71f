public import DICOMDictionary

extension SpecificCharacterSet {
    /// Appends the text of a whole value to `output` as UTF-8, backslashes and padding as they are. For VRs whose text
    /// the character set does not touch (CS, UI, DA ...) the default repertoire applies.
    public func appendUTF8(_ value: RawSpan, vr: VR, to output: inout [UInt8]) {
        let kind = TextKind(vr)
        let characterSet = kind.usesCharacterSet ? self : .default
        value.withUnsafeBytes { bytes in
            characterSet.append(bytes, kind, to: &output)
        }
    }

    /// How ASCII, UTF-8 and the rest part.
    private func append(_ bytes: UnsafeRawBufferPointer, _ kind: TextKind, to output: inout [UInt8]) {
        switch Self.content(of: bytes) {
        case .ascii: output.append(contentsOf: bytes)
        case .high where initial == .utf8:
            output.append(contentsOf: String(decoding: bytes, as: UTF8.self).utf8)
        case .escapes where initial == .utf8:
            output.append(contentsOf: String(decoding: bytes, as: UTF8.self).utf8)
        default:
            CharacterDecoder(self, isPersonName: kind == .personName, isSplit: kind.isSplit)
                .decode(bytes, into: &output)
        }
    }

    private enum Content { case ascii, high, escapes }

    /// Eight bytes at a time.
    @inline(__always)
    private static func content(of bytes: UnsafeRawBufferPointer) -> Content {
        var high: UInt64 = 0
        var escape: UInt64 = 0
        var index = 0
        while index + 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            high |= word
            // A byte of zeros after the exclusive or is an ESC.
            let mixed = word ^ 0x1B1B_1B1B_1B1B_1B1B
            escape |= (mixed &- 0x0101_0101_0101_0101) & ~mixed
            index += 8
        }
        while index < bytes.count {
            let byte = bytes[index]
            high |= UInt64(byte)
            if byte == 0x1B { escape |= 0x80 }
            index += 1
        }
        if escape & 0x8080_8080_8080_8080 != 0 { return .escapes }
        return high & 0x8080_8080_8080_8080 == 0 ? .ascii : .high
    }

    /// Each value of the bytes, decoded, until the body returns false.
    func forEachValue(_ bytes: UnsafeRawBufferPointer, _ kind: TextKind, _ body: (String) -> Bool) {
        let characterSet = kind.usesCharacterSet ? self : .default
        let content = Self.content(of: bytes)
        if content == .ascii || (characterSet.initial == .utf8 && content == .high) {
            Self.forEachPart(bytes, kind.isSplit) { body(String(decoding: $0, as: UTF8.self)) }
            return
        }
        // In sets of several bytes a byte 5C may be half a character: decode first, split then.
        var decoded: [UInt8] = []
        characterSet.append(bytes, kind, to: &decoded)
        decoded.withUnsafeBytes { decoded in
            Self.forEachPart(decoded, kind.isSplit) { body(String(decoding: $0, as: UTF8.self)) }
        }
    }

    private static func forEachPart(
        _ bytes: UnsafeRawBufferPointer, _ isSplit: Bool, _ body: (Slice<UnsafeRawBufferPointer>) -> Bool
    ) {
        var start = 0
        if isSplit {
            for index in 0..<bytes.count where bytes[index] == 0x5C {
                if !body(bytes[start..<index]) { return }
                start = index + 1
            }
        }
        _ = body(bytes[start...])
    }

    func encode(_ text: String, isPersonName: Bool) -> [UInt8] {
        CharacterEncoder(characterSet: self, isPersonName: isPersonName).encode(text)
    }
}
