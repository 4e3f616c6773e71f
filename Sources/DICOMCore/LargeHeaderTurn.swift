internal import Glibc

/// The right to read a large header: one in the whole process, kept as long as what was read is in use. Whoever sends
/// many such files at once, compressed ones above all, gets no more memory than by one of them.
final class LargeHeaderTurn: Sendable {
    /// Invariant for `Sendable`: a POSIX semaphore is made for many threads.
    private final class Gate: @unchecked Sendable {
        let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

        init() { sem_init(semaphore, 0, 1) }
    }

    private static let gate = Gate()

    private init() {}

    deinit { sem_post(Self.gate.semaphore) }

    /// Waits until the turn is free.
    ///
    /// Throws `unreadable` with `EBUSY` when it is not for so long.
    static func take(milliseconds: Int) throws(DICOMError) -> LargeHeaderTurn {
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        let nanoseconds = deadline.tv_nsec + milliseconds % 1_000 * 1_000_000
        deadline.tv_sec += milliseconds / 1_000 + nanoseconds / 1_000_000_000
        deadline.tv_nsec = nanoseconds % 1_000_000_000
        while sem_timedwait(gate.semaphore, &deadline) != 0 {
            guard errno == EINTR else { throw DICOMError(.unreadable, at: 0, systemError: EBUSY) }
        }
        return LargeHeaderTurn()
    }
}
