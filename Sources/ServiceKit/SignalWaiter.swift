internal import Glibc

/// Turns SIGTERM, SIGINT and SIGHUP into a return value: the first one asks for an orderly end, a second one ends the
/// process at once.
public struct SignalWaiter: Sendable {
    public enum Event: Equatable, Sendable {
        /// The orderly end was asked for; the signal's number.
        case stop(Int32)
        /// Children of this process ended; reap them with `waitpid`.
        case child
        case timeout
    }

    private let watchesChildren: Bool

    /// Call it first in `main`, before there is another thread: threads inherit which signals are held back.
    /// SIGPIPE is ignored from here on, so that a peer's going away is an error of `write`.
    public init(watchesChildren: Bool = false) {
        self.watchesChildren = watchesChildren
        signal(SIGPIPE, SIG_IGN)
        var set = SignalWaiter.set(watchesChildren: watchesChildren)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    private static func set(watchesChildren: Bool) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, number) }
        if watchesChildren { sigaddset(&set, SIGCHLD) }
        return set
    }

    /// Waits for the next event, at most `milliseconds` (nil: without end).
    public func next(milliseconds: Int? = nil) -> Event {
        var set = SignalWaiter.set(watchesChildren: watchesChildren)
        while true {
            var number: Int32 = 0
            if let milliseconds {
                var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: (milliseconds % 1000) * 1_000_000)
                number = sigtimedwait(&set, nil, &time)
                if number < 0 {
                    if errno == EAGAIN { return .timeout }
                    continue
                }
            } else if sigwait(&set, &number) != 0 {
                continue
            }
            return number == SIGCHLD ? .child : .stop(number)
        }
    }

    /// Waits for the first signal that asks for the end and gives its number; from then on a second one ends the
    /// process at once with status 128 + its number.
    @discardableResult
    public func waitForStop() -> Int32 {
        while true {
            if case .stop(let number) = next() {
                exitOnNextSignal()
                return number
            }
        }
    }

    /// From here on SIGTERM, SIGINT or SIGHUP ends the process at once.
    public func exitOnNextSignal() {
        var set = SignalWaiter.set(watchesChildren: false)
        for number in [SIGTERM, SIGINT, SIGHUP] { signal(number, { _exit(128 + $0) }) }
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// Asks this process for an orderly end, as a signal from outside would.
    public static func requestStop() {
        kill(getpid(), SIGTERM)
    }
}
