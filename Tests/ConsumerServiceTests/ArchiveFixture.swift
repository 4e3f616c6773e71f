import Archive
import ArchiveSchema
import ConsumerService
import DICOMCore
import DICOMDictionary
import Foundation
import PostgresAdapter
import PostgresTestSupport
import ServiceKit
import Synchronization
import TestSupport

/// A store folder, a metadata folder and a database of their own.
final class ArchiveFixture: Sendable {
    let root: String
    let pool: PostgresPool
    let bus: PostgresEventBus
    let store: PostgresIngestStore
    let index: PostgresSeriesIndex
    let letters: PostgresDeadLetters
    let metadata: FileMetadataStore

    init() throws {
        root = "/tmp/wado-consumer-\(UUID().uuidString.prefix(8))"
        for folder in ["store/t1", "json"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
        }
        pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 6)
        var configuration = PostgresEventBus.Configuration()
        configuration.membershipMilliseconds = 50
        bus = PostgresEventBus(pool: pool, configuration: configuration)
        store = PostgresIngestStore(pool: pool)
        index = PostgresSeriesIndex(pool: pool)
        letters = PostgresDeadLetters(pool: pool)
        metadata = FileMetadataStore(root: root + "/json")
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func service(
        bus: (any EventBus)? = nil, store: (any IngestStore)? = nil, metadata: (any MetadataStore)? = nil,
        threads: Int = 2, _ change: (inout ConsumerService.Configuration) -> Void = { _ in }
    ) -> ConsumerService {
        var configuration = ConsumerService.Configuration(storeRoot: root + "/store")
        configuration.threads = threads
        configuration.retryMilliseconds = 100
        change(&configuration)
        return ConsumerService(
            configuration, bus: bus ?? self.bus, store: store ?? self.store, metadata: metadata ?? self.metadata,
            logger: .silent, metrics: MetricsRegistry())
    }

    // MARK: Instances

    struct Instance: Sendable {
        var study = "1.2.1"
        var series = "1.2.1.1"
        var sop: String
        var description = "first"
        var tenant = "t1"

        var identity: InstanceIdentity? {
            guard let tenant = TenantID(tenant), let study = UID(study), let series = UID(series), let sop = UID(sop)
            else { return nil }
            return InstanceIdentity(tenant: tenant, study: study, series: series, instance: sop)
        }
    }

    struct BadInstance: Error {}

    /// Puts the file where it belongs.
    func file(_ instance: Instance, _ change: (inout DataSetBuilder) -> Void = { _ in }) throws {
        guard let identity = instance.identity else { throw BadInstance() }
        var builder = DataSetBuilder()
        builder.set(.sopClassUID, "1.2.840.10008.5.1.4.1.1.2")
        builder.set(.sopInstanceUID, instance.sop)
        builder.set(.studyInstanceUID, instance.study)
        builder.set(.seriesInstanceUID, instance.series)
        builder.set(.patientID, "P1")
        builder.set(.patientName, "Doe^Jane")
        builder.set(.studyDate, "20240301")
        builder.set(.modality, "CT")
        builder.set(.seriesDescription, instance.description)
        builder.set(.rows, 2)
        builder.set(.columns, 2)
        builder.set(.bitsAllocated, 8)
        builder.set(.pixelData, vr: .ob, bytes: [1, 2, 3, 4])
        change(&builder)
        let meta = FileMeta(
            mediaStorageSOPClassUID: "1.2.840.10008.5.1.4.1.1.2", mediaStorageSOPInstanceUID: instance.sop,
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid)
        try put(meta.encoded() + builder.encoded(in: .explicitVRLittleEndian), at: identity)
    }

