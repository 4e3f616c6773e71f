import Foundation
import Synchronization
import TestSupport

/// A Kafka for tests: the one at `KAFKA_BROKERS`, else Apache Kafka of the folder `shared`, started for this process and
/// gone with it.
public enum TestBroker {
    /// False when there is neither: tests that need it are then skipped.
    public static let isAvailable = external != nil || (SharedFiles.has("kafka/kafka-start") && hasJava)

    private static let external: String? = {
        let text = ProcessInfo.processInfo.environment["KAFKA_BROKERS"] ?? ""
        return text.isEmpty ? nil : text
    }()

    private static let hasJava = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        .contains { FileManager.default.isExecutableFile(atPath: "\($0)/java") }

    private static let shared = Mutex<String?>(nil)

    /// `host:port`.
    public static func address() throws -> String {
        if let external { return external }
        return try shared.withLock { shared in
            if let shared { return shared }
            let folder = "/tmp/wado-tests/\(getpid())/kafka"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let address = try run("\"$1/kafka-start\" \"$2\"", folder, waits: true)
            // A shell that stops the broker when this process is gone.
            _ = try run(
                "while kill -0 \(getpid()) 2>/dev/null; do sleep 0.5; done; \"$1/kafka-stop\" \"$2\" --kill; rm -rf \"$2\"",
                folder, waits: false)
            shared = address
            return address
        }
    }

    private static func run(_ script: String, _ folder: String, waits: Bool) throws -> String {
        guard let tools = SharedFiles.url("kafka") else { throw StandIn.Failure(description: "no ../shared/kafka") }
        let process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments = ["-c", script, "kafka", tools.path, folder]
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let output = Pipe()
        process.standardOutput = waits ? output : FileHandle.nullDevice
        try process.run()
        guard waits else { return "" }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw StandIn.Failure(description: "Kafka does not start; see \(folder)/kafka.log")
        }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
