/// A message that can never succeed, with why.
public struct DeadLetter: Sendable {
    public var message: ReceivedMessage
    /// A constant code, such as `file_missing`; never a value of a data set.
    public var reason: String
    /// For people; without patient data.
    public var detail: String

    public init(message: ReceivedMessage, reason: String, detail: String) {
        self.message = message
        self.reason = reason
        self.detail = detail
    }
}
