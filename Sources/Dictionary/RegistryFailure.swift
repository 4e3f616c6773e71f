/// Why a document gave no registry: everything found wrong, up to a limit.
public struct RegistryFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public struct Problem: Hashable, Sendable {
        /// The line of the document, from 1.
        public let line: Int
        /// What is wrong and what to do.
        public let message: String

        public init(line: Int, message: String) {
            self.line = line
            self.message = message
        }
    }

    /// At least one, in the order of the document.
    public let problems: [Problem]

    public init(_ problems: [Problem]) {
        self.problems = problems
    }

    public var description: String {
        problems.map { "line \($0.line): \($0.message)" }.joined(separator: "\n")
    }
}
