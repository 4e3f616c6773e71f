import PackagePlugin

/// Generates the Swift sources of DICOMDictionary and ArchiveSchema from `dictionary/`.
@main
struct GenerateSchema: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] { [] }
}
