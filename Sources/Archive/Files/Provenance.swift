internal import CDeflate
internal import DICOMCore
internal import DICOMDictionary

/// Where an instance came from, as its file keeps it in Private Information (0002,0102) (PS3.10 7.1): enough to file
/// the instance and to publish its event again from the file alone.
public struct Provenance: Hashable, Sendable {
    public var identity: InstanceIdentity
    public var sopClassUID: String
    public var transferSyntaxUID: String
    /// UUID version 7 of the reception.
    public var traceID: String
    /// Microseconds since 1970 (UTC). Of two data sets of one instance the one received later replaces the other.
    public var receivedMicroseconds: Int64
    /// The sender's address and AE title, the title it called, and the node that received.
    public var peerAddress: String
    public var callingAETitle: String
    public var calledAETitle: String
    public var node: String
    public var dataSetSize: Int64
    public var dataSetCRC32: UInt32

    public init(
        identity: InstanceIdentity, sopClassUID: String, transferSyntaxUID: String, traceID: String,
        receivedMicroseconds: Int64, peerAddress: String, callingAETitle: String, calledAETitle: String, node: String,
        dataSetSize: Int64, dataSetCRC32: UInt32
    ) {
        self.identity = identity
        self.sopClassUID = sopClassUID
        self.transferSyntaxUID = transferSyntaxUID
        self.traceID = traceID
        self.receivedMicroseconds = receivedMicroseconds
        self.peerAddress = peerAddress
        self.callingAETitle = callingAETitle
        self.calledAETitle = calledAETitle
        self.node = node
        self.dataSetSize = dataSetSize
        self.dataSetCRC32 = dataSetCRC32
    }

    /// Private Information Creator UID (0002,0100).
    public static let creatorUID = "2.25.136472104982634711064581905837120495128"
    /// The length of its text, always the same, so that a file's header can be written after its data set.
    static let length = 1024
    private static let signature = "WADO1\n"

