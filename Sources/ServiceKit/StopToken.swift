internal import Synchronization

/// Tells a thread to come to an end, and lets it sleep until then.
public final class StopToken: Sendable {
    private struct State: Sendable {
        var isStopped = false
        var next = 0
        var handlers: [Int: @Sendable () -> Void] = [:]
    }

    private let state = Monitor(State())
    private let flag = Atomic(false)

    public init() {}

    /// Whether `stop` was called. Costs one atomic load.
    public var isStopped: Bool { flag.load(ordering: .acquiring) }

    /// Sleeps for `milliseconds`, or until stopped; true when stopped.
    @discardableResult
    public func wait(milliseconds: Int) -> Bool {
        state.wait(milliseconds: milliseconds) { $0.isStopped ? true : nil } ?? isStopped
    }

    /// Sleeps until stopped.
    public func wait() {
        _ = state.wait { $0.isStopped ? true : nil }
    }

    /// Asks for the end: wakes who sleeps and runs the handlers, each once. Later calls do nothing.
    public func stop() {
        flag.store(true, ordering: .releasing)
        let handlers = state.withLock { state in
            state.isStopped = true
            defer { state.handlers = [:] }
            return state.handlers
        }
        for handler in handlers.values { handler() }
    }

    /// Runs `body` while `handler` is there to be called by `stop` (on its thread), for example to shut a socket down
    /// that `body` blocks on. When already stopped, the handler runs first.
    public func withHandler<Result, Failure: Error>(
        _ handler: @escaping @Sendable () -> Void, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let key = state.withLock { state -> Int? in
            guard !state.isStopped else { return nil }
            state.next += 1
            state.handlers[state.next] = handler
            return state.next
        }
        if key == nil { handler() }
        defer {
            if let key { _ = state.withLock { $0.handlers.removeValue(forKey: key) } }
        }
        return try body()
    }
}
