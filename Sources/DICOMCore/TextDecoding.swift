internal import DICOMDictionary

/// How the text of a VR is taken apart (PS3.5 6.2).
enum TextKind {
    /// Not text.
    case none
    /// Values between backslashes; spaces on both ends do not count.
    case trimmedBoth
    /// The same, in the Specific Character Set.
    case characters
    /// The same, with component groups and components.
    case personName
    /// One value, only its trailing spaces do not count, in the Specific Character Set.
    case text
    /// Values between backslashes with trailing spaces not counted, in the Specific Character Set.
    case unlimited
    /// One value, trailing spaces not counted.
    case identifier

    init(_ vr: VR) {
        switch vr {
        case .ae, .as, .cs, .da, .ds, .dt, .is, .tm, .ui: self = .trimmedBoth
        case .lo, .sh: self = .characters
        case .pn: self = .personName
        case .lt, .st, .ut: self = .text
        case .uc: self = .unlimited
        case .ur: self = .identifier
        default: self = .none
        }
    }

    var usesCharacterSet: Bool {
        switch self {
        case .characters, .personName, .text, .unlimited: true
        case .none, .trimmedBoth, .identifier: false
        }
    }

    var isSplit: Bool {
        switch self {
        case .text, .identifier, .none: false
        default: true
        }
    }

    var trimsLeading: Bool {
        switch self {
        case .trimmedBoth, .characters, .personName: true
        default: false
        }
    }
}

enum TextDecoding {
    /// The values in the bytes, at most `limit`.
    static func strings(
        _ bytes: RawSpan, _ kind: TextKind, _ characterSet: SpecificCharacterSet, limit: Int
    ) -> [String] {
        bytes.withUnsafeBytes { bytes in
            var values: [String] = []
            characterSet.forEachValue(bytes, kind) { text in
                values.append(trimmed(text, leading: kind.trimsLeading))
                return values.count < limit
            }
            return values
        }
    }

    /// Without padding: spaces and NULs.
    static func trimmed(_ text: String, leading: Bool) -> String {
        let utf8 = text.utf8
        var start = utf8.startIndex
        var end = utf8.endIndex
        while end > start {
            let previous = utf8.index(before: end)
            guard utf8[previous] == 0x20 || utf8[previous] == 0 else { break }
            end = previous
        }
        if leading {
            while start < end, utf8[start] == 0x20 || utf8[start] == 0 { start = utf8.index(after: start) }
        }
        if start == utf8.startIndex, end == utf8.endIndex { return text }
        return String(text[start..<end])
    }
}
