import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import DICOMNetwork
import Foundation
import ServiceKit
import StoreSCPService
import Synchronization

/// A bus in memory that can be down.
final class MemoryBus: EventBus {
    struct Down: Error {}
    let messages = Monitor<[Message]>([])
    let problems = Monitor<[DicomProblemMetaRow]>([])
    let isDown = Mutex(false)

    private struct Producer: EventProducer {
        let bus: MemoryBus
        func publish(_ messages: [Message], to topic: Topic) throws {
            guard !bus.isDown.withLock({ $0 }), topic == .storage || topic == .problem else { throw Down() }
            if topic == .problem {
                let rows = try messages.map { try DicomProblemMetaRow(json: $0.value) }
                bus.problems.withLock { $0 += rows }
            } else {
                bus.messages.withLock { $0 += messages }
            }
        }
        func close() {}
    }

    func makeProducer() throws -> any EventProducer { Producer(bus: self) }
    func makeConsumer(group: String, topics: [Topic]) throws -> any EventConsumer { throw Down() }
    func lag(group: String, topic: Topic) throws -> Int64 { 0 }

    /// The rows of the events, when there are as many as wanted.
    func rows(_ count: Int, file: StaticString = #filePath) throws -> [DicomObjectMetaRow] {
        let messages = messages.wait(milliseconds: 20_000) { $0.count >= count ? $0 : nil } ?? messages.current
        return try messages.map { try DicomObjectMetaRow(json: $0.value) }
    }
}

/// A running service on a folder of its own.
final class StoreSCPFixture {
    let folder: URL
    let bus = MemoryBus()
    let metrics = MetricsRegistry()
    private(set) var service: StoreSCPService

    init(_ change: (inout StoreSCPConfiguration) -> Void = { _ in }) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "wado-store-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        service = try Self.start(folder, bus, metrics, change)
    }

    private static func start(
        _ folder: URL, _ bus: MemoryBus, _ metrics: MetricsRegistry, _ change: (inout StoreSCPConfiguration) -> Void
    ) throws -> StoreSCPService {
        var configuration = StoreSCPConfiguration(storeFolder: folder.path)
        configuration.host = "127.0.0.1"
        configuration.port = 0
        configuration.minimumFreeBytes = 0
        configuration.filing.gatherMilliseconds = 10
        change(&configuration)
        let service = StoreSCPService(configuration: configuration, bus: bus, metrics: metrics)
        try service.start()
        return service
    }

    func restart(_ change: (inout StoreSCPConfiguration) -> Void = { _ in }) throws {
        service.stop()
        service = try Self.start(folder, bus, metrics, change)
    }

    deinit {
        service.stop()
        try? FileManager.default.removeItem(at: folder)
    }

    var port: UInt16 { service.status?.port ?? 0 }

    func user(_ calling: String = "MODALITY", called: String = "STORE-SCP") throws -> AssociationUser {
        try Self.user(port: port, calling, called: called)
    }

    static func user(
        port: UInt16, _ calling: String = "MODALITY", called: String = "STORE-SCP"
    ) throws -> AssociationUser {
        var configuration = AssociationUser.Configuration(
            host: "127.0.0.1", port: port, calledAETitle: called,
            contexts: [
                ProposedContext(
                    id: 1, abstractSyntax: AcceptorPolicy.verification,
                    transferSyntaxes: [TransferSyntax.implicitVRLittleEndian.uid]),
                ProposedContext(
                    id: 3, abstractSyntax: Sample.sopClass,
                    transferSyntaxes: [TransferSyntax.explicitVRLittleEndian.uid]),
                ProposedContext(
                    id: 5, abstractSyntax: Sample.sopClass,
                    transferSyntaxes: [TransferSyntax.implicitVRLittleEndian.uid]),
                ProposedContext(
                    id: 7, abstractSyntax: Sample.sopClass,
                    transferSyntaxes: [TransferSyntax.deflatedExplicitVRLittleEndian.uid]),
            ])
        configuration.callingAETitle = calling
        return try AssociationUser(configuration)
    }

    /// The stored files, relative to the store, without the spool.
    var files: [String] {
        let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        return names.filter { $0.hasSuffix(".dcm") }.sorted()
    }

    /// The files in the spool that hold something.
    var spooled: Int {
        let spool = folder.appending(path: ".spool/storescp")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: spool.path)) ?? []
        return names.filter { name in
            let size = try? spool.appending(path: name).resourceValues(forKeys: [.fileSizeKey]).fileSize
            return name != "lock" && name != "problems" && (size ?? 0) > 0
        }.count
    }

    func waitUntilPublished() {
        for _ in 0..<4000 where (service.status?.pendingInstances ?? 0) > 0 { usleep(5000) }
    }
}

/// CT instances.
struct Sample {
    static let sopClass = "1.2.840.10008.5.1.4.1.1.2"
    var study = "1.2.3.1"
    var series = "1.2.3.1.1"
    var instance = "1.2.3.1.1.1"
    var builder = DataSetBuilder()

    init(instance: String = "1.2.3.1.1.1", pixel: UInt8 = 1) {
        self.instance = instance
        builder.set(.sopClassUID, Self.sopClass)
        builder.set(.sopInstanceUID, instance)
        builder.set(.studyInstanceUID, study)
        builder.set(.seriesInstanceUID, series)
        builder.set(.modality, "CT")
        builder.set(.patientName, "Doe^Jane")
        builder.set(.patientID, "P1")
        builder.setEmpty(.studyDate)
        builder.set(.rows, 16)
        builder.set(.columns, 16)
        builder.set(.bitsAllocated, 8)
        builder.set(.pixelData, vr: .ob, bytes: [UInt8](repeating: pixel, count: 256))
    }

    func bytes(_ syntax: TransferSyntax = .explicitVRLittleEndian) -> [UInt8] { builder.encoded(in: syntax) }

    /// Writes a file with a file meta for clients that read files.
    func write(to url: URL) throws {
        let meta = FileMeta(
            mediaStorageSOPClassUID: Self.sopClass, mediaStorageSOPInstanceUID: instance,
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid)
        try Data(meta.encoded() + bytes()).write(to: url)
    }
}

extension AssociationUser {
    func store(
        _ sample: Sample, _ syntax: TransferSyntax = .explicitVRLittleEndian,
        extra: [(tag: UInt32, value: [UInt8])] = []
    ) throws -> DIMSEStatus {
        try store(
            dataSet: sample.bytes(syntax), sopClassUID: Sample.sopClass, sopInstanceUID: sample.instance,
            transferSyntaxUID: syntax.uid, extra: extra)
    }
}
