internal import Glibc

/// A call to the file system that failed.
public struct FileSystemError: Error, Hashable, Sendable, CustomStringConvertible {
    public var operation: String
    public var errorNumber: Int32

    public init(operation: String, errorNumber: Int32) {
        self.operation = operation
        self.errorNumber = errorNumber
    }

    public var isNotFound: Bool { errorNumber == ENOENT }
    public var isExisting: Bool { errorNumber == EEXIST }
    public var isNotAFolder: Bool { errorNumber == ENOTDIR }
    /// The disk cannot read it.
    public var isUnreadable: Bool { errorNumber == EIO }
    /// The disk or the quota is full.
    public var isOutOfSpace: Bool { errorNumber == ENOSPC || errorNumber == EDQUOT || errorNumber == EFBIG }
    public var description: String { "\(operation): \(String(cString: strerror(errorNumber)))" }
}

/// Which file a name stands for.
public struct FileIdentity: Hashable, Sendable {
    public var device: UInt64
    public var inode: UInt64

    public init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}

/// An open file. Used by one thread.
public protocol OpenFile: AnyObject {
    /// Writes all of the bytes.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(FileSystemError)
    /// Reads up to the buffer's size; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(FileSystemError) -> Int
    func truncate(to size: Int64) throws(FileSystemError)
    /// Lets the system begin to write these bytes to the disk, and forget those it has written: they are not needed
    /// soon. A hint.
    func release(from offset: Int64, count: Int64)
    /// Puts the contents and the size on stable storage (not the name).
    func synchronize() throws(FileSystemError)
    func size() throws(FileSystemError) -> Int64
    func identity() throws(FileSystemError) -> FileIdentity
    /// The number of names it has.
    func linkCount() throws(FileSystemError) -> Int
    /// For reading it by other means; -1 when there is none.
    var descriptor: Int32 { get }
}

extension OpenFile {
    /// Reads until the buffer is full or the file ends.
    /// - Returns: how many bytes.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(FileSystemError) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let read = try read(into: rest, at: offset + Int64(done))
            if read == 0 { break }
            done += read
        }
        return done
    }

    /// So many bytes; fewer at the end of the file.
    func read(_ count: Int, at offset: Int64) throws(FileSystemError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        // The closure could not say what it throws.
        let filled = bytes.withUnsafeMutableBytes { buffer -> Result<Int, FileSystemError> in
            do throws(FileSystemError) { return .success(try fill(buffer, at: offset)) } catch {
                return .failure(error)
            }
        }
        bytes.removeLast(count - (try filled.get()))
        return bytes
    }

    /// Writes all of the bytes.
    func write(_ bytes: [UInt8], at offset: Int64) throws(FileSystemError) {
        try bytes.withUnsafeBytes { bytes -> Result<Void, FileSystemError> in
            do throws(FileSystemError) { return .success(try write(bytes, at: offset)) } catch {
                return .failure(error)
            }
        }.get()
    }
}

/// What the spool and the filing need of a file system, so that a test can take the power away at any point.
public protocol FileSystem: Sendable {
    /// Fails when the name exists.
    func create(_ path: String) throws(FileSystemError) -> any OpenFile
    func open(_ path: String, forWriting: Bool) throws(FileSystemError) -> any OpenFile
    /// A second name for the file; fails when the name exists.
    func link(_ path: String, to newPath: String) throws(FileSystemError)
    /// Atomic; replaces what has the new name.
    func rename(_ path: String, to newPath: String) throws(FileSystemError)
    func remove(_ path: String) throws(FileSystemError)
    /// Fails when the name exists.
    func makeFolder(_ path: String) throws(FileSystemError)
    /// Puts the names in the folder on stable storage.
    func synchronizeFolder(_ path: String) throws(FileSystemError)
    /// The names in the folder, without `.` and `..`.
    func list(_ path: String) throws(FileSystemError) -> [String]
    /// Bytes that can still be written.
    func freeBytes(_ path: String) throws(FileSystemError) -> Int64
}

/// The real one.
public struct PosixFileSystem: FileSystem {
    public init() {}

    private final class File: OpenFile {
        let descriptor: Int32

        init(_ descriptor: Int32) { self.descriptor = descriptor }
        deinit { close(descriptor) }

