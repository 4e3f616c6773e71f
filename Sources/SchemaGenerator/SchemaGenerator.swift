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
        let (model, warnings) = try model(specPath: specPath, spec: spec, registry: registry)
        let contents = [
            SwiftTables.tables(model, specPath: specPath), SwiftRows.rows(model, specPath: specPath),
            SwiftTables.sql(model, specPath: specPath), SwiftTables.search(model, specPath: specPath),
        ]
        return GeneratorOutput(
            files: zip(swiftFileNames, contents).map { GeneratedFile(name: $0, contents: $1) }, warnings: warnings)
    }

    /// Generates the DDL of both databases and the Routine Load statements; names are paths below `generated-sql/`.
    /// - Throws: every error found in the spec.
    public static func sqlFiles(
        specPath: String, spec: [UInt8], registry: Registry
    ) throws(GeneratorFailure) -> GeneratorOutput {
        let (model, warnings) = try model(specPath: specPath, spec: spec, registry: registry)
        var files: [GeneratedFile] = []
        func add(_ name: String, _ sql: String) {
            files.append(GeneratedFile(name: name, contents: SQLText.header + "\n" + sql))
        }
        for table in model.tables {
            if table.stores.contains(.postgres) { add("postgres/\(table.name).sql", PostgresSQL.ddl(table)) }
            if table.doris != nil { add("doris/\(table.name).sql", DorisSQL.ddl(table)) }
            if let load = DorisSQL.routineLoad(table, brokers: model.brokers) {
                add("doris/routine-load/\(table.name).sql", load)
            }
        }
        return GeneratorOutput(files: files.sorted { $0.name < $1.name }, warnings: warnings)
    }

    /// Generates the pages of `docs/` that show what is in the spec.
    /// - Throws: every error found in the spec.
    public static func documents(
        specPath: String, spec: [UInt8], registry: Registry
    ) throws(GeneratorFailure) -> GeneratorOutput {
        let (model, warnings) = try model(specPath: specPath, spec: spec, registry: registry)
        let page = GeneratedFile(name: "search-keys.md", contents: SearchKeysDocument.document(model))
        return GeneratorOutput(files: [page], warnings: warnings)
    }

    /// Raw, parsed, checked: what all renderers start from.
    private static func model(
        specPath: String, spec: [UInt8], registry: Registry
    ) throws(GeneratorFailure) -> (SchemaModel, warnings: [Diagnostic]) {
        let (root, errors) = YAMLReader.read(spec, path: specPath)
        if !errors.isEmpty { throw GeneratorFailure(errors) }
        var reader = SpecReader(path: specPath)
        let parsed = reader.read(root)
        var checker = ModelChecker(path: specPath, registry: registry)
        let model = checker.check(parsed)
        let all = (reader.diagnostics + checker.diagnostics).sorted {
            ($0.line, $0.column ?? 0) < ($1.line, $1.column ?? 0)
        }
        if all.contains(where: { $0.severity == .error }) { throw GeneratorFailure(all) }
        return (model, all)
    }
}
