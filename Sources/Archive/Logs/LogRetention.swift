public import ArchiveSchema

/// How long rows are kept that only tell what happened. What describes stored instances is kept as long as they are.
public struct LogRetention: Sendable, Equatable {
    /// Whole months before the running one whose requests stay in `wado_access_log`; 0 keeps all.
    public var accessMonths = 24
    /// Months after which cleared problems, and those of refused instances, go; 0 keeps all.
    public var problemMonths = 24

    public init() {}
}

/// What a round of housekeeping did.
public struct LogHousekeeping: Sendable, Equatable {
    /// Tables of months that are gone, or were made of rows that lay in no month's table.
    public var droppedPartitions: [String] = []
    public var filledPartitions: [String] = []
    /// Rows beyond their time, other than those of whole months.
    public var deletedRows = 0
    /// Partitions that others' queries held, so that they are tried again the next time.
    public var postponed: [String] = []

    public init() {}
}

/// Keeps the log tables in order.
public protocol LogKeeper: Sendable {
    /// Makes room and partitions. Of several callers one does the work.
    /// - Returns: nil when another one is doing it.
    func keep(_ retention: LogRetention, now: Timestamp) throws -> LogHousekeeping?
}
