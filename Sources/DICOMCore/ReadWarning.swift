/// Something that the standard does not allow and that could be read all the same. It never holds a value of the data
/// set.
public struct ReadWarning: Hashable, Sendable {
    public enum Code: String, CaseIterable, Hashable, Sendable {
        /// A value has an odd number of bytes (PS3.5 7.1.1).
        case oddLength = "odd-length"
        /// A tag is smaller than the one before it (PS3.5 7.1).
        case tagsNotAscending = "tags-not-ascending"
        /// A tag stands here twice; the first counts (PS3.5 7.1).
        case duplicateTag = "duplicate-tag"
        /// Two letters that are no VR of the standard; the value is read as UN.
        case unknownVR = "unknown-vr"
        /// No VR where there must be one; the element is read as implicit VR, or as UN.
        case missingVR = "missing-vr"
        /// VRs are written in a data set, or an item, that should have none.
        case unexpectedVR = "unexpected-vr"
        /// An item of undefined length has no delimitation item (PS3.5 7.5.1).
        case missingDelimiter = "missing-delimiter"
        /// A delimitation item where nothing is to be delimited.
        case strayDelimiter = "stray-delimiter"
        /// The value of a group length (gggg,0000) is not the length of the group (PS3.5 7.2).
        case wrongGroupLength = "wrong-group-length"
        /// A value of VR UN that begins like a sequence and is none; it is read as bytes.
        case unreadableSequence = "unreadable-sequence"
        /// Bytes after the last element that are too few to be one.
        case trailingBytes = "trailing-bytes"
        /// A term of Specific Character Set (0008,0005) is unknown; the default repertoire stands in for it.
        case unknownCharacterSet = "unknown-character-set"
    }

    public let code: Code
    /// As in `DICOMError`.
    public let byteOffset: Int
    /// The tags and item numbers on the way to the place; inside of a value of VR UN the tag alone.
    public let path: [DICOMError.PathComponent]

    public init(_ code: Code, at byteOffset: Int, path: [DICOMError.PathComponent]) {
        self.code = code
        self.byteOffset = byteOffset
        self.path = path
    }

    /// The path as text, as `DICOMError.place`.
    public var place: String { DICOMError.place(path) }
}

extension DataSetParser {
    /// So many are kept of a reading, so that no input makes many; all are counted.
    static let keptWarnings = 32

    /// What the header of an element was like.
    enum HeaderForm {
        case regular, unknownVR, missingVR
    }

    @inline(never)
    mutating func warn(_ code: ReadWarning.Code, _ tag: UInt32?, at offset: Int) {
        warningCount += 1
        guard warnings.count < Self.keptWarnings else { return }
        warnings.append(ReadWarning(code, at: offset, path: failure(.truncated, tag).path))
    }

    /// Looks closely at an element that seems odd, or is a group length.
    /// - Parameter base: nil when the value is no single one or need not be there.
    @inline(never)
    mutating func inspect(
        _ tag: UInt32, _ form: HeaderForm, start: Int, valueOffset: Int, length: Int, _ base: UnsafeRawPointer?
    ) {
        if tag < top.lastTag {
            isSorted = false
            warn(.tagsNotAscending, tag, at: start)
        } else if tag == top.lastTag, tag != 0 {
            warn(.duplicateTag, tag, at: start)
        }
        switch form {
        case .regular: break
        case .unknownVR: warn(.unknownVR, tag, at: start)
        case .missingVR: warn(.missingVR, tag, at: start)
        }
        if length & 1 != 0 { warn(.oddLength, tag, at: start) }
        if start >= groupEnd {
            let group = groupLengthTag >> 16
            let isRight =
                start == groupEnd && top.level == .root && top.lastTag >> 16 == group && tag >> 16 != group
            groupEnd = .max
            if !isRight { warn(.wrongGroupLength, groupLengthTag, at: start) }
        }
        if tag & 0xFFFF == 0, length == 4, top.level == .root, let base {
            groupLengthTag = tag
            groupEnd = valueOffset + 4 + Int(load32(base, valueOffset, top.isBigEndian))
        }
    }
}
