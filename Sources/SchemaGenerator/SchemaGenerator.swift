public import Dictionary

/// The spec and the registry in, checked contents of files out, all in memory.
public enum SchemaGenerator {
    /// The Swift sources of ArchiveSchema, always these and in this order: the build plugin declares them.
    public static let swiftFileNames = [
        "ArchiveSchema+Tables.swift", "ArchiveSchema+Rows.swift", "ArchiveSchema+SQL.swift",
        "ArchiveSchema+Search.swift",
    ]

    /// Generates the files of `swiftFileNames`.
    /// - Parameters:
    ///   - specPath: how diagnostics name the spec, for example `dictionary/fields.yaml`.
    ///   - spec: the bytes of the spec, YAML.
    /// - Throws: every error found in the spec.
    public static func swiftFiles(
        specPath: String, spec: [UInt8], registry: Registry
    ) throws(GeneratorFailure) -> GeneratorOutput {
        GeneratorOutput(
            files: swiftFileNames.map { GeneratedFile(name: $0, contents: "// Generated.\n") }, warnings: [])
    }

    /// Generates the DDL of both databases and the Routine Load statements; names are paths below `generated-sql/`.
    /// - Throws: every error found in the spec.
    public static func sqlFiles(
        specPath: String, spec: [UInt8], registry: Registry
    ) throws(GeneratorFailure) -> GeneratorOutput {
        GeneratorOutput(files: [], warnings: [])
    }
}
