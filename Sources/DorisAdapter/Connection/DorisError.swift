public import Archive

/// An error of Doris or of the way to it. Statements about schemas and jobs hold no values of rows, so its texts may be
/// shown; passwords are taken out of them.
public struct DorisError: RetriableError, Equatable, CustomStringConvertible {
    /// MySQL's number; those from 2000 on are the client's. Doris uses 1105 for most things: look at `message` too.
    public let code: Int
    /// What we were doing: a constant of ours.
    public let operation: String
    public let message: String

    package init(code: Int, operation: String, message: String) {
        self.code = code
        self.operation = operation
        self.message = message
    }

    /// An answer that is not of the shape that Doris' manual tells.
    static let unexpectedAnswer = 2027

    /// Lost or refused connections, too many of them, and what Doris says while it is starting or without Kafka.
    public var isRetriable: Bool {
        if code == Self.unexpectedAnswer { return false }
        return (2000..<3000).contains(code) || code == 1040
            || ["Kafka", "kafka", "not master", "timeout", "is not NORMAL"].contains { message.contains($0) }
    }

    /// Whether no other statement will get through on this connection either.
    var isLostConnection: Bool { (2000..<3000).contains(code) && code != Self.unexpectedAnswer }

    public var isDueToInput: Bool { false }

    public var description: String { "Doris: \(operation): \(message) (\(code))" }

    /// Without what Doris puts before each text.
    static func plain(_ message: String) -> String {
        guard let mark = message.firstRange(of: "detailMessage = ") else { return message }
        return String(message[mark.upperBound...])
    }
}
