/// The registries of PS3.6: data elements (Tables 6-1, 7-1, 8-1, 9-1) and unique identifiers (Table A-1, with A-2).
public struct Registry: Sendable {
    /// The edition as the document names itself, for example `2026c`; empty when it does not.
    public let edition: String
    /// All elements, ascending by tag.
    public let elements: [ElementEntry]
    /// All UIDs in the order of the document.
    public let uids: [UIDEntry]

    private let byKeyword: [String: Int]
    private let byTag: [UInt32: Int]
    private let repeating: [Int]

    /// Takes entries that have been checked (no tag and no keyword twice).
    public init(edition: String, elements: [ElementEntry], uids: [UIDEntry]) {
        let sorted = elements.sorted { ($0.tag, ~$0.mask) < ($1.tag, ~$1.mask) }
        var byKeyword: [String: Int] = [:]
        var byTag: [UInt32: Int] = [:]
        var repeating: [Int] = []
        for (index, element) in sorted.enumerated() {
            if !element.keyword.isEmpty { byKeyword[element.keyword] = index }
            if element.isRepeating { repeating.append(index) } else { byTag[element.tag] = index }
        }
        self.edition = edition
        self.elements = sorted
        self.uids = uids
        self.byKeyword = byKeyword
        self.byTag = byTag
        self.repeating = repeating
    }

    /// The element of this keyword, spelled exactly so.
    public func element(keyword: String) -> ElementEntry? {
        byKeyword[keyword].map { elements[$0] }
    }

    /// The element of this tag, group in the upper 16 bits; those of repeating groups (`60xx`) included.
    public func element(tag: UInt32) -> ElementEntry? {
        if let index = byTag[tag] { return elements[index] }
        return repeating.first { elements[$0].matches(tag) }.map { elements[$0] }
    }

    /// The keyword nearest to what was written, by edits of single characters, when one is near enough to suggest.
    public func nearestKeyword(to written: String) -> String? {
        nearest(to: written, among: byKeyword.keys)
    }
}

/// One row of a registry of data elements.
public struct ElementEntry: Hashable, Sendable {
    /// Group in the upper 16 bits, element in the lower; digits written `x` are 0.
    public let tag: UInt32
    /// 1 for each bit that is fixed: all of them but for the `xx` of repeating groups.
    public let mask: UInt32
    /// The name in words; empty in a few retired rows.
    public let name: String
    /// The keyword; empty in a few retired rows.
    public let keyword: String
    /// The VRs in the order of the document; empty where it names none (item delimiters).
    public let vrs: [ValueRepresentation]
    /// The multiplicity as written, for example `1`, `2-n` or `1-n or 1`; empty in a few retired rows.
    public let vm: String
    public let isRetired: Bool
    /// The line of the document on which the row starts, from 1.
    public let line: Int

    public init(
        tag: UInt32, mask: UInt32 = .max, name: String, keyword: String, vrs: [ValueRepresentation], vm: String,
        isRetired: Bool, line: Int
    ) {
        self.tag = tag
        self.mask = mask
        self.name = name
        self.keyword = keyword
        self.vrs = vrs
        self.vm = vm
        self.isRetired = isRetired
        self.line = line
    }

    /// True for an element of repeating groups, (60xx,3000).
    public var isRepeating: Bool { mask != .max }

    /// True when this row describes the tag. Repeating groups are even (PS3.5 7.6).
    public func matches(_ tag: UInt32) -> Bool {
        tag & mask == self.tag && (mask == .max || tag & 0x1_0000 == 0)
    }

    /// The tag as the standard writes it, `(0010,0010)` or `(60xx,3000)`.
    public var writtenTag: String {
        var text = "("
        for digit in 0..<8 {
            let shift = UInt32(28 - 4 * digit)
            if digit == 4 { text += "," }
            text += mask >> shift & 0xF == 0 ? "x" : String(tag >> shift & 0xF, radix: 16, uppercase: true)
        }
        return text + ")"
    }

    /// True when every form of the VM allows one value only, or the VR never has more (PS3.5 6.2), whatever PS3.6 says.
    public var isSingleValued: Bool {
        vm == "1" || !vrs.isEmpty && vrs.allSatisfy { [.lt, .st, .ur, .ut].contains($0) }
    }
}

/// One row of the registry of unique identifiers.
public struct UIDEntry: Hashable, Sendable {
    public let uid: String
    public let name: String
    /// Empty in editions that have no keywords here, and in some retired rows.
    public let keyword: String
    /// As written: `SOP Class`, `Transfer Syntax`, `Meta SOP Class`...
    public let kind: String
    /// The part of the standard, as written: `PS3.4`.
    public let part: String
    public let isRetired: Bool
    /// The line of the document on which the row starts, from 1.
    public let line: Int

    public init(
        uid: String, name: String, keyword: String, kind: String, part: String, isRetired: Bool, line: Int
    ) {
        self.uid = uid
        self.name = name
        self.keyword = keyword
        self.kind = kind
        self.part = part
        self.isRetired = isRetired
        self.line = line
    }
}

/// The value representations of PS3.5 6.2.
public enum ValueRepresentation: String, CaseIterable, Sendable {
    case ae = "AE"
    case `as` = "AS"
    case at = "AT"
    case cs = "CS"
    case da = "DA"
    case ds = "DS"
    case dt = "DT"
    case fl = "FL"
    case fd = "FD"
    case `is` = "IS"
    case lo = "LO"
    case lt = "LT"
    case ob = "OB"
    case od = "OD"
    case of = "OF"
    case ol = "OL"
    case ov = "OV"
    case ow = "OW"
    case pn = "PN"
    case sh = "SH"
    case sl = "SL"
    case sq = "SQ"
    case ss = "SS"
    case st = "ST"
    case sv = "SV"
    case tm = "TM"
    case uc = "UC"
    case ui = "UI"
    case ul = "UL"
    case un = "UN"
    case ur = "UR"
    case us = "US"
    case ut = "UT"
    case uv = "UV"
}
