public import ArchiveSchema
public import DICOMWeb

/// What the consumer learnt of one series in one batch.
public struct SeriesUpdate: Sendable {
    /// The row of the batch's instance with the lowest SOP Instance UID in byte order (`representative_sop_uid`).
    public var state: DicomStateMetaRow
    /// Rows of the batch's other instances whose searched values differ from `state`'s; repeats do no harm.
    public var variants: [DicomStateMetaRow]
    /// Distinct instances the series has now; the index never lowers its count by this.
    public var instanceCount: Int

    public init(state: DicomStateMetaRow, variants: [DicomStateMetaRow] = [], instanceCount: Int) {
        self.state = state
        self.variants = variants
        self.instanceCount = instanceCount
    }
}

/// Everything one batch of the consumer writes.
public struct IngestBatch: Sendable {
    /// At most one for each series.
    public var series: [SeriesUpdate] = []
    public var logs = LogRows()
    /// Problems that came by the bus: who reads its topics has them already.
    public var receivedProblems: [DicomProblemMetaRow] = []
    public var deadLetters: [DeadLetter] = []

    public init() {}
}

/// Where the consumer writes: index and logs, all or nothing where one database holds both.
public protocol IngestStore: Sendable {
    /// Returns when everything is on stable storage. Writing the same batch again changes nothing.
    /// - Returns: rows of series and instances that were added or changed, or published.
    @discardableResult
    func write(_ batch: IngestBatch) throws -> Int
}

/// The index alone, where logs are kept elsewhere.
public protocol SeriesWriter: Sendable {
    /// Writes series, dead letters and problems of the batch, and no other logs, in one transaction.
    ///
    /// Of a series' rows that were returned at any time, by anybody, the one with the greatest `updatedTime` is the
    /// latest, and two of the same time are equal: so who keeps the greatest ends with what the index has, in whatever
    /// order they arrive.
    func writeSeries(_ batch: IngestBatch) throws -> WrittenSeries
}

/// What other stores have to hear of a batch, beside its logs.
public struct WrittenSeries: Sendable {
    /// The batch's series as the index has them now, changed or not.
    public var rows: [DicomStateMetaRow]
    /// Problems that the batch's instances had and have no longer.
    public var clearedProblems: [DicomProblemMetaRow]
    /// How many rows of series were added or changed.
    public var changed = 0

    public init(rows: [DicomStateMetaRow] = [], clearedProblems: [DicomProblemMetaRow] = []) {
        self.rows = rows
        self.clearedProblems = clearedProblems
    }
}

/// The index of series. Every call is bound to one tenant; another tenant's rows are never seen, counted or changed.
public protocol SeriesIndex: Sendable {
    /// Answers a search for studies or series (PS3.18 10.6). A study answers with the values of its series of lowest
    /// UID and is found by the values of any of its series, a series by the values of any of its instances. The order is
    /// stable: pages do not overlap.
    /// - Parameters:
    ///   - query: its limit is the only one.
    ///   - retrieveRoot: what Retrieve URL (0008,1190) starts with, such as `http://host/dicom-web`; nil leaves the
    ///     attribute out.
    /// - Throws: for a query on the instance level (`seriesMatching` and the metadata answer those).
    func search(_ query: QIDOQuery, tenantID: String, retrieveRoot: String?) throws -> IndexAnswer

    /// The series that match the query's study and series keys (keys of instances are not looked at), in order of
    /// (study, series) UID, beginning behind `after`: for searches of instances.
    func seriesMatching(
        _ query: QIDOQuery, tenantID: String, after: SeriesIdentity?, limit: Int
    ) throws -> [SeriesEntry]

    /// What an answer to this search has to say of itself (Warning header, PS3.18 8.3.4.4): keys that are not filled in
    /// for all older instances yet. Cheap: may be some seconds old.
    func warnings(for query: QIDOQuery, tenantID: String) -> [String]

    /// All series of a study, in order of series UID; empty when there is no such study.
    func series(ofStudy studyUID: String, tenantID: String) throws -> [SeriesEntry]

    /// Of one tenant, or of all when nil (for operators only).
    func counts(tenantID: String?) throws -> IndexCounts
}

extension SeriesIndex {
    public func warnings(for query: QIDOQuery, tenantID: String) -> [String] { [] }
}

/// Rows of the log tables.
public struct LogRows: Sendable {
    public var objects: [DicomObjectMetaRow] = []
    public var images: [DicomImageMetaRow] = []
    public var access: [WadoAccessLogRow] = []
    /// A row that is there is replaced by one of a later `updatedTime`.
    public var problems: [DicomProblemMetaRow] = []

    public init() {}
    public var isEmpty: Bool { objects.isEmpty && images.isEmpty && access.isEmpty && problems.isEmpty }
}

/// The log tables: one machine's are in PostgreSQL, others' behind topics.
public protocol LogStore: Sendable {
    /// Returns when the rows are on stable storage. Appending the same rows again changes nothing.
    func append(_ rows: LogRows) throws
}
