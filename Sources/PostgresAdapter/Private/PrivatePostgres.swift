import Glibc
import ServiceKit

/// A PostgreSQL of our own: a cluster in one folder, reached by a UNIX socket that only its user (and root) can open.
///
/// Started by root it runs as the system user `postgres`, or else `nobody`, who gets the folder. A server that is still
/// running from before, because the last owner was killed, is taken over as it is. Used by one thread.
public final class PrivatePostgres {
    public struct Configuration: Sendable {
        /// The cluster's folder; made when missing.
        public var folder: String
        /// Folder of the socket; nil takes `run` in `folder`, or a short one in /tmp when that path is too long.
        public var socketFolder: String?
        /// TCP port on 127.0.0.1; nil for none. Over it, every local user can log in: for tools that need it.
        public var loopbackPort: Int?
        /// `shared_buffers` in MiB.
        public var sharedBuffersMiB = 128
        /// Ends the server when this process ends, however it ends: for tests.
        public var endsWithProcess = false
        /// False gives up durability for speed: for tests of everything else.
        public var isDurable = true

        public init(folder: String) { self.folder = folder }
    }

    public let configuration: Configuration
    /// libpq connection string of the database `wado`.
    public private(set) var connectionString = ""
    /// The server's process id; 0 when it does not run.
    public private(set) var processID: Int32 = 0
    /// True when `start` found the server running.
    public private(set) var wasRunning = false

    private var child: ChildProcess?
    private var lifeline: Int32 = -1
    /// The socket's folder in /tmp, when there had to be one.
    private var temporaryFolder: String?

    /// The database that the archive lives in.
    public static let databaseName = "wado"
    static let roleName = "wado"
    /// `sun_path` has 108 bytes, the last one for the NUL.
    static let socketPathLimit = 107

    /// - Parameter configuration: its folder may be relative to the working folder of now.
    public init(_ configuration: Configuration) {
        var configuration = configuration
        var folder = configuration.folder
        if !folder.hasPrefix("/"), let current = getcwd(nil, 0) {
            folder = String(cString: current) + "/" + folder
            free(current)
        }
        while folder.utf8.count > 1 && folder.hasSuffix("/") { folder.removeLast() }
        configuration.folder = folder
        self.configuration = configuration
    }

    deinit { if lifeline >= 0 { close(lifeline) } }

    private var logPath: String { configuration.folder + "/postgres.log" }

    /// Makes the cluster if there is none, starts the server, makes the database, and waits until it answers.
    /// - Parameter timeout: How long it waits; a server that did not answer in time stays, and may answer later.
    public func start(timeoutSeconds timeout: Int = 60) throws(PrivatePostgresError) {
        guard processID == 0 else { return }
        wasRunning = false
        let programs = try PostgresPrograms.find()
        let account = try Account.forServer()
        let folder = configuration.folder
        try makeFolder(folder, mode: 0o700, owner: account)
        try checkVersion(programs)
        let socketFolder = try chooseSocketFolder(account)
        let port = configuration.loopbackPort ?? 5432
        connectionString =
            "host='\(Self.quoted(socketFolder))' port=\(port) user=\(Self.roleName) dbname=\(Self.databaseName)"

        if access(folder + "/PG_VERSION", F_OK) != 0 {
            try initialise(programs, account)
        }
        if let running = runningServer() {
            processID = running
            wasRunning = true
            // It may be about to end, stopped by its last owner.
            wasRunning = try waitUntilReady(socketFolder: socketFolder, port: port, timeoutSeconds: timeout)
        }
        if !wasRunning {
            try checkPort()
            let deadline = MonotonicClock.milliseconds + min(timeout, 10) * 1000
            while true {
                do {
                    try startServer(programs, account, socketFolder: socketFolder, port: port)
                    _ = try waitUntilReady(socketFolder: socketFolder, port: port, timeoutSeconds: timeout)
                    break
                } catch {
                    // The sessions of a server that was killed live on for a moment.
                    guard case .failed(_, let log) = error, log.contains("shared memory block"),
                        MonotonicClock.milliseconds < deadline
                    else { throw error }
                    usleep(200_000)
                }
            }
        }
        if configuration.endsWithProcess && !wasRunning { try tieToThisProcess() }
    }

    /// Stops the server: sessions are cut, what is committed stays. Kills it after `timeoutSeconds`.
    public func stop(timeoutSeconds: Int = 30) {
        guard processID > 0 else { return }
        // The number of one that has ended may be another process's by now.
        if isRunning { kill(processID, SIGINT) }
        if !waitForEnd(milliseconds: timeoutSeconds * 1000) {
            // The server recovers from this at its next start.
            kill(processID, SIGQUIT)
            _ = waitForEnd(milliseconds: 5_000)
        }
        processID = 0
        child = nil
        if lifeline >= 0 { close(lifeline) }
        lifeline = -1
        if let temporaryFolder { rmdir(temporaryFolder) }
    }

