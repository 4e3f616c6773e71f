import Foundation
import PackagePlugin

/// Writes `generated-sql/` and the generated pages of `docs/` from `dictionary/`: `swift package generate-sql`.
@main
struct GenerateSQL: CommandPlugin {
    func performCommand(context: PluginContext, arguments: [String]) throws {
        let package = context.package.directoryURL
        let tool = try context.tool(named: "schema-generator").url
        for (command, folder) in [("sql", "generated-sql"), ("docs", "docs")] {
            let process = Process()
            process.executableURL = tool
            process.arguments = [
                command, "--package", package.path, "--output", package.appending(path: folder).path,
            ]
            try process.run()
            process.waitUntilExit()
            guard process.terminationReason == .exit, process.terminationStatus == 0 else {
                throw GenerationFailure(folder: folder, status: process.terminationStatus)
            }
        }
    }
}

struct GenerationFailure: Error, CustomStringConvertible {
    let folder: String
    let status: Int32

    var description: String { "\(folder)/ was not written (status \(status)); the reason is above" }
}
