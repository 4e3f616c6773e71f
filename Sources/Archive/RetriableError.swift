/// An error of an outside system that says whether trying the same again later can succeed.
public protocol RetriableError: Error {
    /// True for what passes by itself (connection lost, server starting, deadlock, disk full); false for what stays wrong.
    var isRetriable: Bool { get }
    /// True when it is the data handed over that can never be taken, in this place and at this moment or at any other.
    /// False for what somebody has to mend around them: a missing column, a missing permission. By default what is not
    /// retriable.
    var isDueToInput: Bool { get }
}

extension RetriableError {
    public var isDueToInput: Bool { !isRetriable }
}
