import Archive
import Glibc
import Synchronization

struct SeededRandom: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A file system in memory that knows what is on stable storage and what is not. The power can be cut before any
/// operation that changes something; what was not synced is then kept or lost at random, piece by piece and name by
/// name, as POSIX allows.
final class PowerCutFileSystem: FileSystem {
    enum Node: Hashable {
        case file(Int)
        case folder
    }

    struct Inode {
        var content: [UInt8] = []
        var durable: [UInt8] = []
    }

    struct Disk {
        var inodes: [Inode] = []
        /// By absolute path.
        var names: [String: Node] = ["/store": .folder]
        var durableNames: [String: Node] = ["/store": .folder]
        var operations = 0
        /// The power goes before the operation of this number.
        var cut: Int?
        var isDead = false
        /// Operations of this number fail once with EIO, without effect.
        var failing: Set<Int> = []
        /// Bytes of all files that have a name. When they are used up, there is no room for names either.
        var capacity = Int.max

        var free: Int {
            var used = 0
            for case .file(let inode) in Set(names.values) { used += inodes[inode].content.count }
            return max(0, capacity - used)
        }

        /// For a name.
        func needRoom() throws(FileSystemError) {
            if capacity != .max, free == 0 { throw PowerCutFileSystem.failure(ENOSPC) }
        }
    }

    let disk: Mutex<Disk>

    init(_ disk: Disk = Disk()) { self.disk = Mutex(disk) }

    fileprivate static func failure(_ number: Int32) -> FileSystemError {
        FileSystemError(operation: "test", errorNumber: number)
    }

    /// Counts a changing operation.
    private func change<R>(_ body: (inout Disk) throws(FileSystemError) -> R) throws(FileSystemError) -> R {
        try locked { disk throws(FileSystemError) in
            disk.operations += 1
            if let cut = disk.cut, disk.operations >= cut { disk.isDead = true }
            if disk.isDead || disk.failing.remove(disk.operations) != nil { throw Self.failure(EIO) }
            return try body(&disk)
        }
    }

    private func look<R>(_ body: (inout Disk) throws(FileSystemError) -> R) throws(FileSystemError) -> R {
        try locked { disk throws(FileSystemError) in
            if disk.isDead { throw Self.failure(EIO) }
            return try body(&disk)
        }
    }

    private func locked<R>(_ body: (inout Disk) throws(FileSystemError) -> R) throws(FileSystemError) -> R {
        var result: Result<R, FileSystemError>?
        disk.withLock { disk in
            do throws(FileSystemError) { result = .success(try body(&disk)) } catch { result = .failure(error) }
        }
        guard let result else { throw Self.failure(EIO) }
        return try result.get()
    }

    private static func parent(_ path: String) -> String {
        String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }

    /// The disk as it is found after the power was cut (or, with `powerCut` false, after the process was killed).
    func afterCrash(powerCut: Bool, _ random: inout SeededRandom) -> Disk {
        var disk = disk.withLock { $0 }
        disk.isDead = false
        disk.cut = nil
        disk.failing = []
        guard powerCut else { return disk }
        for path in Set(disk.names.keys).union(disk.durableNames.keys).sorted()
        where disk.names[path] != disk.durableNames[path] {
            if Bool.random(using: &random) { disk.durableNames[path] = disk.names[path] }
        }
        // What is below a folder that was lost is lost.
        for path in disk.durableNames.keys.sorted() {
            var parent = Self.parent(path)
            while parent.count > 1 {
                if disk.durableNames[parent] != .folder {
                    disk.durableNames[path] = nil
                    break
                }
                parent = Self.parent(parent)
            }
        }
        disk.names = disk.durableNames
        for index in disk.inodes.indices where disk.inodes[index].content != disk.inodes[index].durable {
            let (new, old) = (disk.inodes[index].content, disk.inodes[index].durable)
            let size = [new.count, old.count, min(new.count, old.count)].randomElement(using: &random) ?? 0
            var mixed = [UInt8](repeating: 0, count: size)
            for start in stride(from: 0, to: size, by: 512) {
                let source = Bool.random(using: &random) ? new : old
                for place in start..<min(start + 512, size) where place < source.count { mixed[place] = source[place] }
            }
            disk.inodes[index].content = mixed
            disk.inodes[index].durable = mixed
        }
        return disk
    }

    private final class File: OpenFile {
        let system: PowerCutFileSystem
        let inode: Int
        var descriptor: Int32 { -1 }

        init(_ system: PowerCutFileSystem, _ inode: Int) {
            self.system = system
            self.inode = inode
        }

