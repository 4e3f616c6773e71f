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
    /// of more than 1 MiB. Of a deflated data set these elements may have 512 MiB with the values left out. Without them
    /// they may have 64 MiB, but no more than 8 MiB and 64 bytes of each deflated one, and 65,536 elements and four of
    /// each deflated byte.
    public static let header: ReadOptions = {
        var options = ReadOptions(stopBefore: Tag(0x7FE0_0008))
        options.maximumValueBytes = 1 << 20
        options.maximumInflatedBytes = 512 << 20
        options.maximumKeptBytes = 64 << 20
        return options
    }()
    /// All of it.
    public static let whole = ReadOptions()

    /// The bounds of a header that was deflated to so many bytes. Deflate makes up to a thousand bytes of one, and an
    /// empty item of eight bytes takes `Element` 32: without these, some kilobytes could fill all that is allowed to any
    /// file. Segmentations of thousands of equal frames, the most regular headers there are, get to 40 bytes and 3
    /// elements a byte.
    func bounded(deflatedBytes: Int) -> ReadOptions {
        guard stopBefore != nil else { return self }
        var bounded = self
        let bytes = min(deflatedBytes, 1 << 40)
        bounded.maximumElements = min(maximumElements, 65_536 + 4 * bytes)
        bounded.maximumKeptBytes = min(maximumKeptBytes, 8 << 20 + 64 * bytes)
        return bounded
    }
}
