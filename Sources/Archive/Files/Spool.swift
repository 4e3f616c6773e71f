internal import DICOMDictionary
internal import Glibc
internal import ServiceKit
internal import Synchronization

/// Files that were created, and whose names were synced, before they are needed: an instance written into one is safe
/// after a single `fdatasync`. A file that holds a whole instance is a pending event (docs/durability.md).
///
/// One process uses a spool at a time.
public final class Spool: Sendable {
    private struct Pool {
        /// Empty files, their names synced.
        var ready: [UInt64] = []
        var next: UInt64 = 1
    }

    public let folder: String
    /// How many files are kept ready.
    public let capacity: Int
    let fileSystem: any FileSystem
    private let pool = Monitor(Pool())
    /// A locked file; -1 without a real file system, or closed.
    private let lock = Mutex<Int32>(-1)

    /// Opens the spool, making its folder when it is missing.
    ///
    /// Throws, with `EWOULDBLOCK`, when another process uses it.
    public init(
        folder: String, capacity: Int = 256, fileSystem: any FileSystem = PosixFileSystem()
    ) throws(FileSystemError) {
        self.folder = folder
        self.capacity = max(capacity, 4)
        self.fileSystem = fileSystem
        try fileSystem.makeFolders(folder)
        // The folder's name, and that of the folder around it, in case they are new.
        var parent = PosixFileSystem.parent(of: folder)
        for _ in 0..<2 {
            guard let ancestor = parent else { break }
            try fileSystem.synchronizeFolder(ancestor)
            parent = PosixFileSystem.parent(of: ancestor)
        }
        guard fileSystem is PosixFileSystem else { return }
        let descriptor = Glibc.open("\(folder)/\(Self.lockName)", O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw FileSystemError(operation: "open the spool's lock", errorNumber: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let number = errno
            Glibc.close(descriptor)
            throw FileSystemError(operation: "lock the spool", errorNumber: number)
        }
        lock.withLock { $0 = descriptor }
    }

    deinit { close() }

    /// Lets another process use the spool. To be called when nothing writes any more.
    public func close() {
        lock.withLock { descriptor in
            if descriptor >= 0 { Glibc.close(descriptor) }
            descriptor = -1
        }
    }

    private static let lockName = "lock"
    /// The second name that replaces an instance, on its way.
    private static let replacingSuffix = ".replacing"

    func path(_ number: UInt64) -> String {
        "\(folder)/\(number.hexadecimal(digits: 16, uppercase: false))"
    }

    func replacingPath(_ number: UInt64) -> String { path(number) + Self.replacingSuffix }

    /// What was found in the folder at the start: the numbers of the files with something in them, ascending. They may
    /// be whole instances or not: `InstanceFiler` finds out. Empty files are taken into the pool.
    func scan() throws(FileSystemError) -> [UInt64] {
        var found: [UInt64] = []
        var empty: [UInt64] = []
        for name in try fileSystem.list(folder) where name != Self.lockName {
            guard name.utf8.count == 16, let number = UInt64(name, radix: 16) else {
                if name.hasSuffix(Self.replacingSuffix) { try fileSystem.remove("\(folder)/\(name)") }
                continue
            }
            if try fileSystem.open(path(number), forWriting: false).size() == 0 {
                empty.append(number)
            } else {
                found.append(number)
            }
        }
        let last = max(found.max() ?? 0, empty.max() ?? 0)
        // Their names are there after a crash or a stop, but may not have been synced.
        if !empty.isEmpty { try fileSystem.synchronizeFolder(folder) }
        pool.withLock { pool in
            pool.next = last + 1
            pool.ready = empty
        }
        return found.sorted()
    }

    /// Creates files until the pool is full, and syncs their names together; all of them or none. Does nothing while it is
    /// more than half full.
    func prepare() throws(FileSystemError) {
        let numbers = pool.withLock { pool -> Range<UInt64> in
            let missing = pool.ready.count <= capacity / 2 ? capacity - pool.ready.count : 0
            defer { pool.next += UInt64(missing) }
            return pool.next..<pool.next + UInt64(missing)
        }
        guard !numbers.isEmpty else { return }
        var made: [UInt64] = []
        do {
            for number in numbers {
                _ = try fileSystem.create(path(number))
                made.append(number)
            }
            try fileSystem.synchronizeFolder(folder)
        } catch {
            for number in made { try? fileSystem.remove(path(number)) }
            throw error
        }
        pool.withLock { $0.ready += numbers }
    }

    /// A file to write an instance into; its data set begins at `headerLength`. Makes one itself when the pool has run
    /// dry.
    public func begin(headerLength: Int) throws(FileSystemError) -> SpoolWriter {
        let ready = pool.withLock { $0.ready.popLast() }
        if let number = ready {
            let file = try fileSystem.open(path(number), forWriting: true)
            return SpoolWriter(spool: self, number: number, file: file, headerLength: headerLength)
        }
        let number = pool.withLock { pool in
            defer { pool.next += 1 }
            return pool.next
        }
        let file = try fileSystem.create(path(number))
        do {
            try fileSystem.synchronizeFolder(folder)
        } catch {
            try? fileSystem.remove(path(number))
            throw error
        }
        return SpoolWriter(spool: self, number: number, file: file, headerLength: headerLength)
    }

    /// An emptied file may be used again.
    func takeBack(_ number: UInt64) { pool.withLock { $0.ready.append(number) } }

    /// Bytes that can still be written.
    public func freeBytes() throws(FileSystemError) -> Int64 { try fileSystem.freeBytes(folder) }
}

/// Writes one instance into a file of the spool. Used by one thread. One that is dropped without `finish` gives its
/// file back.
public final class SpoolWriter {
    private let spool: Spool
    let number: UInt64
    private let file: any OpenFile
    private let headerLength: Int
    private var crc = CRC32()
    /// Where the buffer's bytes go.
    private var offset: Int64
    private var buffer: UnsafeMutableRawBufferPointer
    private var buffered = 0
    private var isSettled = false
    /// Up to where the system was told to write.
    private var released: Int64 = 0

