public import DICOMDictionary

/// What to read, and the bounds no input gets past.
public struct ReadOptions: Hashable, Sendable {
    /// Reading ends before the first element of the root whose tag is this or a later one; nil reads all.
    public var stopBefore: Tag?
    /// How many sequences may be nested in one another.
    public var maximumDepth = 256
    /// How many elements, items and fragments a data set may have in all.
    public var maximumElements = 4_000_000
    /// How many bytes of a file are copied, or inflated, to get to `stopBefore` at any time. Files that need more, or
    /// have very many elements, are read one at a time in the whole process, so that many of them need no more memory
    /// than one (`HeaderReader`).
    public var maximumHeaderBytes = 256 << 10
    /// Longer values are left out: of them the element says only where they are (`Element.isOmitted`). Sequences and
    /// fragments are read whatever their length.
    public var maximumValueBytes = Int.max
    /// How many bytes a deflated data set may inflate to, as far as it is read.
    public var maximumInflatedBytes = 1 << 30
    /// How many of the inflated bytes may be kept in memory: those that are not of values left out.
    public var maximumKeptBytes = Int.max
    /// Bytes that end too early are no error: the last value is what is there, open items and sequences are closed,
    /// and `DataSet.isTruncated` tells.
    public var acceptsTruncation = false

    public init(stopBefore: Tag? = nil) { self.stopBefore = stopBefore }

    /// All elements before Float (7FE0,0008), Double Float (7FE0,0009) and plain Pixel Data (7FE0,0010), without values
    /// of more than 1 MiB. Of a deflated data set these elements may have 512 MiB, and 64 MiB without the values left out.
    public static let header: ReadOptions = {
        var options = ReadOptions(stopBefore: Tag(0x7FE0_0008))
        options.maximumValueBytes = 1 << 20
        options.maximumInflatedBytes = 512 << 20
        options.maximumKeptBytes = 64 << 20
        return options
    }()
    /// All of it.
    public static let whole = ReadOptions()
}
