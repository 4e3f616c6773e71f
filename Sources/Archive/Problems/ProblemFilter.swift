public import ArchiveSchema

/// Which problems are meant.
public struct ProblemFilter: Sendable {
    public var tenantID: String?
    public var rule: String?
    public var severity: ProblemSeverity?
    public var studyUID: String?
    /// Seen or changed at this moment or later.
    public var since: Timestamp?
    /// Also those that are cleared.
    public var includesCleared = false
    /// Only of series behind this one, in the order of their keys.
    public var after: SeriesIdentity?
    /// Only of instances that are stored, so that they can be tried again: none that was refused.
    public var isStored = false
    /// Only of series as a whole, whose instances have none of these.
    public var isOfSeries = false

    public init() {}
}

/// How many problems there are of one rule and severity.
public struct ProblemCount: Sendable, Equatable {
    public var rule: String
    public var severity: String
    public var state: String
    /// Rows: places in instances.
    public var problems: Int
    /// Distinct instances.
    public var instances: Int
    /// When one was seen or changed last.
    public var last: Timestamp

    public init(rule: String, severity: String, state: String, problems: Int, instances: Int, last: Timestamp) {
        self.rule = rule
        self.severity = severity
        self.state = state
        self.problems = problems
        self.instances = instances
        self.last = last
    }
}

extension DicomProblemMetaRow {
    public var series: SeriesIdentity { SeriesIdentity(tenantID: tenantID, studyUID: studyUID, seriesUID: seriesUID) }

    /// nil when not all of it is known.
    public var instance: InstanceIdentity? {
        InstanceIdentity(tenantID: tenantID, studyUID: studyUID, seriesUID: seriesUID, sopUID: sopUID)
    }

    /// The row that clears this one, for `LogRows.problems`.
    /// - Parameters:
    ///   - program: who tried again.
    ///   - time: when; it must be later than the row's, or the row stays.
    public func cleared(by program: String, version: String, at time: Timestamp) -> DicomProblemMetaRow {
        var row = self
        row.state = ProblemState.cleared.rawValue
        row.program = program
        row.programVersion = version
        row.updatedTime = time
        return row
    }
}
