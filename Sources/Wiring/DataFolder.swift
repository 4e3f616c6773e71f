internal import Archive
internal import Glibc
internal import ServiceKit

/// Why a data folder cannot be used; says what to do.
public struct DataFolderError: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

/// The folder that holds everything of an archive on one machine.
public struct DataFolder: Sendable {
    /// The layout that this program writes; a folder of a later one is refused.
    public static let format = 1

    /// Absolute.
    public let path: String

    public init(_ path: String) {
        var path = path.isEmpty ? "." : path
        if !path.hasPrefix("/") {
            var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
            if getcwd(&buffer, buffer.count) != nil {
                let end = buffer.firstIndex(of: 0) ?? buffer.count
                path = String(decoding: buffer[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/" + path
            }
        }
        // Without "." and empty parts, so that messages are readable; ".." may cross links and stays.
        path = "/" + path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
        self.path = path
    }

    /// DICOM files.
    public var store: String { path + "/store" }
    /// Metadata of series.
    public var json: String { path + "/json" }
    /// The private PostgreSQL.
    public var postgres: String { path + "/postgres" }
    /// Logs of the services.
    public var log: String { path + "/log" }
    /// Where the running archive is to be reached.
    public var endpoints: String { path + "/endpoints.json" }
    private var versionFile: String { path + "/format" }
    private var lockFile: String { path + "/lock" }

    /// Makes the folder when it is missing, and checks that this program may use it.
    public func prepare() throws(DataFolderError) {
        try make(path)
        if try !isOurs() { try DataFolder.write("\(DataFolder.format)\n", to: versionFile) }
        for folder in [store, json, log] { try make(folder) }
    }

    /// Checks that `prepare` could make the folder, or may use the one that is there. Makes what is missing of its path,
    /// which shows more than permissions do, and takes that away again.
    public func tryOut() throws(DataFolderError) { try make(path, isTrial: true) }

    /// Whether the folder holds data of this version; false when it is empty. It must exist.
    /// - Throws: when it is a newer version's, or holds what is not ours.
    public func isOurs() throws(DataFolderError) -> Bool {
        // Others may be preparing it at this moment: then what was seen besides is theirs, since they write the version
        // before they make anything else.
        var version = ProcessFiles.read(versionFile)
        var others: [String] = []
        if version == nil {
            do { others = try PosixFileSystem().list(path) } catch {
                throw DataFolderError("cannot read \(path): \(error); take another folder with --data")
            }
            others.removeAll {
                $0 == "lock" || $0 == "lost+found" || ($0.hasPrefix("format.") && $0.hasSuffix(".tmp"))
            }
            if !others.isEmpty { version = ProcessFiles.read(versionFile) }
        }
        if let text = version {
            let number = Int(text.prefix { $0.isNumber }) ?? 0
            if number > DataFolder.format || number < 1 {
                let found = text.prefix(40).split(separator: "\n").first ?? "?"
                throw DataFolderError(
                    "\(path) was written by a newer version of Wado (its layout is \(found), this program knows "
                        + "\(DataFolder.format)); install that version, or take another folder with --data")
            }
            return true
        }
        guard others.isEmpty else {
            let some = others.sorted().prefix(3).joined(separator: ", ")
            throw DataFolderError(
                "\(path) holds other files (\(some)) and is no data folder of Wado; take an empty or a new one with "
                    + "--data")
        }
        return false
    }

    /// A data folder's lock; held until it is let go of, or the process ends.
    public final class Lock: Sendable {
        private let descriptor: Int32
        init(descriptor: Int32) { self.descriptor = descriptor }
        deinit { close(descriptor) }
    }

    /// Locks the folder against a second supervisor.
    public func lock() throws(DataFolderError) -> Lock {
        let descriptor = open(lockFile, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw DataFolder.failure("open", lockFile) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            let owner = (ProcessFiles.read(lockFile) ?? "").trimmedLine
            throw DataFolderError(
                "\(path) is in use by another `wado up`\(owner.isEmpty ? "" : " (process \(owner))"); "
                    + "`wado status --data \(path)` shows it; stop it with kill\(owner.isEmpty ? "" : " \(owner)"), "
                    + "or take another folder with --data")
        }
        ftruncate(descriptor, 0)
        let text = Array("\(getpid())\n".utf8)
        _ = Glibc.write(descriptor, text, text.count)
        return Lock(descriptor: descriptor)
    }

    /// Free bytes of the folder's file system for us.
    public var freeBytes: Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return 0 }
        return Int(clamping: UInt64(status.f_bavail) &* UInt64(status.f_frsize))
    }

    // MARK: Files

    private func make(_ folder: String, isTrial: Bool = false) throws(DataFolderError) {
        var path = ""
        var made: [String] = []
        defer { if isTrial { for path in made.reversed() { rmdir(path) } } }
        for part in folder.split(separator: "/") {
            path += "/" + part
            if mkdir(path, 0o755) == 0 {
                made.append(path)
            } else if errno != EEXIST {
                let number = errno
                // Of a folder that is there but not ours, the next call fails.
                if access(path, F_OK) != 0 { throw DataFolder.failure("make", path, number) }
            }
        }
        var status = stat()
        if stat(folder, &status) == 0, status.st_mode & S_IFMT != S_IFDIR {
            throw DataFolderError(
                "\(folder) is not a folder: a file is in the way; move it, or take another folder with --data")
        }
        guard access(folder, R_OK | W_OK | X_OK) == 0 else { throw DataFolder.failure("write into", folder) }
    }

    static func failure(_ verb: String, _ path: String, _ number: Int32 = errno) -> DataFolderError {
        let advice =
            switch number {
            case EACCES, EPERM, EROFS:
                "give user \(geteuid()) the right to write there, or take another folder with --data"
            case ENOSPC, EDQUOT: "make room on that disk, or take a folder on another one with --data"
            case ENOTDIR, EEXIST: "a file is in the way: move it, or take another folder with --data"
            default: "take another folder with --data"
            }
        return DataFolderError("cannot \(verb) \(path): \(String(cString: strerror(number))); \(advice)")
    }

    /// Names in a folder, without `.` and `..`; none when it cannot be read.
    public static func list(_ path: String) -> [String] { (try? PosixFileSystem().list(path)) ?? [] }

    /// Writes a file so that readers see the old one or the new one, also after a power cut.
    public static func write(_ text: String, to path: String) throws(DataFolderError) {
        let temporary = "\(path).\(getpid())-\(UInt32.random(in: 0 ... .max)).tmp"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("write", path) }
        guard writeAll(text.utf8, to: descriptor) else {
            let problem = failure("write", path)
            close(descriptor)
            unlink(temporary)
            throw problem
        }
        let isSynced = fsync(descriptor) == 0
        guard close(descriptor) == 0, isSynced, rename(temporary, path) == 0 else {
            let problem = failure("write", path)
            unlink(temporary)
            throw problem
        }
    }
}

extension String {
    var trimmedLine: String { String(prefix { $0 != "\n" }) }
}
