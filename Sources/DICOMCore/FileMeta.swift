internal import DICOMDictionary

/// File meta information, group 0002 (PS3.10 7.1). Empty strings are not written.
public struct FileMeta: Hashable, Sendable {
    /// (0002,0002)
    public var mediaStorageSOPClassUID: String
    /// (0002,0003)
    public var mediaStorageSOPInstanceUID: String
    /// (0002,0010)
    public var transferSyntaxUID: String
    /// (0002,0012)
    public var implementationClassUID: String
    /// (0002,0013), at most 16 characters.
    public var implementationVersionName: String
    /// (0002,0016)
    public var sourceAETitle: String
    /// (0002,0017)
    public var sendingAETitle: String
    /// (0002,0018)
    public var receivingAETitle: String
    /// (0002,0100)
    public var privateInformationCreatorUID: String
    /// (0002,0102)
    public var privateInformation: [UInt8]?

    /// Wado's Implementation Class UID (PS3.7 D.3.3.2), under the root 2.25 for UUIDs.
    public static let wadoImplementationClassUID = "2.25.136472104982634711064581905837120495127"
    /// Wado's Implementation Version Name (PS3.7 D.3.3.2).
    public static let wadoImplementationVersionName = "WADO_1"

    public init(
        mediaStorageSOPClassUID: String = "", mediaStorageSOPInstanceUID: String = "", transferSyntaxUID: String = "",
        implementationClassUID: String = FileMeta.wadoImplementationClassUID,
        implementationVersionName: String = FileMeta.wadoImplementationVersionName,
        sourceAETitle: String = "", sendingAETitle: String = "", receivingAETitle: String = "",
        privateInformationCreatorUID: String = "", privateInformation: [UInt8]? = nil
    ) {
        self.mediaStorageSOPClassUID = mediaStorageSOPClassUID
        self.mediaStorageSOPInstanceUID = mediaStorageSOPInstanceUID
        self.transferSyntaxUID = transferSyntaxUID
        self.implementationClassUID = implementationClassUID
        self.implementationVersionName = implementationVersionName
        self.sourceAETitle = sourceAETitle
        self.sendingAETitle = sendingAETitle
        self.receivingAETitle = receivingAETitle
        self.privateInformationCreatorUID = privateInformationCreatorUID
        self.privateInformation = privateInformation
    }

    /// The group as it stands in a file; what is missing is empty.
    init(reading bytes: UnsafeRawBufferPointer) {
        self.init(implementationClassUID: "", implementationVersionName: "")
        FileMetaLayout.forEach(bytes) { tag, value, _ in
            let value = UnsafeRawBufferPointer(rebasing: bytes[value])
            var text: String { TextDecoding.trimmed(String(decoding: value, as: UTF8.self), leading: true) }
            switch tag {
            case 0x0002_0002: mediaStorageSOPClassUID = text
            case 0x0002_0003: mediaStorageSOPInstanceUID = text
            case 0x0002_0010: transferSyntaxUID = text
            case 0x0002_0012: implementationClassUID = text
            case 0x0002_0013: implementationVersionName = text
            case 0x0002_0016: sourceAETitle = text
            case 0x0002_0017: sendingAETitle = text
            case 0x0002_0018: receivingAETitle = text
            case 0x0002_0100: privateInformationCreatorUID = text
            case 0x0002_0102: privateInformation = [UInt8](value)
            default: break
            }
        }
    }

    /// With the UIDs of the instance where they are missing.
    package func identifying(_ dataSet: DataSet) -> FileMeta {
        var meta = self
        if meta.mediaStorageSOPClassUID.isEmpty { meta.mediaStorageSOPClassUID = dataSet.string(.sopClassUID) ?? "" }
        if meta.mediaStorageSOPInstanceUID.isEmpty {
            meta.mediaStorageSOPInstanceUID = dataSet.string(.sopInstanceUID) ?? ""
        }
        return meta
    }

