public import ArchiveSchema

/// A series as the index knows it.
public struct SeriesEntry: Sendable, Equatable {
    public var series: SeriesIdentity
    /// Modality (0008,0060) of the representative; nil when empty.
    public var modality: String?
    /// Instances counted so far (`series_related_instances`).
    public var instanceCount: Int
    /// True when its instances disagree on attributes that searches for series compare, so that not all of them need to
    /// have the values by which the series was found. Told by `seriesMatching` only.
    public var hasVariants: Bool

    public init(series: SeriesIdentity, modality: String?, instanceCount: Int, hasVariants: Bool = false) {
        self.series = series
        self.modality = modality
        self.instanceCount = instanceCount
        self.hasVariants = hasVariants
    }
}

/// How much the index holds.
public struct IndexCounts: Sendable, Equatable {
    public var studies: Int
    public var series: Int
    public var instances: Int

    public init(studies: Int, series: Int, instances: Int) {
        self.studies = studies
        self.series = series
        self.instances = instances
    }
}

/// The answer to a QIDO-RS search for studies or series.
public struct IndexAnswer: Sendable {
    /// One DICOM JSON Model object (PS3.18 F.2) for each match, attributes in ascending order of tags.
    public var objects: [[UInt8]]
    /// Of each object the instance whose values it shows.
    public var representatives: [Representative]
    /// True when more would have matched than the query's limit let through (PS3.18 8.3.4.4).
    public var isPartial: Bool
    /// For the Warning header (299): attributes of the query that the index does not know and did not match.
    public var warnings: [String]

    /// The instance of lowest UID of a series; of a study's series that of lowest UID.
    public struct Representative: Sendable, Equatable {
        public var series: SeriesIdentity
        public var sopInstanceUID: String

        public init(series: SeriesIdentity, sopInstanceUID: String) {
            self.series = series
            self.sopInstanceUID = sopInstanceUID
        }
    }

    public init(
        objects: [[UInt8]], representatives: [Representative], isPartial: Bool, warnings: [String] = []
    ) {
        self.objects = objects
        self.representatives = representatives
        self.isPartial = isPartial
        self.warnings = warnings
    }
}

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

/// A message that can never succeed, with why.
public struct DeadLetter: Sendable {
    public var message: ReceivedMessage
    /// A constant code, such as `file_missing`; never a value of a data set.
    public var reason: String
    /// For people; without patient data.
    public var detail: String

    public init(message: ReceivedMessage, reason: String, detail: String) {
        self.message = message
        self.reason = reason
        self.detail = detail
    }
}
