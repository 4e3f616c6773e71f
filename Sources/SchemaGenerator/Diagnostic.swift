/// Something wrong in an input, located as compilers do.
public struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
    public enum Severity: String, Sendable {
        case error, warning
    }

    public let path: String
    /// From 1.
    public let line: Int
    /// From 1; nil when only the line is known.
    public let column: Int?
    public let severity: Severity
    /// What is wrong and what to do.
    public let message: String

    public init(path: String, line: Int, column: Int? = nil, severity: Severity, message: String) {
        self.path = path
        self.line = line
        self.column = column
        self.severity = severity
        self.message = message
    }

    /// `path:line:column: error: message`.
    public var description: String {
        let place = column.map { "\(path):\(line):\($0)" } ?? "\(path):\(line)"
        return "\(place): \(severity.rawValue): \(message)"
    }
}

/// Why nothing was generated: at least one error, and the warnings found beside it.
public struct GeneratorFailure: Error, Sendable, CustomStringConvertible {
    public let diagnostics: [Diagnostic]

    public init(_ diagnostics: [Diagnostic]) {
        self.diagnostics = diagnostics
    }

    public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}

/// The files of one run, and what was noticed on the way.
public struct GeneratorOutput: Sendable {
    public let files: [GeneratedFile]
    public let warnings: [Diagnostic]

    public init(files: [GeneratedFile], warnings: [Diagnostic]) {
        self.files = files
        self.warnings = warnings
    }
}

/// A file's name (a path with `/` below the output folder) and contents.
public struct GeneratedFile: Hashable, Sendable {
    public let name: String
    public let contents: String

    public init(name: String, contents: String) {
        self.name = name
        self.contents = contents
    }
}
