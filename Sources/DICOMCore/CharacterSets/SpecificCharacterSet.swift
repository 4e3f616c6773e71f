/// Specific Character Set (0008,0005): how text is encoded (PS3.3 C.12.1.1.2, PS3.5 6.1). A plain value.
///
/// Misspelt terms are understood as pydicom understands them, unknown ones stand for the default repertoire. Bytes
/// that are no characters become U+FFFD; decoding never fails.
public struct SpecificCharacterSet: Hashable, Sendable {
    /// In force where nothing else was designated.
    let initial: CharacterCoding
    /// The codings that escape sequences may designate, a bit each.
    private let designatable: UInt32
    /// One of the terms is none that is known.
    public let hasUnknownTerm: Bool

    /// The default repertoire, ISO IR 6. Bytes above 7F, which may not be there, are read as Latin-1.
    public static let `default` = SpecificCharacterSet(.ascii)
    /// ISO_IR 192.
    public static let utf8 = SpecificCharacterSet(.utf8)

    init(_ coding: CharacterCoding) {
        initial = coding
        designatable = 0
        hasUnknownTerm = false
    }

    /// By the defined terms, the values of (0008,0005).
    public init(terms: [String]) {
        var initial: CharacterCoding?
        var designatable: UInt32 = 0
        var hasUnknownTerm = false
        for term in terms {
            let known = CharacterCoding(term: TextDecoding.trimmed(term, leading: true)[...].utf8)
            if known == nil { hasUnknownTerm = true }
            let coding = known ?? .ascii
            if initial == nil {
                initial = coding
            } else if coding.standsAlone {
                continue
            }
            designatable |= 1 << UInt32(coding.rawValue)
            if initial?.standsAlone == true { break }
        }
        self.initial = initial ?? .ascii
        if initial?.standsAlone == true { designatable = 0 }
        // ISO IR 14 comes with every Japanese set, and ASCII with all.
        let japanese = [CharacterCoding.katakana, .jisX0208, .jisX0212].contains {
            designatable & 1 << UInt32($0.rawValue) != 0
        }
        if japanese { designatable |= 1 << UInt32(CharacterCoding.katakana.rawValue) }
        self.designatable = designatable
        self.hasUnknownTerm = hasUnknownTerm
    }

    /// Bytes above 7F have no place in it: where they stand all the same they are read as Latin-1.
    public var isSevenBit: Bool {
        initial == .ascii && designatable & ~(1 << UInt32(CharacterCoding.ascii.rawValue)) == 0
    }

    /// By the value of (0008,0005), values between backslashes.
    public init(value: RawSpan) {
        self = value.withUnsafeBytes { SpecificCharacterSet(bytes: $0) }
    }

    init(bytes: [UInt8]) { self = bytes.withUnsafeBytes { SpecificCharacterSet(bytes: $0) } }

    init(bytes: UnsafeRawBufferPointer) {
        // The two that nearly all files have, without a detour.
        if bytes.count == 10, bytes.starts(with: "ISO_IR 1".utf8) {
            if bytes[8] == UInt8(ascii: "0"), bytes[9] == UInt8(ascii: "0") {
                self = SpecificCharacterSet(.latin1)
                return
            }
            if bytes[8] == UInt8(ascii: "9"), bytes[9] == UInt8(ascii: "2") {
                self = .utf8
                return
            }
        }
        // There are no 32 terms of 16 characters each to choose from; a longer value is not looked at to its end.
        let text = String(decoding: bytes.prefix(512), as: UTF8.self)
        self.init(terms: text.split(separator: "\\", omittingEmptySubsequences: false).map(String.init))
    }

    /// Whether this escape sequence may be followed.
    func allows(_ coding: CharacterCoding) -> Bool {
        coding == .ascii || designatable & 1 << UInt32(coding.rawValue) != 0
    }

    /// The codings to write characters with, the initial one first.
    var codings: [CharacterCoding] {
        [initial] + CharacterCoding.allCases.filter { $0 != initial && designatable & 1 << UInt32($0.rawValue) != 0 }
    }
}
