/// Why the private PostgreSQL cannot be had, and what to do.
public enum PrivatePostgresError: Error, Equatable, CustomStringConvertible {
    /// No `initdb` and `postgres` found.
    case notInstalled
    /// The data folder was made by another major version.
    case otherVersion(folder: String, folderVersion: String, installedVersion: String)
    /// The folder holds something, but not a cluster.
    case notACluster(folder: String)
    /// The path of the socket is longer than the system allows.
    case socketPathTooLong(path: String, limit: Int)
    /// No free TCP port, or the given one is taken.
    case portTaken(port: Int)
    /// Root cannot run PostgreSQL, and there is no user to run it as.
    case noUser
    /// A step failed; `log` is the end of what it printed.
    case failed(step: String, log: String)
    /// An operation on the folder failed.
    case folder(path: String, errno: Int32)
    /// The server did not answer in time.
    case timeout(seconds: Int, log: String)

    public var description: String {
        switch self {
        case .notInstalled:
            "PostgreSQL is not installed: apt install postgresql (its programs were looked for in "
                + "/usr/lib/postgresql/*/bin and in PATH)"
        case .otherVersion(let folder, let folderVersion, let installedVersion):
            "\(folder) was made by PostgreSQL \(folderVersion), and version \(installedVersion) is installed: install "
                + "postgresql-\(folderVersion), or move the data with pg_upgrade"
        case .notACluster(let folder):
            "\(folder) is not empty and holds no PostgreSQL cluster: choose another data folder"
        case .socketPathTooLong(let path, let limit):
            "the socket path \(path) has \(path.utf8.count) bytes, the system allows \(limit): choose a data folder "
                + "with a shorter path"
        case .portTaken(let port):
            "port \(port) is taken: choose another one, or none"
        case .noUser:
            "PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as"
        case .failed(let step, let log):
            "\(step) failed: \(log)"
        case .folder(let path, let errno):
            "\(path): error \(errno) of the file system"
        case .timeout(let seconds, let log):
            "PostgreSQL did not answer within \(seconds) s: \(log)"
        }
    }
}
