import DICOMDictionary

/// Turns the value of one query parameter into a kind of matching, by the attribute's value representation.
struct QIDOValueParser {
    let name: String
    let path: AttributePath
    let limits: QIDOQuery.Limits
    let emptyValueMatching: Bool

    func parse(_ raw: String) throws(QIDOError) -> QIDOMatch.Matching {
        let value = QIDOQuery.trimmed(raw[...])
        if value.isEmpty { return .universal }
        if emptyValueMatching, value == "\"\"" { return .empty }
        guard !value.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
            throw QIDOError(.invalidValue, name, "control characters in the value")
        }
        let vr = path.vr
        if vr == .ui { return try uids(value) }
        guard vr != .cs else { return try list(value) }
        guard value.unicodeScalars.count <= limits.valueCharacters else {
            throw QIDOError(.tooLarge, name, "more than \(limits.valueCharacters) characters")
        }
        switch vr {
        case .da, .tm, .dt:
            if value == "*" { return .universal }
            guard !value.utf8.contains(where: { $0 == 0x2A || $0 == 0x3F }) else { throw wildcardNotAllowed(vr) }
            guard let matching = TemporalValue.matching(value, vr) else {
                throw QIDOError(.invalidValue, name, form(vr))
            }
            return matching
        case .ae, .lo, .lt, .pn, .sh, .st, .uc, .ur, .ut, .un: return text(value)
        case .is, .ds, .fl, .fd, .ss, .us, .sl, .ul, .sv, .uv:
            if value == "*" { return .universal }
            guard !value.utf8.contains(where: { $0 == 0x2A || $0 == 0x3F }) else { throw wildcardNotAllowed(vr) }
            let isInteger = vr != .ds && vr != .fl && vr != .fd
            guard isInteger ? Int64(value) != nil || UInt64(value) != nil : Double(value)?.isFinite == true else {
                throw QIDOError(.invalidValue, name, isInteger ? "not a whole number" : "not a number")
            }
            return .single(value)
        case .as:
            if value == "*" { return .universal }
            let bytes = Array(value.utf8)
            guard bytes.count == 4, bytes[..<3].allSatisfy({ (0x30...0x39).contains($0) }),
                [0x44, 0x57, 0x4D, 0x59].contains(bytes[3])
            else { throw QIDOError(.invalidValue, name, "an age has the form 045Y (or D, W, M)") }
            return .single(value)
        case .at:
            guard value.utf8.count == 8, value.utf8.allSatisfy({ hexadecimalValue($0) != nil }) else {
                throw QIDOError(.invalidValue, name, "a tag has eight hexadecimal digits")
            }
            return .single(value.uppercased())
        case .sq:
            throw QIDOError(
                .matchingNotAllowed, name, "a sequence; match an attribute inside it, such as \(path).00080100")
        default: throw QIDOError(.matchingNotAllowed, name, "binary values cannot be matched")
        }
    }

    private func text(_ value: String) -> QIDOMatch.Matching {
        if value.utf8.allSatisfy({ $0 == 0x2A }) { return .universal }
        let hasWildcard = value.utf8.contains { $0 == 0x2A || $0 == 0x3F }
        return hasWildcard ? .wildcard(value) : .single(value)
    }

    private func uids(_ value: String) throws(QIDOError) -> QIDOMatch.Matching {
        if value == "*" { return .universal }
        var uids: [String] = []
        var seen: Set<String> = []
        for part in value.split(whereSeparator: { $0 == "," || $0 == "\\" }) {
            let uid = QIDOQuery.trimmed(part)
            guard !uid.utf8.contains(where: { $0 == 0x2A || $0 == 0x3F }) else { throw wildcardNotAllowed(.ui) }
            guard UIDRule.isUID(uid.utf8) else {
                throw QIDOError(.invalidValue, name, "a UID has digits and single dots, 64 characters at most")
            }
            guard seen.insert(uid).inserted else { continue }
            guard uids.count < limits.listValues else {
                throw QIDOError(.tooLarge, name, "more than \(limits.listValues) UIDs")
            }
            uids.append(uid)
        }
        guard !uids.isEmpty else { throw QIDOError(.invalidValue, name, "an empty list of UIDs") }
        return .uidList(uids)
    }

    /// A code string has neither comma nor backslash in it, so that a list of them can be told: viewers send
    /// `ModalitiesInStudy=MR,CT`.
    private func list(_ value: String) throws(QIDOError) -> QIDOMatch.Matching {
        var parts: [QIDOMatch.Matching] = []
        for part in value.split(whereSeparator: { $0 == "," || $0 == "\\" }) {
            let part = QIDOQuery.trimmed(part)
            guard !part.isEmpty else { continue }
            guard part.unicodeScalars.count <= limits.valueCharacters, parts.count < limits.listValues else {
                throw QIDOError(.tooLarge, name, "too many or too long values")
            }
            let matching = text(part)
            if matching == .universal { return .universal }
            if !parts.contains(matching) { parts.append(matching) }
        }
        guard let first = parts.first else { return .universal }
        return parts.count == 1 ? first : .anyOf(parts)
    }

    private func wildcardNotAllowed(_ vr: VR) -> QIDOError {
        QIDOError(
            .matchingNotAllowed, name,
            "'*' and '?' are not allowed for \(VRName(vr)) (PS3.4 C.2.2.2.4)"
                + ([.da, .tm, .dt].contains(vr) ? "; use a range such as \(example(vr))" : ""))
    }

    private func example(_ vr: VR) -> String {
        switch vr {
        case .da: "20240101-20241231"
        case .tm: "0800-1200"
        default: "20240101080000-20240101120000"
        }
    }

    private func form(_ vr: VR) -> String {
        let form =
            switch vr {
            case .da: "a date has the form YYYYMMDD"
            case .tm: "a time has the form HHMMSS.FFFFFF, shorter at will"
            default: "a date-time has the form YYYYMMDDHHMMSS.FFFFFF&ZZXX, shorter at will"
            }
        return "\(form), a range \(example(vr)), open on one side at will; the lower bound first"
    }
}

/// `DA` as text.
struct VRName: CustomStringConvertible {
    let vr: VR

    init(_ vr: VR) { self.vr = vr }

    var description: String {
        String(decoding: [UInt8(vr.rawValue >> 8), UInt8(truncatingIfNeeded: vr.rawValue)], as: UTF8.self)
    }
}
