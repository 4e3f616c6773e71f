import Foundation
import SchemaGenerator
import TestSupport
import Testing

/// ArchiveSchema with the code of another spec, in a folder of its own: typechecked, or made a program with a `main.swift`
/// and run.
struct GeneratedModule {
    /// Where the build put the modules that ArchiveSchema imports, and their objects.
    static let products = URL(filePath: CommandLine.arguments.first ?? "").deletingLastPathComponent()
    static let areModulesBuilt = FileManager.default.fileExists(
        atPath: products.appending(path: "Modules/DICOMWeb.swiftmodule").path)

    let folder: URL
    private var sources: [String] = []

    init(_ spec: String) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "wado-generated-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let own = PackageFolder.url("Sources/ArchiveSchema")
        let files = try #require(FileManager.default.enumerator(atPath: own.path))
        for case let name as String in files where name.hasSuffix(".swift") {
            sources.append(own.appending(path: name).path)
        }
        let generated = try SpecSamples.swift(spec)
        #expect(Set(generated.keys) == Set(SchemaGenerator.swiftFileNames))
        for (name, contents) in generated { try add(name, contents) }
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    mutating func add(_ name: String, _ contents: String) throws {
        let file = folder.appending(path: name)
        try Data(contents.utf8).write(to: file)
        sources.append(file.path)
    }

    func compile(_ arguments: String...) throws {
        var all = [
            "swiftc", "-swift-version", "6", "-warnings-as-errors", "-package-name", "wado", "-module-name",
            "ArchiveSchema", "-I", Self.products.appending(path: "Modules").path,
        ]
        for feature in ["ExistentialAny", "MemberImportVisibility", "InternalImportsByDefault"] {
            all += ["-enable-upcoming-feature", feature]
        }
        let packages = PackageFolder.url("Sources")
        for name in try FileManager.default.contentsOfDirectory(atPath: packages.path) {
            let map = packages.appending(path: "\(name)/module.modulemap").path
            if FileManager.default.fileExists(atPath: map) { all += ["-Xcc", "-fmodule-map-file=\(map)"] }
        }
        let (status, output) = try Self.run(all + arguments + sources)
        #expect(status == 0, "\(output.prefix(4000))")
    }

    /// What the program with this `main.swift` prints.
    mutating func output(of main: String) throws -> String {
        try add("main.swift", main)
        let program = folder.appending(path: "program").path
        var arguments = ["-o", program, "-ldeflate", "-lz"]
        for module in ["DICOMWeb", "DICOMCore", "DICOMDictionary"] {
            let objects = Self.products.appending(path: "\(module).build")
            // Beside their objects the folder may have those of files that were deleted since.
            let list = try String(contentsOf: objects.appending(path: "sources"), encoding: .utf8)
            for source in list.split(separator: "\n") {
                let name = source.split(separator: "/").last ?? ""
                arguments.append(objects.appending(path: "\(name).o").path)
            }
        }
        sources += arguments
        try compile("-Onone")
        let (status, output) = try Self.run([program])
        #expect(status == 0)
        return output
    }

    private static func run(_ arguments: [String]) throws -> (Int32, String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}
