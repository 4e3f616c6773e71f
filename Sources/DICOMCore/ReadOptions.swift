public import DICOMDictionary

/// What to read, and the bounds no input gets past.
public struct ReadOptions: Hashable, Sendable {
    /// Reading ends before the first element of the root whose tag is this or a later one; nil reads all.
    public var stopBefore: Tag?
    /// How many sequences may be nested in one another.
    public var maximumDepth = 256
    /// How many elements, items and fragments a data set may have in all.
    public var maximumElements = 4_000_000
    /// How many bytes of a file are copied to get to `stopBefore`; a file that needs more is mapped instead.
    public var maximumHeaderBytes = 4 << 20
    /// How many bytes a deflated data set may inflate to. It may also not inflate to more than 64 MiB and a hundred
    /// times its size.
    public var maximumInflatedBytes = 1 << 30
    /// Bytes that end too early are no error: the last value is what is there, open items and sequences are closed,
    /// and `DataSet.isTruncated` tells.
    public var acceptsTruncation = false

    public init(stopBefore: Tag? = nil) { self.stopBefore = stopBefore }

    /// All elements before Float (7FE0,0008), Double Float (7FE0,0009) and plain Pixel Data (7FE0,0010).
    public static let header = ReadOptions(stopBefore: Tag(0x7FE0_0008))
    /// All of it.
    public static let whole = ReadOptions()
}
