public import DICOMDictionary

/// An attribute, perhaps inside sequences: the tags from the root down (PS3.18 8.3.4.1 `attributeID`).
public struct AttributePath: Hashable, Sendable, CustomStringConvertible {
    /// One tag or more; all but the last are sequences.
    public let tags: [Tag]

    /// Levels of sequences are limited to this.
    public static let maximumDepth = 8

    public init(_ tag: Tag) { tags = [tag] }

    init(tags: [Tag]) { self.tags = tags }

    /// Keywords or tags of eight hexadecimal digits, joined by dots: `PatientID`, `00100020`, `00400275.00400009`.
    /// Nil when one is neither, or when something that is not a sequence has a dot behind it.
    public init?(_ text: String) {
        var tags: [Tag] = []
        for name in text.split(separator: ".", omittingEmptySubsequences: false) {
            guard tags.count < Self.maximumDepth, let tag = Self.tag(name) else { return nil }
            tags.append(tag)
        }
        guard tags.dropLast().allSatisfy({ Self.mayBeSequence($0) }) else { return nil }
        self.tags = tags
    }

    /// The attribute itself.
    public var tag: Tag { tags[tags.count - 1] }

    /// The last attribute's value representation by the dictionary; UN for private and unknown ones.
    public var vr: VR { DataDictionary.vr(of: tag) }

    /// `00400275.00400009`.
    public var description: String { tags.map(\.hexadecimal).joined(separator: ".") }

    private static func mayBeSequence(_ tag: Tag) -> Bool {
        let vr = DataDictionary.vr(of: tag)
        return vr == .sq || vr == .un
    }

    private static func tag(_ name: Substring) -> Tag? {
        let bytes = name.utf8
        guard !bytes.isEmpty, bytes.count <= 128 else { return nil }
        if bytes.count == 8, bytes.allSatisfy({ hexadecimalValue($0) != nil }) {
            return Tag(bytes.reduce(0) { $0 << 4 | UInt32(hexadecimalValue($1) ?? 0) })
        }
        return DataDictionary.entry(keyword: String(name))?.tag
    }
}

/// The value of a hexadecimal digit.
@inline(__always)
func hexadecimalValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
}
