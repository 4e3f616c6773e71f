import Dictionary
import Foundation
import SchemaGenerator

/// The command that the build plugins run. All reading and writing of files is here.
///
///     schema-generator dictionary     --package DIR --output DIR   the Swift sources of DICOMDictionary
///     schema-generator archive-schema --package DIR --output DIR   the Swift sources of ArchiveSchema
///     schema-generator sql            --package DIR --output DIR   DDL and load jobs; removes other .sql files there
///     schema-generator docs           --package DIR --output DIR   the generated pages of docs/
///
/// Exits with 1 when an input is wrong, with `path:line:column: error: message` on standard error, and with 64 when
/// called wrongly.
@main
struct SchemaGeneratorTool {
    static func main() {
        do {
            try run(try Invocation(CommandLine.arguments.dropFirst()))
        } catch let failure as GeneratorFailure {
            for diagnostic in failure.diagnostics { complain(diagnostic.description) }
            exit(1)
        } catch let failure as UsageFailure {
            complain("error: \(failure.message)\n\(Invocation.usage)")
            exit(64)
        } catch {
            complain("error: \(error.localizedDescription)")
            exit(1)
        }
    }

    private static func run(_ invocation: Invocation) throws {
        let files = PackageFiles(package: invocation.package, output: invocation.output)
        let dictionaryPath = "dictionary/part06.xml"
        let document = try files.read(dictionaryPath)
        let registry: Registry
        do throws(RegistryFailure) {
            registry = try RegistryReader.read(document)
        } catch {
            throw GeneratorFailure(path: dictionaryPath, error)
        }
        let specPath = "dictionary/fields.yaml"
        switch invocation.command {
        case .dictionary:
            for file in try DictionaryEmitter.files(path: dictionaryPath, registry: registry) { try files.write(file) }
        case .archiveSchema:
            let spec = try files.read(specPath)
            let output = try SchemaGenerator.swiftFiles(specPath: specPath, spec: spec, registry: registry)
            for warning in output.warnings { complain(warning.description) }
            for file in output.files { try files.write(file) }
        case .sql:
            let spec = try files.read(specPath)
            let output = try SchemaGenerator.sqlFiles(specPath: specPath, spec: spec, registry: registry)
            for warning in output.warnings { complain(warning.description) }
            var changed = try write(output.files, files)
            for name in try files.removeOthers(than: Set(output.files.map(\.name)), pathExtension: "sql") {
                print("removed \(name)")
                changed += 1
            }
            print("\(output.files.count) files, \(changed) changed")
        case .docs:
            let output = try SchemaGenerator.documents(
                specPath: specPath, spec: try files.read(specPath), registry: registry)
            _ = try write(output.files, files)
        }
    }

    /// Returns how many were changed.
    private static func write(_ generated: [GeneratedFile], _ files: PackageFiles) throws -> Int {
        var changed = 0
        for file in generated where try files.write(file) {
            print("wrote \(file.name)")
            changed += 1
        }
        return changed
    }

    private static func complain(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}
