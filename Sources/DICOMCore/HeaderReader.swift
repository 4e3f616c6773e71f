internal import Glibc

/// Reads the elements before Pixel Data of many files, one after the other, with one buffer and one array of elements
/// for all of them. What `read` returned stays valid: a buffer that is still in use is left to its user.
///
/// Not for several threads at once: have one each.
public final class HeaderReader {
    private let options: ReadOptions
    private var tree: DataSetTree
    /// How many bytes of the next file are read at first: what the files before it needed, so that one `pread` does
    /// for nearly all and copies little that is not looked at.
    private var firstRead = pageSize
    private var largestNeed = 0
    private var filesSinceChange = 0

    private static let pageSize = 4096
    private static let maximumFirstRead = 1 << 14

    /// - Parameter options: how far to read; `.header` is what it is made for.
    public init(options: ReadOptions = .header) {
        self.options = options
        tree = Self.emptyTree(firstRead)
    }

    private static func emptyTree(_ capacity: Int) -> DataSetTree {
        let tree = DataSetTree(
            storage: ByteStorage(capacity: capacity), transferSyntax: .explicitVRLittleEndian, range: 0..<0)
        tree.elements.reserveCapacity(256)
        return tree
    }

    /// Reads the file's header; the file is closed again. One of more than `maximumHeaderBytes` is mapped: the file
    /// must then not be shortened as long as the result lives.
    ///
    /// Throws `unreadable`, `notDICOM`, or the error of the first thing that cannot be read.
    public func read(path: String) throws(DICOMError) -> DICOMFile {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw DICOMError(.unreadable, at: 0, systemError: errno) }
        defer { close(descriptor) }
        return try read(descriptor: descriptor)
    }

    /// Reads the header of an open file, from its start, without moving its offset; as `read(path:)`.
    public func read(descriptor: Int32) throws(DICOMError) -> DICOMFile {
        do throws(DICOMError) {
            return try copyHeader(descriptor)
        } catch {
            // Longer than what is copied: a value of many megabytes before Pixel Data, or a long deflated file.
            guard error.code == .headerTooLong else { throw error }
            return try DICOMFile(storage: ByteStorage(mapping: descriptor), options: options)
        }
    }

    /// Throws `headerTooLong` beyond `maximumHeaderBytes`.
    private func copyHeader(_ descriptor: Int32) throws(DICOMError) -> DICOMFile {
        if !isKnownUniquelyReferenced(&tree) || !isKnownUniquelyReferenced(&tree.storage) {
            tree = Self.emptyTree(firstRead)
        } else if tree.storage.capacity > 1 << 20 || tree.elements.capacity > 1 << 16 {
            // One large header is no reason to keep its memory.
            tree = Self.emptyTree(firstRead)
        }
        let tree = tree
        tree.fileStorage = nil
        tree.storage.count = 0
        var source = Source(descriptor: descriptor, storage: tree.storage, limit: options.maximumHeaderBytes)
        try source.fill(to: firstRead)

        var layout: FileLayout
        search: while true {
            guard let base = source.storage.base, source.storage.count > 0 else { throw DICOMError(.notDICOM, at: 0) }
            switch FileLayout.find(base, available: source.storage.count, total: source.total) {
            case .found(let found):
                layout = found
                break search
            case .needMore(let count): try source.fill(to: count)
            case .failed(let error): throw error
            }
        }
        tree.transferSyntax = layout.transferSyntax
        if layout.transferSyntax.isDeflated {
            return try readDeflated(source, layout, tree)
        }
        var elements: ContiguousArray<Element> = []
        swap(&elements, &tree.elements)
        var parser = DataSetParser(
            start: layout.dataSetOffset, transferSyntax: layout.transferSyntax, options: options, reusing: elements)
        if let base = source.storage.base { parser.detectEncoding(base, available: source.storage.count) }
        parse: while let base = source.storage.base {
            switch try parser.run(base, available: source.storage.count, total: source.total) {
            case .done: break parse
            case .needMore(let count): try source.fill(to: count)
            }
        }
        learn(parser.position)
        tree.finish(parser, start: layout.dataSetOffset, end: source.storage.count)
        return DICOMFile(tree: tree, layout: layout)
    }

    /// Reads as much as the last files needed; less again when none of many needed it. A long header is no reason to
    /// copy as much of the files after it, which costs more than the second `pread` that it needs.
    private func learn(_ position: Int) {
        let need = (position + 16 + Self.pageSize - 1) & ~(Self.pageSize - 1)
        if need <= Self.maximumFirstRead { largestNeed = max(largestNeed, need) }
        filesSinceChange += 1
        if largestNeed > firstRead || filesSinceChange == 64 {
            firstRead = max(largestNeed, Self.pageSize)
            largestNeed = Self.pageSize
            filesSinceChange = 0
        }
    }

    /// A deflated data set has no header that could be read alone: it is inflated within its bounds.
    private func readDeflated(
        _ source: Source, _ layout: FileLayout, _ tree: DataSetTree
    ) throws(DICOMError) -> DICOMFile {
        var source = source
        try source.fill(to: .max)
        let dataSet = try DataSet(
            storage: source.storage, range: layout.dataSetOffset..<source.storage.count,
            transferSyntax: layout.transferSyntax, options: options)
        dataSet.tree.fileStorage = source.storage
        return DICOMFile(tree: dataSet.tree, layout: layout)
    }

    /// The start of a file in memory.
    private struct Source {
        let descriptor: Int32
        let storage: ByteStorage
        let limit: Int
        /// The file's size, once known.
        var total = Int.max

        /// Reads on until so many bytes are there, or all.
        ///
        /// Throws `headerTooLong` beyond the limit, `unreadable`.
        mutating func fill(to wanted: Int) throws(DICOMError) {
            if storage.count > 0, total == .max {
                var status = stat()
                guard fstat(descriptor, &status) == 0 else {
                    throw DICOMError(.unreadable, at: storage.count, systemError: errno)
                }
                total = max(Int(status.st_size), storage.count)
            }
            var target = min(wanted, total)
            if storage.count > 0 {
                // More than asked for, so that many small steps do not read the file slowly.
                guard target <= limit else { throw DICOMError(.headerTooLong, at: storage.count) }
                target = min(max(target, storage.count + min(storage.count, 1 << 16)), total, limit)
                // By doubling: in steps, bytes would be copied as often as there are steps.
                if target > storage.capacity {
                    storage.grow(to: min(max(target, storage.capacity * 2), total, limit))
                }
            } else {
                storage.grow(to: target)
            }
            while storage.count < target, let base = storage.base {
                let count = pread(descriptor, base + storage.count, target - storage.count, off_t(storage.count))
                if count < 0 {
                    if errno == EINTR { continue }
                    throw DICOMError(.unreadable, at: storage.count, systemError: errno)
                }
                if count == 0 {
                    total = storage.count
                    return
                }
                storage.count += count
                // A short read of a regular file is its end, nearly always; `fstat` tells when more is wanted.
            }
        }
    }
}
