import Archive
import ArchiveSchema

/// What one transaction of the consumer is made of.
struct ConsumerBatch {
    struct Item {
        /// nil: read from its file, not told by the bus.
        var message: ReceivedMessage?
        var content: Content

        var isDeadLetter: Bool { if case .deadLetter = content { true } else { false } }
    }
    enum Content {
        case instance(ExtractedInstance)
        /// A problem that another service saw.
        case problem(DicomProblemMetaRow)
        case deadLetter(reason: String, detail: String)
    }

    private(set) var items: [Item] = []
    /// Bytes of messages and metadata, and about those of problems.
    private(set) var bytes = 0

    var isEmpty: Bool { items.isEmpty }

    mutating func add(_ item: Item) {
        bytes += item.message?.message.value.count ?? 0
        if case .instance(let instance) = item.content {
            bytes += (instance.metadata?.json.count ?? 0) + instance.problems.count * 512
        }
        items.append(item)
    }

    /// The batch cut in two; nil when it has one message only.
    func halves() -> (ConsumerBatch, ConsumerBatch)? {
        guard items.count > 1 else { return nil }
        var (first, second) = (ConsumerBatch(), ConsumerBatch())
        for (index, item) in items.enumerated() {
            if index < items.count / 2 { first.add(item) } else { second.add(item) }
        }
        return (first, second)
    }

    /// Metadata by series, in the order of the messages; of instances whose rows alone are made there is none.
    func metadataUpdates() -> [SeriesMetadataUpdate] {
        var updates: [SeriesMetadataUpdate] = []
        var places: [SeriesIdentity: Int] = [:]
        for case .instance(let instance) in items.lazy.map(\.content) {
            guard let metadata = instance.metadata else { continue }
            if let place = places[instance.series] {
                updates[place].instances.append(metadata)
            } else {
                places[instance.series] = updates.count
                updates.append(SeriesMetadataUpdate(series: instance.series, instances: [metadata]))
            }
        }
        return updates
    }

    /// - Parameters:
    ///   - counts: the instances that each series has now.
    ///   - node: who writes it.
    func ingest(counts: [SeriesIdentity: Int], node: String) -> IngestBatch {
        var batch = IngestBatch()
        var places: [SeriesIdentity: Int] = [:]
        for item in items {
            switch item.content {
            case .deadLetter(let reason, let detail):
                guard let message = item.message else { continue }
                let letter = DeadLetter(message: message, reason: reason, detail: detail)
                batch.deadLetters.append(letter)
                batch.logs.problems += letter.problems(by: ConsumerProblems.program, node: node)
            case .problem(let row): batch.receivedProblems.append(row)
            case .instance(let instance):
                batch.logs.problems += instance.problems
                batch.logs.objects.append(instance.object)
                batch.logs.images.append(instance.image)
                if instance.metadata == nil { continue }
                guard let place = places[instance.series] else {
                    places[instance.series] = batch.series.count
                    batch.series.append(
                        SeriesUpdate(state: instance.state, instanceCount: counts[instance.series] ?? 0))
                    continue
                }
                Self.merge(instance.state, into: &batch.series[place])
            }
        }
        return batch
    }

    private static func merge(_ row: DicomStateMetaRow, into update: inout SeriesUpdate) {
        let first = min(update.state.createdTime, row.createdTime)
        var other = row
        if !precedes(update.state, row) { swap(&update.state, &other) }
        update.state.createdTime = first
        // The same instance twice: the later message counts alone.
        if other.representativeSOPUID == update.state.representativeSOPUID || other.isFoundLike(update.state) { return }
        if let last = update.variants.last, other.isFoundLike(last) { return }
        update.variants.append(other)
    }

    /// Byte order of the SOP Instance UIDs; of equal ones the later message counts.
    private static func precedes(_ a: DicomStateMetaRow, _ b: DicomStateMetaRow) -> Bool {
        a.representativeSOPUID.utf8.lexicographicallyPrecedes(b.representativeSOPUID.utf8)
    }
}