    func put(_ bytes: [UInt8], at identity: InstanceIdentity) throws {
        let path = ArchivePaths(root: root + "/store").absolute(ArchivePaths.instance(identity))
        let folder = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    func url(of instance: Instance) throws -> URL {
        guard let identity = instance.identity else { throw BadInstance() }
        return URL(fileURLWithPath: ArchivePaths(root: root + "/store").absolute(ArchivePaths.instance(identity)))
    }

    func event(_ instance: Instance, receivedAt seconds: Int64 = 1_700_000_000) -> Message {
        let path = instance.identity.map(ArchivePaths.instance) ?? ""
        let row = DicomObjectMetaRow(
            tenantID: instance.tenant, studyUID: instance.study, seriesUID: instance.series, sopUID: instance.sop,
            fileSize: 1, filePath: path, transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid,
            createdTime: Timestamp(microsecondsSince1970: seconds * 1_000_000),
            seriesUIDHash: SeaHash.decimal(instance.series), studyUIDHash: SeaHash.decimal(instance.study),
            transferStatus: "NoNeedTransfer", traceID: "trace-\(instance.sop)-\(seconds)", workerNodeID: "n")
        var json: [UInt8] = []
        row.encodeJSON(into: &json)
        return Message(key: SeaHash.decimal(instance.study), value: json)
    }

    func publish(_ messages: [Message]) throws { try bus.makeProducer().publish(messages, to: .storage) }

    // MARK: What came of it

    func waitUntilDone() throws {
        try eventually { try bus.lag(group: "dicom-consumer-group", topic: .storage) == 0 }
    }

    /// Index, logs and metadata as one text that two runs can be compared by; without times of processing.
    func state() throws -> String {
        var lines = try pool.withConnection { connection throws(PostgresError) in
            let result = try connection.query(
                """
                SELECT 'series ' || (to_jsonb(t) - 'updated_time')::text FROM dicom_state_meta t UNION ALL
                SELECT 'object ' || to_jsonb(t)::text FROM dicom_object_meta t UNION ALL
                SELECT 'image ' || (to_jsonb(t) - 'updated_time')::text FROM dicom_image_meta t UNION ALL
                SELECT 'letter ' || reason || ' ' || encode(value, 'escape') FROM bus_dead_letter
                """, operation: "test")
            return (0..<result.rowCount).map { result.string($0, 0) ?? "" }
        }
        let series = try pool.withConnection { connection throws(PostgresError) in
            let result = try connection.query(
                "SELECT tenant_id, study_uid, series_uid FROM dicom_state_meta", operation: "test")
            return (0..<result.rowCount).map { row in
                SeriesIdentity(
                    tenantID: result.string(row, 0) ?? "", studyUID: result.string(row, 1) ?? "",
                    seriesUID: result.string(row, 2) ?? "")
            }
        }
        for identity in series {
            try FileMetadataStore(root: root + "/json").snapshot(of: identity)?.forEachInstance { uid, json in
                let text = json.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                lines.append("metadata \(identity.seriesUID) \(uid) \(text)")
                return true
            }
        }
        return lines.sorted().joined(separator: "\n")
    }
}

/// Where a process dies: from then on nothing it does has any effect.
enum CrashPoint: CaseIterable, Sendable {
    case beforeMetadata, afterMetadata, beforeWrite, afterWrite, beforeCommit, afterCommit
}

struct Crashed: RetriableError {
    var isRetriable: Bool { true }
}

/// Wraps bus and stores of one process that dies at the n-th time it comes by a point.
final class CrashingProcess: EventBus, IngestStore, MetadataStore {
    private let fixture: ArchiveFixture
    private let point: CrashPoint
    private let left: Mutex<Int>

    init(_ fixture: ArchiveFixture, at point: CrashPoint, occurrence: Int) {
        self.fixture = fixture
        self.point = point
        left = Mutex(occurrence)
    }

    var isDead: Bool { left.withLock { $0 == 0 } }

    fileprivate func pass(_ point: CrashPoint) throws {
        try left.withLock { left in
            if left > 0 && point == self.point { left -= 1 }
            if left == 0 { throw Crashed() }
        }
    }

    func append(_ updates: [SeriesMetadataUpdate]) throws -> [Int] {
        try pass(.beforeMetadata)
        let counts = try fixture.metadata.append(updates)
        try pass(.afterMetadata)
        return counts
    }

    func write(_ batch: IngestBatch) throws -> Int {
        try pass(.beforeWrite)
        let changed = try fixture.store.write(batch)
        try pass(.afterWrite)
        return changed
    }

    func snapshot(of series: SeriesIdentity) throws -> (any SeriesSnapshot)? { nil }
    func instance(_ sopInstanceUID: String, of series: SeriesIdentity) throws -> [UInt8]? { nil }
    func compact(_ series: SeriesIdentity) throws -> CompactionResult? { nil }
    func makeProducer() throws -> any EventProducer { try fixture.bus.makeProducer() }
    func lag(group: String, topic: Topic) throws -> Int64 { 0 }

    func makeConsumer(group: String, topics: [Topic]) throws -> any EventConsumer {
        Consumer(try fixture.bus.makeConsumer(group: group, topics: topics), self)
    }

    private final class Consumer: EventConsumer {
        let inner: any EventConsumer
        let process: CrashingProcess
        init(_ inner: any EventConsumer, _ process: CrashingProcess) {
            self.inner = inner
            self.process = process
        }
        func poll(limit: Int, timeoutMilliseconds: Int) throws -> [ReceivedMessage] {
            if process.isDead { throw Crashed() }
            return try inner.poll(limit: limit, timeoutMilliseconds: timeoutMilliseconds)
        }
        func commit() throws {
            try process.pass(.beforeCommit)
            try inner.commit()
            try process.pass(.afterCommit)
        }
        func close() { inner.close() }
    }
}

/// One partition that fails after each message.
final class FailingBus: EventBus {
    private struct State {
        var delivered = 0
        var committed = 0
        var fails = false
    }

    private let messages: [Message]
    private let state = Mutex(State())

    init(_ messages: [Message]) { self.messages = messages }

    var committed: Int { state.withLock { $0.committed } }

    func makeProducer() throws -> any EventProducer { throw Crashed() }
    func makeConsumer(group: String, topics: [Topic]) throws -> any EventConsumer { Consumer(self) }
    func lag(group: String, topic: Topic) throws -> Int64 { 0 }

    private func next() throws -> [ReceivedMessage] {
        try state.withLock { state in
            defer { state.fails.toggle() }
            if state.fails { throw Crashed() }
            guard messages.indices.contains(state.delivered) else { return [] }
            defer { state.delivered += 1 }
            return [
                ReceivedMessage(
                    topic: .storage, partition: 0, offset: Int64(state.delivered), message: messages[state.delivered])
            ]
        }
    }

    private final class Consumer: EventConsumer {
        private let bus: FailingBus
        init(_ bus: FailingBus) { self.bus = bus }
        func poll(limit: Int, timeoutMilliseconds: Int) throws -> [ReceivedMessage] { try bus.next() }
        func commit() throws { bus.state.withLock { $0.committed = $0.delivered } }
        func close() {}
    }
}
