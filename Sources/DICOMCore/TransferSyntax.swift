/// How a data set is encoded (PS3.5 10 and annex A).
public struct TransferSyntax: Hashable, Sendable {
    /// The UID, without padding.
    public let uid: String
    /// No VRs in the data set: they come from the dictionary (PS3.5 A.1).
    public let isImplicitVR: Bool
    /// Numbers with the most significant byte first (retired, PS3.5 A.3).
    public let isBigEndian: Bool
    /// The whole data set is one raw deflate stream (PS3.5 A.5).
    public let isDeflated: Bool
    /// Pixel Data is a sequence of fragments (PS3.5 A.4).
    public let isEncapsulated: Bool

    private init(
        known uid: String, implicit: Bool = false, big: Bool = false, deflated: Bool = false,
        encapsulated: Bool = false
    ) {
        self.uid = uid
        isImplicitVR = implicit
        isBigEndian = big
        isDeflated = deflated
        isEncapsulated = encapsulated
    }

    public static let implicitVRLittleEndian = TransferSyntax(known: "1.2.840.10008.1.2", implicit: true)
    public static let explicitVRLittleEndian = TransferSyntax(known: "1.2.840.10008.1.2.1")
    public static let explicitVRBigEndian = TransferSyntax(known: "1.2.840.10008.1.2.2", big: true)
    public static let deflatedExplicitVRLittleEndian = TransferSyntax(known: "1.2.840.10008.1.2.1.99", deflated: true)

    /// The transfer syntax of this UID. An unknown one is taken for explicit little endian with encapsulated pixel
    /// data, which every transfer syntax since 1993 but the four above and their relatives is (PS3.5 A.4).
    public init(uid: String) {
        switch uid {
        case "1.2.840.10008.1.2": self = .implicitVRLittleEndian
        case "1.2.840.10008.1.2.1": self = .explicitVRLittleEndian
        case "1.2.840.10008.1.2.2": self = .explicitVRBigEndian
        case "1.2.840.10008.1.2.1.99": self = .deflatedExplicitVRLittleEndian
        // GE private: implicit, little endian except for Pixel Data, whose words are swapped.
        case "1.2.840.113619.5.2": self = TransferSyntax(known: uid, implicit: true)
        // Papyrus 3, retired.
        case "1.2.840.10008.1.20": self = TransferSyntax(known: uid, implicit: true)
        // Encapsulated Uncompressed is encapsulated; JPIP Referenced Deflate is deflated, and so are its HTJ2K kin.
        case "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205":
            self = TransferSyntax(known: uid, deflated: true, encapsulated: true)
        // SMPTE ST 2110 flows: real-time video, a native header.
        case "1.2.840.10008.1.2.7.1", "1.2.840.10008.1.2.7.2", "1.2.840.10008.1.2.7.3":
            self = TransferSyntax(known: uid)
        default: self = TransferSyntax(known: uid, encapsulated: true)
        }
    }

    /// Two transfer syntaxes are one when their UIDs are.
    public static func == (a: TransferSyntax, b: TransferSyntax) -> Bool { a.uid == b.uid }
    public func hash(into hasher: inout Hasher) { hasher.combine(uid) }
}
