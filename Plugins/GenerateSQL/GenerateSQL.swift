import PackagePlugin

/// Writes `generated-sql/` from `dictionary/`.
@main
struct GenerateSQL: CommandPlugin {
    func performCommand(context: PluginContext, arguments: [String]) throws {}
}
