import Glibc

/// An open file of a series' metadata, which closes itself. `@unchecked Sendable`: a descriptor is a number, and pread needs no position.
final class MetadataFile: @unchecked Sendable {
    let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    static func failure(_ operation: String) -> MetadataStoreError {
        MetadataStoreError(.file(operation: operation, errno: errno))
    }

    /// - Returns: nil when there is no such file.
    static func open(reading path: String) throws(MetadataStoreError) -> MetadataFile? {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        if descriptor < 0 {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw failure("open")
        }
        return MetadataFile(descriptor: descriptor)
    }

    /// Opens a file and takes its lock, which ends with the handle, also when the process is killed.
    ///
    /// While it waits for the lock, the file may be replaced or removed by who holds it. So afterwards it looks whether
    /// the name still leads to what it opened, and otherwise begins again: who holds the lock holds that of the file
    /// that everybody else will open.
    /// - Parameter create: make it when it is missing.
    /// - Returns: nil when it is missing; `isNew` when it was made, so that the folder has to be synced.
    static func openLocked(
        _ path: String, create: Bool
    ) throws(MetadataStoreError) -> (handle: MetadataFile, isNew: Bool)? {
        while true {
            var isNew = false
            var descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
            if descriptor < 0 && errno == ENOENT {
                guard create else { return nil }
                descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o640)
                if descriptor < 0 && errno == EEXIST { continue }
                isNew = true
            }
            guard descriptor >= 0 else { throw failure("open") }
            let handle = MetadataFile(descriptor: descriptor)
            while flock(descriptor, LOCK_EX) != 0 {
                if errno != EINTR { throw failure("lock") }
            }
            var named = stat()
            let own = try handle.status()
            if lstat(path, &named) == 0 && named.st_ino == own.st_ino && named.st_dev == own.st_dev {
                return (handle, isNew)
            }
        }
    }

    func status() throws(MetadataStoreError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failure("stat") }
        return status
    }

    func isSameFile(as other: MetadataFile) throws(MetadataStoreError) -> Bool {
        let (own, its) = (try status(), try other.status())
        return own.st_ino == its.st_ino && own.st_dev == its.st_dev
    }

    func size() throws(MetadataStoreError) -> Int { Int(try status().st_size) }

    /// Fills the buffer from `offset`; less only at the end of the file.
    func read(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(MetadataStoreError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = pread(
                descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(offset + done))
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.failure("read")
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// - Returns: fewer bytes only at the end of the file.
    func read(at offset: Int, count: Int) throws(MetadataStoreError) -> [UInt8] {
        var failure: MetadataStoreError?
        let bytes = [UInt8](unsafeUninitializedCapacity: max(0, count)) { buffer, initialized in
            do throws(MetadataStoreError) {
                initialized = try read(UnsafeMutableRawBufferPointer(buffer), at: offset)
            } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(MetadataStoreError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                pwrite(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(offset + done))
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.failure("write")
            }
            done += count
        }
    }

    func truncate(to size: Int) throws(MetadataStoreError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw Self.failure("truncate") }
    }

    /// Contents and size on stable storage.
    func sync() throws(MetadataStoreError) {
        guard fdatasync(descriptor) == 0 else { throw Self.failure("fdatasync") }
    }

    /// The names in a folder on stable storage.
    static func syncFolder(_ path: String) throws(MetadataStoreError) {
        do { try PosixFileSystem().synchronizeFolder(path) } catch {
            throw MetadataStoreError(.file(operation: error.operation, errno: error.errorNumber))
        }
    }

    /// Makes the folders of `path` below `root` that are missing, and puts their names on stable storage.
    static func makeFolders(_ path: String, below root: String) throws(MetadataStoreError) {
        if mkdir(path, 0o750) == 0 {
            try syncFolder(parent(of: path))
            return
        }
        if errno == EEXIST { return }
        guard errno == ENOENT, path.utf8.count > root.utf8.count else { throw failure("make folder") }
        try makeFolders(parent(of: path), below: root)
        guard mkdir(path, 0o750) == 0 || errno == EEXIST else { throw failure("make folder") }
        try syncFolder(parent(of: path))
    }

    static func parent(of path: String) -> String { PosixFileSystem.parent(of: path) ?? "/" }
}
