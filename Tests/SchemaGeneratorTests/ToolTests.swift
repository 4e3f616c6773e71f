import Foundation
import SchemaGenerator
import TestSupport
import Testing

/// The tool is built beside the tests.
enum BuiltTool {
    static let url: URL? = {
        let place = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appending(path: "schema-generator")
        return FileManager.default.isExecutableFile(atPath: place.path) ? place : nil
    }()
}

/// The command-line tool, run as the plugins run it.
@Suite(.enabled(if: BuiltTool.url != nil, "schema-generator was not built"))
struct ToolTests {
    private struct Outcome {
        let status: Int32, output: String, errors: String
    }

    private func run(_ arguments: String...) throws -> Outcome {
        let process = Process()
        process.executableURL = BuiltTool.url
        process.arguments = arguments
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let outputData = output.fileHandleForReading.readDataToEndOfFile()
        let errorData = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: String(decoding: outputData, as: UTF8.self),
            errors: String(decoding: errorData, as: UTF8.self))
    }

    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "wado-tool-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    private func modified(_ url: URL) throws -> Date {
        let attributes = try FileManager.default.attributesOfItem(atPath: url.path)
        return try #require(attributes[.modificationDate] as? Date)
    }

    @Test func writesOnlyWhatChanged() throws {
        try withFolder { folder in
            let arguments = ("--package", PackageFolder.url.path, "--output", folder.path)
            func generate() throws -> Outcome {
                try run("dictionary", arguments.0, arguments.1, arguments.2, arguments.3)
            }
            #expect(try generate().status == 0)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(Set(names) == Set(DictionaryEmitter.fileNames))
            let old = Date(timeIntervalSince1970: 1_000_000_000)
            for name in names {
                try FileManager.default.setAttributes(
                    [.modificationDate: old], ofItemAtPath: folder.appending(path: name).path)
            }
            try Data("changed".utf8).write(to: folder.appending(path: "UIDs.swift"))
            #expect(try generate().status == 0)
            for name in names {
                #expect(try (modified(folder.appending(path: name)) == old) == (name != "UIDs.swift"), "\(name)")
            }
            #expect(try Data(contentsOf: folder.appending(path: "UIDs.swift")).count > 10_000)
        }
    }

    @Test func removesStaleSQLAndNothingElse() throws {
        try withFolder { folder in
            let stale = folder.appending(path: "postgres/gone.sql")
            let note = folder.appending(path: "postgres/README.md")
            try FileManager.default.createDirectory(
                at: stale.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data("x".utf8).write(to: stale)
            try Data("x".utf8).write(to: note)
            let outcome = try run("sql", "--package", PackageFolder.url.path, "--output", folder.path)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("removed postgres/gone.sql\n"))
            #expect(!FileManager.default.fileExists(atPath: stale.path))
            #expect(FileManager.default.fileExists(atPath: note.path))
        }
    }

    @Test func saysWhereAnInputIsWrong() throws {
        try withFolder { folder in
            let missing = try run("dictionary", "--package", folder.path, "--output", folder.path)
            #expect(missing.status == 1)
            #expect(missing.errors.hasPrefix("dictionary/part06.xml:1: error: cannot be read ("))

            try FileManager.default.createDirectory(
                at: folder.appending(path: "dictionary"), withIntermediateDirectories: true)
            try Data("<book>\n<title>".utf8).write(to: folder.appending(path: "dictionary/part06.xml"))
            let damaged = try run("dictionary", "--package", folder.path, "--output", folder.path)
            #expect(damaged.status == 1)
            #expect(damaged.errors.hasPrefix("dictionary/part06.xml:2: error: the file ends early"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["dictionary"])
        }
    }

    @Test(
        arguments: [
            ([], "no command given"), (["schema"], "unknown command `schema`"),
            (["sql", "--package"], "`--package` needs a folder"), (["sql", "--package", "."], "`--output` is missing"),
            (["sql", "--output", "."], "`--package` is missing"), (["sql", "--into", "."], "unknown option `--into`"),
        ] as [([String], String)])
    func saysHowToCallIt(_ arguments: [String], _ message: String) throws {
        let process = Process()
        process.executableURL = BuiltTool.url
        process.arguments = arguments
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 64)
        #expect(text.hasPrefix("error: \(message)\nusage: schema-generator (dictionary | archive-schema | sql | docs)"))
    }
}
