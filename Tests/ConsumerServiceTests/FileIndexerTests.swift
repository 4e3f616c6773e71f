import Archive
import ArchiveSchema
import ConsumerService
import DICOMCore
import DICOMDictionary
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Synchronization
import Testing

/// Everything comes back from nothing but the files.
@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct FileIndexerTests {
    private func indexer(
        _ fixture: ArchiveFixture, store: (any IngestStore)? = nil, since: Timestamp? = nil, batch: Int = 500
    ) -> FileIndexer {
        var configuration = ConsumerService.Configuration(storeRoot: fixture.root + "/store")
        configuration.batchInstances = batch
        return FileIndexer(
            configuration, store: store ?? fixture.store, metadata: FileMetadataStore(root: fixture.root + "/json"),
            since: since)
    }

    private func instances(_ count: Int) -> [ArchiveFixture.Instance] {
        (1...count).map { ArchiveFixture.Instance(series: "1.2.1.\($0 % 2)", sop: "1.2.9.\($0)", description: "\($0)") }
    }

    /// With what the archive writes down of a reception.
    private func file(_ fixture: ArchiveFixture, _ instance: ArchiveFixture.Instance, received seconds: Int64) throws {
        try fixture.file(instance)
        let identity = try #require(instance.identity)
        let path = ArchivePaths(root: fixture.root + "/store").absolute(ArchivePaths.instance(identity))
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let dataSet = Array(bytes[try DICOMFile(bytes: bytes).dataSetOffset...])
        let provenance = Provenance(
            identity: identity, sopClassUID: UIDs.ctImageStorage,
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid, traceID: "trace-\(instance.sop)",
            receivedMicroseconds: seconds * 1_000_000, peerAddress: "10.0.0.1", callingAETitle: "CT",
            calledAETitle: "ARCHIVE", node: "node-1", dataSetSize: Int64(dataSet.count), dataSetCRC32: 0)
        try fixture.put(provenance.header() + dataSet, at: identity)
    }

    @Test func rowsHaveWhatTheFilesSayOfTheirReception() throws {
        let fixture = try ArchiveFixture()
        let instances = instances(5)
        for instance in instances { try file(fixture, instance, received: 1_700_000_000) }
        let outcome = try indexer(fixture, batch: 2).index(instances.compactMap(\.identity))
        #expect(outcome.indexed == 5 && outcome.failures.isEmpty && outcome.skipped == 0)
        let state = try fixture.state()
        // Times as PostgreSQL writes them, in the zone of the test's server.
        #expect(state.components(separatedBy: "2023-11-14").count == 1 + 5 + 5 + 2)
        for text in ["\"trace-1.2.9.3\"", "\"10.0.0.1\"", "\"node-1\"", "\"source_ae\": \"CT\""] {
            #expect(state.contains(text), "\(text)")
        }
        // Rows of 5 objects, 5 images and 2 series, and metadata of 5; series are written to by several batches.
        #expect(try #require(outcome.changed) >= 5 + 5 + 2 + 5)
        #expect(try indexer(fixture).index(instances.compactMap(\.identity)).changed == 0)
        #expect(try fixture.state() == state)
        // What was received before is passed over, and what is not there.
        let later = Timestamp(microsecondsSince1970: 1_700_000_001_000_000)
        let missing = ArchiveFixture.Instance(sop: "1.2.9.99")
        let none = try indexer(fixture, since: later).index((instances + [missing]).compactMap(\.identity))
        #expect(none.indexed == 0 && none.skipped == 6)
    }

    @Test func whatCannotBeReadDoesNotStopTheRest() throws {
        let fixture = try ArchiveFixture()
        let instances = instances(6)
        for instance in instances { try fixture.file(instance) }
        try fixture.put(Array("nothing".utf8), at: try #require(instances[1].identity))
        try fixture.file(instances[2]) { $0.set(.seriesInstanceUID, "1.2.777") }
        try fixture.file(instances[3]) { $0.remove(.studyInstanceUID) }
        let identities = instances.compactMap(\.identity)
        let checked = try indexer(fixture).check(identities)
        #expect(try fixture.state().isEmpty)
        let outcome = try indexer(fixture).index(identities)
        #expect(checked.changed == nil && outcome.changed ?? 0 > 0)
        #expect(outcome.indexed == checked.indexed && outcome.failures == checked.failures)
        #expect(outcome.indexed == 3)
        #expect(outcome.failures.map(\.reason) == ["file_unreadable", "identity_mismatch", "key_missing"])
        #expect(outcome.failures.map(\.instance) == Array(identities[1...3]))
        // They are seen among the problems, until they are well.
        func open() throws -> [String] {
            try fixture.pool.withConnection { connection throws(PostgresError) in
                let result = try connection.run(
                    "SELECT sop_uid || ' ' || rule FROM dicom_problem_meta WHERE state = 'open' AND severity = 'error' ORDER BY 1",
                    operation: "test")
                return (0..<result.rowCount).map { result.string($0, 0) ?? "" }
            }
        }
        #expect(
            try open() == ["1.2.9.2 file-unreadable", "1.2.9.3 identity-mismatch", "1.2.9.4 key-missing"])
        for instance in instances[1...2] { try fixture.file(instance) }
        #expect(try indexer(fixture).index(identities).indexed == 5)
        #expect(try open() == ["1.2.9.4 key-missing"])
    }

    /// A store before whose first write something happens.
    private final class Interrupted: IngestStore {
        let inner: any IngestStore
        let event: Mutex<(@Sendable () throws -> Void)?>

        init(_ inner: any IngestStore, _ event: @escaping @Sendable () throws -> Void) {
            self.inner = inner
            self.event = Mutex(event)
        }

        func write(_ batch: IngestBatch) throws -> Int {
            let event = event.withLock { event in
                defer { event = nil }
                return event
            }
            try event?()
            return try inner.write(batch)
        }
    }

    @Test func aFileThatIsReplacedMeanwhileIsReadAgain() throws {
        let fixture = try ArchiveFixture()
        var instance = ArchiveFixture.Instance(sop: "1.2.9.1", description: "old")
        try fixture.file(instance)
        instance.description = "new"
        let (identity, replaced) = (try #require(instance.identity), instance)
        let path = ArchivePaths(root: fixture.root + "/store").absolute(ArchivePaths.instance(identity))
        // As the archive does it: another file takes the name; and the consumer is faster.
        let store = Interrupted(fixture.store) {
            try FileManager.default.removeItem(atPath: path)
            try fixture.file(replaced)
            _ = try self.indexer(fixture).index([identity])
        }
        #expect(try indexer(fixture, store: store).index([identity]).indexed == 1)
        let state = try fixture.state()
        #expect(state.contains("new") && !state.contains("old"), "\(state)")
    }

    /// Refuses rows of series but for the first ones.
    private final class Refusing: IngestStore {
        private struct Refusal: RetriableError {
            var isRetriable: Bool { false }
        }
        private let inner: any IngestStore
        private let writes = Atomic(0)

        init(_ inner: any IngestStore) { self.inner = inner }

        func write(_ batch: IngestBatch) throws -> Int {
            if !batch.series.isEmpty, writes.add(1, ordering: .relaxed).newValue > 1 { throw Refusal() }
            return try inner.write(batch)
        }
    }

    @Test func aReplacedFileThatIsRefusedIsAFailure() throws {
        let fixture = try ArchiveFixture()
        let instances = instances(2)
        for instance in instances { try fixture.file(instance) }
        let identity = try #require(instances[0].identity)
        let path = ArchivePaths(root: fixture.root + "/store").absolute(ArchivePaths.instance(identity))
        let store = Interrupted(Refusing(fixture.store)) {
            try FileManager.default.removeItem(atPath: path)
            try fixture.file(instances[0])
        }
        let outcome = try indexer(fixture, store: store).index(instances.compactMap(\.identity))
        #expect(outcome.indexed == 1 && outcome.failures.map(\.reason) == ["row_refused"])
        #expect(outcome.failures.map(\.instance) == [identity])
        let problems = try fixture.pool.withConnection { connection throws(PostgresError) in
            try connection.run(
                "SELECT FROM dicom_problem_meta WHERE state = 'open' AND rule = 'row-refused'", operation: "test"
            ).rowCount
        }
        #expect(problems == 1)
    }

    @Test func damagedMetadataIsMadeAnew() throws {
        let fixture = try ArchiveFixture()
        let instances = instances(4)
        for instance in instances { try fixture.file(instance) }
        let identities = instances.compactMap(\.identity)
        _ = try indexer(fixture).index(identities)
        let state = try fixture.state()
        let series = SeriesIdentity(tenantID: "t1", studyUID: "1.2.1", seriesUID: "1.2.1.1")
        #expect(try fixture.metadata.compact(series)?.instanceCount == 2)
        let names = try FileManager.default.subpathsOfDirectory(atPath: fixture.root + "/json")
        let path = fixture.root + "/json/" + (try #require(names.first { $0.hasSuffix("1.2.1.1.json.gz") }))
        try Data("damaged".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: MetadataStoreError.self) { try fixture.metadata.snapshot(of: series) }
        // The damaged series' metadata, and no row.
        #expect(try indexer(fixture).index(identities).changed == 2)
        #expect(try fixture.state() == state)
        #expect(FileManager.default.fileExists(atPath: path + ".damaged"))
    }

    @Test func oneInstanceMakesAllDamagedMetadataAnew() throws {
        let fixture = try ArchiveFixture()
        let instances = instances(6)
        for instance in instances { try fixture.file(instance) }
        let identities = instances.compactMap(\.identity)
        _ = try indexer(fixture).index(identities)
        let state = try fixture.state()
        let series = SeriesIdentity(tenantID: "t1", studyUID: "1.2.1", seriesUID: "1.2.1.1")
        #expect(try fixture.metadata.compact(series)?.instanceCount == 3)
        let names = try FileManager.default.subpathsOfDirectory(atPath: fixture.root + "/json")
        let path = fixture.root + "/json/" + (try #require(names.first { $0.hasSuffix("1.2.1.1.json.gz") }))
        try Data("damaged".utf8).write(to: URL(fileURLWithPath: path))
        // As `wado reindex --problems` does it, in steps of less than the series.
        #expect(try indexer(fixture, batch: 1).index([identities[0]]).indexed == 1)
        #expect(try fixture.metadata.snapshot(of: series)?.instanceCount == 3)
        #expect(try fixture.state() == state)
    }
}
