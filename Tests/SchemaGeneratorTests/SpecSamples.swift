import Dictionary
import SchemaGenerator
import TestSupport
import Testing

/// Specs for the tests, and what the generator says of them.
enum SpecSamples {
    static let registry: Registry? = try? RegistryReader.read(PackageFolder.bytes("dictionary/part06.xml"))

    /// Two valid columns on lines 10 and 11, and then the given lines, from 12 on.
    static func spec(_ columns: String...) -> String {
        """
        version: 2
        tables:
          things:
            about: Things.
            stores: [postgres, doris]
            key: [tenant_id, study_uid]
            doris: {distribute_by: [study_uid], buckets: 4}
            load: {job: things_load, topic: things}
            columns:
              - {name: tenant_id, from: tenant}
              - {name: study_uid, tag: StudyInstanceUID, required: true}
        """ + columns.map { "\n      - {\($0)}" }.joined() + "\n"
    }

    /// All errors and warnings, as they are printed.
    static func diagnose(_ spec: String) throws -> [String] { try diagnose(Array(spec.utf8)) }

    static func diagnose(_ spec: [UInt8]) throws -> [String] {
        do {
            return try generate(spec).warnings.map(\.description)
        } catch let failure as GeneratorFailure {
            return failure.diagnostics.map(\.description)
        }
    }

    static func generate(_ spec: [UInt8]) throws -> GeneratorOutput {
        try SchemaGenerator.sqlFiles(specPath: "fields.yaml", spec: spec, registry: try #require(registry))
    }

    /// The files by name.
    static func sql(_ spec: String) throws -> [String: String] {
        let files = try generate(Array(spec.utf8)).files
        return [String: String](uniqueKeysWithValues: files.map { ($0.name, $0.contents) })
    }

    static func swift(_ spec: String) throws -> [String: String] {
        let output = try SchemaGenerator.swiftFiles(
            specPath: "fields.yaml", spec: Array(spec.utf8), registry: try #require(registry))
        return [String: String](uniqueKeysWithValues: output.files.map { ($0.name, $0.contents) })
    }
}
