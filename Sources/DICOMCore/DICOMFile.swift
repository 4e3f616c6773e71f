internal import DICOMDictionary

/// A DICOM file (PS3.10): file meta information and a data set. Files without preamble or file meta, and with a meta
/// that names no transfer syntax, are read too; the transfer syntax is then guessed from the first element.
public struct DICOMFile: Sendable {
    let tree: DataSetTree
    let layout: FileLayout

    public var dataSet: DataSet { DataSet(tree: tree) }
    /// Where the data set begins in the file (as stored, before any inflating).
    public var dataSetOffset: Int { layout.dataSetOffset }
    public var transferSyntax: TransferSyntax { layout.transferSyntax }
    /// The file's bytes, as far as they were read.
    public var storage: ByteStorage { tree.fileStorage ?? tree.storage }

    /// Group 0002; nil when the file has none. Read anew at each call.
    public var meta: FileMeta? {
        guard !layout.meta.isEmpty else { return nil }
        return storage.withUnsafeBytes { FileMeta(reading: UnsafeRawBufferPointer(rebasing: $0[layout.meta])) }
    }

    /// What a retrieve puts before the data set's bytes: a preamble of zeros, `DICM` and the file meta as it is, but
    /// without Private Information (0002,0100), (0002,0102), and with a right group length. For a file without file
    /// meta, or with one that is not explicit, it is one with the transfer syntax and the UIDs of the data set.
    public var exportedHeader: [UInt8] {
        guard !layout.meta.isEmpty else { return substituteMeta.encoded() }
        var bytes = [UInt8](repeating: 0, count: 128)
        bytes.append(contentsOf: [0x44, 0x49, 0x43, 0x4D])
        bytes.append(contentsOf: [0x02, 0, 0, 0, 0x55, 0x4C, 4, 0, 0, 0, 0, 0])
        var hasTransferSyntax = false
        var hasVRs = true
        storage.withUnsafeBytes { all in
            let meta = UnsafeRawBufferPointer(rebasing: all[layout.meta])
            FileMetaLayout.forEach(meta) { tag, _, element in
                switch tag {
                case 0x0002_0000, 0x0002_0100, 0x0002_0102: return
                case 0x0002_0010: hasTransferSyntax = true
                default: break
                }
                let vr = UInt16(meta[element.lowerBound + 4]) << 8 | UInt16(meta[element.lowerBound + 5])
                if !RawVR.isKnown(vr) { hasVRs = false }
                bytes.append(contentsOf: meta[element])
            }
        }
        guard hasTransferSyntax, hasVRs else { return substituteMeta.encoded() }
        FileMetaLayout.setGroupLength(in: &bytes)
        return bytes
    }

    private var substituteMeta: FileMeta { FileMeta(transferSyntaxUID: transferSyntax.uid).identifying(dataSet) }

    init(tree: DataSetTree, layout: FileLayout) {
        self.tree = tree
        self.layout = layout
    }

    /// Reads a file. To a `stopBefore`, it is read by `pread` as far as needed and closed, so nothing depends on the
    /// file afterwards. Wholly, and beyond `maximumHeaderBytes`, it is mapped, and must not be shortened as long as the
    /// result lives.
    ///
    /// Throws `unreadable`, `notDICOM`, or the error of the first thing that cannot be read.
    public static func read(path: String, options: ReadOptions = .whole) throws(DICOMError) -> DICOMFile {
        if options.stopBefore != nil {
            return try HeaderReader(options: options).read(path: path)
        }
        return try DICOMFile(storage: ByteStorage(mapping: path), options: options)
    }

    /// Reads a file's bytes.
    public init(bytes: [UInt8], options: ReadOptions = .whole) throws(DICOMError) {
        try self.init(storage: ByteStorage(bytes), options: options)
    }

    /// Reads a file's bytes.
    public init(storage: ByteStorage, options: ReadOptions = .whole) throws(DICOMError) {
        var search = FileLayout.Search.failed(DICOMError(.notDICOM, at: 0))
        storage.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, bytes.count > 0 else { return }
            search = FileLayout.find(base, available: bytes.count, total: bytes.count)
        }
        switch search {
        case .found(let layout):
            let dataSet = try DataSet(
                storage: storage, range: layout.dataSetOffset..<storage.count, transferSyntax: layout.transferSyntax,
                options: options)
            if layout.transferSyntax.isDeflated { dataSet.tree.fileStorage = storage }
            self.init(tree: dataSet.tree, layout: layout)
        case .failed(let error): throw error
        case .needMore(let offset): throw DICOMError(.truncated, at: offset)
        }
    }
}
