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
            let new = try OwnKafka(isSecure: SecureListeners.isAvailable)
            shared = new
            return new.address
        }
    }

    /// Whether the broker of `brokers` is ours and has listeners that ask for credentials.
    public static let hasSecureListeners = external == nil && SecureListeners.isAvailable

    private static let secure = Mutex<OwnKafka?>(nil)

    /// Listeners that ask for credentials, of the broker of this process.
    public static func secureListeners() throws -> SecureListeners {
        if external == nil { _ = try brokers() }
        return try secure.withLock { secure in
            if let listeners = secure?.listeners { return listeners }
            let ours: OwnKafka? = shared.withLock { $0 }
            let broker = try ours ?? OwnKafka(isSecure: true)
            guard let listeners = broker.listeners else {
                throw OwnKafka.Failure(description: "no listeners")
            }
            if SecureListeners.speaksSCRAM {
                // Kept by the brokers themselves, unlike the users of PLAIN.
                try broker.tool(
                    "kafka.admin.ConfigCommand", "--alter", "--entity-type", "users", "--entity-name", "wado",
                    "--add-config", "SCRAM-SHA-512=[password=\(SecureListeners.password)]")
            }
            secure = broker
            return listeners
        }
    }

    /// Lets user `guest` see the topics of a prefix, and nothing else.
    public static func letGuestSee(topicsOf prefix: String) throws {
        try secure.withLock { $0 }?.tool(
            "org.apache.kafka.tools.AclCommand", "--add", "--allow-principal", "User:guest", "--operation", "Describe",
            "--topic",
            prefix, "--resource-pattern-type", "prefixed")
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
    public static let isAvailable = SharedFiles.has("kafka/kafka-start") && has("java")

    /// Whether there is such a program.
    static func has(_ program: String) -> Bool {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        let home = ProcessInfo.processInfo.environment["JAVA_HOME"].map { ["\($0)/bin"] } ?? []
        return (home + folders.map(String.init)).contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(program)")
        }
    }

    public struct Failure: Error, CustomStringConvertible {
        public var description: String
        public init(description: String) { self.description = description }
    }

    public let address: String
    /// Beside the plain one.
    public let listeners: SecureListeners?
    private let folder: URL
    private let properties: String

    /// - Parameters:
    ///   - properties: of the broker, as `key=value`.
    ///   - isSecure: with `listeners`.
    public init(properties: [String] = [], isSecure: Bool = false) throws {
        folder = URL(filePath: "/tmp/wado-tests/\(getpid())/kafka-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var properties = properties
        var arguments = [folder.path]
        if isSecure {
            let ports = try Self.freePorts(5)
            let listeners = try SecureListeners(folder: folder, ports: Array(ports.dropFirst()))
            self.listeners = listeners
            properties += listeners.properties(plain: "127.0.0.1:\(ports[0])")
            arguments.append(String(ports[0]))
        } else {
            listeners = nil
        }
        self.properties = properties.joined(separator: " ")
        address = try Self.runTool("kafka-start", arguments, properties: self.properties)
        try watch()
    }

    /// Ports that nobody listens on, below those that the kernel gives to clients.
    private static func freePorts(_ count: Int) throws -> [Int] {
        var ports: [Int] = []
        for _ in 0..<1_000 where ports.count < count {
            let port = Int.random(in: 20_000..<32_000)
            if !ports.contains(port), isFree(port) { ports.append(port) }
        }
        guard ports.count == count else { throw Failure(description: "no free ports") }
        return ports
    }

    private static func isFree(_ port: Int) -> Bool {
        let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(handle) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(handle, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    deinit { stop() }

    /// On the port that it had.
    public func start() throws { _ = try Self.runTool("kafka-start", [folder.path], properties: properties) }

    /// - Parameter kill: by SIGKILL.
    public func stop(kill: Bool = false) {
        _ = try? Self.runTool("kafka-stop", [folder.path] + (kill ? ["--kill"] : []), properties: "")
    }

    /// Makes it another cluster, without topics and groups, at the same address.
    public func rebuild() throws {
        stop()
        try FileManager.default.removeItem(at: folder.appending(path: "log"))
        try start()
    }

    /// Makes a topic by hand.
    public func makeTopic(_ name: String, partitions: Int, _ properties: [String] = []) throws {
        _ = try Self.runTool("kafka-topic", [address, name, String(partitions)] + properties, properties: "")
    }

    /// One of Kafka's own tools, by its class; takes seconds.
    func tool(_ name: String, _ arguments: String...) throws {
        _ = try Self.runTool("kafka-tool", [name, "--bootstrap-server", address] + arguments, properties: "")
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

    private static func runTool(_ name: String, _ arguments: [String], properties: String) throws -> String {
        guard let tool = SharedFiles.url("kafka/\(name)") else { throw Failure(description: "\(name) is missing") }
        return try run(tool, arguments, environment: ["KAFKA_PROPS": properties])
    }

    /// Runs a program to its end; what it wrote.
    @discardableResult
    static func run(_ program: URL, _ arguments: [String], environment: [String: String] = [:]) throws -> String {
        let process = Process()
        let output = FileManager.default.temporaryDirectory.appending(path: "kafka-\(UUID().uuidString)")
        try Data().write(to: output)
        defer { try? FileManager.default.removeItem(at: output) }
        let file = try FileHandle(forWritingTo: output)
        process.executableURL = program
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = file
        process.standardError = file
        try process.run()
        process.waitUntilExit()
        let text = String(decoding: try Data(contentsOf: output), as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        guard process.terminationStatus == 0 else {
            throw Failure(description: "\(program.lastPathComponent): \(text)")
        }
        return text
    }
}