    /// Lines of `key=value`, spaces, and the CRC-32 of the file's bytes up to the data set, for which these eight
    /// digits count as zeros. They are the header's last bytes.
    private func encoded() -> [UInt8] {
        var bytes = Array(Self.signature.utf8)
        func line(_ key: String, _ value: String, _ limit: Int = 64) {
            bytes.append(contentsOf: key.utf8)
            bytes.append(UInt8(ascii: "="))
            bytes.append(contentsOf: value.utf8.prefix(limit).map { $0 < 0x20 || $0 > 0x7E ? UInt8(ascii: "?") : $0 })
            bytes.append(UInt8(ascii: "\n"))
        }
        line("tenant", identity.tenant.value)
        line("study", identity.study.value)
        line("series", identity.series.value)
        line("instance", identity.instance.value)
        line("class", sopClassUID)
        line("syntax", transferSyntaxUID)
        line("trace", traceID)
        line("received", String(receivedMicroseconds))
        line("address", peerAddress)
        line("calling", callingAETitle)
        line("called", calledAETitle)
        line("node", node)
        line("size", String(dataSetSize))
        line("crc32", String(dataSetCRC32, radix: 16))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: max(0, Self.length - 8 - bytes.count)))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: 8))
        return bytes
    }

    private init?(decoding bytes: ArraySlice<UInt8>) {
        // In the order in which they are written. Lines between them are passed over.
        var start = Self.signature.utf8.count
        func value(_ key: StaticString) -> String? {
            bytes.withUnsafeBytes { bytes in
                var position = start
                while let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) {
                    let value = position + key.utf8CodeUnitCount + 1
                    if value <= end, bytes[value - 1] == UInt8(ascii: "="),
                        key.withUTF8Buffer({ $0.elementsEqual(bytes[position..<(value - 1)]) })
                    {
                        start = end + 1
                        return String(decoding: bytes[value..<end], as: UTF8.self)
                    }
                    position = end + 1
                }
                return nil
            }
        }
        guard let tenant = value("tenant").flatMap(TenantID.init), let study = value("study").flatMap(UID.init),
            let series = value("series").flatMap(UID.init), let instance = value("instance").flatMap(UID.init)
        else { return nil }
        let (sopClass, syntax, trace) = (value("class"), value("syntax"), value("trace"))
        let received = value("received").flatMap { Int64($0) }
        let (address, calling, called, node) = (value("address"), value("calling"), value("called"), value("node"))
        guard let received, let size = value("size").flatMap({ Int64($0) }),
            let crc = value("crc32").flatMap({ UInt32($0, radix: 16) })
        else { return nil }
        self.init(
            identity: InstanceIdentity(tenant: tenant, study: study, series: series, instance: instance),
            sopClassUID: sopClass ?? "", transferSyntaxUID: syntax ?? "", traceID: trace ?? "",
            receivedMicroseconds: received, peerAddress: address ?? "", callingAETitle: calling ?? "",
            calledAETitle: called ?? "", node: node ?? "", dataSetSize: size, dataSetCRC32: crc)
    }

    /// Everything in front of the data set: preamble, `DICM`, file meta information with this provenance.
    ///
    /// Its length depends on the instance's UIDs, its transfer syntax and the two AE titles only.
    public func header() -> [UInt8] {
        var meta = Self.meta(
            sopClassUID: sopClassUID, instanceUID: identity.instance.value, transferSyntaxUID: transferSyntaxUID,
            callingAETitle: callingAETitle, calledAETitle: calledAETitle)
        meta.privateInformation = encoded()
        var bytes = meta.encoded()
        let check = Self.hexadecimal(CRC32.of(bytes))
        bytes.replaceSubrange((bytes.count - 8)..., with: check)
        return bytes
    }

    /// A header of the same length before the rest is known. Nobody takes it for whole.
    public static func provisionalHeader(
        sopClassUID: String, instanceUID: UID, transferSyntaxUID: String, callingAETitle: String,
        calledAETitle: String
    ) -> [UInt8] {
        meta(
            sopClassUID: sopClassUID, instanceUID: instanceUID.value, transferSyntaxUID: transferSyntaxUID,
            callingAETitle: callingAETitle, calledAETitle: calledAETitle
        ).encoded()
    }

    private static func meta(
        sopClassUID: String, instanceUID: String, transferSyntaxUID: String, callingAETitle: String,
        calledAETitle: String
    ) -> FileMeta {
        var meta = FileMeta(
            mediaStorageSOPClassUID: sopClassUID, mediaStorageSOPInstanceUID: instanceUID,
            transferSyntaxUID: transferSyntaxUID)
        meta.sourceAETitle = callingAETitle
        meta.sendingAETitle = callingAETitle
        meta.receivingAETitle = calledAETitle
        meta.privateInformationCreatorUID = creatorUID
        meta.privateInformation = [UInt8](repeating: UInt8(ascii: " "), count: length)
        return meta
    }

    /// The longest header that is looked at.
    static let maximumHeaderLength = 16_384

    /// Reads the provenance of a file that the archive has written, and where its data set begins. nil when the file
    /// is something else, or its header is not whole.
    public static func read(_ file: any OpenFile) throws(FileSystemError) -> (Provenance, dataSetOffset: Int64)? {
        try read { count throws(FileSystemError) in try file.read(count, at: 0) }
    }

    /// As above.
    /// - Parameter start: gives so many bytes from the start of the file, or all there are.
    public static func read<E: Error>(
        _ start: (_ count: Int) throws(E) -> [UInt8]
    ) throws(E) -> (Provenance, dataSetOffset: Int64)? {
        var bytes = try start(4096)
        // Preamble, DICM, (0002,0000) UL of 4 bytes (PS3.10 7.1).
        guard bytes.count >= 144, bytes[128..<138].elementsEqual([0x44, 0x49, 0x43, 0x4D, 2, 0, 0, 0, 0x55, 0x4C])
        else {
            return nil
        }
        let groupLength = (0..<4).reduce(0) { $0 | Int(bytes[140 + $1]) << (8 * $1) }
        let length = 144 + groupLength
        guard length <= maximumHeaderLength, groupLength > Self.length else { return nil }
        if length > bytes.count { bytes = try start(length) }
        guard bytes.count >= length else { return nil }
        bytes.removeLast(bytes.count - length)
        let text = (length - Self.length)..<length
        guard bytes[text].starts(with: signature.utf8) else { return nil }
        let check = Array(bytes.suffix(8))
        bytes.replaceSubrange((length - 8)..., with: repeatElement(UInt8(ascii: "0"), count: 8))
        guard check == hexadecimal(CRC32.of(bytes)), let provenance = Provenance(decoding: bytes[text]) else {
            return nil
        }
        return (provenance, Int64(length))
    }

    private static func hexadecimal(_ value: UInt32) -> [UInt8] {
        Array(value.hexadecimal(digits: 8, uppercase: false).utf8)
    }
}

/// The CRC-32 of zip and gzip.
struct CRC32 {
    private(set) var value: UInt32 = 0

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        value = libdeflate_crc32(value, base, bytes.count)
    }

    static func of(_ bytes: [UInt8]) -> UInt32 {
        var crc = CRC32()
        bytes.withUnsafeBytes { crc.add($0) }
        return crc.value
    }
}

extension Provenance {
    /// Whether the file's bytes from `offset` on are the data set that was received, by its size and CRC-32.
    func describes(_ file: any OpenFile, from offset: Int64) throws(FileSystemError) -> Bool {
        guard try file.size() == offset + dataSetSize else { return false }
        return try DataSetComparison.crc32(of: file, from: offset) == dataSetCRC32
    }

    /// Which of two data sets of one instance was received later; the trace ids decide between equal times.
    func isLater(than other: Provenance) -> Bool {
        (receivedMicroseconds, traceID) > (other.receivedMicroseconds, other.traceID)
    }
}
