public import ArchiveSchema

/// A row that is longer than a message may be.
public struct RowTooLong: RetriableError, CustomStringConvertible {
    public var topic: Topic
    /// Of its JSON.
    public var bytes: Int

    public var isRetriable: Bool { false }
    public var description: String {
        "a row for \(topic.rawValue) has \(bytes) bytes; a message has at most \(Message.maximumBytes)"
    }
}

/// Rows of the log tables, and of the index, as messages of their topics: Doris loads them from there.
///
/// The messages of a study have its hash as their key. A row that is published twice, or behind a later one of its key,
/// changes nothing: in Doris, the latest by the table's sequence column stays.
public final class TopicLogStore: LogStore {
    private let producer: any EventProducer

    public init(producer: any EventProducer) { self.producer = producer }

    public func append(_ rows: LogRows) throws { try publish(try TopicMessages(rows)) }

    /// Publishes series as the index has them now.
    public func append(_ series: [DicomStateMetaRow]) throws {
        var messages = TopicMessages()
        try messages.add(series)
        try publish(messages)
    }

    public func close() { producer.close() }

    /// Returns when all are on stable storage.
    func publish(_ messages: TopicMessages) throws {
        for (topic, messages) in messages.byTopic { try producer.publish(messages, to: topic) }
    }
}

/// Rows as messages.
struct TopicMessages {
    private(set) var byTopic: [(topic: Topic, messages: [Message])] = []

    init() {}

    /// - Throws: `RowTooLong`.
    init(_ rows: LogRows) throws(RowTooLong) {
        try add(rows.objects, to: .objectLog, key: \.studyUIDHash) { $0.encodeJSON(into: &$1) }
        try add(rows.images, to: .image, key: \.studyUIDHash) { $0.encodeJSON(into: &$1) }
        // Of no study: the partitions share them.
        let encodeAccess = { (row: WadoAccessLogRow, json: inout [UInt8]) in row.encodeJSON(into: &json) }
        try add(rows.access, to: .access, key: { Self.key($0.studyUID, else: $0.traceID) }, encodeAccess)
        let encodeProblem = { (row: DicomProblemMetaRow, json: inout [UInt8]) in row.encodeJSON(into: &json) }
        // As `DicomProblemMetaRow.message` has it.
        let problemKey = { (row: DicomProblemMetaRow) in
            SeaHash.decimal(row.studyUID.isEmpty ? row.sopUID + row.occasion : row.studyUID)
        }
        try add(rows.problems, to: .problem, key: problemKey, encodeProblem)
    }

    mutating func add(_ series: [DicomStateMetaRow]) throws(RowTooLong) {
        try add(series, to: .state, key: \.studyUIDHash) { $0.encodeJSON(into: &$1) }
    }

    private static func key(_ study: String?, else other: String) -> String {
        study.flatMap { $0.isEmpty ? nil : SeaHash.decimal($0) } ?? other
    }

    private mutating func add<Row>(
        _ rows: [Row], to topic: Topic, key: (Row) -> String, _ encode: (Row, inout [UInt8]) -> Void
    ) throws(RowTooLong) {
        if rows.isEmpty { return }
        var messages: [Message] = []
        messages.reserveCapacity(rows.count)
        for row in rows {
            var json: [UInt8] = []
            json.reserveCapacity(1_024)
            encode(row, &json)
            guard json.count <= Message.maximumBytes else { throw RowTooLong(topic: topic, bytes: json.count) }
            messages.append(Message(key: key(row), value: json))
        }
        byTopic.append((topic, messages))
    }
}

/// The index in one place, logs behind topics: the index's transaction first, then the rows; both are done when `write`
/// returns. What is done again after a crash in between is the same again. Problems are in both places: they are looked
/// up, and cleared, beside the index.
public final class TopicIngestStore: IngestStore {
    private let index: any SeriesWriter
    private let logs: TopicLogStore
    private let instanceTopics: Set<Topic>

    /// - Parameter instanceTopics: of rows of instances, only those of these topics are published.
    public init(index: any SeriesWriter, logs: TopicLogStore, instanceTopics: Set<Topic> = [.objectLog, .image]) {
        self.index = index
        self.logs = logs
        self.instanceTopics = instanceTopics
    }

    @discardableResult
    public func write(_ batch: IngestBatch) throws -> Int {
        var rows = batch.logs
        if !instanceTopics.contains(.objectLog) { rows.objects = [] }
        if !instanceTopics.contains(.image) { rows.images = [] }
        // A row that no message can carry is found before anything is written.
        let messages = try TopicMessages(rows)
        let written = try index.writeSeries(batch)
        try logs.append(written.rows)
        try logs.publish(messages)
        var cleared = LogRows()
        cleared.problems = written.clearedProblems
        try logs.append(cleared)
        // Who reads the topics keeps what differs.
        return written.changed + rows.objects.count + rows.images.count
    }
}
