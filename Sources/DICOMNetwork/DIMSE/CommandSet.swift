public import DICOMDictionary

/// A DIMSE command set (PS3.7 6.3.1): always implicit VR little endian, flat, small. Elements that are not of group
/// 0000 are kept too: some senders put private ones there.
public struct CommandSet: Hashable, Sendable {
    /// The longest command set that is read.
    public static let maximumLength = 65_536

    static let maximumElements = 512

    /// Where it could not be read on.
    public struct ParseError: Error, Hashable, Sendable {
        public var byteOffset: Int

        public init(byteOffset: Int) { self.byteOffset = byteOffset }
    }

    private var elements: [(tag: UInt32, value: [UInt8])] = []

    public init() {}

    /// Throws when an element's length leaves the bytes or is undefined. Order is not demanded; of a repeated tag
    /// the first counts.
    public init(parsing bytes: [UInt8]) throws(ParseError) {
        var position = 0
        while position < bytes.count {
            guard bytes.count - position >= 8 else { throw ParseError(byteOffset: position) }
            func uint16(_ offset: Int) -> UInt32 {
                UInt32(bytes[position + offset]) | UInt32(bytes[position + offset + 1]) << 8
            }
            let tag = uint16(0) << 16 | uint16(2)
            let length = Int(uint16(4) | uint16(6) << 16)
            guard length <= bytes.count - position - 8 else { throw ParseError(byteOffset: position) }
            let value = Array(bytes[position + 8..<position + 8 + length])
            guard elements.count < Self.maximumElements else { throw ParseError(byteOffset: position) }
            if !elements.contains(where: { $0.tag == tag }) { elements.append((tag, value)) }
            position += 8 + length
        }
    }

    public static func == (a: CommandSet, b: CommandSet) -> Bool {
        a.elements.elementsEqual(b.elements) { $0.tag == $1.tag && $0.value == $1.value }
    }

    public func hash(into hasher: inout Hasher) {
        for element in elements { hasher.combine(element.tag) }
    }

    public subscript(bytes tag: Tag) -> [UInt8]? {
        get { elements.first { $0.tag == tag.rawValue }?.value }
        set {
            elements.removeAll { $0.tag == tag.rawValue }
            guard let newValue else { return }
            let index = elements.firstIndex { $0.tag > tag.rawValue } ?? elements.count
            elements.insert((tag.rawValue, newValue), at: index)
        }
    }

    /// A US value; nil when absent or not of two bytes.
    public subscript(uint16 tag: Tag) -> UInt16? {
        get {
            guard let value = self[bytes: tag], value.count == 2 else { return nil }
            return UInt16(value[0]) | UInt16(value[1]) << 8
        }
        set { self[bytes: tag] = newValue.map { [UInt8($0 & 0xFF), UInt8($0 >> 8)] } }
    }

    /// A text value without padding; nil when absent.
    public subscript(text tag: Tag) -> String? {
        get {
            guard let value = self[bytes: tag] else { return nil }
            return FieldText.trimmed(value[...])
        }
        set {
            self[bytes: tag] = newValue.map {
                var bytes = Array($0.utf8)
                if bytes.count & 1 == 1 { bytes.append(0) }
                return bytes
            }
        }
    }

    /// The bytes, with Command Group Length in front.
    public func encoded() -> [UInt8] {
        var body: [UInt8] = []
        for element in elements where element.tag != Command.groupLength.rawValue {
            Self.append(element.tag, element.value, to: &body)
        }
        let groupLength = UInt32(
            elements.reduce(0) {
                $1.tag >> 16 == 0 && $1.tag != Command.groupLength.rawValue ? $0 + 8 + $1.value.count : $0
            })
        var bytes: [UInt8] = []
        bytes.reserveCapacity(body.count + 12)
        Self.append(
            Command.groupLength.rawValue, withUnsafeBytes(of: groupLength.littleEndian) { Array($0) }, to: &bytes)
        return bytes + body
    }

