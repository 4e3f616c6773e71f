internal import CZLib
internal import DICOMDictionary

/// Writes headers and values of elements in a transfer syntax (PS3.5 7.1).
struct ElementEncoder {
    let transferSyntax: TransferSyntax
    private let isImplicit: Bool
    private let isBig: Bool

    init(_ transferSyntax: TransferSyntax) {
        self.transferSyntax = transferSyntax
        isImplicit = transferSyntax.isImplicitVR
        isBig = transferSyntax.isBigEndian
    }

    /// An element with a value in little endian, padded to an even length.
    func append(_ tag: Tag, _ vr: VR, littleEndian value: [UInt8], to bytes: inout [UInt8]) {
        let padded = value.count + value.count & 1
        header(tag, vr, length: padded, to: &bytes)
        let start = bytes.count
        bytes.append(contentsOf: value)
        if value.count & 1 == 1 { bytes.append(Self.padding(vr)) }
        if isBig { ByteSwap.swap(&bytes, vr, from: start) }
    }

    /// An element with a value as it is in memory, of an even or odd length.
    func append(
        _ tag: Tag, _ vr: VR, value: UnsafeRawBufferPointer, isBigEndian: Bool, to bytes: inout [UInt8]
    ) {
        header(tag, vr, length: value.count, to: &bytes)
        let start = bytes.count
        bytes.append(contentsOf: value)
        if isBig != isBigEndian { ByteSwap.swap(&bytes, vr, from: start) }
    }

    /// Tag, VR and length. A length that the VR's own field cannot hold makes it UN (PS3.5 6.2.2).
    func header(_ tag: Tag, _ vr: VR, length: Int, to bytes: inout [UInt8]) {
        append(tag.group, to: &bytes)
        append(tag.element, to: &bytes)
        if isImplicit {
            append(UInt32(clamping: length), to: &bytes)
            return
        }
        let isShort = RawVR.lengthForm(vr.rawValue) == .short
        let written = isShort && length > 0xFFFF ? VR.un : vr
        bytes.append(UInt8(truncatingIfNeeded: written.rawValue >> 8))
        bytes.append(UInt8(truncatingIfNeeded: written.rawValue))
        if isShort && length <= 0xFFFF {
            append(UInt16(length), to: &bytes)
        } else {
            append(UInt16(0), to: &bytes)
            append(UInt32(clamping: length), to: &bytes)
        }
    }

    /// The header of a sequence; returns where its length is to be written.
    func beginSequence(_ tag: Tag, isUndefinedLength: Bool = false, to bytes: inout [UInt8]) -> Int {
        header(tag, .sq, length: isUndefinedLength ? Int(UInt32.max) : 0, to: &bytes)
        return bytes.count - 4
    }

    func beginItem(isUndefinedLength: Bool = false, to bytes: inout [UInt8]) -> Int {
        item(0xE000, length: isUndefinedLength ? .max : 0, to: &bytes)
        return bytes.count - 4
    }

    func setLength(at place: Int, in bytes: inout [UInt8]) {
        let length = UInt32(clamping: bytes.count - place - 4)
        withUnsafeBytes(of: isBig ? length.bigEndian : length.littleEndian) { raw in
            for index in 0..<4 { bytes[place + index] = raw[index] }
        }
    }

    /// (FFFE,xxxx) with its length.
    func item(_ element: UInt16, length: UInt32, to bytes: inout [UInt8]) {
        append(UInt16(0xFFFE), to: &bytes)
        append(element, to: &bytes)
        append(length, to: &bytes)
    }

    func appendFragments(_ tag: Tag, _ vr: VR, _ fragments: [[UInt8]], to bytes: inout [UInt8]) {
        header(tag, vr, length: Int(UInt32.max), to: &bytes)
        for fragment in fragments {
            item(0xE000, length: UInt32(clamping: fragment.count + fragment.count & 1), to: &bytes)
            bytes.append(contentsOf: fragment)
            if fragment.count & 1 == 1 { bytes.append(0) }
        }
        item(0xE0DD, length: 0, to: &bytes)
    }

    private func append(_ value: UInt16, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: isBig ? value.bigEndian : value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private func append(_ value: UInt32, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: isBig ? value.bigEndian : value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// PS3.5 6.2: text is padded with a space, UIDs and bytes with a NUL.
    static func padding(_ vr: VR) -> UInt8 {
        TextKind(vr) != .none && vr != .ui ? 0x20 : 0
    }
}

extension VR {
    /// Bytes of the numbers whose order of bytes is the transfer syntax's (PS3.5 7.3); 1 for text and bytes.
    package var wordSize: Int {
        switch self {
        case .us, .ss, .ow, .at: 2
        case .ul, .sl, .fl, .of, .ol: 4
        case .fd, .od, .ov, .sv, .uv: 8
        default: 1
        }
    }
}

/// The order of bytes in numbers (PS3.5 7.3).
enum ByteSwap {
    /// Turns each number around, from the place on; a rest that is no whole number stays.
    static func swap(_ bytes: inout [UInt8], _ vr: VR, from start: Int = 0) {
        let width = vr.wordSize
        if width == 1 { return }
        let end = start + (bytes.count - start) / width * width
        bytes.withUnsafeMutableBytes { bytes in
            switch width {
            case 2: turn(bytes, start, end, UInt16.self)
            case 4: turn(bytes, start, end, UInt32.self)
            default: turn(bytes, start, end, UInt64.self)
            }
        }
    }

    private static func turn<Raw: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: UnsafeMutableRawBufferPointer, _ start: Int, _ end: Int, _ type: Raw.Type
    ) {
        for place in stride(from: start, to: end, by: MemoryLayout<Raw>.size) {
            let value = bytes.loadUnaligned(fromByteOffset: place, as: Raw.self)
            bytes.storeBytes(of: value.byteSwapped, toByteOffset: place, as: Raw.self)
        }
    }
}

/// Raw deflate (PS3.5 A.5).
enum Deflater {
    static func deflate(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        let status = deflateInit2_(
            &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "deflateInit2 fails without memory only")
        defer { deflateEnd(&stream) }
        var result: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        bytes.withUnsafeBufferPointer { input in
            var consumed = 0
            var finished = false
            while !finished {
                let given = min(input.count - consumed, 1 << 30)
                stream.next_in = input.baseAddress.map { UnsafeMutablePointer(mutating: $0 + consumed) }
                stream.avail_in = UInt32(given)
                let made = piece.withUnsafeMutableBufferPointer { output in
                    stream.next_out = output.baseAddress
                    stream.avail_out = UInt32(output.count)
                    let last = consumed + given == input.count
                    finished = CZLib.deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_END
                    return output.count - Int(stream.avail_out)
                }
                consumed += given - Int(stream.avail_in)
                result.append(contentsOf: piece[..<made])
            }
        }
        // Data sets have even lengths (PS3.5 A.5).
        if result.count & 1 == 1 { result.append(0) }
        return result
    }
}
