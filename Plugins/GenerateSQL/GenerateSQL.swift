import Foundation
import PackagePlugin

/// Writes `generated-sql/` from `dictionary/`: `swift package generate-sql`.
@main
struct GenerateSQL: CommandPlugin {
    func performCommand(context: PluginContext, arguments: [String]) throws {
        let package = context.package.directoryURL
        let process = Process()
        process.executableURL = try context.tool(named: "schema-generator").url
        process.arguments = [
            "sql", "--package", package.path, "--output", package.appending(path: "generated-sql").path,
        ]
        try process.run()
        process.waitUntilExit()
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            throw GenerationFailure(status: process.terminationStatus)
        }
    }
}

struct GenerationFailure: Error, CustomStringConvertible {
    let status: Int32

    var description: String { "generated-sql/ was not written (status \(status)); the reason is above" }
}
