internal import Glibc
internal import ServiceKit

/// What people read. Never holds a service up: when the terminal stands still (Ctrl-S), lines are dropped.
final class Terminal: Sendable {
    private let lines = BoundedQueue<String>(capacity: 1_000)
    private let thread: ServiceThread?

    init() {
        let lines = lines
        thread = try? ServiceThread(name: "terminal", stackBytes: 1 << 20) { _ in
            while let line = lines.take() { Terminal.write(line + "\n") }
        }
    }

    /// Shows a line, soon.
    func show(_ line: String) {
        if thread == nil {
            Terminal.write(line + "\n")
        } else {
            _ = lines.put(line, timeoutMilliseconds: 0)
        }
    }

    /// Shows what is still waiting.
    func finish() {
        lines.close()
        if let thread, thread.waitFinished(milliseconds: 1_000) { thread.join() }
    }

    /// Writes a text to standard output.
    static func write(_ text: String) {
        write(text, to: 1)
    }

    /// Writes a line to standard error.
    static func complain(_ text: String) {
        write(text + "\n", to: 2)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        // Nobody is told when it cannot be shown.
        _ = writeAll(text.utf8, to: descriptor)
    }

    /// Shows a line of standard error that the next one overwrites.
    static func status(_ text: String) {
        write("\r\u{1B}[K" + text, to: 2)
    }

    /// `[#######-----] 58 %` of a part from 0 to 1.
    static func bar(_ part: Double) -> String {
        let part = min(1, max(0, part))
        let width = Int(part * 30)
        let bar = String(repeating: "#", count: width) + String(repeating: "-", count: 30 - width)
        return "[\(bar)] \(Int(part * 100)) %"
    }

    /// Whether someone watches standard error.
    static var isInteractive: Bool { isatty(2) == 1 }
}