    /// 128 zero bytes, `DICM` and group 0002 with its length, in explicit little endian (PS3.10 7.1).
    public func encoded() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 128)
        bytes.reserveCapacity(512)
        bytes.append(contentsOf: [0x44, 0x49, 0x43, 0x4D])
        bytes.append(contentsOf: [0x02, 0, 0, 0, 0x55, 0x4C, 4, 0, 0, 0, 0, 0])
        bytes.append(contentsOf: [0x02, 0, 0x01, 0, 0x4F, 0x42, 0, 0, 2, 0, 0, 0, 0, 1])
        appendUID(0x02, mediaStorageSOPClassUID, to: &bytes)
        appendUID(0x03, mediaStorageSOPInstanceUID, to: &bytes)
        appendUID(0x10, transferSyntaxUID, to: &bytes)
        appendUID(0x12, implementationClassUID, to: &bytes)
        appendText(0x13, 0x53, 0x48, implementationVersionName, to: &bytes)
        appendText(0x16, 0x41, 0x45, sourceAETitle, to: &bytes)
        appendText(0x17, 0x41, 0x45, sendingAETitle, to: &bytes)
        appendText(0x18, 0x41, 0x45, receivingAETitle, to: &bytes)
        appendUID(0x100, privateInformationCreatorUID, to: &bytes)
        if let privateInformation {
            let count = UInt32(clamping: privateInformation.count + privateInformation.count & 1)
            bytes.append(contentsOf: [0x02, 0, 0x02, 0x01, 0x4F, 0x42, 0, 0])
            withUnsafeBytes(of: count.littleEndian) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: privateInformation)
            if privateInformation.count & 1 == 1 { bytes.append(0) }
        }
        FileMetaLayout.setGroupLength(in: &bytes)
        return bytes
    }

    private func appendUID(_ element: UInt16, _ value: String, to bytes: inout [UInt8]) {
        append(element, 0x55, 0x49, value, padding: 0, to: &bytes)
    }

    private func appendText(
        _ element: UInt16, _ first: UInt8, _ second: UInt8, _ value: String, to bytes: inout [UInt8]
    ) {
        append(element, first, second, value, padding: 0x20, to: &bytes)
    }

    private func append(
        _ element: UInt16, _ first: UInt8, _ second: UInt8, _ value: String, padding: UInt8, to bytes: inout [UInt8]
    ) {
        if value.isEmpty { return }
        let utf8 = value.utf8.prefix(0xFFFE)
        let count = utf8.count + utf8.count & 1
        bytes.append(contentsOf: [
            0x02, 0, UInt8(truncatingIfNeeded: element), UInt8(truncatingIfNeeded: element >> 8), first, second,
            UInt8(truncatingIfNeeded: count), UInt8(truncatingIfNeeded: count >> 8),
        ])
        bytes.append(contentsOf: utf8)
        if utf8.count & 1 == 1 { bytes.append(padding) }
    }
}

/// Where the elements of group 0002 are.
enum FileMetaLayout {
    /// Calls the body with the tag, the value's and the whole element's range, for each element of the group that is
    /// whole. Offsets count from the start of the bytes. Also reads metas without VRs, which some writers made.
    ///
    /// Returns where the group ends.
    @discardableResult
    @inline(__always)
    static func forEach(
        _ bytes: UnsafeRawBufferPointer, from start: Int = 0,
        _ body: (_ tag: UInt32, _ value: Range<Int>, _ element: Range<Int>) -> Void
    ) -> Int {
        guard let base = bytes.baseAddress else { return start }
        var position = start
        while let (tag, value) = next(base, position, bytes.count) {
            if value.upperBound > bytes.count { break }
            body(tag, value, position..<value.upperBound)
            position = value.upperBound
        }
        return position
    }

    /// The element of group 0002 at this place; nil when there is none, or not its whole header.
    @inline(__always)
    static func next(_ base: UnsafeRawPointer, _ position: Int, _ count: Int) -> (tag: UInt32, value: Range<Int>)? {
        guard position + 8 <= count else { return nil }
        guard base.loadUnaligned(fromByteOffset: position, as: UInt16.self).littleEndian == 2 else { return nil }
        let element = base.loadUnaligned(fromByteOffset: position + 2, as: UInt16.self).littleEndian
        let vr = base.loadUnaligned(fromByteOffset: position + 4, as: UInt16.self).bigEndian
        var header = 8
        var length = Int(base.loadUnaligned(fromByteOffset: position + 6, as: UInt16.self).littleEndian)
        switch RawVR.lengthForm(vr) {
        case .short, .unknown: break
        case .long:
            guard position + 12 <= count else { return nil }
            header = 12
            length = Int(base.loadUnaligned(fromByteOffset: position + 8, as: UInt32.self).littleEndian)
        case .none:
            length = Int(base.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self).littleEndian)
        }
        let start = position + header
        return (0x0002_0000 | UInt32(element), start..<start + length)
    }

    /// Writes the length of the group into (0002,0000), which follows preamble and prefix.
    static func setGroupLength(in bytes: inout [UInt8]) {
        let length = UInt32(clamping: bytes.count - 144)
        for byte in 0..<4 { bytes[140 + byte] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(byte))) }
    }
}
