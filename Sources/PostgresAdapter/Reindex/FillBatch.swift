public import Archive
public import ArchiveSchema

/// A series as its row was when it was read.
public struct FillSeries: Sendable {
    public var identity: SeriesIdentity
    /// Instances as last counted.
    public var instanceCount: Int
    var representative: String
    /// The time of its last change as its flag has it (`dicom_json_meta`): equal as long as nothing new came.
    var flagTime: Int64?
    var hasVariants: Bool
    /// When its first instance was received.
    var createdTime: Timestamp
}

/// Values for the rows of some series, made of their stored metadata.
public struct FillBatch: Sendable {
    /// What was found in one series, or in a part of it.
    struct Part: Sendable {
        var series: FillSeries
        var tuples: [FilledTable: [UInt8]] = [:]
        /// Of its variants all, as tuples with their hashes; nil: they stay as they are.
        var variants: [UInt8]?
    }

    var parts: [Part] = []
    /// The last series that is whole in this batch; nil when there is none.
    public internal(set) var position: SeriesIdentity?
    /// The series that it has values for.
    public var identities: [SeriesIdentity] { parts.map(\.series.identity) }
    /// Instances that it stands for.
    public internal(set) var instanceCount = 0
    public internal(set) var failures: [Failure] = []
    /// Values that broke the rules of the columns that are filled.
    var problems: [(series: FillSeries, sopInstanceUID: String, problem: ColumnProblem)] = []

    /// An instance, or a series when its UID is empty, that no values could be made of.
    public struct Failure: Sendable {
        public var series: SeriesIdentity
        var createdTime: Timestamp
        public var sopInstanceUID: String
        /// A constant code.
        public var reason: String
        public var detail: String
    }

    /// What went wrong, as rows for the list of problems.
    /// - Parameter node: who saw it.
    public func problemRows(node: String) -> [DicomProblemMetaRow] {
        var rows: [DicomProblemMetaRow] = []
        func add(
            _ series: SeriesIdentity, _ uid: String, _ received: Timestamp,
            _ note: (inout InstanceProblems) -> Void
        ) {
            let subject = InstanceProblems.Subject(
                tenantID: series.tenantID, studyUID: series.studyUID, seriesUID: series.seriesUID, sopUID: uid,
                traceID: "", workerNodeID: node, createdTime: received)
            var problems = InstanceProblems()
            note(&problems)
            rows += problems.rows(of: subject, by: "wado reindex", seen: .now)
        }
        for failure in failures {
            add(failure.series, failure.sopInstanceUID, failure.createdTime) { problems in
                problems.add(failure.reason.replacing("_", with: "-"), .error, detail: failure.detail)
            }
        }
        for (series, uid, problem) in problems {
            add(series.identity, uid, series.createdTime) { $0.add(problem) }
        }
        return rows
    }
}
