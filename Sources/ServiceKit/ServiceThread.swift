internal import Glibc

/// The system gave no thread.
public struct ThreadError: Error, CustomStringConvertible {
    public let name: String
    /// `EAGAIN`: the limit of threads or memory is reached.
    public let errorNumber: Int32
    public var description: String {
        "cannot start thread \(name): \(String(cString: strerror(errorNumber))); raise the limit of processes (ulimit -u)"
    }
}

/// A named thread with an owner that stops and joins it.
///
/// It runs at once. The owner calls `stop` and then `join`; one that is dropped without is asked to stop and let go.
public final class ServiceThread: Sendable {
    /// As `top -H` and a debugger show it, there cut to 15 bytes.
    public let name: String
    private let token: StopToken
    private enum State: Sendable {
        case running, joining, joined
    }
    private let state = Monitor(State.running)
    private let finished: Monitor<Bool>
    private let thread: pthread_t

    private final class Start: Sendable {
        let name: String
        let token: StopToken
        let finished: Monitor<Bool>
        let body: @Sendable (StopToken) -> Void
        init(
            name: String, token: StopToken, finished: Monitor<Bool>, body: @escaping @Sendable (StopToken) -> Void
        ) {
            self.name = name
            self.token = token
            self.finished = finished
            self.body = body
        }
    }

    /// Starts the thread.
    /// - Parameters:
    ///   - stackBytes: the size of its stack, 8 MiB of address space by default; memory is used only as touched.
    ///   - body: gets the token that says when to end.
    public init(
        name: String, stackBytes: Int = 8 << 20, _ body: @escaping @Sendable (_ stop: StopToken) -> Void
    ) throws(ThreadError) {
        let token = StopToken()
        let finished = Monitor(false)
        let start = Unmanaged.passRetained(Start(name: name, token: token, finished: finished, body: body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, max(stackBytes, 64 << 10))
        defer { pthread_attr_destroy(&attributes) }
        var thread = pthread_t()
        let result = pthread_create(
            &thread, &attributes,
            { pointer in
                guard let pointer else { return nil }
                let start = Unmanaged<Start>.fromOpaque(pointer).takeRetainedValue()
                ServiceThread.setName(start.name)
                start.body(start.token)
                start.finished.withLock { $0 = true }
                return nil
            }, start.toOpaque())
        guard result == 0 else {
            start.release()
            throw ThreadError(name: name, errorNumber: result)
        }
        self.name = name
        self.token = token
        self.finished = finished
        self.thread = thread
    }

    deinit {
        if case .running = state.current {
            token.stop()
            pthread_detach(thread)
        }
    }

    /// Names the calling thread. (`pthread_setname_np` is a GNU extension that Swift's Glibc module does not show; this
    /// is what it does.)
    private static func setName(_ name: String) {
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        let bytes = Array(name.utf8.prefix(15))
        _ = write(file, bytes, bytes.count)
    }

    /// Asks the thread to end; returns at once.
    public func stop() { token.stop() }

    /// Whether the body has returned.
    public var isFinished: Bool { finished.current }

    /// Waits until the body has returned, at most `milliseconds`; false when it has not.
    public func waitFinished(milliseconds: Int) -> Bool {
        finished.wait(milliseconds: milliseconds) { $0 ? true : nil } ?? false
    }

    /// Waits until the thread is gone. May be called several times and from several threads, not from itself.
    public func join() {
        precondition(pthread_equal(thread, pthread_self()) == 0, "thread \(name) joins itself")
        let isFirst = state.withLock { state in
            guard case .running = state else { return false }
            state = .joining
            return true
        }
        if isFirst {
            pthread_join(thread, nil)
            state.withLock { $0 = .joined }
        } else {
            _ = state.wait { state -> Bool? in if case .joined = state { true } else { nil } }
        }
    }
}
