import Archive
import DICOMCore
import DICOMDictionary
import DICOMNetwork
import Foundation
import PostgresAdapter
import PostgresTestSupport
import ServiceKit
import Synchronization
import Testing
import Wiring

/// What was acknowledged is there, once, whatever died meanwhile.
@Suite(.serialized, .enabled(if: Programs.areBuilt && TestPostgres.isInstalled)) struct KillTests {
    /// The same moments and victims each time; the machine does the rest of the chance.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }

    @Test func nothingIsLostOrCountedTwice() throws {
        let archive = try ArchiveUnderTest()
        var instances: [TestInstance] = []
        for study in 1...2 {
            for series in 1...3 {
                for number in 1...50 { instances.append(TestInstance(study: study, series: series, number: number)) }
            }
        }
        var dice = Dice(state: 20_260_131)
        // Ten moments, each process twice.
        let processes = ["wado-storescp", "wado-consumer", "wado-webworker", "wado-server", "postgres"]
        let victims = (0..<10).map { processes[$0 % 5] }.shuffled(using: &dice)
        let moments = Set((0..<300).shuffled(using: &dice).prefix(10)).sorted()
        var killed = 0
        let sender = Sender(archive)
        for (index, instance) in instances.enumerated() {
            if killed < moments.count, moments[killed] == index {
                let name = victims[killed]
                killed += 1
                // In the middle of what is being stored, indexed or compacted just now.
                let delay = useconds_t.random(in: 0..<5_000, using: &dice)
                let killer = try ServiceThread(name: "killer") { [id = try process(name, of: archive)] _ in
                    usleep(delay)
                    kill(id, SIGKILL)
                }
                try sender.store(instance)
                killer.join()
            } else {
                try sender.store(instance)
            }
        }
        sender.close()
        #expect(killed == 10)
        try check(archive, instances)
        // All of it once more: nothing changes.
        for instance in instances.prefix(60) { try sender.store(instance) }
        sender.close()
        try check(archive, instances)
        #expect(archive.stop() == 0)
    }

    private func process(_ name: String, of archive: ArchiveUnderTest) throws -> Int32 {
        try archive.eventually("\(name) runs") {
            let id: Int32?
            if name == "postgres" {
                let text = try String(contentsOfFile: archive.folder.postgres + "/postmaster.pid", encoding: .utf8)
                id = text.split(separator: "\n").first.flatMap { Int32($0) }
            } else {
                id = try archive.refreshed().processes[name]
            }
            guard let id, id > 1, kill(id, 0) == 0 else { return nil }
            return id
        }
    }

    /// Stores instances one by one, each until it is acknowledged.
    private final class Sender {
        let archive: ArchiveUnderTest
        var association: AssociationUser?

        init(_ archive: ArchiveUnderTest) { self.archive = archive }

        func store(_ instance: TestInstance) throws {
            try archive.eventually("\(instance.instance) is acknowledged") {
                do {
                    let association = try self.association ?? archive.associate()
                    self.association = association
                    let status = try instance.store(association)
                    return status.code == 0 ? () : nil
                } catch {
                    association?.abort()
                    association = nil
                    throw error
                }
            }
        }

        func close() {
            try? association?.release()
            association = nil
        }
    }

    /// Compares disk, index, metadata and logs with what was sent.
    private func check(_ archive: ArchiveUnderTest, _ instances: [TestInstance]) throws {
        let connection = try #require(archive.endpoints.database)
        try archive.eventually("nothing waits any more") {
            let counts = try ArchiveCounts.read(
                connection: connection, settings: WadoSettings.catalogue.read(arguments: [], environment: [:]))
            let pending = LocalHTTP.get((archive.endpoints.admin["wado-storescp"] ?? "") + "/metrics").map {
                String(decoding: $0.body, as: UTF8.self).contains("wado_storescp_pending_instances 0\n")
            }
            return counts.queueLag == 0 && pending == true ? () : nil
        }
        try checkDisk(archive, instances)
        try checkIndexAndMetadata(archive, instances)
        try checkLogs(connection, instances)
    }

    private func checkDisk(_ archive: ArchiveUnderTest, _ instances: [TestInstance]) throws {
        var found: Set<String> = []
        let files = FileManager.default.enumerator(atPath: archive.folder.store)
        while let path = files?.nextObject() as? String {
            if path.hasSuffix(".dcm"), !path.hasPrefix(".") { found.insert(path) }
        }
        let paths = ArchivePaths(root: archive.folder.store)
        for instance in instances {
            let identity = InstanceIdentity(
                tenant: .standard, study: try #require(UID(instance.study)), series: try #require(UID(instance.series)),
                instance: try #require(UID(instance.instance)))
            let path = ArchivePaths.instance(identity)
            #expect(found.remove(path) != nil, "\(path) is missing")
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: paths.absolute(path))))
            let file = try DICOMFile(bytes: bytes)
            #expect(Array(bytes[file.dataSetOffset...]) == instance.bytes, "\(path) differs")
        }
        #expect(found.isEmpty, "files that nobody sent: \(found.prefix(3))")
    }

    private func checkIndexAndMetadata(_ archive: ArchiveUnderTest, _ instances: [TestInstance]) throws {
        let byStudy = Dictionary(grouping: instances, by: \.study)
        let studies = try archive.json("/studies")
        #expect(Set(studies.compactMap { value($0, "0020000D") as? String }) == Set(byStudy.keys))
        #expect(studies.count == byStudy.count)
        for (study, ofStudy) in byStudy {
            let answer = try archive.json("/studies?StudyInstanceUID=\(study)")
            #expect(answer.count == 1 && answer.first.flatMap { value($0, "00201208") as? Int } == ofStudy.count)
            let series = try archive.json("/studies/\(study)/series")
            #expect(series.count == Set(ofStudy.map(\.series)).count)
            for (uid, ofSeries) in Dictionary(grouping: ofStudy, by: \.series) {
                let entry = series.first { value($0, "0020000E") as? String == uid }
                #expect(entry.flatMap { value($0, "00201209") as? Int } == ofSeries.count)
                let metadata = try archive.json("/studies/\(study)/series/\(uid)/metadata")
                #expect(metadata.count == ofSeries.count)
                let uids = Set(metadata.compactMap { value($0, "00080018") as? String })
                #expect(uids == Set(ofSeries.map(\.instance)))
            }
        }
    }

    private func checkLogs(_ connection: String, _ instances: [TestInstance]) throws {
        let session = try PostgresConnection(connection)
        for table in ["dicom_object_meta", "dicom_image_meta"] {
            let rows = try session.run("SELECT sop_uid FROM \(table)", operation: "read")
            let uids = (0..<rows.rowCount).compactMap { rows.string($0, 0) }
            #expect(uids.count == instances.count && Set(uids) == Set(instances.map(\.instance)), "\(table)")
        }
        let series = try session.run(
            "SELECT count(*), sum(series_related_instances) FROM dicom_state_meta", operation: "read")
        #expect(series.string(0, 0) == "6" && series.string(0, 1) == "\(instances.count)")
        #expect(try PostgresDeadLetters(pool: PostgresPool(connection, limit: 1)).count() == 0)
    }
}
