internal import CMicroHTTPD
import Glibc
import Synchronization

/// An open file, read-only. Closed when nobody refers to it any more.
public final class HTTPFile: Sendable {
    private let descriptor: Atomic<Int32>
    /// Bytes, when it was opened.
    public let size: Int
    public let identity: Identity

    /// Tells a file from every other and from its own earlier content.
    public struct Identity: Hashable, Sendable {
        public var device: UInt64
        public var inode: UInt64
        public var size: Int
        /// The time of the last change of content, in nanoseconds since 1970.
        public var modified: Int64
    }

    /// nil when the path names no regular file that can be read; `errno` says why.
    public convenience init?(path: String) {
        self.init(owning: open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK))
    }

    /// The file of a descriptor that stays its owner's; nil when that is no regular file, or out of descriptors.
    public convenience init?(duplicating descriptor: Int32) {
        self.init(owning: fcntl(descriptor, F_DUPFD_CLOEXEC, 3))
    }

    /// The same open file once more, for one who sends it; nil when out of descriptors.
    public init?(sharing other: HTTPFile) {
        let copy = fcntl(other.descriptor.load(ordering: .relaxed), F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { return nil }
        descriptor = Atomic(copy)
        size = other.size
        identity = other.identity
    }

    private init?(owning descriptor: Int32) {
        guard descriptor >= 0 else { return nil }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            errno = EISDIR
            return nil
        }
        self.descriptor = Atomic(descriptor)
        size = Int(status.st_size)
        identity = Identity(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int(status.st_size),
            modified: Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec))
    }

    deinit {
        let descriptor = descriptor.load(ordering: .relaxed)
        if descriptor >= 0 { close(descriptor) }
    }

    /// Lends the descriptor, for reading by offset; -1 once the file was sent.
    public func withDescriptor<R, E: Error>(_ body: (Int32) throws(E) -> R) throws(E) -> R {
        try body(descriptor.load(ordering: .relaxed))
    }

    /// Reads at an offset until the buffer is full or the file ends; returns the bytes read, -1 on an error.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let descriptor = descriptor.load(ordering: .relaxed)
        guard descriptor >= 0, let base = buffer.baseAddress else { return descriptor < 0 ? -1 : 0 }
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, base + done, buffer.count - done, off_t(offset + done))
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                return -1
            }
            done += count
        }
        return done
    }

    /// The bytes of a range; nil when the file does not hold them all, or on an error.
    public func bytes(at offset: Int, count: Int) -> [UInt8]? {
        guard offset >= 0, count >= 0, offset <= size, count <= size - offset else { return nil }
        var isWhole = false
        let result = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let read = self.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            initialized = max(0, read)
            isWhole = read == count
        }
        return isWhole ? result : nil
    }

    /// A descriptor for one who closes it: this object's own, which it then no longer has.
    func take() -> Int32 {
        descriptor.exchange(-1, ordering: .relaxed)
    }
}