    /// True while the server's process is there.
    public var isRunning: Bool {
        guard processID > 0 else { return false }
        if let child { return child.finished() == nil && kill(child.id, 0) == 0 }
        return kill(processID, 0) == 0
    }

    private func waitForEnd(milliseconds: Int) -> Bool {
        let deadline = MonotonicClock.milliseconds + milliseconds
        repeat {
            if let child {
                if child.finished() != nil || kill(child.id, 0) != 0 { return true }
            } else if kill(processID, 0) != 0 {
                return true
            }
            usleep(10_000)
        } while MonotonicClock.milliseconds < deadline
        return false
    }

    // MARK: Steps

    private func initialise(_ programs: PostgresPrograms, _ account: Account) throws(PrivatePostgresError) {
        guard Self.isEmpty(configuration.folder, except: ["postgres.log", "run"]) else {
            throw .notACluster(folder: configuration.folder)
        }
        // initdb refuses a folder that is not empty, so the cluster is made beside it and moved in as a whole: a
        // start that is killed here leaves nothing half made.
        let work = configuration.folder + ".new"
        Self.removeTree(work)
        try makeFolder(work, mode: 0o700, owner: account)
        let log = configuration.folder + ".initdb.log"
        unlink(log)
        // C sorts by bytes, as the order of UIDs needs; C.UTF-8 for the letters' case.
        let arguments = [
            programs.folder + "/initdb", "--pgdata", work, "--username", Self.roleName, "--auth", "trust",
            "--encoding", "UTF8", "--locale", "C", "--lc-ctype", "C.UTF-8", "--data-checksums",
        ]
        guard let process = ChildProcess(account.wrap(arguments, reaching: work), output: .file(log))
        else { throw .failed(step: "initdb", log: "it could not be started") }
        let status = process.wait()
        let text = Self.tail(of: log)
        unlink(log)
        guard status == 0 else {
            Self.removeTree(work)
            throw .failed(step: "initdb", log: text)
        }
        for name in ["postgres.log", "run"] { Self.removeTree(configuration.folder + "/" + name) }
        guard rename(work, configuration.folder) == 0 else {
            throw .folder(path: configuration.folder, errno: errno)
        }
        if configuration.socketFolder == nil {
            _ = try chooseSocketFolder(account)
        }
    }

