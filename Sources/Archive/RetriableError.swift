/// An error of an outside system that says whether trying the same again later can succeed.
public protocol RetriableError: Error {
    /// True for what passes by itself (connection lost, server starting, deadlock, disk full); false for what stays wrong.
    var isRetriable: Bool { get }
}
