public import Archive
public import ArchiveSchema

/// How a run over old data is to be done.
public struct ReindexOptions: Sendable {
    /// nil: all tenants.
    public var tenant: TenantID?
    /// Only what was received then or later; nil: all.
    public var since: Timestamp?
    /// `since` was said as a span of time before now.
    public var isSinceRelative = false
    /// Counts only.
    public var isDryRun = false
    /// Instances a second at most; nil: as fast as it goes.
    public var rate: Int?

    public init() {}

    func scope(_ kind: ReindexJob.Scope.Kind, _ columns: [String] = []) -> ReindexJob.Scope {
        ReindexJob.Scope(
            kind, columns: columns, tenantID: tenant?.value, since: since, isSinceRelative: isSinceRelative)
    }
}

/// How far a run is.
public struct ReindexProgress: Sendable {
    /// Instances looked at, those of an earlier run that was taken up included.
    public var done = 0
    /// Of these by this run.
    public var doneNow = 0
    /// Rows, and instances in the metadata of series, that were added or changed, or would be; with `logs: doris` all rows
    /// of instances, since each is published.
    public var changed = 0
    /// False when `changed` tells nothing: files were read, and not compared with what there is.
    public var isCompared = true
    /// Instances with errors.
    public var failed = 0
    /// 0 to 1.
    public var fraction = 0.0
    /// Of the whole, what an earlier run had done.
    public var fractionBefore = 0.0
    /// True when it took up what an earlier run had begun.
    public var isContinued = false
}

extension ReindexProgress {
    /// With what an earlier run of the job had done.
    init(_ job: ReindexJob?) {
        isContinued = job?.position != nil
        done = job?.done ?? 0
        changed = job?.changed ?? 0
        failed = job?.failed ?? 0
    }
}

extension ReindexJob {
    mutating func take(_ progress: ReindexProgress) {
        (done, changed, failed) = (progress.done, progress.changed, progress.failed)
    }
}

/// An instance that something is wrong with. Without patient data.
public struct ReindexFailure: Sendable, Equatable {
    public var tenantID: String
    public var studyUID: String
    public var seriesUID: String
    /// Empty when the whole series is meant.
    public var sopInstanceUID: String
    /// A constant code.
    public var reason: String
    public var detail: String

    public init(
        tenantID: String, studyUID: String, seriesUID: String, sopInstanceUID: String, reason: String, detail: String
    ) {
        self.tenantID = tenantID
        self.studyUID = studyUID
        self.seriesUID = seriesUID
        self.sopInstanceUID = sopInstanceUID
        self.reason = reason
        self.detail = detail
    }
}
