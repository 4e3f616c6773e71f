public import ArchiveSchema

/// A series whose metadata waits to be compacted.
public struct CompactionTask: Sendable, Equatable {
    public var series: SeriesIdentity
    /// When its last change was flagged, in microseconds since 1970, UTC: the task is done only if this still stands.
    public var flagTime: Int64
    /// Failed attempts so far.
    public var retries: Int

    public init(series: SeriesIdentity, flagTime: Int64, retries: Int) {
        self.series = series
        self.flagTime = flagTime
        self.retries = retries
    }
}

/// The queue of series whose metadata changed (`dicom_json_meta`).
public protocol CompactionQueue: Sendable {
    /// Lends up to `limit` waiting series, oldest first, to `body`; no other worker gets them meanwhile. What `body`
    /// returns says how each went; a series that changed again in between stays in the queue.
    /// - Parameter idleMicroseconds: only series unchanged for so long; 0 takes all.
    /// - Returns: how many were lent.
    func take(
        limit: Int, idleMicroseconds: Int64, _ body: ([CompactionTask]) throws -> [CompactionOutcome]
    ) throws -> Int
    /// Makes a lent series findable by just these rows, one for each distinct set of searched values that its instances
    /// have: what the series' row does not show is kept beside it, and what no instance has any more goes. Does nothing
    /// when the series changed since it was lent. To be called from `take`'s body.
    func setSearchedValues(_ rows: [DicomStateMetaRow], of task: CompactionTask) throws
    /// Series that wait now.
    func waiting() throws -> Int
}

/// How the compaction of one task went.
public enum CompactionOutcome: Sendable, Equatable {
    /// Compacted; the count is the exact number of instances.
    case done(instanceCount: Int)
    /// Failed; comes again later, with one retry more.
    case failed
    /// Not looked at; stays as it is.
    case untouched
}
