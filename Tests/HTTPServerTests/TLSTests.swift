import Foundation
import HTTPServer
import Testing

private func run(_ program: String, _ arguments: [String]) throws -> Data {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return data
}

private let hasTools = ["/usr/bin/openssl", "/usr/bin/curl"].allSatisfy(FileManager.default.isExecutableFile)

@Suite struct TLSTests {
    @Test(.enabled(if: hasTools, "needs openssl and curl"))
    func servesOverTLS() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (key, certificate) = (folder.appending(path: "k.pem"), folder.appending(path: "c.pem"))
        _ = try run(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2", "-keyout",
                key.path, "-out", certificate.path,
            ])
        var configuration = HTTPServerConfiguration()
        configuration.tls = .init(
            certificate: try String(contentsOf: certificate, encoding: .utf8),
            key: try String(contentsOf: key, encoding: .utf8))
        let file = try TemporaryFile(count: 700_000)
        try TestServer(
            configuration,
            answer: { request in
                guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
                guard request.target == "/chunked" else {
                    return HTTPResponse(200, body: .file(open, offset: 100, length: 600_000))
                }
                return HTTPResponse(
                    200, body: .chunked(HTTPSegments([.bytes([]), .file(open, offset: 100, length: 600_000)])))
            }
        ).serve { server in
            for target in ["", "chunked"] {
                let data = try run(
                    "/usr/bin/curl", ["-s", "--cacert", certificate.path, "https://localhost:\(server.port)/\(target)"])
                #expect(Array(data) == Array(file.bytes[100..<600_100]))
            }
        }
        configuration.tls = .init(certificate: "nonsense", key: "nonsense")
        let broken = HTTPServer(configuration: configuration, handler: { _ in text("never") })
        #expect(throws: HTTPServerError.self) { try broken.start() }
    }
}
