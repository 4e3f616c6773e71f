import DICOMCore
import DICOMDictionary
import DICOMNetwork
import Foundation
import ServiceKit
import Testing
import Wiring

/// Our programs, beside the program that runs the tests.
enum Programs {
    static let folder: String = {
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (path as NSString).deletingLastPathComponent
    }()

    /// False in a slice without them: what needs them is then skipped.
    static let areBuilt = ["wado", "wado-storescp", "wado-consumer", "wado-webworker", "wado-server"].allSatisfy {
        FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)")
    }

    struct Output {
        var status: Int32
        var text: String
        var errors: String
    }

    /// Runs a program to its end.
    static func run(_ name: String, _ arguments: [String], environment: [String: String] = [:]) throws -> Output {
        let temporary = try TemporaryFolder()
        let (output, errors) = (temporary.path + "/out", temporary.path + "/err")
        for path in [output, errors] { try Data().write(to: URL(fileURLWithPath: path)) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "\(folder)/\(name)")
        process.arguments = arguments
        process.environment = ["PATH": "/usr/bin:/bin"].merging(environment) { _, new in new }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
        try process.run()
        process.waitUntilExit()
        return Output(
            status: process.terminationStatus, text: try String(contentsOfFile: output, encoding: .utf8),
            errors: try String(contentsOfFile: errors, encoding: .utf8))
    }
}

/// `wado up` on free ports in a temporary folder; ends with the test, and with the process of the tests.
final class ArchiveUnderTest {
    let temporary: TemporaryFolder
    let folder: DataFolder
    private(set) var endpoints: Endpoints
    private var program: ChildProgram?
    private let output = Monitor<[String]>([])

    init(_ arguments: String...) throws {
        temporary = try TemporaryFolder()
        folder = DataFolder(temporary.path + "/data")
        let output = output
        let program = try ChildProgram(
            path: "\(Programs.folder)/wado",
            // All tests run at once: a webworker that waited for an idle machine would wait for their end.
            arguments: [
                "up", "--data", folder.path, "--dicom-port", "0", "--http-port", "0",
                "--webworker-cpu-usage", "100", "--webworker-memory-usage", "100",
            ] + arguments,
            environment: ["PATH": "/usr/bin:/bin", ServiceMain.supervisedVariable: "1"], name: "wado"
        ) { line in output.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
        self.program = program
        let folder = folder
        let said = { output.current.suffix(20).joined(separator: "\n") }
        let found = try WiringTests.eventually("wado up is ready", said, { try Endpoints.read(from: folder) })
        endpoints = found
    }

    deinit { stop() }

    /// Ends it in order; its exit status.
    @discardableResult func stop() -> Int32 {
        guard let program else { return 0 }
        self.program = nil
        program.signal(SIGTERM)
        var status: Int32 = 0
        waitpid(program.processID, &status, 0)
        program.finishOutput()
        return status
    }

    /// The endpoints as they are now: process ids change when something died.
    func refreshed() throws -> Endpoints {
        endpoints = try Endpoints.read(from: folder) ?? endpoints
        return endpoints
    }

    /// What it said so far.
    var said: [String] { output.current }

    /// GETs below the DICOMweb root, and reads the answer as JSON.
    func json(_ path: String, tenant: String? = nil) throws -> [[String: Any]] {
        let headers = ["Accept: application/dicom+json"] + (tenant.map { ["x-tenant: \($0)"] } ?? [])
        let answer = LocalHTTP.get(endpoints.web.root + path, headers: headers)
        let found = try #require(answer, "no answer to \(path)")
        if found.status == 204 || found.status == 404 { return [] }
        guard found.status == 200 else { throw Unexpected("status \(found.status) of \(path)") }
        return try JSONSerialization.jsonObject(with: Data(found.body)) as? [[String: Any]] ?? []
    }

    /// An association with the archive for CT images in explicit VR little endian.
    func associate(callingAETitle: String = "TEST") throws -> AssociationUser {
        var configuration = AssociationUser.Configuration(
            host: endpoints.dicom.host, port: UInt16(endpoints.dicom.port), calledAETitle: endpoints.dicom.aeTitle,
            contexts: [
                ProposedContext(
                    id: 1, abstractSyntax: UIDs.ctImageStorage,
                    transferSyntaxes: [TransferSyntax.explicitVRLittleEndian.uid])
            ])
        configuration.callingAETitle = callingAETitle
        return try AssociationUser(configuration)
    }

    struct Unexpected: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// Calls `body` until it gives something, for two minutes.
    func eventually<Result>(_ what: String, _ body: () throws -> Result?) throws -> Result {
        try WiringTests.eventually(what, { self.said.suffix(20).joined(separator: "\n") }, body)
    }
}

/// Calls `body` until it gives something, for two minutes.
func eventually<Result>(_ what: String, _ context: () -> String, _ body: () throws -> Result?) throws -> Result {
    var problem = ""
    for _ in 0..<2_400 {
        do {
            if let result = try body() { return result }
            problem = ""
        } catch {
            problem = "\(error)"
        }
        usleep(50_000)
    }
    throw ArchiveUnderTest.Unexpected("not in two minutes: \(what); \(problem)\n\(context())")
}

/// A value of a DICOM JSON object.
func value(_ object: [String: Any], _ tag: String) -> Any? {
    ((object[tag] as? [String: Any])?["Value"] as? [Any])?.first
}

/// A small CT instance whose pixels depend on its place.
struct TestInstance: Sendable {
    let study: String
    let series: String
    let instance: String
    let bytes: [UInt8]

    static let root = "1.2.826.0.1.3680043.10.1999"

    init(study: Int, series: Int, number: Int, pixelSeed: Int = 0) {
        self.study = "\(TestInstance.root).\(study)"
        self.series = "\(self.study).\(series)"
        instance = "\(self.series).\(number)"
        var data = DataSetBuilder()
        data.set(.specificCharacterSet, "ISO_IR 192")
        data.set(.sopClassUID, UIDs.ctImageStorage)
        data.set(.sopInstanceUID, instance)
        data.set(.studyInstanceUID, self.study)
        data.set(.seriesInstanceUID, self.series)
        data.set(.patientName, "Test^Kill")
        data.set(.patientID, "KILL-\(study)")
        data.setEmpty(.studyDate)
        data.set(.modality, "CT")
        data.set(.seriesNumber, series)
        data.set(.instanceNumber, number)
        data.set(.samplesPerPixel, 1)
        data.set(.photometricInterpretation, "MONOCHROME2")
        data.set(.rows, 64)
        data.set(.columns, 64)
        data.set(.bitsAllocated, 16)
        data.set(.bitsStored, 16)
        data.set(.highBit, 15)
        data.set(.pixelRepresentation, 0)
        data.set(
            .pixelData, vr: .ow,
            bytes: (0..<8_192).map { UInt8(truncatingIfNeeded: $0 &* (number + series) &+ pixelSeed) })
        bytes = data.encoded(in: .explicitVRLittleEndian)
    }

    /// Stores it over an association; the status.
    func store(_ association: AssociationUser) throws -> DIMSEStatus {
        try association.store(
            dataSet: bytes, sopClassUID: UIDs.ctImageStorage, sopInstanceUID: instance,
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid)
    }
}
