public import ArchiveSchema

/// Work on old data that was begun, and how far it came.
public struct ReindexJob: Sendable, Equatable {
    /// What is done, and for whom. Two jobs of one scope are one: the second goes on where the first ended.
    public struct Scope: Sendable, Hashable {
        public enum Kind: String, Sendable {
            /// Columns are filled from stored metadata.
            case columns
            /// Columns are filled: of series from stored metadata, then those of instances by rows that are made anew from
            /// the files.
            case columnsFromFiles = "columns-from-files"
            /// Everything is made anew from the files.
            case files
            /// Instances with open problems are tried again.
            case problems
        }

        public var kind: Kind
        /// `table.column`, ascending; of problems the rule that is meant; empty: everything.
        public var columns: [String]
        /// nil: of all tenants.
        public var tenantID: String?
        /// Only what was received then or later.
        public var since: Timestamp?
        /// `since` was said as a span of time before now: a job that was begun with the same span is the same.
        public var isSinceRelative: Bool

        public init(
            _ kind: Kind, columns: [String] = [], tenantID: String? = nil, since: Timestamp? = nil,
            isSinceRelative: Bool = false
        ) {
            self.kind = kind
            self.columns = columns.sorted()
            self.tenantID = tenantID
            self.since = since
            self.isSinceRelative = isSinceRelative
        }

        /// Whether it fills some columns, and no others.
        public var isOfColumns: Bool { kind == .columns || kind == .columnsFromFiles }
    }

    /// With the `since` it was begun with.
    public var scope: Scope
    public var id: Int64
    /// The last series that is done; nil at the start.
    public var position: SeriesIdentity?
    /// Instances that were looked at, so far.
    public var done: Int
    /// Rows that were written, so far.
    public var changed: Int
    /// Instances with errors, so far.
    public var failed: Int
    public var startedTime: Timestamp

    public init(
        scope: Scope, id: Int64, position: SeriesIdentity?, done: Int, changed: Int, failed: Int,
        startedTime: Timestamp
    ) {
        self.scope = scope
        self.id = id
        self.position = position
        self.done = done
        self.changed = changed
        self.failed = failed
        self.startedTime = startedTime
    }
}
