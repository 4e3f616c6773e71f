internal import Glibc

/// Reads the elements before Pixel Data of many files, one after the other, with one buffer and one array of elements
/// for all of them. What `read` returned stays valid: a buffer that is still in use is left to its user.
///
/// Headers that need more than `maximumHeaderBytes` or 16,384 elements are large: one of them is in use in the process at
/// a time, by whichever reader, and the others wait for their turn. So let go of what was read soon, and read no second
/// one meanwhile.
///
/// Not for several threads at once: have one each.
public final class HeaderReader {
    private let options: ReadOptions
    private let smallOptions: ReadOptions
    private let patience: Int
    private var tree: DataSetTree
    /// How many bytes of the next file are read at first: what the files before it needed, so that one `pread` does
    /// for nearly all and copies little that is not looked at.
    private var firstRead = pageSize
    private var largestNeed = 0
    private var filesSinceChange = 0
    /// The file that is read.
    private var isDeflated = false

    private static let pageSize = 4096
    private static let maximumFirstRead = 1 << 14

    /// - Parameters:
    ///   - options: how far to read; `.header` is what it is made for.
    ///   - patience: how long the turn for a large header is waited for, in milliseconds.
    public init(options: ReadOptions = .header, patience: Int = 20_000) {
        self.options = options
        self.patience = patience
        var small = options
        small.maximumElements = min(options.maximumElements, 1 << 14)
        small.maximumKeptBytes = min(options.maximumKeptBytes, options.maximumHeaderBytes)
        smallOptions = small
        tree = Self.emptyTree(firstRead)
    }

    private static func emptyTree(_ capacity: Int) -> DataSetTree {
        let tree = DataSetTree(
            storage: ByteStorage(capacity: capacity), transferSyntax: .explicitVRLittleEndian, range: 0..<0)
        tree.elements.reserveCapacity(256)
        return tree
    }

    /// Reads the file's header; the file is closed again. Of a large one it is mapped: it must then not be shortened as
    /// long as the result lives.
    ///
    /// Throws `unreadable`, also when the turn for a large header does not come; `notDICOM`, or the error of the first
    /// thing that cannot be read.
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
            guard error.code == .headerTooLong || error.code == .tooManyElements else { throw error }
            // A mapping is no memory of the process: where it is long values alone that make a header long, they are
            // left out. Of a deflated file they have been already.
            if error.code == .headerTooLong, !isDeflated {
                let file = try? DICOMFile(storage: ByteStorage(mapping: descriptor), options: smallOptions)
                if let file, file.tree.keptBytes <= options.maximumHeaderBytes { return file }
            }
            let turn = try LargeHeaderTurn.take(milliseconds: patience)
            let file = try DICOMFile(storage: ByteStorage(mapping: descriptor), options: options)
            file.tree.turn = turn
            return file
        }
    }

    /// Throws `headerTooLong` or `tooManyElements` when the header is large.
    private func copyHeader(_ descriptor: Int32) throws(DICOMError) -> DICOMFile {
        if !isKnownUniquelyReferenced(&tree) || !isKnownUniquelyReferenced(&tree.storage) {
            tree = Self.emptyTree(firstRead)
        }
        let tree = tree
        defer {
            // One long header is no reason to keep its memory until the next.
            if tree.storage.capacity > 1 << 16 || tree.elements.capacity > 1 << 12 {
                self.tree = Self.emptyTree(firstRead)
            }
        }
        isDeflated = false
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
        isDeflated = layout.transferSyntax.isDeflated
        if isDeflated {
            return try readDeflated(source, layout)
        }
        var elements: ContiguousArray<Element> = []
        swap(&elements, &tree.elements)
        var parser = DataSetParser(
            start: layout.dataSetOffset, transferSyntax: layout.transferSyntax, options: smallOptions, reusing: elements
        )
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

    /// Inflates the start of the data set, from the file.
    private func readDeflated(_ source: Source, _ layout: FileLayout) throws(DICOMError) -> DICOMFile {
        let descriptor = source.descriptor
        let start = layout.dataSetOffset
        let reader = try InflatingReader { buffer, offset in
            while true {
                let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(start + offset))
                if count >= 0 || errno != EINTR { return count }
            }
        }
        var source = source
        try source.findTotal()
        let inflated = try DataSet.inflating(
            reader, deflatedBytes: source.total - start, layout.transferSyntax, smallOptions)
        // Where the whole data set was read, the file's bytes are whole too.
        if inflated.stopElement == nil { try source.fill(to: .max) }
        inflated.fileStorage = source.storage
        return DICOMFile(tree: inflated, layout: layout)
    }

    /// The start of a file in memory.
    private struct Source {
        let descriptor: Int32
        let storage: ByteStorage
        let limit: Int
        /// The file's size, once known.
        var total = Int.max

        mutating func findTotal() throws(DICOMError) {
            guard total == .max else { return }
            var status = stat()
            guard fstat(descriptor, &status) == 0 else {
                throw DICOMError(.unreadable, at: storage.count, systemError: errno)
            }
            total = max(Int(status.st_size), storage.count)
        }

        /// Reads on until so many bytes are there, or all.
        ///
        /// Throws `headerTooLong` beyond the limit, `unreadable`.
        mutating func fill(to wanted: Int) throws(DICOMError) {
            if storage.count > 0 { try findTotal() }
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
