import ArchiveSchema
import DICOMCore
import DICOMDictionary
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
}
