internal import Glibc
internal import ServiceKit

/// A program that runs as a child of this one.
///
/// Its standard input is a pipe that only we hold: it comes to its end when this process does, however that ends, and
/// the child takes that as a request to stop. Its output comes to `lines`.
package final class ChildProgram: Sendable {
    package let processID: Int32
    private let lifeline: Int32
    private let reader: ServiceThread

    /// Starts the program in a process group of its own, so that Ctrl-C at the terminal reaches us alone.
    /// - Parameter lines: gets each line of its output without the line feed, on a thread of its own.
    package init(
        path: String, arguments: [String], environment: [String: String], name: String,
        lines: @escaping @Sendable ([UInt8]) -> Void
    ) throws(ChildProgramError) {
        let (inputRead, inputWrite) = try ChildProgram.makePipe()
        let (outputRead, outputWrite) = try ChildProgram.makePipe()
        defer {
            close(inputRead)
            close(outputWrite)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, inputRead, 0)
        posix_spawn_file_actions_adddup2(&actions, outputWrite, 1)
        posix_spawn_file_actions_adddup2(&actions, outputWrite, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var defaults = sigset_t()
        sigemptyset(&defaults)
        sigaddset(&defaults, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        let argv = ([path] + arguments).map { strdup($0) }
        let envp = environment.map { strdup("\($0.key)=\($0.value)") }
        defer { for pointer in argv + envp { free(pointer) } }
        var id: pid_t = 0
        let result = posix_spawn(&id, path, &actions, &attributes, argv + [nil], envp + [nil])
        guard result == 0 else {
            close(inputWrite)
            close(outputRead)
            throw ChildProgramError("cannot start \(path): \(String(cString: strerror(result)))")
        }
        processID = id
        lifeline = inputWrite
        do {
            reader = try ServiceThread(name: "log \(name)", stackBytes: 1 << 20) { _ in
                ChildProgram.read(outputRead, lines)
                close(outputRead)
            }
        } catch {
            kill(id, SIGKILL)
            close(inputWrite)
            close(outputRead)
            throw ChildProgramError("\(error)")
        }
    }

    deinit {
        close(lifeline)
    }

    package func signal(_ number: Int32) {
        kill(processID, number)
    }

    /// Waits until all its output was read; to be called when it has ended.
    package func finishOutput() {
        // A grandchild could hold the pipe open: its output is not worth waiting for.
        if reader.waitFinished(milliseconds: 2_000) { reader.join() }
    }

    private static func makePipe() throws(ChildProgramError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else {
            throw ChildProgramError(
                "no pipe: \(String(cString: strerror(errno))); raise the limit of open files (ulimit -n)")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static func read(_ descriptor: Int32, _ lines: ([UInt8]) -> Void) {
        var line: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            for byte in buffer[..<count] {
                if byte == UInt8(ascii: "\n") {
                    lines(line)
                    line.removeAll(keepingCapacity: true)
                } else if line.count < 16_384 {
                    line.append(byte)
                }
            }
        }
        if !line.isEmpty { lines(line) }
    }
}

/// Why a program cannot be run; says what to do.
package struct ChildProgramError: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}
