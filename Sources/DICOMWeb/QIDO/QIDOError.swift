/// A query that cannot be answered: 400, with this text as its body. It names parameters and repeats no value of a
/// match, which may be a patient's.
public struct QIDOError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        /// The query string's percent-encoding or UTF-8 is broken.
        case malformedQuery
        /// More parameters, values or bytes than the limits allow.
        case tooLarge
        /// A parameter that may be given once has two different values.
        case duplicate
        /// A value that its attribute or parameter cannot have.
        case invalidValue
        /// A kind of matching that the attribute's value representation does not allow (PS3.4 C.2.2.2).
        case matchingNotAllowed
    }

    public var code: Code
    /// The parameter's name as sent, cut to 64 characters and ASCII.
    public var parameter: String?
    /// What is wrong and what to do.
    public var message: String

    init(_ code: Code, _ parameter: String? = nil, _ message: String) {
        self.code = code
        self.parameter = parameter.map { name in
            String(name.unicodeScalars.prefix(64).map { $0.value > 0x20 && $0.value < 0x7F ? Character($0) : "?" })
        }
        self.message = message
    }

    public var description: String { parameter.map { "\($0): \(message)" } ?? message }
}
