internal import Glibc

/// Bytes that do not change while anyone can see them: an array, a mapped file, or a buffer of this module's.
///
/// Invariant for `Sendable`: the bytes are written only before the first reference is shared, or by the reader that
/// holds the only one (`HeaderReader` checks `isKnownUniquelyReferenced`).
public final class ByteStorage: @unchecked Sendable {
    private enum Owner {
        case array([UInt8])
        case mapping
        case heap
    }

    private let owner: Owner
    /// Of a mapping or the heap; nil for an array.
    private(set) var base: UnsafeMutableRawPointer?
    /// How many bytes are allocated or mapped.
    private(set) var capacity: Int
    /// How many bytes there are.
    public internal(set) var count: Int

    /// These bytes, not copied.
    public init(_ bytes: [UInt8]) {
        owner = .array(bytes)
        base = nil
        count = bytes.count
        capacity = count
    }

    /// An empty buffer.
    init(capacity: Int) {
        owner = .heap
        base = UnsafeMutableRawPointer.allocate(byteCount: max(capacity, 16), alignment: 16)
        self.capacity = max(capacity, 16)
        count = 0
    }

    /// A copy of these bytes.
    public convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(capacity: bytes.count)
        if let from = bytes.baseAddress { base?.copyMemory(from: from, byteCount: bytes.count) }
        count = bytes.count
    }

    /// Maps the whole file, read only. A file that another process shortens while it is mapped ends this process
    /// when the lost bytes are read: map only files that are never written in place.
    ///
    /// Throws `unreadable`.
    public convenience init(mapping path: String) throws(DICOMError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw DICOMError(.unreadable, at: 0, systemError: errno) }
        defer { close(descriptor) }
        try self.init(mapping: descriptor)
    }

    /// Maps the whole of an open file, as `init(mapping:)` with a path does; the descriptor stays the caller's.
    ///
    /// Throws `unreadable`.
    public init(mapping descriptor: Int32) throws(DICOMError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw DICOMError(.unreadable, at: 0, systemError: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw DICOMError(.unreadable, at: 0, systemError: EISDIR) }
        count = Int(status.st_size)
        capacity = count
        owner = .mapping
        guard count > 0 else { return }
        guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw DICOMError(.unreadable, at: 0, systemError: errno)
        }
        base = address
    }

    /// Room for so many bytes, which takes memory only where it is written.
    ///
    /// Throws `unreadable` when the system has no such room.
    init(reserving capacity: Int) throws(DICOMError) {
        count = 0
        self.capacity = max(capacity, 16)
        owner = .mapping
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let address = mmap(nil, self.capacity, PROT_READ | PROT_WRITE, flags, -1, 0), address != MAP_FAILED else {
            throw DICOMError(.unreadable, at: 0, systemError: errno)
        }
        base = address
    }

    deinit {
        switch owner {
        case .array: break
        case .mapping: if let base { munmap(base, capacity) }
        case .heap: base?.deallocate()
        }
    }

    /// Lends all bytes for the time of the call.
    @inline(__always)
    public func withBytes<R>(_ body: (RawSpan) throws -> R) rethrows -> R {
        try withUnsafeBytes { try body($0.bytes) }
    }

    @inline(__always)
    package func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        if let base { return try body(UnsafeRawBufferPointer(start: base, count: count)) }
        if case .array(let bytes) = owner { return try bytes.withUnsafeBytes(body) }
        return try body(UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// As `withUnsafeBytes`, for a body that throws this module's error.
    func withUnsafeBytesThrowing<R>(
        _ body: (UnsafeRawBufferPointer) throws(DICOMError) -> R
    ) throws(DICOMError) -> R {
        let result = withUnsafeBytes { bytes in
            do throws(DICOMError) { return Result<R, DICOMError>.success(try body(bytes)) } catch {
                return Result<R, DICOMError>.failure(error)
            }
        }
        return try result.get()
    }

    /// Makes a heap buffer larger, keeping its bytes. Only for the one who holds the only reference.
    func grow(to newCapacity: Int) {
        guard case .heap = owner, newCapacity > capacity, let old = base else { return }
        let new = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
        new.copyMemory(from: old, byteCount: count)
        old.deallocate()
        base = new
        capacity = newCapacity
    }
}
