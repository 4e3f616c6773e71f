internal import DICOMCore
internal import DICOMDictionary
internal import HTTPServer

/// An instance as a retrieve sends it: complete PS3.10 bytes without the provenance, stored or as explicit little
/// endian, in segments that need little memory.
struct InstanceExport {
    var transferSyntaxUID: String
    var segments: [HTTPSegments.Segment]

    var length: Int { segments.reduce(0) { $0 + $1.length } }

    /// Conversions up to this size do not count as memory that has to be shared, bytes.
    private static let small = 256 << 10

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
        InstanceExport(
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid, segments: try converted(instance))
    }

    private static func refused(_ error: DICOMError) -> RequestFailure {
        .failed(
            "the stored instance cannot be converted to explicit little endian (transfer-syntax=* gets it as it is)",
            error)
    }

    private static func converted(_ instance: StoredInstance) throws(RequestFailure) -> [HTTPSegments.Segment] {
        let layout = instance.layout
        if layout.transferSyntax.isDeflated {
            // Deflated is explicit little endian (PS3.5 A.5).
            let count = try layout.inflatedLength(instance.file)
            let bytes = NativePixels(
                tag: .pixelData, offset: 0, length: count, available: count, frameBits: 0, frameCount: 1, wordSize: 1)
            return [.bytes(header(try instance.header())), PixelSource(instance, bytes).segment(0..<count)]
        }
        guard case .native(let pixels) = layout.pixels, let element = layout.pixelElement else {
            return try converted(instance, instance.file.size) { () throws(RequestFailure) in
                let file = try instance.whole()
                do throws(DICOMError) {
                    return header(file) + (try DataSetWriter(file.dataSet).encoded(in: .explicitVRLittleEndian))
                } catch { throw refused(error) }
            }
        }
        let group = UInt16(truncatingIfNeeded: pixels.tag.rawValue >> 16)
        let number = UInt16(truncatingIfNeeded: pixels.tag.rawValue)
        let vr = layout.pixelVR.rawValue
        var start: [UInt8] = [
            UInt8(truncatingIfNeeded: group), UInt8(group >> 8), UInt8(truncatingIfNeeded: number), UInt8(number >> 8),
        ]
        start += [UInt8(vr >> 8), UInt8(truncatingIfNeeded: vr), 0, 0]
        for shift in [0, 8, 16, 24] { start.append(UInt8(truncatingIfNeeded: pixels.length >> shift)) }
        let end = pixels.offset + pixels.length
        guard end <= instance.file.size else { throw refused(DICOMError(.truncated, at: instance.file.size)) }
        var segments = try converted(instance, element.lowerBound) { () throws(RequestFailure) in
            header(try instance.header()) + (try elements(instance, layout.dataSetOffset..<element.lowerBound))
        }
        segments.append(.bytes(start))
        segments.append(PixelSource(instance, pixels).segment(0..<pixels.length))
        if end < instance.file.size {
            segments += try converted(instance, instance.file.size - end) { () throws(RequestFailure) in
                try elements(instance, end..<instance.file.size)
            }
        }
        return segments
    }

    /// What is made of so many bytes of the file, with the memory that it takes until it is sent.
    private static func converted(
        _ instance: StoredInstance, _ count: Int, _ make: () throws(RequestFailure) -> [UInt8]
    ) throws(RequestFailure) -> [HTTPSegments.Segment] {
        if count <= small { return [.bytes(try make())] }
        // Elements get longer by half at most, from implicit to explicit.
        guard count <= instance.memory.largestConversion / 2 else {
            throw refused(DICOMError(.headerTooLong, at: count))
        }
        let share = try instance.memory.take(count * 2)
        let bytes = try make()
        return [
            .made(length: bytes.count) { buffer, position in
                withExtendedLifetime(share) {
                    bytes.withUnsafeBytes {
                        buffer.copyMemory(
                            from: UnsafeRawBufferPointer(rebasing: $0[position..<position + buffer.count]))
                    }
                }
            }
        ]
    }

    /// The elements at a range of the file.
    private static func elements(_ instance: StoredInstance, _ range: Range<Int>) throws(RequestFailure) -> [UInt8] {
        guard !range.isEmpty else { return [] }
        guard let bytes = instance.file.bytes(at: range.lowerBound, count: range.count) else {
            throw refused(DICOMError(.truncated, at: range.lowerBound))
        }
        do throws(DICOMError) {
            let dataSet = try DataSet(bytes: bytes, transferSyntax: instance.layout.transferSyntax)
            return try DataSetWriter(dataSet).encoded(in: .explicitVRLittleEndian)
        } catch { throw refused(error) }
    }

    private static func header(_ file: DICOMFile) -> [UInt8] {
        var meta = (file.meta ?? FileMeta()).identifying(file.dataSet)
        meta.privateInformationCreatorUID = ""
        meta.privateInformation = nil
        meta.transferSyntaxUID = TransferSyntax.explicitVRLittleEndian.uid
        return meta.encoded()
    }
}
