import ArchiveSchema
import DICOMCore
import DICOMDictionary
import DICOMNetwork
import Foundation
import ServiceKit
import Testing

/// Dcmtk's own clients.
struct DCMTKTests {
    static let hasTools = ["echoscu", "storescu"].allSatisfy {
        FileManager.default.isExecutableFile(atPath: "/usr/bin/\($0)")
    }

    static func run(_ tool: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/\(tool)")
        process.arguments = arguments
        process.environment = ["TCP_NODELAY": "1"]
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, output)
    }

    @Test(.enabled(if: hasTools)) func echo() throws {
        let fixture = try StoreSCPFixture()
        let result = try Self.run("echoscu", ["-v", "127.0.0.1", String(fixture.port)])
        #expect(result.status == 0, "\(result.output)")
    }

    @Test(.enabled(if: hasTools), arguments: [["-xe"], ["-xi"], ["-R", "-pdu", "4096"], ["--repeat", "3"]])
    func store(_ options: [String]) throws {
        let fixture = try StoreSCPFixture()
        let folder = fixture.folder.appending(path: "sent")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for number in 1...20 {
            var sample = Sample(instance: "1.2.3.1.1.\(number)", pixel: UInt8(number))
            sample.builder.set(.pixelData, vr: .ob, bytes: [UInt8](repeating: 7, count: number * 30_000))
            try sample.write(to: folder.appending(path: "\(number)"))
        }
        let result = try Self.run(
            "storescu", options + ["+sd", "127.0.0.1", String(fixture.port), folder.path])
        #expect(result.status == 0, "\(result.output)")
        #expect(Set(try fixture.bus.rows(20).map(\.sopUID)).count == 20)
        fixture.waitUntilPublished()
        #expect(fixture.files.count == 20)
        #expect(fixture.spooled == 0)
    }

    /// Our own SCU against dcmtk's SCP.
    @Test(.enabled(if: hasTools && FileManager.default.isExecutableFile(atPath: "/usr/bin/storescp")))
    func ourUserAndTheirProvider() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "wado-scp-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let provider = Process()
        provider.executableURL = URL(filePath: "/usr/bin/storescp")
        // A port below the range that the system gives out by itself.
        let port = UInt16.random(in: 20_000..<30_000)
        provider.arguments = ["+xa", "-od", folder.path, String(port)]
        provider.standardError = FileHandle.nullDevice
        try provider.run()
        defer {
            // The threads of tests may block SIGTERM, and a child inherits that.
            kill(provider.processIdentifier, SIGKILL)
            provider.waitUntilExit()
        }
        var user: AssociationUser?
        for _ in 0..<500 where user == nil {
            user = try? StoreSCPFixture.user(port: port)
            if user == nil { usleep(20_000) }
        }
        let scu = try #require(user)
        #expect(try scu.echo() == .success)
        var sample = Sample()
        sample.builder.set(.pixelData, vr: .ob, bytes: [UInt8](repeating: 9, count: 700_001))
        let path = folder.appending(path: "sent.dcm")
        try sample.write(to: path)
        let source = try #require(try AssociationUser.StoreSource(reading: path.path))
        #expect(source.sopInstanceUID == sample.instance)
        #expect(try scu.store(source) == .success)
        try scu.release()
        let received = try FileManager.default.contentsOfDirectory(atPath: folder.path).first { $0 != "sent.dcm" }
        let file = try DICOMFile(bytes: [UInt8](try Data(contentsOf: folder.appending(path: try #require(received)))))
        #expect(file.dataSet.string(.sopInstanceUID) == sample.instance)
        #expect(file.dataSet.element(.pixelData)?.length == 700_002)
    }
}