        func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(FileSystemError) {
            try system.change { disk throws(FileSystemError) in
                // What fits is written.
                let growth = Int(offset) + bytes.count - disk.inodes[inode].content.count
                let missing = disk.capacity == .max ? 0 : max(0, growth - disk.free)
                let bytes = UnsafeRawBufferPointer(rebasing: bytes[..<max(0, bytes.count - missing)])
                let end = Int(offset) + bytes.count
                if disk.inodes[inode].content.count < end {
                    disk.inodes[inode].content += [UInt8](
                        repeating: 0, count: end - disk.inodes[inode].content.count)
                }
                disk.inodes[inode].content.replaceSubrange(Int(offset)..<end, with: bytes)
                if missing > 0 { throw PowerCutFileSystem.failure(ENOSPC) }
            }
        }

        func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(FileSystemError) -> Int {
            try system.look { disk in
                let content = disk.inodes[inode].content
                let count = max(0, min(buffer.count, content.count - Int(offset)))
                if count > 0 { buffer.copyBytes(from: content[Int(offset)..<Int(offset) + count]) }
                return count
            }
        }

        func truncate(to size: Int64) throws(FileSystemError) {
            try system.change { disk in
                disk.inodes[inode].content = Array(disk.inodes[inode].content.prefix(Int(size)))
            }
        }

        func release(from offset: Int64, count: Int64) {}

        func synchronize() throws(FileSystemError) {
            try system.change { disk in disk.inodes[inode].durable = disk.inodes[inode].content }
        }

        func size() throws(FileSystemError) -> Int64 {
            try system.look { disk in Int64(disk.inodes[inode].content.count) }
        }

        func identity() throws(FileSystemError) -> FileIdentity { FileIdentity(device: 1, inode: UInt64(inode)) }

        func linkCount() throws(FileSystemError) -> Int {
            try system.look { disk in disk.names.values.count { $0 == .file(inode) } }
        }
    }

    func create(_ path: String) throws(FileSystemError) -> any OpenFile {
        let inode = try change { disk throws(FileSystemError) in
            guard disk.names[Self.parent(path)] == .folder else { throw Self.failure(ENOENT) }
            guard disk.names[path] == nil else { throw Self.failure(EEXIST) }
            try disk.needRoom()
            disk.inodes.append(Inode())
            disk.names[path] = .file(disk.inodes.count - 1)
            return disk.inodes.count - 1
        }
        return File(self, inode)
    }

    func open(_ path: String, forWriting: Bool) throws(FileSystemError) -> any OpenFile {
        let inode = try look { disk throws(FileSystemError) in
            guard case .file(let inode) = disk.names[path] else { throw Self.failure(ENOENT) }
            return inode
        }
        return File(self, inode)
    }

    func link(_ path: String, to newPath: String) throws(FileSystemError) {
        try change { disk throws(FileSystemError) in
            guard let node = disk.names[path], disk.names[Self.parent(newPath)] == .folder else {
                throw Self.failure(ENOENT)
            }
            guard disk.names[newPath] == nil else { throw Self.failure(EEXIST) }
            try disk.needRoom()
            disk.names[newPath] = node
        }
    }

    func rename(_ path: String, to newPath: String) throws(FileSystemError) {
        try change { disk throws(FileSystemError) in
            guard let node = disk.names[path], disk.names[Self.parent(newPath)] == .folder else {
                throw Self.failure(ENOENT)
            }
            disk.names[newPath] = node
            disk.names[path] = nil
        }
    }

    func remove(_ path: String) throws(FileSystemError) {
        try change { disk throws(FileSystemError) in
            guard disk.names[path] != nil else { throw Self.failure(ENOENT) }
            disk.names[path] = nil
        }
    }

    func makeFolder(_ path: String) throws(FileSystemError) {
        try change { disk throws(FileSystemError) in
            guard disk.names[Self.parent(path)] == .folder else { throw Self.failure(ENOENT) }
            guard disk.names[path] == nil else { throw Self.failure(EEXIST) }
            try disk.needRoom()
            disk.names[path] = .folder
        }
    }

    func synchronizeFolder(_ path: String) throws(FileSystemError) {
        try change { disk in
            for name in Set(disk.names.keys).union(disk.durableNames.keys) where Self.parent(name) == path {
                disk.durableNames[name] = disk.names[name]
            }
        }
    }

    func list(_ path: String) throws(FileSystemError) -> [String] {
        try look { disk throws(FileSystemError) in
            guard disk.names[path] == .folder else { throw Self.failure(ENOENT) }
            return disk.names.keys.filter { Self.parent($0) == path }.map { String($0.dropFirst(path.count + 1)) }
                .sorted()
        }
    }

    func freeBytes(_ path: String) throws(FileSystemError) -> Int64 { Int64(disk.withLock { $0.free }) }
}
