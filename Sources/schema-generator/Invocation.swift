import Foundation

/// The command line, understood.
struct Invocation {
    enum Command: String, CaseIterable {
        case dictionary
        case archiveSchema = "archive-schema"
        case sql
        case docs
    }

    static let usage = """
        usage: schema-generator (\(Command.allCases.map(\.rawValue).joined(separator: " | "))) --package DIR --output DIR
        """

    let command: Command
    /// The folder that has `dictionary/`.
    let package: URL
    let output: URL

    init(_ arguments: some Collection<String>) throws(UsageFailure) {
        guard let first = arguments.first else { throw UsageFailure("no command given") }
        guard let command = Command(rawValue: first) else { throw UsageFailure("unknown command `\(first)`") }
        var folders: [String: URL] = [:]
        var rest = arguments.dropFirst()
        while let option = rest.popFirst() {
            guard option == "--package" || option == "--output" else {
                throw UsageFailure("unknown option `\(option)`")
            }
            guard let value = rest.popFirst() else { throw UsageFailure("`\(option)` needs a folder") }
            folders[option] = URL(filePath: value, directoryHint: .isDirectory)
        }
        guard let package = folders["--package"] else { throw UsageFailure("`--package` is missing") }
        guard let output = folders["--output"] else { throw UsageFailure("`--output` is missing") }
        self.command = command
        self.package = package
        self.output = output
    }
}

/// The command line is wrong.
struct UsageFailure: Error {
    let message: String

    init(_ message: String) { self.message = message }
}