        func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(FileSystemError) {
            var (rest, offset) = (bytes, offset)
            while !rest.isEmpty {
                let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset))
                if count < 0 {
                    if errno == EINTR { continue }
                    throw FileSystemError(operation: "write", errorNumber: errno)
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                offset += Int64(count)
            }
        }

        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(FileSystemError) -> Int {
            while true {
                let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
                if count >= 0 { return count }
                if errno != EINTR { throw FileSystemError(operation: "read", errorNumber: errno) }
            }
        }

        func truncate(to size: Int64) throws(FileSystemError) {
            guard ftruncate(descriptor, off_t(size)) == 0 else {
                throw FileSystemError(operation: "truncate", errorNumber: errno)
            }
        }

        func release(from offset: Int64, count: Int64) {
            posix_fadvise(descriptor, off_t(offset), off_t(count), POSIX_FADV_DONTNEED)
        }

        func synchronize() throws(FileSystemError) {
            guard fdatasync(descriptor) == 0 else {
                throw FileSystemError(operation: "fdatasync", errorNumber: errno)
            }
        }

        private func status() throws(FileSystemError) -> stat {
            var information = stat()
            guard fstat(descriptor, &information) == 0 else {
                throw FileSystemError(operation: "stat", errorNumber: errno)
            }
            return information
        }

        func size() throws(FileSystemError) -> Int64 { Int64(try status().st_size) }
        func linkCount() throws(FileSystemError) -> Int { Int(try status().st_nlink) }
        func identity() throws(FileSystemError) -> FileIdentity {
            let status = try status()
            return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        }
    }

    private static func check(_ result: Int32, _ operation: String) throws(FileSystemError) {
        guard result == 0 else { throw FileSystemError(operation: operation, errorNumber: errno) }
    }

    public func create(_ path: String) throws(FileSystemError) -> any OpenFile {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw FileSystemError(operation: "create", errorNumber: errno) }
        return File(descriptor)
    }

    public func open(_ path: String, forWriting: Bool) throws(FileSystemError) -> any OpenFile {
        let descriptor = Glibc.open(path, (forWriting ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw FileSystemError(operation: "open", errorNumber: errno) }
        return File(descriptor)
    }

    public func link(_ path: String, to newPath: String) throws(FileSystemError) {
        try Self.check(Glibc.link(path, newPath), "link")
    }

    public func rename(_ path: String, to newPath: String) throws(FileSystemError) {
        try Self.check(Glibc.rename(path, newPath), "rename")
    }

    public func remove(_ path: String) throws(FileSystemError) { try Self.check(unlink(path), "remove") }

    public func makeFolder(_ path: String) throws(FileSystemError) {
        try Self.check(mkdir(path, 0o750), "make folder")
    }

    public func synchronizeFolder(_ path: String) throws(FileSystemError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileSystemError(operation: "open folder", errorNumber: errno) }
        defer { close(descriptor) }
        try Self.check(fsync(descriptor), "fsync folder")
    }

    public func list(_ path: String) throws(FileSystemError) -> [String] {
        guard let folder = opendir(path) else { throw FileSystemError(operation: "list", errorNumber: errno) }
        defer { closedir(folder) }
        var names: [String] = []
        while true {
            // Its end and an error look alike but for this.
            errno = 0
            guard let entry = readdir(folder) else {
                guard errno == 0 else { throw FileSystemError(operation: "list", errorNumber: errno) }
                return names
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
    }

    public func freeBytes(_ path: String) throws(FileSystemError) -> Int64 {
        var information = statvfs()
        try Self.check(statvfs(path, &information), "statvfs")
        return Int64(clamping: UInt64(information.f_bavail) &* UInt64(information.f_frsize))
    }
}

extension FileSystem {
    /// Makes the folder and those above it that are missing. Syncs nothing.
    func makeFolders(_ path: String) throws(FileSystemError) {
        do {
            try makeFolder(path)
        } catch {
            if error.isExisting { return }
            guard error.isNotFound, let parent = Self.parent(of: path) else { throw error }
            try makeFolders(parent)
            do { try makeFolder(path) } catch { if !error.isExisting { throw error } }
        }
    }

    /// nil for the root and for names without a folder.
    static func parent(of path: String) -> String? {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return nil }
        return String(path[..<slash])
    }
}
