internal import Archive
internal import DICOMCore
internal import DICOMDictionary
internal import Glibc
internal import HTTPServer
internal import Synchronization

/// What is known of an instance's file once its header was read: enough to serve it by ranges.
final class InstanceLayout: Sendable {
    let transferSyntax: TransferSyntax
    /// Preamble and file meta as a retrieve sends them: without the provenance.
    let exportedHeader: [UInt8]
    /// Where the data set begins in the file.
    let dataSetOffset: Int
    /// Where the element of Pixel Data begins, in bytes of the file; nil when there is none, or the file is deflated.
    let pixelElement: Range<Int>?
    let pixelVR: VR
    let pixels: PixelLayout
    /// How many bytes the data set inflates to, once that was asked for.
    private let knownLength = Mutex<Int?>(nil)

    /// Bytes it takes in a cache, about.
    var cost: Int {
        var cost = 512 + exportedHeader.count
        if case .encapsulated(let pixels) = pixels { cost += pixels.fragments.count * 16 + pixels.starts.count * 8 }
        return cost
    }

    /// Throws also `truncated` when the file is not as long as it was received, and `notDICOM` when it is none of this
    /// instance.
    init(_ file: HTTPFile, of identity: InstanceIdentity) throws(DICOMError) {
        let read = try file.withDescriptor { descriptor throws(DICOMError) in
            try HeaderReader().read(descriptor: descriptor)
        }
        let header = read.dataSet
        let found = Provenance.read { count in read.storage.withUnsafeBytes { Array($0.prefix(count)) } }
        if let (provenance, offset) = found {
            guard Int64(file.size) == offset + provenance.dataSetSize else {
                throw DICOMError(.truncated, at: file.size)
            }
            guard provenance.identity == identity else { throw DICOMError(.notDICOM, at: 0) }
        } else {
            // Put there by hand, or its header is damaged.
            guard identity.isOf(header) else { throw DICOMError(.notDICOM, at: 0) }
        }
        transferSyntax = read.transferSyntax
        exportedHeader = read.exportedHeader
        dataSetOffset = read.dataSetOffset
        let isSwapped = read.transferSyntax.uid == "1.2.840.113619.5.2"
        guard let element = header.stopElement, Self.isPixelData(element.tag) else {
            pixelElement = nil
            pixelVR = .ow
            pixels = .none
            return
        }
        pixelVR = element.vr
        if element.isUndefinedLength {
            pixelElement = transferSyntax.isDeflated ? nil : element.offset..<element.valueOffset
            if transferSyntax.isDeflated {
                pixels = .none
            } else if let found = FragmentScanner.scan(file, from: element.valueOffset, header: header) {
                pixels = .encapsulated(found)
            } else {
                pixels = .encapsulated(EncapsulatedPixels(fragments: [], starts: []))
            }
        } else {
            pixelElement = transferSyntax.isDeflated ? nil : element.offset..<element.valueOffset
            var native = NativePixels(element, header: header, isOtherWayRound: isSwapped)
            if !transferSyntax.isDeflated {
                native.available = max(0, min(native.length, file.size - native.offset))
            }
            pixels = .native(native)
        }
    }

    /// How many bytes the data set of this file, which is deflated, inflates to: found once, by inflating it all.
    func inflatedLength(_ file: HTTPFile) throws(RequestFailure) -> Int {
        try knownLength.withLock { known throws(RequestFailure) in
            if let known { return known }
            let length = try InflatedFile.length(of: file, from: dataSetOffset)
            known = length
            return length
        }
    }

    static func isPixelData(_ tag: Tag) -> Bool {
        tag == .pixelData || tag == .floatPixelData || tag == .doubleFloatPixelData
    }
}

/// An instance's open file and its layout.
struct StoredInstance: Sendable {
    var file: HTTPFile
    var layout: InstanceLayout
    let memory: AnswerMemory

    /// The data set of a deflated file; nil of any other. Each use begins at its start.
    var inflated: InflatedFile? {
        layout.transferSyntax.isDeflated ? InflatedFile(file, from: layout.dataSetOffset) : nil
    }

    /// What stands before Pixel Data: of this very file, also when it has been replaced meanwhile.
    func header() throws(RequestFailure) -> DICOMFile {
        try read { descriptor throws(DICOMError) in try HeaderReader().read(descriptor: descriptor) }
    }

    /// The whole file, mapped; not of a deflated one.
    func whole() throws(RequestFailure) -> DICOMFile {
        try read { descriptor throws(DICOMError) in try DICOMFile(storage: ByteStorage(mapping: descriptor)) }
    }

    private func read(_ body: (Int32) throws(DICOMError) -> DICOMFile) throws(RequestFailure) -> DICOMFile {
        do throws(DICOMError) { return try file.withDescriptor(body) } catch {
            throw .unusable(error)
        }
    }
}

extension RequestFailure {
    fileprivate static func unusable(_ error: DICOMError) -> RequestFailure {
        .failed("the stored file is damaged, or cannot be read", error)
    }
}

/// Opens instances. Nothing is looked up: the path follows from tenant and UIDs. Layouts are remembered.
final class InstanceOpener: Sendable {
    private let paths: ArchivePaths
    private let cache: LayoutCache
    private let memory: AnswerMemory

    init(paths: ArchivePaths, cacheBytes: Int, memory: AnswerMemory) {
        self.paths = paths
        self.memory = memory
        cache = LayoutCache(capacity: cacheBytes)
    }

    func open(_ identity: InstanceIdentity) throws(RequestFailure) -> StoredInstance {
        let path = paths.absolute(ArchivePaths.instance(identity))
        guard let file = HTTPFile(path: path) else {
            // Out of descriptors, a store that fails or is not ours to read: that says nothing of the instance.
            let reason = errno
            guard reason == ENOENT || reason == ENOTDIR else {
                throw .failed(
                    "the instance cannot be read", DICOMError(.unreadable, at: 0, systemError: reason))
            }
            throw .notFound("there is no such instance")
        }
        if let layout = cache.layout(of: file.identity) {
            return StoredInstance(file: file, layout: layout, memory: memory)
        }
        do throws(DICOMError) {
            let layout = try InstanceLayout(file, of: identity)
            cache.insert(layout, for: file.identity)
            return StoredInstance(file: file, layout: layout, memory: memory)
        } catch {
            throw .unusable(error)
        }
    }
}
