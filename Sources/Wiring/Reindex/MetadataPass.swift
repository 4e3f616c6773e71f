import Archive
import ArchiveSchema
import PostgresAdapter
import ServiceKit

/// Goes through the series of the index while columns of their rows are filled from stored metadata.
///
/// One thread reads metadata, the caller's writes.
struct MetadataPass {
    private let settings: Settings
    private let backends: Backends
    private let options: ReindexOptions
    private let columns: ColumnSelection

    private static let attempts = 20

    /// - Parameter backends: have three sessions for it.
    /// - Throws: `EmptyFolder`.
    init(_ settings: Settings, _ backends: Backends, _ options: ReindexOptions, _ columns: ColumnSelection) throws {
        self.settings = settings
        self.backends = backends
        self.options = options
        self.columns = columns
        let folder = DataFolder(settings[WadoSettings.data])
        try EmptyFolder.check(folder.json, tenant: options.tenant, IndexInventory(pool: try backends.database()))
    }

    /// Begins behind a series, and goes to the end.
    /// - Parameters:
    ///   - end: which part of the whole work is done then.
    ///   - done: is called with the last series that is done.
    func run(
        after: SeriesIdentity?, since: Timestamp?, _ state: inout ReindexProgress, until end: Double = 1,
        progress: (ReindexProgress) -> Void, failure: (ReindexFailure) -> Void,
        done: (SeriesIdentity, ReindexProgress) throws -> Void
    ) throws {
        let fill = ColumnFill(pool: try backends.database(), columns: columns)
        let filter = ColumnFill.Filter(tenantID: options.tenant?.value, since: since)
        let left = try fill.count(filter, after: after).instances
        let total = max(1, state.done + left)
        state.fractionBefore = end * Double(state.done) / Double(total)

        let producer = try Producer(reader: { makeReader() }, fill: fill, filter: filter, after: after)
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
            state.fraction = end * min(1, Double(state.done) / Double(total))
            progress(state)
            if let position = batch.position { try done(position, state) }
            limit.spend(batch.instanceCount)
        }
        state.fraction = end
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
