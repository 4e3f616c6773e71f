import Foundation
public import KafkaAdapter
import Synchronization
import TestSupport

/// A real broker for tests: the one at `KAFKA_BROKERS`, else Apache Kafka of the folder `shared`, started for this
/// process and gone with it.
public enum TestKafka {
    /// False when there is neither: tests that need it are then skipped.
    public static let isAvailable = external != nil || OwnKafka.isAvailable

    /// `KAFKA_BROKERS`, when it is set.
    private static let external: String? = {
        let text = ProcessInfo.processInfo.environment["KAFKA_BROKERS"] ?? ""
        return text.isEmpty ? nil : text
    }()

    private static let shared = Mutex<OwnKafka?>(nil)
    private static let number = Mutex(0)

    /// `host:port`, with commas between them.
    public static func brokers() throws -> String {
        if let external { return external }
        return try shared.withLock { shared in
            if let shared { return shared.address }
            let new = try OwnKafka()
            shared = new
            return new.address
        }
    }

    /// With topics of its own, that nobody has made yet, and with a group that soon notices who is gone.
    public static func configuration() throws -> KafkaConfiguration {
        configuration(brokers: try brokers())
    }

    public static func configuration(brokers: String) -> KafkaConfiguration {
        var configuration = KafkaConfiguration(brokers: brokers.split(separator: ",").map(String.init))
        configuration.topicPrefix = "test-\(getpid())-\(next())-"
        configuration.partitions = 6
        configuration.sessionMilliseconds = 2_000
        return configuration
    }

    private static func next() -> Int {
        number.withLock { number in
            number += 1
            return number
        }
    }
}

/// An Apache Kafka of this process, of the folder `shared`.
public final class OwnKafka: Sendable {
    /// Whether the folder and a Java are there.
    public static let isAvailable: Bool = {
        guard SharedFiles.has("kafka/kafka-start") else { return false }
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        let home = ProcessInfo.processInfo.environment["JAVA_HOME"].map { ["\($0)/bin"] } ?? []
        return (home + folders.map(String.init)).contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/java")
        }
    }()

    public struct Failure: Error, CustomStringConvertible {
        public var description: String
        public init(description: String) { self.description = description }
    }

    public let address: String
    private let folder: URL
    private let properties: String

    /// - Parameter properties: `key=value` pairs of the broker, with spaces between them.
    public init(properties: String = "") throws {
        folder = URL(filePath: "/tmp/wado-tests/\(getpid())/kafka-\(UInt32.random(in: 0 ... .max))")
        self.properties = properties
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        address = try Self.run("kafka-start", [folder.path], properties: properties)
        try watch()
    }

    deinit { stop() }

    /// On the port that it had.
    public func start() throws { _ = try Self.run("kafka-start", [folder.path], properties: properties) }

    /// - Parameter kill: by SIGKILL.
    public func stop(kill: Bool = false) {
        _ = try? Self.run("kafka-stop", [folder.path] + (kill ? ["--kill"] : []), properties: "")
    }

    /// Makes a topic by hand.
    public func makeTopic(_ name: String, partitions: Int, _ properties: [String] = []) throws {
        _ = try Self.run("kafka-topic", [address, name, String(partitions)] + properties, properties: "")
    }

    /// A shell that stops the broker when this process is gone.
    private func watch() throws {
        guard let stop = SharedFiles.url("kafka/kafka-stop") else { return }
        let process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments = [
            "-c", "while kill -0 \(getpid()) 2>/dev/null; do sleep 0.5; done; \"$1\" \"$2\" --kill; rm -rf \"$2\"",
            "watch", stop.path, folder.path,
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    private static func run(_ name: String, _ arguments: [String], properties: String) throws -> String {
        guard let tool = SharedFiles.url("kafka/\(name)") else { throw Failure(description: "\(name) is missing") }
        let process = Process()
        let pipe = Pipe()
        process.executableURL = tool
        process.arguments = arguments
        var environment = ProcessInfo.processInfo.environment
        environment["KAFKA_PROPS"] = properties
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(description: "\(name): \(text)") }
        return text
    }
}
