public import Archive
public import ArchiveSchema

/// Indexes stored instances anew from nothing but their files, by the consumer's own road: metadata, index and logs get
/// what they would have got when the instances came. What is there already stays as it is. Used by one thread.
public final class FileIndexer {
    /// Why an instance is not indexed.
    public struct Failure: Sendable, Equatable {
        public var instance: InstanceIdentity
        /// A constant code, as of a `DeadLetter`.
        public var reason: String
        /// For people; without patient data.
        public var detail: String
    }

    /// What came of some instances.
    public struct Outcome: Sendable, Equatable {
        /// Read, and in the index now; of a check those of which rows can be made.
        public var indexed = 0
        /// Rows, and instances in the metadata of series, that were added or changed, or published; nil: nobody looked.
        public var changed: Int?
        /// Passed over: no such file, or none that was received since the day asked for.
        public var skipped = 0
        public var failures: [Failure] = []

        public init() {}

        public static func += (total: inout Outcome, part: Outcome) {
            total.indexed += part.indexed
            if let changed = part.changed { total.changed = (total.changed ?? 0) + changed }
            total.skipped += part.skipped
            total.failures += part.failures
        }
    }

    private let configuration: ConsumerService.Configuration
    private let store: any IngestStore
    private let metadata: FileMetadataStore?
    private let extractor: InstanceExtractor
    private let since: Timestamp?
    /// Series whose metadata were put aside and are not whole again.
    private var partial: Set<SeriesIdentity> = []

    /// - Parameters:
    ///   - metadata: nil: rows of instances, and their problems, are all that is made anew. Series stay as they are.
    ///   - since: only instances that were received then or later.
    public init(
        _ configuration: ConsumerService.Configuration, store: any IngestStore, metadata: FileMetadataStore?,
        since: Timestamp? = nil
    ) {
        self.configuration = configuration
        self.store = store
        self.metadata = metadata
        self.since = since
        extractor = InstanceExtractor(configuration, makesMetadata: metadata != nil)
    }

    private struct Read {
        var instance: InstanceIdentity
        var version: FileVersion
    }

    /// Reads the instances and says what would come of them; writes nothing.
    /// - Throws: when the store cannot be read now.
    public func check(_ instances: [InstanceIdentity]) throws -> Outcome {
        var outcome = Outcome()
        var problems: [DicomProblemMetaRow] = []
        for instance in instances { _ = try read(instance, &outcome, &problems) }
        outcome.indexed = instances.count - outcome.skipped - outcome.failures.count
        return outcome
    }

    /// Reads the instances and writes what comes of them, in batches of the configured size. A file that is replaced
    /// meanwhile is read again, so that what the archive received last stands at the end.
    /// - Throws: when files, metadata or database cannot be reached now; calling it again is safe.
    public func index(_ instances: [InstanceIdentity]) throws -> Outcome {
        var outcome = Outcome()
        outcome.changed = 0
        var rest = instances[...]
        while !rest.isEmpty {
            var batch = ConsumerBatch()
            var read: [Read] = []
            var problems: [DicomProblemMetaRow] = []
            while let instance = rest.first, batch.items.count < configuration.batchInstances,
                batch.bytes < configuration.batchBytes
            {
                rest.removeFirst()
                guard let content = try self.read(instance, &outcome, &problems) else { continue }
                batch.add(ConsumerBatch.Item(message: nil, content: .instance(content.extracted)))
                read.append(Read(instance: instance, version: content.version))
            }
            var (changed, refused) = try write(batch)
            outcome.changed? += changed
            let replaced = read.filter { FileVersion(extractor.path(of: $0.instance)) != $0.version }.map(\.instance)
            refused.removeAll { replaced.contains($0.instance) }
            for failure in refused {
                problems += ConsumerProblems.rows(
                    of: failure.instance, reason: failure.reason, detail: failure.detail, received: .now,
                    node: configuration.node)
            }
            try write(problems)
            outcome.indexed += read.count - replaced.count - refused.count
            outcome.failures += refused
            rest += replaced
        }
        return outcome
    }

