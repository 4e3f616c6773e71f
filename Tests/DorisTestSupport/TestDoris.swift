public import DorisAdapter
import Foundation
import Synchronization
import TestSupport

/// A Doris for tests: the one at `DORIS_HOST` (`host` or `host:port`; `DORIS_USER`, `DORIS_PASSWORD`), else the stand-in
/// of Tests/DorisStandIn, started for this process and gone with it.
public enum TestDoris {
    /// Whether a real Doris is there.
    public static let isReal = environment("DORIS_HOST") != nil

    /// False when there is neither: tests that need it are then skipped.
    public static let isAvailable = isReal || StandIn.isAvailable

    private static let shared = Mutex<StandIn?>(nil)
    private static let number = Mutex(0)

    /// Of a database of its own, that nobody has made yet.
    public static func configuration() throws -> DorisConfiguration {
        let database = "test_\(getpid())_\(next())"
        if let place = environment("DORIS_HOST") {
            let parts = place.split(separator: ":")
            return DorisConfiguration(
                host: parts.first.map(String.init) ?? place, port: parts.count > 1 ? Int(parts[1]) ?? 9030 : 9030,
                user: environment("DORIS_USER") ?? "root", password: environment("DORIS_PASSWORD") ?? "",
                database: database)
        }
        let port = try shared.withLock { shared in
            if let shared { return shared.port }
            let new = try StandIn()
            shared = new
            return new.port
        }
        return DorisConfiguration(host: "127.0.0.1", port: port, database: database)
    }

    /// Runs `body` with a configuration of its own and drops what it has made in Doris.
    public static func withDatabase<R>(_ body: (DorisConfiguration) throws -> R) throws -> R {
        let configuration = try configuration()
        defer {
            if let connection = try? DorisConnection(configuration),
                (try? connection.run("USE `\(configuration.database)`", operation: "clean up")) != nil
            {
                let jobs = try? connection.run("SHOW ROUTINE LOAD", operation: "clean up")
                for row in (jobs?.rows ?? []).indices {
                    guard let name = jobs?.value(row, "Name") else { continue }
                    _ = try? connection.run("STOP ROUTINE LOAD FOR `\(name)`", operation: "clean up")
                }
                _ = try? connection.run("DROP DATABASE `\(configuration.database)` FORCE", operation: "clean up")
            }
        }
        return try body(configuration)
    }

    private static func next() -> Int {
        number.withLock { number in
            number += 1
            return number
        }
    }

    private static func environment(_ name: String) -> String? {
        let text = ProcessInfo.processInfo.environment[name] ?? ""
        return text.isEmpty ? nil : text
    }
}

/// A stand-in for Doris as a process of its own, on a free port.
public final class StandIn: Sendable {
    public struct Failure: Error, CustomStringConvertible {
        public var description: String
    }

    public static let isAvailable = Python.has("confluent_kafka")

    public let port: Int
    private let process: Int32
    /// The stand-in ends when this one does: its standard input is closed then.
    private let lifeline: FileHandle
    private let folder: URL

    /// - Parameter arguments: options of `doris_stand_in.py`.
    public init(_ arguments: [String] = []) throws {
        guard let python = Python.executable else { throw Failure(description: "no python3") }
        folder = URL(filePath: "/tmp/wado-tests/\(getpid())/doris-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let errors = folder.appending(path: "errors")
        try Data().write(to: errors)
        let process = Process()
        process.executableURL = python
        process.arguments =
            [
                PackageFolder.url("Tests/DorisStandIn/doris_stand_in.py").path, "--lifeline", "--port", "0", "--data",
                folder.appending(path: "data").path,
            ] + arguments
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        self.process = process.processIdentifier
        lifeline = input.fileHandleForWriting
        // 127.0.0.1:PORT and a line feed, when it is ready.
        var line: [UInt8] = []
        while line.last != UInt8(ascii: "\n"),
            let byte = try output.fileHandleForReading.read(upToCount: 1)?.first
        {
            line.append(byte)
        }
        guard let port = Int(String(decoding: line, as: UTF8.self).dropLast().split(separator: ":").last ?? "") else {
            let said = (try? String(contentsOf: errors, encoding: .utf8)) ?? ""
            throw Failure(description: "the stand-in did not start: \(said.suffix(1_000))")
        }
        self.port = port
    }

    deinit {
        try? lifeline.close()
        kill(process, SIGTERM)
        try? FileManager.default.removeItem(at: folder)
    }

    /// Of a database in it.
    public func configuration(database: String = "test") -> DorisConfiguration {
        DorisConfiguration(host: "127.0.0.1", port: port, database: database)
    }
}
