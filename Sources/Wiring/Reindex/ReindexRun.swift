import Archive
import ArchiveSchema
import PostgresAdapter

/// How far a run over old data is, kept in the database so that a run that was killed is taken up there; of a dry run
/// nothing is.
struct ReindexRun {
    private let journal: ReindexJournal?
    private(set) var job: ReindexJob?
    /// Only what was received then or later; of a run that is taken up as it was begun.
    let since: Timestamp?

    /// - Throws: `ReindexBusy`.
    init(
        _ connection: String, _ options: ReindexOptions, _ kind: ReindexJob.Scope.Kind, _ columns: [String]
    ) throws {
        guard !options.isDryRun else {
            (journal, job, since) = (nil, nil, options.since)
            return
        }
        let journal = try ReindexJournal(connection)
        let job = try journal.begin(options.scope(kind, columns))
        (self.journal, self.job, since) = (journal, job, job.scope.since)
    }

    /// The last series that is done.
    var position: SeriesIdentity? { job?.position }

    /// Notes that everything up to there is done.
    mutating func advance(to position: SeriesIdentity, _ progress: ReindexProgress) throws {
        job?.position = position
        job?.take(progress)
        if let job { try journal?.advance(job) }
    }

    /// Notes that everything is done.
    mutating func finish(_ progress: ReindexProgress) throws {
        job?.take(progress)
        if let job { try journal?.finish(job) }
    }
}
