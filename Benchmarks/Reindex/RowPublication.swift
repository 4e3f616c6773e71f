import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import Foundation
import KafkaAdapter
import KafkaTestSupport
import PostgresAdapter
import ServiceKit
import Wiring

/// Rows of instances that are in Doris alone (`logs: doris`): made anew from the files and published.
///
/// To the brokers of `KAFKA_BROKERS`, else to an Apache Kafka of this process, else to librdkafka's imitation of one.
struct RowPublication {
    let series: Int
    let perSeries: Int
    let root: String
    let connection: String

    func measure() throws {
        let bytes = try fill()
        print("\(series * perSeries) files of \(bytes) bytes in \(series) series")
        let (broker, arguments, what) = try Self.broker()
        defer { broker?.stop() }
        print("published to \(what)")
        let settings = try WadoSettings.catalogue.read(
            arguments: ["--data=\(root)", "--bus=kafka", "--logs=doris"] + arguments, environment: [:])
        _ = try ArchiveBus.prepare(settings)
        for (columns, topic) in [
            (["slice_thickness"], Topic.image), (["slice_thickness"], .image),
            (["dicom_object_meta.accession_number"], .objectLog), (["number_of_frames"], .image),
        ] {
            let run = try ColumnReindex(columns, settings, connection: connection, options: ReindexOptions())
            let (before, start) = (try published(topic, settings), ContinuousClock.now)
            let outcome = try run.run(progress: { _ in }, failure: { print($0) })
            let spent = ContinuousClock.now - start
            let seconds = Double(spent.components.seconds) + Double(spent.components.attoseconds) / 1e18
            let count = try published(topic, settings).map { "\($0 - (before ?? 0))" } ?? "nobody knows how many"
            print(
                "\(run.names.joined(separator: ",")): \(Int(Double(outcome.done) / seconds)) instances/s, \(outcome.changed) rows in "
                    + "\(String(format: "%.1f", seconds)) s; \(count) messages, \(outcome.failed) with errors")
        }
    }

    private static func broker() throws -> (OwnKafka?, arguments: [String], what: String) {
        if let brokers = ProcessInfo.processInfo.environment["KAFKA_BROKERS"], !brokers.isEmpty {
            return (nil, ["--kafka-brokers=\(brokers)"], brokers)
        }
        if OwnKafka.isAvailable {
            let broker = try OwnKafka()
            return (broker, ["--kafka-brokers=\(broker.address)"], "an Apache Kafka on this machine")
        }
        return (
            nil, ["--kafka-create-topics=false", "--kafka-properties=test.mock.num.brokers=1"],
            "librdkafka's imitation of Kafka, in this process"
        )
    }

    private func published(_ topic: Topic, _ settings: Settings) throws -> Int64? {
        guard settings[WadoSettings.kafkaProperties].isEmpty else { return nil }
        return try ArchiveBus.kafka(settings, program: "benchmark")?.lag(group: "nobody", topic: topic)
    }

    /// Files as the archive writes them; bytes of one.
    private func fill() throws -> Int {
        let paths = ArchivePaths(root: root + "/store")
        var size = 0
        for number in 0..<series {
            let identity = Main.identity(number)
            let folder = paths.absolute(
                (ArchivePaths.instance(try instance(identity, 0)) as NSString).deletingLastPathComponent)
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for number in 0..<perSeries {
                var builder = Main.instanceBuilder(identity, number)
                builder.set(.rows, 32)
                builder.set(.columns, 32)
                builder.set(
                    .pixelData, vr: .ow, bytes: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 2_048))
                let dataSet = builder.encoded(in: .explicitVRLittleEndian)
                let instance = try instance(identity, number)
                let provenance = Provenance(
                    identity: instance, sopClassUID: UIDs.ctImageStorage,
                    transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid,
                    traceID: "019ab3d2-0000-7000-8000-000000000000",
                    receivedMicroseconds: 1_700_000_000_000_000 + Int64(number), peerAddress: "10.0.0.1",
                    callingAETitle: "CT-1", calledAETitle: "WADO", node: "bench", dataSetSize: Int64(dataSet.count),
                    dataSetCRC32: 0)
                let bytes = provenance.header() + dataSet
                size = bytes.count
                try Data(bytes).write(to: URL(fileURLWithPath: paths.absolute(ArchivePaths.instance(instance))))
            }
        }
        return size
    }

    private struct BadIdentity: Error {}

    private func instance(_ series: SeriesIdentity, _ number: Int) throws -> InstanceIdentity {
        guard
            let identity = InstanceIdentity(
                tenantID: series.tenantID, studyUID: series.studyUID, seriesUID: series.seriesUID,
                sopUID: "\(series.seriesUID).\(number)")
        else { throw BadIdentity() }
        return identity
    }
}