    private static func append(_ tag: UInt32, _ value: [UInt8], to bytes: inout [UInt8]) {
        let length = UInt32(value.count)
        for half in [UInt16(tag >> 16), UInt16(tag & 0xFFFF), UInt16(length & 0xFFFF), UInt16(length >> 16)] {
            bytes.append(UInt8(half & 0xFF))
            bytes.append(UInt8(half >> 8))
        }
        bytes.append(contentsOf: value)
    }
}

/// The elements and values of commands (PS3.7 E.1) that are used here.
public enum Command {
    /// (0000,0000)
    public static let groupLength = Tag(0x0000_0000)
    /// (0000,0002)
    public static let affectedSOPClassUID = Tag(0x0000_0002)
    /// (0000,0100)
    public static let commandField = Tag(0x0000_0100)
    /// (0000,0110)
    public static let messageID = Tag(0x0000_0110)
    /// (0000,0120)
    public static let messageIDBeingRespondedTo = Tag(0x0000_0120)
    /// (0000,0600)
    public static let moveDestination = Tag(0x0000_0600)
    /// (0000,0700)
    public static let priority = Tag(0x0000_0700)
    /// (0000,0800)
    public static let dataSetType = Tag(0x0000_0800)
    /// (0000,0900)
    public static let status = Tag(0x0000_0900)
    /// (0000,0902), LO: at most 64 characters.
    public static let errorComment = Tag(0x0000_0902)
    /// (0000,1000)
    public static let affectedSOPInstanceUID = Tag(0x0000_1000)

    /// Command Data Set Type when there is no data set.
    public static let noDataSet: UInt16 = 0x0101

    public static let storeRequest: UInt16 = 0x0001
    public static let echoRequest: UInt16 = 0x0030
    public static let cancelRequest: UInt16 = 0x0FFF
}

/// A status (PS3.7 annex C, PS3.4 table B.2-1) with an Error Comment, which never holds anything of a patient.
public struct DIMSEStatus: Hashable, Sendable {
    public var code: UInt16
    /// ASCII; cut at 64 characters when sent.
    public var comment: String?

    public init(_ code: UInt16, _ comment: String? = nil) {
        self.code = code
        self.comment = comment
    }

    public static let success = DIMSEStatus(0x0000)
    public static let processingFailure: UInt16 = 0x0110
    public static let duplicateSOPInstance: UInt16 = 0x0111
    public static let sopClassNotSupported: UInt16 = 0x0122
    public static let notAuthorized: UInt16 = 0x0124
    public static let unrecognizedOperation: UInt16 = 0x0211
    /// Refused: Out of Resources (A7xx).
    public static let outOfResources: UInt16 = 0xA700
    /// Error: Data Set does not match SOP Class (A9xx).
    public static let dataSetDoesNotMatch: UInt16 = 0xA900
    /// Error: Cannot understand (Cxxx).
    public static let cannotUnderstand: UInt16 = 0xC000
}

extension CommandSet {
    /// The response to this request (PS3.7 9.3.1.2, 9.3.5.2): the request's UIDs and message ID, and the status.
    public func response(_ status: DIMSEStatus) -> CommandSet {
        var response = CommandSet()
        response[text: Command.affectedSOPClassUID] = self[text: Command.affectedSOPClassUID]
        response[uint16: Command.commandField] = (self[uint16: Command.commandField] ?? 0) | 0x8000
        response[uint16: Command.messageIDBeingRespondedTo] = self[uint16: Command.messageID] ?? 0
        response[uint16: Command.dataSetType] = Command.noDataSet
        response[uint16: Command.status] = status.code
        if let comment = status.comment {
            response[text: Command.errorComment] = String(
                decoding: comment.utf8.prefix(64).map { $0 < 0x20 || $0 > 0x7E || $0 == 0x5C ? 0x3F : $0 },
                as: UTF8.self)
        }
        response[text: Command.affectedSOPInstanceUID] = self[text: Command.affectedSOPInstanceUID]
        return response
    }

    /// A data set follows.
    public var hasDataSet: Bool { (self[uint16: Command.dataSetType] ?? Command.noDataSet) != Command.noDataSet }
}
