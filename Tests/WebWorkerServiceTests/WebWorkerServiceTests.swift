import Archive
import ArchiveSchema
import DICOMWeb
import Foundation
import PostgresAdapter
import PostgresTestSupport
import ServiceKit
import Synchronization
import TestSupport
import Testing
import WebWorkerService

/// Says what it is told.
private final class FixedLoad: LoadMeter {
    private let load: Mutex<MachineLoad>
    private let samples = Mutex(0)
    init(cpu: Double, memory: Double = 10) { load = Mutex(MachineLoad(cpuPercent: cpu, memoryPercent: memory)) }
    func set(cpu: Double) { load.withLock { $0.cpuPercent = cpu } }
    /// How often the service has looked.
    var looks: Int { samples.withLock { $0 } }
    func sample() -> MachineLoad {
        samples.withLock { $0 += 1 }
        return load.withLock { $0 }
    }
}

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct WebWorkerServiceTests {
    private final class Fixture: Sendable {
        let root = "/tmp/wado-webworker-\(UUID().uuidString.prefix(8))"
        let pool: PostgresPool
        let store: PostgresIngestStore
        let queue: PostgresCompactionQueue
        let index: PostgresSeriesIndex
        let metadata: FileMetadataStore

        init() throws {
            try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
            pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 4)
            store = PostgresIngestStore(pool: pool)
            queue = PostgresCompactionQueue(pool: pool)
            index = PostgresSeriesIndex(pool: pool)
            metadata = FileMetadataStore(root: root)
        }

        deinit { try? FileManager.default.removeItem(atPath: root) }

        func series(_ number: Int) -> SeriesIdentity {
            SeriesIdentity(tenantID: "t1", studyUID: "1.2", seriesUID: "1.2.\(number)")
        }

        /// As the consumer does it, with a count that is wrong on purpose where given.
        func ingest(_ number: Int, instances: Range<Int>, count: Int? = nil, withMetadata: Bool = true) throws {
            let series = series(number)
            var known = instances.count
            if withMetadata {
                let all = instances.map {
                    InstanceMetadata(sopInstanceUID: "1.9.\($0)", json: Array("{\"n\":\($0)}".utf8))
                }
                known = try metadata.append([SeriesMetadataUpdate(series: series, instances: all)])[0]
            }
            let time = Timestamp.now
            var batch = IngestBatch()
            batch.series = [
                SeriesUpdate(
                    state: DicomStateMetaRow(
                        tenantID: "t1", studyUID: "1.2", seriesUID: series.seriesUID, studyUIDHash: "0",
                        seriesUIDHash: "0", representativeSOPUID: "1.9.0", createdTime: time, updatedTime: time),
                    instanceCount: count ?? known)
            ]
            try store.write(batch)
        }

        func service(_ load: any LoadMeter, rest: Int = 0, interval: Double = 60) -> WebWorkerService {
            var configuration = WebWorkerService.Configuration()
            configuration.restMilliseconds = rest
            configuration.intervalMinutes = interval
            configuration.lookMilliseconds = 20
            return WebWorkerService(
                configuration, queue: queue, metadata: metadata, load: load, logger: .silent, metrics: MetricsRegistry()
            )
        }
    }

    @Test func compactsAtOnceWhenIdleAndCountsExactly() throws {
        let fixture = try Fixture()
        for number in 0..<20 { try fixture.ingest(number, instances: 0..<10, count: number == 3 ? 99 : nil) }
        let service = fixture.service(FixedLoad(cpu: 5))
        try service.start()
        try eventually { try fixture.queue.waiting() == 0 }
        service.stop()
        #expect(service.status.compacted == 20 && service.status.failed == 0)
        for number in 0..<20 {
            let snapshot = try #require(try fixture.metadata.snapshot(of: fixture.series(number)))
            #expect(snapshot.compressed != nil && snapshot.instanceCount == 10)
        }
        #expect(try fixture.index.counts(tenantID: "t1").instances == 200)
    }

    /// Values that no instance has any more, since one was replaced, find nothing after the compaction; and a series
    /// whose instances disagree is found by each one's values, also when nothing but its row was there.
    @Test func searchedValuesAreThoseOfTheInstances() throws {
        let fixture = try Fixture()
        let time = Timestamp.now
        func row(_ instance: Int, _ patient: String, _ series: Int) -> DicomStateMetaRow {
            DicomStateMetaRow(
                tenantID: "t1", studyUID: "1.2", seriesUID: "1.2.\(series)", studyUIDHash: "0", seriesUIDHash: "0",
                representativeSOPUID: "1.9.\(instance)", patientID: patient, createdTime: time, updatedTime: time)
        }
        func write(_ rows: [DicomStateMetaRow]) throws {
            for row in rows {
                let json =
                    "{\"00080018\":{\"vr\":\"UI\",\"Value\":[\"\(row.representativeSOPUID)\"]},"
                    + "\"00100020\":{\"vr\":\"LO\",\"Value\":[\"\(row.patientID ?? "")\"]}}"
                let series = SeriesIdentity(tenantID: "t1", studyUID: "1.2", seriesUID: row.seriesUID)
                let count = try fixture.metadata.append([
                    SeriesMetadataUpdate(
                        series: series,
                        instances: [InstanceMetadata(sopInstanceUID: row.representativeSOPUID, json: Array(json.utf8))])
                ])[0]
                var batch = IngestBatch()
                batch.series = [SeriesUpdate(state: row, instanceCount: count)]
                try fixture.store.write(batch)
            }
        }
        func found(_ patient: String) throws -> [String] {
            try fixture.index.seriesMatching(
                QIDOQuery(level: .instances, query: "PatientID=\(patient)"), tenantID: "t1", after: nil, limit: 9
            ).map(\.series.seriesUID)
        }
        try write([row(1, "A", 1), row(2, "B", 1), row(3, "C", 1), row(2, "D", 1)])
        // The first instance is no longer alone with its value when another is replaced by it; all agree at last.
        try write([row(1, "E", 2), row(2, "F", 2), row(2, "E", 2)])
        try write([row(1, "G", 3), row(2, "H", 3)])
        _ = try fixture.pool.withConnection { connection throws(PostgresError) in
            try connection.run(
                "DELETE FROM dicom_state_variant WHERE series_uid = '1.2.3'", operation: "test")
        }
        #expect(try found("B") == ["1.2.1"] && found("F") == ["1.2.2"] && found("H").isEmpty)
        let service = fixture.service(FixedLoad(cpu: 5))
        try service.start()
        try eventually { try fixture.queue.waiting() == 0 }
        service.stop()
        #expect(service.status.failed == 0)
        for (patient, series) in [
            ("A", ["1.2.1"]), ("B", []), ("C", ["1.2.1"]), ("D", ["1.2.1"]), ("E", ["1.2.2"]), ("F", []),
            ("G", ["1.2.3"]), ("H", ["1.2.3"]),
        ] {
            #expect(try found(patient) == series, "\(patient)")
        }
        let entries = try fixture.index.seriesMatching(
            QIDOQuery(level: .instances, query: ""), tenantID: "t1", after: nil, limit: 9)
        #expect(entries.map(\.hasVariants) == [true, false, true])
    }

    @Test func waitsWhileTheMachineIsBusy() throws {
        let fixture = try Fixture()
        try fixture.ingest(1, instances: 0..<3)
        let load = FixedLoad(cpu: 90)
        let service = fixture.service(load)
        try service.start()
        defer { service.stop() }
        try eventually { service.status.postponed >= 5 }
        #expect(try fixture.queue.waiting() == 1)
        load.set(cpu: 10)
        try eventually { try fixture.queue.waiting() == 0 }
    }

    @Test func growingSeriesWaitForTheInterval() throws {
        let fixture = try Fixture()
        try fixture.ingest(1, instances: 0..<3)
        let load = FixedLoad(cpu: 5)
        let patient = fixture.service(load, rest: 3_600_000)
        try patient.start()
        try eventually { load.looks >= 5 && patient.status.isHealthy }
        patient.stop()
        #expect(try fixture.queue.waiting() == 1)
        let due = fixture.service(FixedLoad(cpu: 5), rest: 3_600_000, interval: 0)
        try due.start()
        try eventually { try fixture.queue.waiting() == 0 }
        due.stop()
    }

    @Test func failuresAreCountedAndDoNotStopTheRest() throws {
        let fixture = try Fixture()
        try fixture.ingest(1, instances: 0..<3, withMetadata: false)
        try fixture.ingest(2, instances: 0..<3)
        let service = fixture.service(FixedLoad(cpu: 5))
        try service.start()
        defer { service.stop() }
        try eventually { service.status.compacted == 1 && service.status.failed >= 1 }
        try fixture.pool.withConnection { connection throws(PostgresError) in
            let result = try connection.query(
                "SELECT retry_times, json_status FROM dicom_json_meta WHERE series_uid = '1.2.1'", operation: "test")
            #expect((result.integer(0, 0) ?? 0) >= 1 && result.integer(0, 1) == 0)
        }
    }

    @Test func losesNothingThatIsAppendedMeanwhile() throws {
        let fixture = try Fixture()
        let services = (0..<2).map { _ in fixture.service(FixedLoad(cpu: 5)) }
        for service in services { try service.start() }
        for start in stride(from: 0, to: 300, by: 3) {
            try fixture.ingest(start % 2, instances: start..<(start + 3))
        }
        try eventually { try fixture.queue.waiting() == 0 }
        for service in services { service.stop() }
        #expect(services.allSatisfy { $0.status.failed == 0 })
        // Neither side ever waited for the other in a circle.
        try fixture.pool.withConnection { connection throws(PostgresError) in
            let result = try connection.query(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()", operation: "test")
            #expect(result.integer(0, 0) == 0)
        }
        #expect(try fixture.index.counts(tenantID: "t1") == IndexCounts(studies: 1, series: 2, instances: 300))
        for number in 0..<2 {
            #expect(try #require(try fixture.metadata.snapshot(of: fixture.series(number))).instanceCount == 150)
        }
    }

    @Test func theSystemsLoadIsAPercentage() {
        let meter = SystemLoadMeter()
        for _ in 0..<3 {
            let load = meter.sample()
            #expect((0...100).contains(load.cpuPercent) && load.memoryPercent > 0 && load.memoryPercent < 100)
        }
    }
}
