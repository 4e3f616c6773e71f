import Glibc

/// Starts programs by posix_spawn, in the root folder. No shell: arguments are taken as they are. Our descriptors are
/// all opened with O_CLOEXEC, so that a server that outlives us keeps none of them open.
struct ChildProcess {
    var id: pid_t

    /// What becomes of standard output and error.
    enum Output {
        case discarded
        /// Appended to the file of this name.
        case file(String)
        case descriptor(Int32)
    }

    /// - Parameters:
    ///   - input: descriptor to become standard input; nil for /dev/null.
    /// - Returns: nil when the program could not be started.
    init?(
        _ arguments: [String], output: Output, input: Int32? = nil,
        environment extra: [String: String] = [:]
    ) {
        // The other user may not be allowed into our working folder, and says so at every start.
        let arguments = ["env", "-C", "/"] + arguments
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        switch output {
        case .discarded: posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        case .file(let path):
            posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, 1)
        }
        posix_spawn_file_actions_adddup2(&actions, 1, 2)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A group of its own: Ctrl-C in the terminal is for us, who stop the server after the services.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGHUP)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var environment = ["LC_ALL=C", "PATH=\(Self.variable("PATH") ?? "/usr/bin:/bin")"]
        if let zone = Self.variable("TZ") { environment.append("TZ=\(zone)") }
        environment += extra.map { "\($0.key)=\($0.value)" }

        var id: pid_t = 0
        let argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        let envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        guard posix_spawnp(&id, arguments[0], &actions, &attributes, argv, envp) == 0 else { return nil }
        self.id = id
    }

    /// Waits for the end.
    /// - Returns: the exit status; 128 plus the signal when one ended it; nil when it is not our child.
    func wait() -> Int32? {
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0 {
            if errno != EINTR { return nil }
        }
        return Self.code(status)
    }

    /// As `wait`, without waiting; nil while it runs.
    func finished() -> Int32? {
        var status: Int32 = 0
        return waitpid(id, &status, WNOHANG) == id ? Self.code(status) : nil
    }

    private static func code(_ status: Int32) -> Int32 {
        status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    }

    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
