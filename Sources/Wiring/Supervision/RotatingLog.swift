internal import Glibc
internal import Synchronization

/// A log file of bounded size: when full it becomes `.1`, that one `.2`, and so on; the oldest one goes.
package final class RotatingLog: Sendable {
    private struct State {
        var descriptor: Int32 = -1
        var size = 0
    }

    private let path: String
    private let maximumBytes: Int
    private let kept: Int
    private let state = Mutex(State())

    package init(path: String, maximumBytes: Int = 10 << 20, kept: Int = 3) {
        self.path = path
        self.maximumBytes = maximumBytes
        self.kept = kept
    }

    deinit {
        let descriptor = state.withLock { $0.descriptor }
        if descriptor >= 0 { close(descriptor) }
    }

    /// Appends a line. A full disk loses lines of the log, nothing else.
    package func append(_ line: [UInt8]) {
        state.withLock { state in
            if state.descriptor >= 0, state.size + line.count >= maximumBytes {
                close(state.descriptor)
                state.descriptor = -1
                for index in stride(from: kept - 1, to: 0, by: -1) {
                    rename("\(path).\(index)", "\(path).\(index + 1)")
                }
                rename(path, "\(path).1")
            }
            if state.descriptor < 0 {
                state.descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
                state.size = state.descriptor < 0 ? 0 : Int(lseek(state.descriptor, 0, SEEK_END))
            }
            guard state.descriptor >= 0 else { return }
            let written = write(state.descriptor, line + [UInt8(ascii: "\n")], line.count + 1)
            if written > 0 { state.size += written }
        }
    }
}
