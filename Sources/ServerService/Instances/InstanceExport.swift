internal import DICOMCore
internal import DICOMDictionary
internal import HTTPServer

/// An instance as a retrieve sends it: complete PS3.10 bytes without the provenance, stored or as explicit little
/// endian, in segments that need little memory.
struct InstanceExport {
    var transferSyntaxUID: String
    var segments: [HTTPSegments.Segment]

    var length: Int { segments.reduce(0) { $0 + $1.length } }

    /// What is converted in memory at most, bytes: all that stands before and after Pixel Data.
    private static let maximumConverted = 256 << 20

    /// Whether explicit little endian can be made of it without a codec.
    static func isConvertible(_ layout: InstanceLayout) -> Bool {
        if layout.transferSyntax.isEncapsulated || layout.transferSyntax == .explicitVRLittleEndian { return false }
        if case .encapsulated = layout.pixels { return false }
        return true
    }

    static func stored(_ instance: StoredInstance) -> InstanceExport {
        let start = min(instance.layout.dataSetOffset, instance.file.size)
        return InstanceExport(
            transferSyntaxUID: instance.layout.transferSyntax.uid,
            segments: [
                .bytes(instance.layout.exportedHeader),
                .file(instance.file, offset: start, length: instance.file.size - start),
            ])
    }

    static func explicitLittleEndian(_ instance: StoredInstance) throws(RequestFailure) -> InstanceExport {
        do throws(DICOMError) {
            return InstanceExport(
                transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid, segments: try converted(instance))
        } catch {
            throw RequestFailure(
                500,
                "the stored instance cannot be converted to explicit little endian: \(error); ask for"
                    + " transfer-syntax=*")
        }
    }

    private static func converted(_ instance: StoredInstance) throws(DICOMError) -> [HTTPSegments.Segment] {
        let layout = instance.layout
        guard case .native(let pixels) = layout.pixels, let element = layout.pixelElement else {
            // Without Pixel Data it is small, and deflated it has to be inflated as a whole.
            let file = try instance.readWhole(maximumInflatedBytes: maximumConverted)
            let header = header(file)
            return [.bytes(header + (try DataSetWriter(file.dataSet).encoded(in: .explicitVRLittleEndian)))]
        }
        let file = try instance.file.withDescriptor { descriptor throws(DICOMError) in
            try HeaderReader().read(descriptor: descriptor)
        }
        var head = header(file)
        head += try converted(instance, layout.dataSetOffset..<element.lowerBound)
        let group = UInt16(pixels.tag.rawValue >> 16)
        let number = UInt16(truncatingIfNeeded: pixels.tag.rawValue)
        let vr = layout.pixelVR.rawValue
        head += [
            UInt8(truncatingIfNeeded: group), UInt8(group >> 8), UInt8(truncatingIfNeeded: number), UInt8(number >> 8),
        ]
        head += [UInt8(vr >> 8), UInt8(truncatingIfNeeded: vr), 0, 0]
        for shift in [0, 8, 16, 24] { head.append(UInt8(truncatingIfNeeded: pixels.length >> shift)) }
        var segments: [HTTPSegments.Segment] = [.bytes(head)]
        let end = pixels.offset + pixels.length
        guard end <= instance.file.size, let source = try? PixelSource(instance, pixels) else {
            throw DICOMError(.truncated, at: instance.file.size)
        }
        segments.append(source.segment(0..<pixels.length))
        if end < instance.file.size {
            segments.append(.bytes(try converted(instance, end..<instance.file.size)))
        }
        return segments
    }

    /// Elements at a range of the file.
    private static func converted(_ instance: StoredInstance, _ range: Range<Int>) throws(DICOMError) -> [UInt8] {
        guard !range.isEmpty else { return [] }
        guard range.count <= maximumConverted,
            let bytes = instance.file.bytes(at: range.lowerBound, count: range.count)
        else { throw DICOMError(.headerTooLong, at: range.lowerBound) }
        let dataSet = try DataSet(bytes: bytes, transferSyntax: instance.layout.transferSyntax)
        return try DataSetWriter(dataSet).encoded(in: .explicitVRLittleEndian)
    }

    private static func header(_ file: DICOMFile) -> [UInt8] {
        var meta = file.meta ?? FileMeta()
        if meta.mediaStorageSOPClassUID.isEmpty {
            meta.mediaStorageSOPClassUID = file.dataSet.string(.sopClassUID) ?? ""
        }
        if meta.mediaStorageSOPInstanceUID.isEmpty {
            meta.mediaStorageSOPInstanceUID = file.dataSet.string(.sopInstanceUID) ?? ""
        }
        meta.privateInformationCreatorUID = ""
        meta.privateInformation = nil
        meta.transferSyntaxUID = TransferSyntax.explicitVRLittleEndian.uid
        return meta.encoded()
    }
}
