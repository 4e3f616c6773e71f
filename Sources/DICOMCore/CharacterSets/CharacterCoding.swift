/// One coded character set of PS3.3 C.12.1.1.2, or a few that belong together.
enum CharacterCoding: UInt8, CaseIterable {
    /// ISO IR 6, the default repertoire. Bytes above 7F, which may not be there, are read as Latin-1.
    case ascii
    case latin1, latin2, latin3, latin4, cyrillic, arabic, greek, hebrew, latin5, latin9, thai
    /// JIS X 0201, katakana in G1 and romaji in G0. The two-byte characters of Shift JIS are read too, since there are
    /// files that have them.
    case katakana
    case utf8, gbk, gb18030
    /// In G0, two bytes a character.
    case jisX0208, jisX0212
    /// In G1, two bytes a character, beside ASCII in G0.
    case ksX1001, gb2312

    /// What the defined term stands for, spelled as pydicom tolerates it: any character for the blanks and underscores.
    init?(term: Substring.UTF8View) {
        var term = Array(term)
        // "ISO_IR 100", "ISO-IR 100", "ISO 2022 IR 100", "ISO_2022_IR_100".
        if term.starts(with: "ISO".utf8) {
            if term.count > 7, term[4...].starts(with: "IR".utf8) {
                term = Array(term[7...])
            } else if term.count > 12, term[4...].starts(with: "2022".utf8), term[9...].starts(with: "IR".utf8) {
                term = Array(term[12...])
            }
        }
        switch String(decoding: term, as: UTF8.self) {
        case "", "6": self = .ascii
        case "100": self = .latin1
        case "101": self = .latin2
        case "109": self = .latin3
        case "110": self = .latin4
        case "126": self = .greek
        case "127": self = .arabic
        case "138": self = .hebrew
        case "144": self = .cyrillic
        case "148": self = .latin5
        case "203": self = .latin9
        case "166": self = .thai
        case "13": self = .katakana
        case "87": self = .jisX0208
        case "159": self = .jisX0212
        case "149": self = .ksX1001
        case "58", "ISO 2022 58": self = .gb2312
        case "192", "UTF-8", "UTF8", "utf-8", "utf8": self = .utf8
        case "GB18030": self = .gb18030
        case "GBK", "ISO 2022 GBK": self = .gbk
        default: return nil
        }
    }

    /// Cannot be used with code extensions (PS3.3 table C.12-5).
    var standsAlone: Bool { self == .utf8 || self == .gbk || self == .gb18030 }

    /// What follows ESC to designate it (PS3.3 tables C.12-3 and C.12-4).
    var escape: StaticString? {
        switch self {
        case .ascii: "(B"
        case .latin1: "-A"
        case .latin2: "-B"
        case .latin3: "-C"
        case .latin4: "-D"
        case .cyrillic: "-L"
        case .arabic: "-G"
        case .greek: "-F"
        case .hebrew: "-H"
        case .latin5: "-M"
        case .latin9: "-b"
        case .thai: "-T"
        case .katakana: ")I"
        case .jisX0208: "$B"
        case .jisX0212: "$(D"
        case .ksX1001: "$)C"
        case .gb2312: "$)A"
        case .utf8, .gbk, .gb18030: nil
        }
    }

    /// In the C library.
    var iconvName: StaticString {
        switch self {
        case .ascii, .latin1: "ISO-8859-1"
        case .latin2: "ISO-8859-2"
        case .latin3: "ISO-8859-3"
        case .latin4: "ISO-8859-4"
        case .cyrillic: "ISO-8859-5"
        case .arabic: "ISO-8859-6"
        case .greek: "ISO-8859-7"
        case .hebrew: "ISO-8859-8"
        case .latin5: "ISO-8859-9"
        case .latin9: "ISO-8859-15"
        case .thai: "TIS-620"
        case .katakana: "CP932"
        case .utf8: "UTF-8"
        case .gbk: "GBK"
        case .gb18030: "GB18030"
        case .jisX0208, .jisX0212: "EUC-JP"
        case .ksX1001: "EUC-KR"
        case .gb2312: "EUC-CN"
        }
    }

    /// The coding that this escape sequence (without ESC) designates, and the sequence's length.
    static func designated(by bytes: Slice<UnsafeRawBufferPointer>) -> (coding: CharacterCoding, length: Int)? {
        guard let first = bytes.first, bytes.count >= 2 else { return nil }
        let second = bytes[bytes.startIndex + 1]
        let third = bytes.count > 2 ? bytes[bytes.startIndex + 2] : 0
        switch (first, second, third) {
        case (0x28, 0x42, _): return (.ascii, 2)
        // ISO IR 14, the romaji of JIS X 0201.
        case (0x28, 0x4A, _), (0x29, 0x49, _): return (.katakana, 2)
        case (0x2D, 0x41, _): return (.latin1, 2)
        case (0x2D, 0x42, _): return (.latin2, 2)
        case (0x2D, 0x43, _): return (.latin3, 2)
        case (0x2D, 0x44, _): return (.latin4, 2)
        case (0x2D, 0x46, _): return (.greek, 2)
        case (0x2D, 0x47, _): return (.arabic, 2)
        case (0x2D, 0x48, _): return (.hebrew, 2)
        case (0x2D, 0x4C, _): return (.cyrillic, 2)
        case (0x2D, 0x4D, _): return (.latin5, 2)
        case (0x2D, 0x54, _): return (.thai, 2)
        case (0x2D, 0x62, _): return (.latin9, 2)
        case (0x24, 0x42, _): return (.jisX0208, 2)
        case (0x24, 0x28, 0x44): return (.jisX0212, 3)
        case (0x24, 0x29, 0x43): return (.ksX1001, 3)
        case (0x24, 0x29, 0x41): return (.gb2312, 3)
        default: return nil
        }
    }
}
