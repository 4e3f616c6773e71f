/// The DICOM JSON of one instance, as it is appended to its series.
public struct InstanceMetadata: Sendable {
    /// SOP Instance UID (0008,0018).
    public var sopInstanceUID: String
    /// One DICOM JSON Model object (PS3.18 F.2), UTF-8, without an array around it.
    public var json: [UInt8]

    public init(sopInstanceUID: String, json: [UInt8]) {
        self.sopInstanceUID = sopInstanceUID
        self.json = json
    }
}

/// What one call of `append` adds to one series.
public struct SeriesMetadataUpdate: Sendable {
    public var series: SeriesIdentity
    /// In the order in which they were received; of equal UIDs the last one counts.
    public var instances: [InstanceMetadata]

    public init(series: SeriesIdentity, instances: [InstanceMetadata]) {
        self.series = series
        self.instances = instances
    }
}

/// What a compaction found and did.
public struct CompactionResult: Sendable, Equatable {
    /// Distinct SOP Instance UIDs of the series.
    public var instanceCount: Int
    /// False when the compacted file already held everything.
    public var didWrite: Bool

    public init(instanceCount: Int, didWrite: Bool) {
        self.instanceCount = instanceCount
        self.didWrite = didWrite
    }
}

/// The DICOM JSON metadata of all series: appended at ingest, compacted now and then, read by the server.
/// Safe to use from several threads and several processes at once.
public protocol MetadataStore: Sendable {
    /// Adds instances; returns when all are on stable storage. Appending the same again changes nothing.
    /// - Returns: for each update, in order, the number of distinct SOP Instance UIDs that the series now has.
    func append(_ updates: [SeriesMetadataUpdate]) throws -> [Int]

    /// The metadata of a series as it is now; nil when nothing was ever appended. Later appends do not show in it.
    func snapshot(of series: SeriesIdentity) throws -> (any SeriesSnapshot)?

    /// The DICOM JSON object of one instance; nil when the series has no such instance.
    func instance(_ sopInstanceUID: String, of series: SeriesIdentity) throws -> [UInt8]?

    /// What changes whenever the series does, had with little work: for remembering a snapshot. nil: not known.
    func stamp(of series: SeriesIdentity) -> SeriesStamp?

    /// Brings everything of the series into its compressed file.
    /// - Returns: nil when nothing was ever appended.
    func compact(_ series: SeriesIdentity) throws -> CompactionResult?
}

/// The metadata of one series at one moment. Used by one thread; closes its files in deinit.
public protocol SeriesSnapshot: AnyObject {
    /// Changes whenever the text changes; letters, digits and `-` only: good for an ETag (not quoted here).
    var version: String { get }
    /// Distinct SOP Instance UIDs.
    var instanceCount: Int { get }
    /// The gzip body to send as it is stored; nil while the series has instances that are not compacted.
    var compressed: StoredBody? { get }
    /// Bytes of the whole text: the `application/dicom+json` array with its brackets.
    var length: Int { get }
    /// Copies the next bytes of the text into `buffer`; 0 at its end. Starts at the front; memory stays bounded.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
    /// Back to the front of the text.
    func rewind()
    /// Of all instances, in the order of the text.
    func sopInstanceUIDs() throws -> [String]
    /// Visits each instance's DICOM JSON object in the order of the text, until `body` returns false.
    func forEachInstance(_ body: (_ sopInstanceUID: String, _ json: RawSpan) throws -> Bool) throws
}

/// A part of an open file.
public struct StoredBody: Sendable {
    /// Open for reading; the snapshot's: `dup` it to keep it longer than the snapshot.
    public let fileDescriptor: Int32
    public let offset: Int
    public let length: Int

    public init(fileDescriptor: Int32, offset: Int, length: Int) {
        self.fileDescriptor = fileDescriptor
        self.offset = offset
        self.length = length
    }
}