    private func read(
        _ instance: InstanceIdentity, _ outcome: inout Outcome, _ problems: inout [DicomProblemMetaRow]
    ) throws -> (extracted: ExtractedInstance, version: FileVersion)? {
        guard let content = try extractor.extract(instance, since: since, node: configuration.node) else {
            outcome.skipped += 1
            return nil
        }
        switch content.outcome {
        case .extracted(let extracted): return (extracted, content.version)
        case .refused(let reason, let detail):
            outcome.failures.append(Failure(instance: instance, reason: reason, detail: detail))
            problems += ConsumerProblems.rows(
                of: instance, reason: reason, detail: detail, received: content.received, node: configuration.node)
            return nil
        }
    }

    /// Metadata first, then index and logs. What the database does not take is found by halving the batch.
    /// - Returns: what was added or changed, and the instances that are refused.
    private func write(_ batch: ConsumerBatch) throws -> (changed: Int, refused: [Failure]) {
        if batch.isEmpty { return (0, []) }
        do {
            let updates = batch.metadataUpdates()
            var counts: [SeriesIdentity: Int] = [:]
            var changed = 0
            for update in updates {
                guard let metadata else { break }
                let appended = try append(update, to: metadata)
                counts[update.series] = appended.count
                changed += appended.changed
            }
            changed += try store.write(batch.ingest(counts: counts, node: configuration.node))
            return (changed, [])
        } catch {
            guard let error = error as? any RetriableError, error.isDueToInput else { throw error }
            if let (first, second) = batch.halves() {
                let (one, other) = (try write(first), try write(second))
                return (one.changed + other.changed, one.refused + other.refused)
            }
            guard case .instance(let extracted)? = batch.items.first?.content,
                let instance = extracted.identity
            else { throw error }
            return (0, [Failure(instance: instance, reason: "row_refused", detail: "\(error)")])
        }
    }

    /// Where instances with errors are seen.
    private func write(_ problems: [DicomProblemMetaRow]) throws {
        if problems.isEmpty { return }
        var batch = IngestBatch()
        batch.logs.problems = problems
        try store.write(batch)
    }

    /// Metadata that cannot be read any more is put aside, since the files have all of it: of all instances of the series,
    /// whichever are asked for.
    private func append(
        _ update: SeriesMetadataUpdate, to metadata: FileMetadataStore
    ) throws -> (count: Int, changed: Int) {
        var changed = 0
        if partial.contains(update.series) { changed += try complete(update.series, in: metadata) }
        do {
            let appended = try metadata.append(update)
            return (appended.count, appended.changed + changed)
        } catch {
            guard error.code == .damaged, try metadata.putAside(update.series) else { throw error }
            partial.insert(update.series)
            changed += try complete(update.series, in: metadata)
            let appended = try metadata.append(update)
            return (appended.count, appended.changed + changed)
        }
    }

    /// Appends the metadata of every stored instance of a series; of a file that is replaced meanwhile, the new one's last.
    /// - Returns: the number of instances that were added or changed.
    private func complete(_ series: SeriesIdentity, in metadata: FileMetadataStore) throws -> Int {
        guard let tenant = TenantID(series.tenantID), let study = UID(series.studyUID), let own = UID(series.seriesUID)
        else { return 0 }
        var changed = 0
        var rest: [UID]
        do { rest = try FileStore(paths: extractor.paths).instances(of: own, study: study, tenant: tenant) } catch {
            throw StoreUnavailable(errorNumber: error.errorNumber)
        }
        while !rest.isEmpty {
            var update = SeriesMetadataUpdate(series: series, instances: [])
            var read: [Read] = []
            var bytes = 0
            while read.count < configuration.batchInstances, bytes < configuration.batchBytes, let uid = rest.popLast()
            {
                let instance = InstanceIdentity(tenant: tenant, study: study, series: own, instance: uid)
                guard let content = try extractor.extract(instance, since: nil, node: configuration.node),
                    case .extracted(let extracted) = content.outcome, let made = extracted.metadata
                else { continue }
                update.instances.append(made)
                read.append(Read(instance: instance, version: content.version))
                bytes += made.json.count
            }
            if !read.isEmpty { changed += try metadata.append(update).changed }
            rest += read.filter { FileVersion(extractor.path(of: $0.instance)) != $0.version }.map(\.instance.instance)
        }
        partial.remove(series)
        return changed
    }
}

extension ExtractedInstance {
    fileprivate var identity: InstanceIdentity? {
        InstanceIdentity(
            tenantID: object.tenantID, studyUID: object.studyUID, seriesUID: object.seriesUID, sopUID: object.sopUID)
    }
}
