internal import Archive
internal import PostgresAdapter
public import ServiceKit

/// Fills columns of rows that are there from stored metadata (`wado reindex --columns`).
///
/// One thread reads metadata, this one writes. Instances may come in meanwhile, and what they say wins. How far it is
/// stands in the database after every batch, so that a run that was killed is taken up there.
public struct ColumnReindex: Sendable {
    private let settings: Settings
    private let connection: String
    private let columns: ColumnSelection
    private let options: ReindexOptions

    private static let attempts = 20

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
        let backends = try Backends(settings, connection: connection, sessions: 3)
        defer { backends.close() }
        if backends.publishesRows, columns.areOfInstances {
            // Doris takes whole rows only, and the database has none of these: the files have all that is in them.
            return try FileReindex(settings, connection: connection, options: options, columns: columns.names).run(
                progress: progress, failure: failure)
        }
        let fill = ColumnFill(pool: try backends.database(), columns: columns)
        let folder = DataFolder(settings[WadoSettings.data])
        try EmptyFolder.check(folder.json, tenant: options.tenant, IndexInventory(pool: try backends.database()))
        var job = try ReindexRun(connection, options, .columns, columns.names)
        let filter = ColumnFill.Filter(tenantID: options.tenant?.value, since: job.since)
        var state = ReindexProgress(job.job)
        let left = try fill.count(filter, after: job.position).instances
        let total = max(1, state.done + left)
        state.fractionBefore = Double(state.done) / Double(total)

        let producer = try Producer(reader: { makeReader() }, fill: fill, filter: filter, after: job.position)
        defer { producer.stop() }
        let again = makeReader()
        let logs = options.isDryRun ? nil : try backends.logs()
        var ofSeries =
            options.isDryRun
            ? nil : try SeriesProblems(PostgresProblems(pool: try backends.database()), tenant: options.tenant)
        var limit = RateLimit(perSecond: options.rate)
        while let batch = try producer.next() {
            for failed in batch.failures {
                state.failed += 1
                failure(ReindexFailure(failed))
            }
            if let logs {
                var rows = LogRows()
                rows.problems = batch.problemRows(node: Node.name(settings))
                let failing = Set(batch.failures.map(\.series))
                rows.problems += ofSeries?.clearing(batch.identities.filter { !failing.contains($0) }) ?? []
                try patiently { try logs.append(rows) }
            }
            let (changed, busy) = try write(batch, fill, again)
            state.changed += changed
            for series in busy {
                state.failed += 1
                failure(ReindexFailure(busy: series))
            }
            if backends.publishesRows, !options.isDryRun {
                try patiently { try backends.publish(fill.rows(of: batch.identities)) }
            }
            state.done += batch.instanceCount
            state.doneNow += batch.instanceCount
            state.fraction = min(1, Double(state.done) / Double(total))
            progress(state)
            if let position = batch.position { try job.advance(to: position, state) }
            limit.spend(batch.instanceCount)
        }
        state.fraction = 1
        try job.finish(state)
        return state
    }

    private func makeReader() -> ColumnReader {
        let folder = DataFolder(settings[WadoSettings.data])
        return ColumnReader(
            columns, metadata: FileMetadataStore(root: folder.json),
            store: FileStore(paths: ArchivePaths(root: folder.store)),
            batchInstances: RateLimit(perSecond: options.rate).share(of: 2_000))
    }

    /// - Returns: the number of rows that were changed, or would be; and the series that others wrote to all the time.
    private func write(
        _ batch: FillBatch, _ fill: ColumnFill, _ reader: ColumnReader
    ) throws -> (changed: Int, busy: [SeriesIdentity]) {
        if options.isDryRun { return (try fill.countChanges(batch), []) }
        var (changed, left) = try patiently { try fill.write(batch) }
        var attempt = 0
        while !left.isEmpty {
            attempt += 1
            // What comes has its values; what was there before has not.
            guard attempt < Self.attempts else { break }
            if attempt > 1 { StopToken().wait(milliseconds: 20 * attempt) }
            var next: [SeriesIdentity] = []
            var batches: [FillBatch] = []
            try reader.read(try fill.series(left)) { batch in
                batches.append(batch)
                return true
            }
            for batch in batches {
                let (more, again) = try patiently { try fill.write(batch) }
                changed += more
                next += again
            }
            left = next
        }
        return (changed, left)
    }
}

/// The thread that reads series and their metadata.
private final class Producer: Sendable {
    private static let seriesAtOnce = 200
    private let batches = BoundedQueue<FillBatch>(capacity: 3)
    private let failure = Monitor<(any Error)?>(nil)
    private let thread: ServiceThread

    init(
        reader makeReader: @escaping @Sendable () -> ColumnReader, fill: ColumnFill, filter: ColumnFill.Filter,
        after: SeriesIdentity?
    ) throws(ThreadError) {
        let (batches, failure) = (batches, failure)
        thread = try ServiceThread(name: "reindex-read") { stop in
            defer { batches.close() }
            let reader = makeReader()
            do {
                var after = after
                while !stop.isStopped {
                    let series = try fill.series(filter, after: after, limit: Self.seriesAtOnce)
                    guard let last = series.last else { return }
                    try reader.read(series) { batch in batches.put(batch) }
                    after = last.identity
                }
            } catch { failure.withLock { $0 = error } }
        }
    }

    /// nil at the end.
    func next() throws -> FillBatch? {
        if let batch = batches.take() { return batch }
        if let error = failure.current { throw error }
        return nil
    }

    func stop() {
        thread.stop()
        batches.close()
        thread.join()
    }
}

extension ReindexFailure {
    fileprivate init(busy series: SeriesIdentity) {
        self.init(
            tenantID: series.tenantID, studyUID: series.studyUID, seriesUID: series.seriesUID, sopInstanceUID: "",
            reason: "series_busy", detail: "instances came all the time; once more, when no more come")
    }

    fileprivate init(_ failure: FillBatch.Failure) {
        self.init(
            tenantID: failure.series.tenantID, studyUID: failure.series.studyUID,
            seriesUID: failure.series.seriesUID, sopInstanceUID: failure.sopInstanceUID, reason: failure.reason,
            detail: failure.detail)
    }
}
