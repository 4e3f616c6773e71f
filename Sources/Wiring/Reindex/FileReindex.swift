internal import Archive
internal import ConsumerService
public import ServiceKit

/// Makes index, metadata and logs anew from nothing but the folder of DICOM files (`wado reindex --from-files`).
///
/// What is there already and right stays untouched, nothing is removed, and instances may come in meanwhile. How far it
/// is stands in the database after every few thousand instances, so that a run that was killed is taken up there.
public struct FileReindex {
    private let settings: Settings
    private let connection: String
    private let options: ReindexOptions

    /// - Parameter connection: libpq's connection string of the archive's database, which has its schema.
    public init(_ settings: Settings, connection: String, options: ReindexOptions) {
        self.settings = settings
        self.connection = connection
        self.options = options
    }

    /// Runs to the end.
    /// - Parameters:
    ///   - progress: is called after each step.
    ///   - failure: is called for each instance that cannot be indexed.
    /// - Throws: `ReindexBusy`, `EmptyFolder`; or what stands in the way for longer than half a minute: beginning again goes on there.
    public func run(
        progress: (ReindexProgress) -> Void, failure: (ReindexFailure) -> Void
    ) throws -> ReindexProgress {
        let backends = try Backends(settings, connection: connection, sessions: FilePass.threads(settings, .everything))
        defer { backends.close() }
        let pass = try FilePass(settings, backends, options, .everything)
        var job = try ReindexRun(connection, options, .files, [])
        var state = ReindexProgress(job.job)
        try pass.run(&job, &state, progress: progress, failure: failure)
        try job.finish(state)
        return state
    }
}
