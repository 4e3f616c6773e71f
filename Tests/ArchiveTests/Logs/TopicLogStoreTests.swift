import Archive
import ArchiveSchema
import Synchronization
import Testing

struct TopicLogStoreTests {
    private final class Recorder: EventProducer, SeriesWriter {
        private struct Full: Error {}
        let events = Mutex<[String]>([])
        let messages = Mutex<[Topic: [Message]]>([:])
        let failing = Mutex<String?>(nil)
        let states: [DicomStateMetaRow]

        init(states: [DicomStateMetaRow] = []) { self.states = states }

        private func note(_ event: String) throws {
            events.withLock { $0.append(event) }
            if failing.withLock({ $0 == event }) { throw Full() }
        }

        func publish(_ messages: [Message], to topic: Topic) throws {
            try note(topic.rawValue)
            self.messages.withLock { $0[topic, default: []] += messages }
        }

        func writeSeries(_ batch: IngestBatch) throws -> WrittenSeries {
            try note("index")
            return WrittenSeries(rows: states)
        }

        func close() {}
    }

    private static let time = Timestamp(microsecondsSince1970: 1_700_000_000_000_000)
    private static let hash = SeaHash.decimal("1.2")

    private static let state = DicomStateMetaRow(
        tenantID: "t", studyUID: "1.2", seriesUID: "1.3", studyUIDHash: hash, seriesUIDHash: SeaHash.decimal("1.3"),
        representativeSOPUID: "1.4", createdTime: time, updatedTime: time)
    private static let object = DicomObjectMetaRow(
        tenantID: "t", studyUID: "1.2", seriesUID: "1.3", sopUID: "1.4", fileSize: 1, filePath: "f",
        transferSyntaxUID: "1.2.840.10008.1.2", createdTime: time, seriesUIDHash: SeaHash.decimal("1.3"),
        studyUIDHash: hash, transferStatus: "NoNeedTransfer", traceID: "trace", workerNodeID: "n")

    private static func access(_ study: String?) -> WadoAccessLogRow {
        WadoAccessLogRow(
            tenantID: "t", requestTime: time, traceID: "trace", workerNodeID: "n", method: "GET",
            operation: "metadata", studyUID: study, status: 200, bytesSent: 1, durationUs: 1)
    }

    @Test func rowsGoToTheirTopicsWithTheStudyAsKey() throws {
        let recorder = Recorder()
        let store = TopicLogStore(producer: recorder)
        var rows = LogRows()
        rows.objects = [Self.object]
        rows.access = [Self.access("1.2"), Self.access(nil)]
        try store.append(rows)
        try store.append([Self.state])
        let messages = recorder.messages.withLock { $0 }
        #expect(Set(messages.keys) == [.objectLog, .access, .state])
        #expect(messages[.objectLog]?.map(\.key) == [Self.hash])
        #expect(messages[.state]?.map(\.key) == [Self.hash])
        // Requests of no study are spread over the partitions.
        #expect(messages[.access]?.map(\.key) == [Self.hash, "trace"])
        #expect(try DicomObjectMetaRow(json: messages[.objectLog]?.first?.value ?? []) == Self.object)
        #expect(try DicomStateMetaRow(json: messages[.state]?.first?.value ?? []) == Self.state)
        try store.append(LogRows())
        #expect(recorder.events.withLock { $0.count } == 3)
    }

    @Test func theIndexIsWrittenBeforeAnythingIsPublished() throws {
        let recorder = Recorder(states: [Self.state])
        let store = TopicIngestStore(index: recorder, logs: TopicLogStore(producer: recorder))
        var batch = IngestBatch()
        batch.logs.objects = [Self.object]
        recorder.failing.withLock { $0 = "index" }
        #expect(throws: (any Error).self) { try store.write(batch) }
        #expect(recorder.events.withLock { $0 } == ["index"])
        // A topic that fails makes the whole batch come again.
        recorder.failing.withLock { $0 = "dicom_state_queue" }
        #expect(throws: (any Error).self) { try store.write(batch) }
        recorder.failing.withLock { $0 = nil }
        try store.write(batch)
        #expect(recorder.messages.withLock { $0[.state]?.count } == 1)
    }

    /// Texts are cut where their columns end, so that no row outgrows a message.
    @Test func rowsAreShorterThanMessagesWhateverTheyHold() throws {
        let recorder = Recorder()
        var long = Self.object
        long.filePath = String(repeating: "\u{1}", count: Message.maximumBytes)
        var rows = LogRows()
        rows.objects = [long]
        try TopicLogStore(producer: recorder).append(rows)
        let message = try #require(recorder.messages.withLock { $0[.objectLog]?.first })
        #expect(message.value.count < Message.maximumBytes / 8)
    }
}
