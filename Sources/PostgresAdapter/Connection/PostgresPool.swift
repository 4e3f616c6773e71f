import ServiceKit
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A bounded set of sessions that threads borrow. A lost session is thrown away; after a failed attempt to connect
/// nobody tries again for a while that doubles up to five seconds, and gets that attempt's error at once instead.
public final class PostgresPool: Sendable {
    public let connectionString: String
    /// Sessions at most, idle and lent.
    public let limit: Int
    public let applicationName: String

    private struct State {
        var idle: [PostgresConnection] = []
        var backOff = BackOff(first: 100, maximum: 5_000)
        var failure: PostgresError?
        var nextAttempt = 0
        var isClosed = false
    }
    private let state = Mutex(State())
    private let available: Semaphore

    public init(_ connectionString: String, limit: Int, applicationName: String = "wado") {
        self.connectionString = connectionString
        self.limit = max(1, limit)
        self.applicationName = applicationName
        available = Semaphore(value: max(1, limit))
    }

    /// Lends a session to `body`; waits up to ten seconds when all are lent.
    /// - Throws: `PostgresError` of connecting or of `body`.
    public func withConnection<R>(
        _ body: (PostgresConnection) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        guard available.wait(milliseconds: 10_000) else {
            throw PostgresError(
                code: .init(rawValue: "53300"), operation: "connect", message: "all \(limit) sessions are in use")
        }
        defer { available.signal() }
        let connection = try take()
        defer { give(back: connection) }
        do {
            return try body(connection)
        } catch {
            if error.isDueToSchema { connection.retire() }
            throw error
        }
    }

    /// As `withConnection`, for work that may be done twice: a session that turns out to be lost is replaced once.
    public func retryingOnce<R>(
        _ body: (PostgresConnection) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        do {
            return try withConnection(body)
        } catch {
            let isLost = error.code.rawValue.hasPrefix("08") || error.code.rawValue.hasPrefix("57P")
            let isStale = error.code == .notSupported || error.code == .missingStatement
            guard isLost || isStale, error.operation != "connect" else { throw error }
            return try withConnection(body)
        }
    }

    /// Closes idle sessions now and lent ones when they come back.
    public func close() {
        let idle = state.withLock { state in
            state.isClosed = true
            let idle = state.idle
            state.idle = []
            return idle
        }
        _ = consume idle
    }

    private func take() throws(PostgresError) -> PostgresConnection {
        enum Next {
            case use(PostgresConnection)
            case connect
            case fail(PostgresError)
        }
        let next: Next = state.withLock { state in
            if state.isClosed {
                return .fail(PostgresError(code: .connectionFailure, operation: "connect", message: "pool is closed"))
            }
            while let connection = state.idle.popLast() {
                if connection.isAlive { return .use(connection) }
            }
            if let failure = state.failure, MonotonicClock.milliseconds < state.nextAttempt { return .fail(failure) }
            return .connect
        }
        switch next {
        case .use(let connection): return connection
        case .fail(let error): throw error
        case .connect: break
        }
        do {
            let connection = try PostgresConnection(connectionString, applicationName: applicationName)
            state.withLock { state in
                state.backOff.reset()
                state.failure = nil
            }
            return connection
        } catch {
            state.withLock { state in
                state.failure = error
                state.nextAttempt = MonotonicClock.milliseconds + state.backOff.next()
            }
            throw error
        }
    }

    private func give(back connection: PostgresConnection) {
        if connection.isRetired { return }
        // What `transaction` could not roll back must not reach the next borrower.
        if connection.isAlive && connection.isInTransaction {
            _ = try? connection.run("ROLLBACK", operation: "rollback")
        }
        guard connection.isAlive, !connection.isInTransaction else {
            // What cut this session (a restart of the server) has likely cut the idle ones too.
            let idle = state.withLock { state in
                defer { state.idle = [] }
                return state.idle
            }
            _ = consume idle
            return
        }
        state.withLock { state in
            if !state.isClosed { state.idle.append(connection) }
        }
    }
}

/// A counting semaphore. `@unchecked Sendable`: `sem_t` is made for use by several threads, and its memory is this
/// object's for as long as it lives.
final class Semaphore: @unchecked Sendable {
    private let raw = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init(value: Int) {
        raw.initialize(to: sem_t())
        sem_init(raw, 0, UInt32(value))
    }

    deinit {
        sem_destroy(raw)
        raw.deallocate()
    }

    /// False when the time was over.
    func wait(milliseconds: Int) -> Bool {
        // Glibc's module has no sem_clockwait; a clock that is set meanwhile makes one wait shorter or longer.
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += milliseconds / 1000
        deadline.tv_nsec += (milliseconds % 1000) * 1_000_000
        if deadline.tv_nsec >= 1_000_000_000 {
            deadline.tv_nsec -= 1_000_000_000
            deadline.tv_sec += 1
        }
        while true {
            if sem_timedwait(raw, &deadline) == 0 { return true }
            if errno != EINTR { return false }
        }
    }

    func signal() { sem_post(raw) }
}
