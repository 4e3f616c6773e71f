internal import Archive
import Glibc

extension PrivatePostgres {
    /// A value for a libpq connection string, between single quotes.
    static func quoted(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            if scalar == "'" || scalar == "\\" { out.unicodeScalars.append("\\") }
            out.unicodeScalars.append(scalar)
        }
        return out
    }

    /// The first 64 KiB of a file as text.
    static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return text(descriptor, from: 0)
    }

    /// The last lines of a log.
    static func tail(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        let end = lseek(descriptor, 0, SEEK_END)
        let lines = (text(descriptor, from: max(0, end - 4096)) ?? "").split(separator: "\n")
        return lines.suffix(8).joined(separator: " / ")
    }

    private static func text(_ descriptor: Int32, from offset: off_t) -> String? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = pread(descriptor, &bytes, bytes.count, offset)
        return count >= 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }

    static func isEmpty(_ folder: String, except names: Set<String>) -> Bool {
        guard let entries = try? PosixFileSystem().list(folder) else { return false }
        return entries.allSatisfy(names.contains)
    }

    /// None when it cannot be read.
    static func entries(of folder: String) -> [String] { (try? PosixFileSystem().list(folder)) ?? [] }

    /// Removes a file or a folder with what is in it; follows no links.
    static func removeTree(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in entries(of: path) { removeTree(path + "/" + name) }
            rmdir(path)
        } else {
            unlink(path)
        }
    }
}

/// Where PostgreSQL's programs are.
package struct PostgresPrograms {
    package var folder: String
    /// Such as `15`.
    package var majorVersion: String

    /// Debian's newest version, else what PATH has.
    package static func find() throws(PrivatePostgresError) -> PostgresPrograms {
        let root = "/usr/lib/postgresql"
        let versions = PrivatePostgres.entries(of: root).compactMap { Int($0) }.sorted(by: >)
        for version in versions where isComplete("\(root)/\(version)/bin") {
            return PostgresPrograms(folder: "\(root)/\(version)/bin", majorVersion: "\(version)")
        }
        for folder in (ChildProcess.variable("PATH") ?? "").split(separator: ":") where isComplete(String(folder)) {
            if let version = version(of: String(folder)) {
                return PostgresPrograms(folder: String(folder), majorVersion: version)
            }
        }
        throw .notInstalled
    }

    private static func isComplete(_ folder: String) -> Bool {
        access(folder + "/initdb", X_OK) == 0 && access(folder + "/postgres", X_OK) == 0
    }

    /// From `postgres (PostgreSQL) 15.14 (Debian ...)`.
    private static func version(of folder: String) -> String? {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return nil }
        defer { close(ends[0]) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let process = ChildProcess([folder + "/postgres", "--version"], output: .descriptor(ends[1]))
        close(ends[1])
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4_096)
        while text.count < 65_536 {
            let count = Glibc.read(ends[0], &piece, piece.count)
            guard count > 0 else { break }
            text += piece[..<count]
        }
        guard process?.wait() == 0 else { return nil }
        let numbers = String(decoding: text, as: UTF8.self).split(separator: " ").first { $0.first?.isNumber == true }
        return numbers.map { String($0.prefix { $0.isNumber }) }
    }
}

/// The user the server runs as.
struct Account {
    var name: String
    var userID: uid_t
    var groupID: gid_t
    /// True when we are root and have to become this user.
    var needsChange: Bool

    static func forServer() throws(PrivatePostgresError) -> Account {
        guard geteuid() == 0 else {
            return Account(name: "", userID: geteuid(), groupID: getegid(), needsChange: false)
        }
        for name in ["postgres", "nobody"] {
            var record = passwd()
            var found: UnsafeMutablePointer<passwd>?
            var buffer = [CChar](repeating: 0, count: 16_384)
            if getpwnam_r(name, &record, &buffer, buffer.count, &found) == 0, found != nil {
                return Account(name: name, userID: record.pw_uid, groupID: record.pw_gid, needsChange: true)
            }
        }
        throw .noUser
    }

    /// The command that runs `arguments` as this user; `setpriv` is a part of util-linux, which Debian always has.
    ///
    /// Where the user may not pass through a folder above (/root), the server gets root's right to do so, and no other.
    func wrap(_ arguments: [String], reaching folder: String) -> [String] {
        guard needsChange else { return arguments }
        var command = [
            "setpriv", "--reuid=\(userID)", "--regid=\(groupID)", "--clear-groups", "--no-new-privs",
        ]
        if canReach(folder) {
            command += ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
        } else {
            command += ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
        }
        return command + arguments
    }

    /// True when this user may pass through every folder above `path`.
    func canReach(_ path: String) -> Bool {
        var above = ""
        for part in path.split(separator: "/").dropLast() {
            above += "/" + part
            var status = stat()
            guard stat(above, &status) == 0 else { return false }
            let bit: mode_t =
                status.st_uid == userID ? S_IXUSR : status.st_gid == groupID ? S_IXGRP : S_IXOTH
            if status.st_mode & bit == 0 { return false }
        }
        return true
    }

    /// Gives a folder, with what is in it, to this user.
    func takeOver(_ path: String) throws(PrivatePostgresError) {
        guard lchown(path, userID, groupID) == 0 else { throw .folder(path: path, errno: errno) }
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return }
        for name in PrivatePostgres.entries(of: path) { try takeOver(path + "/" + name) }
    }
}
