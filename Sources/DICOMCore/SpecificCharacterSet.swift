/// Specific Character Set (0008,0005): how text is encoded (PS3.3 C.12.1.1.2).
public struct SpecificCharacterSet: Hashable, Sendable {
    enum Kind: Hashable, Sendable { case ascii, latin1, utf8 }
    let kind: Kind

    /// The default repertoire, ISO IR 6. Bytes above 7F, which may not be there, are taken for UTF-8 if they are valid
    /// UTF-8, else for Latin-1.
    public static let `default` = SpecificCharacterSet(kind: .ascii)
    /// ISO_IR 192.
    public static let utf8 = SpecificCharacterSet(kind: .utf8)

    init(kind: Kind) { self.kind = kind }

    init(value: RawSpan) {
        let text = value.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        kind = text.contains("192") ? .utf8 : text.contains("100") ? .latin1 : .ascii
    }

    init(bytes: [UInt8]) { self = bytes.withUnsafeBytes { SpecificCharacterSet(value: $0.bytes) } }

    func encode(_ text: String, isPersonName: Bool) -> [UInt8] {
        switch kind {
        case .utf8: [UInt8](text.utf8)
        case .latin1: text.unicodeScalars.map { $0.value < 256 ? UInt8($0.value) : 0x3F }
        case .ascii: text.unicodeScalars.map { $0.value < 128 ? UInt8($0.value) : 0x3F }
        }
    }

    /// Decodes each value; the body returns whether to go on.
    func forEachValue(
        _ bytes: UnsafeRawBufferPointer, split: Bool, isPersonName: Bool, _ body: (String) -> Bool
    ) {
        for value in bytes.split(separator: split ? 0x5C : 0xFF, omittingEmptySubsequences: false) {
            let text =
                kind == .latin1
                ? String(String.UnicodeScalarView(value.map { Unicode.Scalar($0) }))
                : String(decoding: value, as: UTF8.self)
            if !body(text) { return }
        }
    }
}
