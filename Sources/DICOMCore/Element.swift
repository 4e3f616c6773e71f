public import DICOMDictionary

/// Where an element is: its tag, its VR and the place of its value. No value, no reference: 32 plain bytes, kept in
/// one array for the whole tree, in the order of the bytes.
///
/// Items and fragments are entries of the array too, with the tag (FFFE,E000).
public struct Element: Sendable {
    public let tag: Tag
    /// As written, or by the dictionary when the transfer syntax has none or says UN (PS3.5 6.2.2).
    public internal(set) var vr: VR
    var flags: Flags
    /// Bytes from the tag to the value.
    let headerLength: UInt8
    /// Where the value begins, in bytes from the start of the storage.
    public let valueOffset: Int
    /// The value's length in bytes, without delimiters, also where the length field says undefined. 0 of a value that
    /// was left out.
    public internal(set) var length: Int
    /// The place of this element in the tree's array.
    let index: UInt32
    /// The place after the last entry below this one.
    var subtreeEnd: UInt32

    struct Flags: OptionSet, Sendable {
        let rawValue: UInt8
        static let undefinedLength = Flags(rawValue: 1)
        /// Encoded without VR.
        static let implicitVR = Flags(rawValue: 2)
        static let bigEndian = Flags(rawValue: 4)
        /// Its entries are items.
        static let sequence = Flags(rawValue: 8)
        /// Its entries are fragments.
        static let fragments = Flags(rawValue: 16)
        /// The value ends before its length does.
        static let truncated = Flags(rawValue: 32)
        /// The value was not read.
        static let omitted = Flags(rawValue: 64)
    }

    /// The same value read as another VR, for who knows it where the file says UN: it is little endian then, whatever is
    /// around it (PS3.5 6.2.2).
    public func read(as vr: VR) -> Element {
        var element = self
        if self.vr == .un { element.flags.remove(.bigEndian) }
        element.vr = vr
        return element
    }

    /// The length field is FFFFFFFF.
    @inline(__always) public var isUndefinedLength: Bool { flags.contains(.undefinedLength) }
    /// The numbers in the value have the most significant byte first.
    @inline(__always) public var isBigEndian: Bool { flags.contains(.bigEndian) }
    /// It has items (also when its VR is written as UN).
    @inline(__always) public var isSequence: Bool { flags.contains(.sequence) }
    /// It is encapsulated: a sequence of fragments (PS3.5 A.4).
    @inline(__always) public var isEncapsulated: Bool { flags.contains(.fragments) }
    /// The value is longer than `ReadOptions.maximumValueBytes` and was left out: the element is as if it were empty.
    /// `DataSet.storedRange` tells where the value is.
    @inline(__always) public var isOmitted: Bool { flags.contains(.omitted) }
    /// Where the tag begins.
    @inline(__always) public var offset: Int { valueOffset - Int(headerLength) }
    /// Where the value lies.
    @inline(__always) public var valueRange: Range<Int> { valueOffset..<valueOffset + length }
}
