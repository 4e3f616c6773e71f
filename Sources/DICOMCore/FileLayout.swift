internal import DICOMDictionary

/// What stands before the data set in a file, and which transfer syntax follows.
struct FileLayout {
    /// Group 0002; empty when there is none.
    var meta: Range<Int>
    var dataSetOffset: Int
    var transferSyntax: TransferSyntax

    enum Search {
        case found(FileLayout)
        case needMore(Int)
        case failed(DICOMError)
    }

    /// - Parameters:
    ///   - available: how many bytes there are at `base`.
    ///   - total: how many there are in all; `Int.max` while that is unknown.
    static func find(_ base: UnsafeRawPointer, available: Int, total: Int) -> Search {
        if available < 132, available < total { return .needMore(min(total, 132)) }
        var start = 0
        if available >= 132, isPrefix(base + 128) {
            start = 132
        } else if available >= 4, isPrefix(base) {
            start = 4
        }
        var position = start
        var transferSyntax: TransferSyntax?
        while position + 8 <= available {
            guard base.loadUnaligned(fromByteOffset: position, as: UInt16.self).littleEndian == 2 else { break }
            guard let (tag, value) = FileMetaLayout.next(base, position, available) else {
                if available < total { return .needMore(position + 12) }
                return .failed(DICOMError(.truncated, at: position, path: [.tag(Tag(group: 2, element: 0))]))
            }
            if value.upperBound > total {
                return .failed(DICOMError(.truncated, at: position, path: [.tag(Tag(tag))]))
            }
            if value.upperBound + 8 > available, available < total {
                return .needMore(min(total, value.upperBound + 8))
            }
            if tag == 0x0002_0010 {
                transferSyntax = TransferSyntax(
                    bytes: UnsafeRawBufferPointer(start: base + value.lowerBound, count: value.count))
            }
            position = value.upperBound
        }
        if position + 16 > available, available < total { return .needMore(min(total, position + 16)) }
        let meta = start..<position
        // With a prefix or a file meta it is DICOM, whatever comes; a first element without VR then needs no proof.
        let isSurelyDICOM = start > 0 || position > start
        let fallback: TransferSyntax? = isSurelyDICOM && position < total ? .implicitVRLittleEndian : nil
        let looks = transferSyntax ?? guess(base, position, available: available, total: total)
        guard let syntax = looks ?? fallback else {
            // Nothing, or nothing but a file meta, is an empty data set.
            if isSurelyDICOM {
                return .found(FileLayout(meta: meta, dataSetOffset: position, transferSyntax: .explicitVRLittleEndian))
            }
            return .failed(DICOMError(.notDICOM, at: position))
        }
        return .found(
            FileLayout(
                meta: meta, dataSetOffset: position,
                transferSyntax: corrected(syntax, base, position, available: available)))
    }

    private static func isPrefix(_ bytes: UnsafeRawPointer) -> Bool {
        bytes.loadUnaligned(as: UInt32.self).bigEndian == 0x4449_434D
    }

    /// From the looks of the first element; nil when it does not look like one.
    private static func guess(
        _ base: UnsafeRawPointer, _ position: Int, available: Int, total: Int
    ) -> TransferSyntax? {
        guard position + 8 <= available else { return nil }
        let group = base.loadUnaligned(fromByteOffset: position, as: UInt16.self)
        let vr = base.loadUnaligned(fromByteOffset: position + 4, as: UInt16.self).bigEndian
        if RawVR.isKnown(vr) {
            let little = group.littleEndian
            let big = group.bigEndian
            if little <= 0x7FE0, little <= big { return .explicitVRLittleEndian }
            return big <= 0x7FE0 ? .explicitVRBigEndian : nil
        }
        let length = base.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self).littleEndian
        let element = base.loadUnaligned(fromByteOffset: position + 2, as: UInt16.self).littleEndian
        let tag = Tag(group: group.littleEndian, element: element)
        guard tag.group <= 0x0040, tag.group & 1 == 0 else { return nil }
        guard element == 0 || DataDictionary.vr(of: tag) != .un else { return nil }
        return Int(length) <= total - position - 8 ? .implicitVRLittleEndian : nil
    }

    /// Some files say explicit big endian and are little endian, or the reverse: the first group tells.
    private static func corrected(
        _ syntax: TransferSyntax, _ base: UnsafeRawPointer, _ position: Int, available: Int
    ) -> TransferSyntax {
        guard !syntax.isDeflated, !syntax.isImplicitVR, position + 8 <= available else { return syntax }
        let vr = base.loadUnaligned(fromByteOffset: position + 4, as: UInt16.self).bigEndian
        guard RawVR.isKnown(vr) else { return syntax }
        let group = base.loadUnaligned(fromByteOffset: position, as: UInt16.self)
        if syntax.isBigEndian, group.bigEndian >= 0x0100, group.littleEndian < 0x0100 {
            return .explicitVRLittleEndian
        }
        if !syntax.isBigEndian, !syntax.isEncapsulated, group.littleEndian >= 0x0100, group.bigEndian < 0x0100 {
            return .explicitVRBigEndian
        }
        return syntax
    }
}

extension TransferSyntax {
    /// The transfer syntax whose UID these bytes are, padding or not. Allocates nothing for the native ones.
    init(bytes: UnsafeRawBufferPointer) {
        var count = bytes.count
        while count > 0, bytes[count - 1] == 0 || bytes[count - 1] == 0x20 { count -= 1 }
        if count == 17, bytes[16] == UInt8(ascii: "2"), bytes[13] == UInt8(ascii: ".") {
            if Self.implicitVRLittleEndian.uid.utf8.elementsEqual(bytes.prefix(17)) {
                self = .implicitVRLittleEndian
                return
            }
        } else if count == 19, Self.explicitVRLittleEndian.uid.utf8.prefix(18).elementsEqual(bytes.prefix(18)) {
            if bytes[18] == UInt8(ascii: "1") {
                self = .explicitVRLittleEndian
                return
            }
            if bytes[18] == UInt8(ascii: "2") {
                self = .explicitVRBigEndian
                return
            }
        }
        self.init(uid: String(decoding: bytes.prefix(count), as: UTF8.self))
    }
}
