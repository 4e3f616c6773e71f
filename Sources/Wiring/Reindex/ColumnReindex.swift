internal import Archive
internal import PostgresAdapter
public import ServiceKit

/// Fills columns of rows that are there (`wado reindex --columns`): from stored metadata; and where rows of instances are
/// published, and in no database of ours, these from the files.
///
/// Instances may come in meanwhile, and what they say wins. How far it is stands in the database after every batch, so
/// that a run that was killed is taken up there.
public struct ColumnReindex: Sendable {
    private let settings: Settings
    private let connection: String
    private let columns: ColumnSelection
    private let options: ReindexOptions

    /// Of the time that rows of instances from the files take, what those of series from metadata take before, about.
    private static let shareOfSeries = 0.1

    /// - Parameters:
    ///   - columns: their names, with or without their tables.
    ///   - connection: libpq's connection string of the archive's database, which has its schema.
    /// - Throws: when one of them cannot be filled.
    public init(_ columns: [String], _ settings: Settings, connection: String, options: ReindexOptions) throws {
        self.settings = settings
        self.connection = connection
        self.columns = try ColumnSelection(columns)
        self.options = options
    }

    /// `table.column` of all that are filled.
    public var names: [String] { columns.names }

    /// Runs to the end.
    /// - Parameters:
    ///   - progress: is called after each batch.
    ///   - failure: is called for each instance that no values can be made of.
    /// - Throws: `ReindexBusy`, `EmptyFolder`; or what stands in the way: beginning again goes on there.
    public func run(
        progress: (ReindexProgress) -> Void, failure: (ReindexFailure) -> Void
    ) throws -> ReindexProgress {
        let rows = IndexerCrew.Work.rows(columns.instanceTopics)
        let backends = try Backends(settings, connection: connection, sessions: 3 + FilePass.threads(settings, rows))
        defer { backends.close() }
        if backends.publishesRows, !columns.instanceTopics.isEmpty {
            // Doris takes whole rows only: the files have all that is in them.
            let files = try FilePass(settings, backends, options, rows)
            let metadata = try columns.ofSeries.map { try MetadataPass(settings, backends, options, $0) }
            var job = try ReindexRun(connection, options, .columnsFromFiles, columns.names)
            var state = ReindexProgress(job.job)
            // The job's position is one among the files: where it has one, series are done.
            if job.position == nil {
                try metadata?.run(
                    after: nil, since: job.since, &state, until: Self.shareOfSeries, progress: progress,
                    failure: failure, done: { _, _ in })
                // They are the same instances.
                (state.done, state.doneNow) = (0, 0)
            }
            try files.run(
                &job, &state, from: metadata == nil ? 0 : Self.shareOfSeries, progress: progress, failure: failure)
            try job.finish(state)
            return state
        }
        let metadata = try MetadataPass(settings, backends, options, columns)
        var job = try ReindexRun(connection, options, .columns, columns.names)
        var state = ReindexProgress(job.job)
        try metadata.run(
            after: job.position, since: job.since, &state, progress: progress, failure: failure
        ) { position, state in try job.advance(to: position, state) }
        try job.finish(state)
        return state
    }
}
