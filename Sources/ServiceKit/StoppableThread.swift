internal import Synchronization

/// The place of a thread that its owner starts and stops: none, or one that runs.
public final class StoppableThread: Sendable {
    private let thread = Mutex<ServiceThread?>(nil)

    public init() {}

    /// Whether one was started and not stopped.
    public var isRunning: Bool { thread.withLock { $0 != nil } }

    /// Starts it; to be called again only after `stop`. See `ServiceThread`.
    public func start(name: String, _ body: @escaping @Sendable (_ stop: StopToken) -> Void) throws(ThreadError) {
        let started = try ServiceThread(name: name, body)
        thread.withLock { $0 = started }
    }

    /// Asks the thread to end and waits until it has; false when there is none.
    @discardableResult
    public func stop() -> Bool {
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let running else { return false }
        running.stop()
        running.join()
        return true
    }
}
