public import Foundation

/// The Python that tests compare with: `WADO_PYTHON`, else `.build/venv` of the package, else `python3`.
public enum Python {
    /// Where it is; nil when it does not start.
    public static let executable: URL? = {
        var candidates: [URL] = []
        if let path = ProcessInfo.processInfo.environment["WADO_PYTHON"] {
            candidates.append(URL(fileURLWithPath: path))
        } else {
            let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            candidates.append(package.appending(path: ".build/venv/bin/python3"))
            for folder in (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":") {
                candidates.append(URL(fileURLWithPath: String(folder)).appending(path: "python3"))
            }
        }
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }()

    /// Whether these modules can be imported.
    public static func has(_ modules: String...) -> Bool {
        (try? run("import " + modules.joined(separator: ", "))) != nil
    }

    /// Pydicom's own test files that are in its package; nil without pydicom.
    public static let pydicomData: URL? = {
        guard let text = try? run("import os, pydicom.data; print(os.path.dirname(pydicom.data.__file__))") else {
            return nil
        }
        return URL(fileURLWithPath: String(decoding: text, as: UTF8.self).trimmingCharacters(in: .newlines))
    }()

    public struct Failure: Error, CustomStringConvertible {
        public var description: String
    }

    /// Runs a program text with arguments and returns what it prints. Throws what it says on standard error when it fails.
    public static func run(_ program: String, _ arguments: [String] = []) throws -> Data {
        guard let executable else { throw Failure(description: "no python3") }
        let folder = FileManager.default.temporaryDirectory.appending(path: "wado-python-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // Files instead of pipes: neither side waits for the other, whatever is printed.
        let (output, errors) = (folder.appending(path: "out"), folder.appending(path: "err"))
        for url in [output, errors] { try Data().write(to: url) }
        let process = Process()
        process.executableURL = executable
        process.arguments = ["-c", program] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
        }
        return try Data(contentsOf: output)
    }
}