    /// Bytes go to the file up to multiples of this offset: the system then keeps them in few large pieces of memory,
    /// which costs a third less than writes that begin anywhere.
    private static let chunk = 131_072
    /// An instance of this size and more goes to the disk while it comes in, in steps of this size: the one sync at
    /// its end would take long, and other files would be driven out of memory.
    private static let releaseStep: Int64 = 16 << 20

    init(spool: Spool, number: UInt64, file: any OpenFile, headerLength: Int) {
        self.spool = spool
        self.number = number
        self.file = file
        self.headerLength = headerLength
        offset = Int64(headerLength)
        buffer = .allocate(byteCount: Self.chunk, alignment: 16)
    }

    deinit {
        buffer.deallocate()
        if !isSettled { discard() }
    }

    /// Bytes of the data set so far, and their CRC-32.
    public var dataSetSize: Int64 { offset + Int64(buffered) - Int64(headerLength) }
    public var dataSetCRC32: UInt32 { crc.value }
    /// For reading the file back after `write(header:)`.
    public var descriptor: Int32 { file.descriptor }
    public var path: String { spool.path(number) }

    /// Where the next bytes of the data set may be put, at most so many, to be appended from there without a copy.
    public func room(_ count: Int) -> UnsafeMutableRawBufferPointer {
        let room = Self.chunk - Int(offset % Int64(Self.chunk)) - buffered
        return UnsafeMutableRawBufferPointer(rebasing: buffer[buffered..<buffered + min(room, count)])
    }

    /// Appends bytes of the data set.
    public func append(_ bytes: UnsafeRawBufferPointer) throws(FileSystemError) {
        crc.add(bytes)
        var rest = bytes
        while !rest.isEmpty {
            // As far as the next multiple, beyond what is in the buffer.
            let room = Self.chunk - Int(offset % Int64(Self.chunk)) - buffered
            if buffered == 0, rest.count >= room {
                let count = room + (rest.count - room) / Self.chunk * Self.chunk
                try write(UnsafeRawBufferPointer(rebasing: rest[..<count]))
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else {
                let count = min(room, rest.count)
                let place = UnsafeMutableRawBufferPointer(rebasing: buffer[buffered..<buffered + count])
                if rest.baseAddress != UnsafeRawPointer(place.baseAddress) {
                    place.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
                }
                buffered += count
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                if count == room { try flush() }
            }
        }
    }

    private func flush() throws(FileSystemError) {
        guard buffered > 0 else { return }
        try write(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<buffered]))
        buffered = 0
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(FileSystemError) {
        try file.write(bytes, at: offset)
        offset += Int64(bytes.count)
        release()
    }

    private func release() {
        guard offset - released >= Self.releaseStep else { return }
        // The step before again: what was being written then is to be forgotten now. The start stays, it is read soon.
        let start = max(1 << 20, released - Self.releaseStep)
        file.release(from: start, count: offset - start)
        released = offset
    }

    /// Writes what stands in front of the data set; `header` has the promised length. May be called again.
    public func write(header: [UInt8]) throws(FileSystemError) {
        precondition(header.count == headerLength, "a header of another length than announced")
        try flush()
        try file.write(header, at: 0)
    }

    /// Writes the final header and puts everything on stable storage. From here on the instance is safe and pending:
    /// hand the result to `InstanceFiler`.
    public func finish(_ provenance: Provenance) throws(FileSystemError) -> SpooledInstance {
        try write(header: provenance.header())
        try file.synchronize()
        isSettled = true
        return SpooledInstance(number: number, provenance: provenance)
    }

    /// Gives the file back, emptied.
    public func discard() {
        guard !isSettled else { return }
        isSettled = true
        do {
            try file.truncate(to: 0)
            spool.takeBack(number)
        } catch {
            try? spool.fileSystem.remove(spool.path(number))
        }
    }
}

/// A whole instance in the spool, on stable storage.
public struct SpooledInstance: Sendable {
    let number: UInt64
    public var provenance: Provenance
    /// The event, when it was made already.
    public var message: Message?
}
