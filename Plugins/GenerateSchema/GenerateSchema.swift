import PackagePlugin

/// Generates the Swift sources of DICOMDictionary and ArchiveSchema from `dictionary/`.
@main
struct GenerateSchema: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let package = context.package.directoryURL
        let dictionary = package.appending(path: "dictionary")
        let part06 = dictionary.appending(path: "part06.xml")
        let output = context.pluginWorkDirectoryURL
        let tool = try context.tool(named: "schema-generator").url

        // A file that is declared and not written, or written and not declared, breaks the build: tests compare these
        // names with the generator's own.
        switch target.name {
        case "DICOMDictionary":
            let names = [
                "Tag+Elements.swift", "DataDictionary+Elements.swift", "UIDs.swift", "UIDRegistry+Entries.swift",
            ]
            return [
                .buildCommand(
                    displayName: "Generating DICOMDictionary from part06.xml", executable: tool,
                    arguments: ["dictionary", "--package", package.path, "--output", output.path],
                    inputFiles: [part06], outputFiles: names.map { output.appending(path: $0) })
            ]
        case "ArchiveSchema":
            let names = [
                "ArchiveSchema+Tables.swift", "ArchiveSchema+Rows.swift", "ArchiveSchema+SQL.swift",
                "ArchiveSchema+Search.swift",
            ]
            return [
                .buildCommand(
                    displayName: "Generating ArchiveSchema from fields.yaml", executable: tool,
                    arguments: ["archive-schema", "--package", package.path, "--output", output.path],
                    inputFiles: [part06, dictionary.appending(path: "fields.yaml")],
                    outputFiles: names.map { output.appending(path: $0) })
            ]
        default:
            Diagnostics.error("GenerateSchema knows nothing to generate for the target \(target.name)")
            return []
        }
    }
}