    private func startServer(
        _ programs: PostgresPrograms, _ account: Account, socketFolder: String, port: Int
    ) throws(PrivatePostgresError) {
        var settings = [
            "listen_addresses": configuration.loopbackPort == nil ? "" : "127.0.0.1",
            "port": "\(port)",
            "unix_socket_directories": socketFolder,
            "unix_socket_permissions": "0700",
            "shared_buffers": "\(configuration.sharedBuffersMiB)MB",
            "max_connections": "100",
            "synchronous_commit": "on",
            "wal_compression": "on",
            "max_wal_size": "2GB",
            "min_wal_size": "256MB",
            "wal_buffers": "16MB",
            "checkpoint_timeout": "15min",
            "checkpoint_completion_target": "0.9",
            "effective_cache_size": "\(configuration.sharedBuffersMiB * 4)MB",
            "random_page_cost": "1.1",
            "jit": "off",
            "autovacuum_naptime": "15s",
            "log_timezone": "UTC",
            "timezone": "UTC",
            // The server's log must not quote statements: no patient's values.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_parameter_max_length": "0",
            "log_parameter_max_length_on_error": "0",
        ]
        if !configuration.isDurable {
            settings["fsync"] = "off"
            settings["full_page_writes"] = "off"
        }
        var arguments = [programs.folder + "/postgres", "-D", configuration.folder]
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) { arguments += ["-c", "\(name)=\(value)"] }
        let command = account.wrap(arguments, reaching: configuration.folder)
        guard let process = ChildProcess(command, output: .file(logPath)) else {
            throw .failed(step: "postgres", log: "it could not be started")
        }
        child = process
        processID = process.id
    }

    /// - Returns: false when a server that was running has ended instead.
    private func waitUntilReady(
        socketFolder: String, port: Int, timeoutSeconds: Int
    ) throws(PrivatePostgresError) -> Bool {
        let maintenance = "host='\(Self.quoted(socketFolder))' port=\(port) user=\(Self.roleName) dbname=postgres"
        let deadline = MonotonicClock.milliseconds + max(0, timeoutSeconds) * 1000
        while true {
            if let child, let status = child.finished() {
                processID = 0
                self.child = nil
                throw .failed(step: "postgres (exit status \(status))", log: Self.tail(of: logPath))
            }
            if child == nil && runningServer() == nil { return false }
            let problem: PostgresError
            do {
                let connection = try PostgresConnection(maintenance)
                let found = try connection.query(
                    "SELECT 1 FROM pg_database WHERE datname = $1::text", [.text(Self.databaseName)],
                    operation: "look for the database")
                if found.rowCount == 0 {
                    try connection.run("CREATE DATABASE \(Self.databaseName)", operation: "create the database")
                }
                return true
            } catch { problem = error }
            // 42P04: another start made the database in between.
            if !problem.isRetriable && problem.code.rawValue != "42P04" {
                throw .failed(step: "first connection", log: problem.description)
            }
            guard MonotonicClock.milliseconds < deadline else {
                throw .timeout(seconds: timeoutSeconds, log: Self.tail(of: logPath))
            }
            usleep(20_000)
        }
    }

    /// A small shell reads from a pipe whose other end only this process has; at its end it stops the server.
    private func tieToThisProcess() throws(PrivatePostgresError) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .folder(path: "pipe", errno: errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let script = "read line; kill -INT \(processID) 2>/dev/null"
        let watcher = ChildProcess(["/bin/sh", "-c", script], output: .discarded, input: ends[0])
        close(ends[0])
        lifeline = ends[1]
        guard watcher != nil else { throw .failed(step: "sh", log: "it could not be started") }
    }

    // MARK: Checks

    private func checkVersion(_ programs: PostgresPrograms) throws(PrivatePostgresError) {
        guard let text = Self.read(configuration.folder + "/PG_VERSION") else { return }
        let version = String(text.prefix { !$0.isWhitespace })
        guard version == programs.majorVersion else {
            throw .otherVersion(
                folder: configuration.folder, folderVersion: version, installedVersion: programs.majorVersion)
        }
    }

    private func chooseSocketFolder(_ account: Account) throws(PrivatePostgresError) -> String {
        var folder = configuration.socketFolder ?? configuration.folder + "/run"
        let length = { (folder: String) in "\(folder)/.s.PGSQL.65535".utf8.count }
        if length(folder) > Self.socketPathLimit {
            if let given = configuration.socketFolder {
                throw .socketPathTooLong(path: given + "/.s.PGSQL.5432", limit: Self.socketPathLimit)
            }
            // FNV-1a of the folder's path: two archives on one machine do not meet.
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            for byte in configuration.folder.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            folder = "/tmp/wado-" + String(hash, radix: 16)
            temporaryFolder = folder
            // Anybody can make names in /tmp: one of somebody else's is not touched.
            var status = stat()
            if lstat(folder, &status) == 0, status.st_uid != account.userID, status.st_uid != geteuid() {
                throw .folder(path: folder, errno: EPERM)
            }
        }
        try makeFolder(folder, mode: 0o700, owner: account)
        return folder
    }

    private func checkPort() throws(PrivatePostgresError) {
        guard let port = configuration.loopbackPort else { return }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw .folder(path: "socket", errno: errno) }
        defer { close(descriptor) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let isFree = withUnsafeBytes(of: &address) { bytes in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return false }
            return bind(descriptor, base, socklen_t(bytes.count)) == 0
        }
        guard (1...65_535).contains(port), isFree else { throw .portTaken(port: port) }
    }

    /// The process named by postmaster.pid, if it lives and is the PostgreSQL of this folder, which it works in: the
    /// number may be another one's by now.
    private func runningServer() -> Int32? {
        guard let text = Self.read(configuration.folder + "/postmaster.pid"),
            let line = text.split(separator: "\n").first, let id = Int32(line), id > 1, kill(id, 0) == 0,
            let command = Self.read("/proc/\(id)/comm"), command.hasPrefix("postgres")
        else { return nil }
        var (own, working) = (stat(), stat())
        guard stat(configuration.folder, &own) == 0 else { return nil }
        // Where /proc does not tell, the name has to do.
        guard stat("/proc/\(id)/cwd", &working) == 0 else { return id }
        return own.st_ino == working.st_ino && own.st_dev == working.st_dev ? id : nil
    }

    private func makeFolder(_ path: String, mode: mode_t, owner: Account) throws(PrivatePostgresError) {
        var made = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: true) {
            made += (made.isEmpty && !path.hasPrefix("/") ? "" : "/") + part
            if mkdir(made, made == path ? mode : 0o755) != 0 && errno != EEXIST {
                throw .folder(path: made, errno: errno)
            }
        }
        var status = stat()
        guard lstat(path, &status) == 0 else { throw .folder(path: path, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .folder(path: path, errno: ENOTDIR) }
        if geteuid() == 0 && status.st_uid != owner.userID {
            try owner.takeOver(path)
        } else if status.st_uid != (geteuid() == 0 ? owner.userID : geteuid()) {
            throw .folder(path: path, errno: EPERM)
        }
        chmod(path, mode)
    }
}
