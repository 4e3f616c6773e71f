internal import DICOMCore

/// The kinds of protocol data units (PS3.8 9.3.1), by their first byte.
public enum PDUType: UInt8, Sendable {
    case associateRequest = 0x01
    case associateAccept = 0x02
    case associateReject = 0x03
    case data = 0x04
    case releaseRequest = 0x05
    case releaseResponse = 0x06
    case abort = 0x07
}

/// A presentation context as the requestor proposes it (PS3.8 9.3.2.2).
public struct ProposedContext: Hashable, Sendable {
    /// Odd, 1 to 255.
    public var id: UInt8
    public var abstractSyntax: String
    public var transferSyntaxes: [String]

    public init(id: UInt8, abstractSyntax: String, transferSyntaxes: [String]) {
        self.id = id
        self.abstractSyntax = abstractSyntax
        self.transferSyntaxes = transferSyntaxes
    }
}

/// The acceptor's answer to one proposed context (PS3.8 9.3.3.2).
public struct ContextResult: Hashable, Sendable {
    /// PS3.8 table 9-18.
    public enum Reason: UInt8, Sendable {
        case acceptance = 0
        case userRejection = 1
        case noReason = 2
        case abstractSyntaxNotSupported = 3
        case transferSyntaxesNotSupported = 4
    }

    public var id: UInt8
    public var result: Reason
    /// Meaningful only when the context is accepted.
    public var transferSyntax: String

    public init(id: UInt8, result: Reason, transferSyntax: String) {
        self.id = id
        self.result = result
        self.transferSyntax = transferSyntax
    }
}

/// SCP/SCU role selection (PS3.7 D.3.3.4).
public struct RoleSelection: Hashable, Sendable {
    public var sopClass: String
    /// The requestor acts as SCU.
    public var scu: Bool
    /// The requestor acts as SCP.
    public var scp: Bool

    public init(sopClass: String, scu: Bool, scp: Bool) {
        self.sopClass = sopClass
        self.scu = scu
        self.scp = scp
    }
}

/// User identity (PS3.7 D.3.3.7.1). The fields may be secrets: they are for checking, never for logs.
public struct UserIdentity: Hashable, Sendable {
    /// 1 user name, 2 user name and passcode, 3 Kerberos, 4 SAML, 5 JSON Web Token.
    public var type: UInt8
    public var responseRequested: Bool
    public var primary: [UInt8]
    public var secondary: [UInt8]

    public init(type: UInt8, responseRequested: Bool, primary: [UInt8], secondary: [UInt8]) {
        self.type = type
        self.responseRequested = responseRequested
        self.primary = primary
        self.secondary = secondary
    }
}

/// An extended negotiation sub-item that is carried but not interpreted (PS3.7 D.3.3.5, D.3.3.6).
public struct ExtendedNegotiation: Hashable, Sendable {
    public var sopClass: String
    public var information: [UInt8]

    public init(sopClass: String, information: [UInt8]) {
        self.sopClass = sopClass
        self.information = information
    }
}

/// User information (PS3.8 9.3.2.3, PS3.7 D.3.3).
public struct UserInformation: Hashable, Sendable {
    /// The longest P-DATA-TF variable field that the sender of this item wants to receive; 0: no limit (PS3.8 D.1).
    public var maximumLength: UInt32 = 0
    public var implementationClassUID = ""
    public var implementationVersionName = ""
    /// Operations invoked and performed at a time; 0: no limit (PS3.7 D.3.3.3). nil: not proposed, 1 and 1.
    public var asynchronousOperations: AsynchronousOperations?
    public var roles: [RoleSelection] = []
    public var extendedNegotiations: [ExtendedNegotiation] = []
    public var userIdentity: UserIdentity?

    public struct AsynchronousOperations: Hashable, Sendable {
        public var invoked: UInt16
        public var performed: UInt16

        public init(invoked: UInt16, performed: UInt16) {
            self.invoked = invoked
            self.performed = performed
        }
    }

    public init() {}
}

/// Bytes 11 to 74 of A-ASSOCIATE-RQ: the titles and 32 reserved bytes. A-ASSOCIATE-AC sends them back as they came
/// (PS3.8 tables 9-11 and 9-17).
public struct AssociateTitles: Hashable, Sendable {
    /// Always 64.
    let bytes: [UInt8]

    /// Titles of at most 16 characters; what is longer is cut.
    public init(called: String, calling: String) {
        var bytes: [UInt8] = []
        for title in [called, calling] {
            let text = title.utf8.prefix(16)
            bytes += text
            bytes += repeatElement(0x20, count: 16 - text.count)
        }
        self.bytes = bytes + [UInt8](repeating: 0, count: 32)
    }

    init(reading reader: inout BigEndianReader) throws(Abort) { bytes = Array(try reader.take(64)) }

    /// Without padding; what is not printable ASCII is a question mark.
    public var called: String { FieldText.trimmed(bytes[0..<16]) }
    public var calling: String { FieldText.trimmed(bytes[16..<32]) }
}

/// A-ASSOCIATE-RQ (PS3.8 9.3.2).
public struct AssociateRequest: Hashable, Sendable {
    /// One bit for each protocol version; bit 0 is version 1, the only one there is.
    public var protocolVersion: UInt16 = 1
    public var titles: AssociateTitles
    public var applicationContext = DICOMApplicationContext.name
    public var contexts: [ProposedContext]
    public var user = UserInformation()

    public init(titles: AssociateTitles, contexts: [ProposedContext]) {
        self.titles = titles
        self.contexts = contexts
    }
}

/// A-ASSOCIATE-AC (PS3.8 9.3.3).
public struct AssociateAccept: Hashable, Sendable {
    public var protocolVersion: UInt16 = 1
    /// Those of the request, and not to be tested (PS3.8 table 9-17).
    public var titles: AssociateTitles
    public var applicationContext = DICOMApplicationContext.name
    public var contexts: [ContextResult]
    public var user = UserInformation()

    public init(titles: AssociateTitles, contexts: [ContextResult]) {
        self.titles = titles
        self.contexts = contexts
    }
}

/// A-ASSOCIATE-RJ (PS3.8 9.3.4, table 9-21).
public struct AssociateReject: Hashable, Sendable, Error {
    /// 1 rejected-permanent, 2 rejected-transient.
    public var result: UInt8
    /// 1 service user, 2 service provider (ACSE), 3 service provider (presentation).
    public var source: UInt8
    public var reason: UInt8

    public init(result: UInt8, source: UInt8, reason: UInt8) {
        self.result = result
        self.source = source
        self.reason = reason
    }

    public static let noReason = AssociateReject(result: 1, source: 1, reason: 1)
    public static let applicationContextNotSupported = AssociateReject(result: 1, source: 1, reason: 2)
    public static let callingAETitleNotRecognized = AssociateReject(result: 1, source: 1, reason: 3)
    public static let calledAETitleNotRecognized = AssociateReject(result: 1, source: 1, reason: 7)
    public static let protocolVersionNotSupported = AssociateReject(result: 1, source: 2, reason: 2)
    public static let temporaryCongestion = AssociateReject(result: 2, source: 3, reason: 1)
    public static let localLimitExceeded = AssociateReject(result: 2, source: 3, reason: 2)
}

/// A-ABORT (PS3.8 9.3.8, table 9-26).
public struct Abort: Hashable, Sendable, Error {
    /// 0 service user, 2 service provider.
    public var source: UInt8
    public var reason: UInt8

    public init(source: UInt8, reason: UInt8) {
        self.source = source
        self.reason = reason
    }

    public static let byUser = Abort(source: 0, reason: 0)
    public static let noReason = Abort(source: 2, reason: 0)
    public static let unrecognizedPDU = Abort(source: 2, reason: 1)
    public static let unexpectedPDU = Abort(source: 2, reason: 2)
    public static let unrecognizedParameter = Abort(source: 2, reason: 4)
    public static let unexpectedParameter = Abort(source: 2, reason: 5)
    public static let invalidParameter = Abort(source: 2, reason: 6)
}

/// Every PDU but P-DATA-TF, whose fragments are handed on as they arrive and never held whole.
public enum PDU: Hashable, Sendable {
    case associateRequest(AssociateRequest)
    case associateAccept(AssociateAccept)
    case associateReject(AssociateReject)
    case releaseRequest
    case releaseResponse
    case abort(Abort)
}

public enum DICOMApplicationContext {
    /// PS3.7 A.2.1.
    public static let name = "1.2.840.10008.3.1.1.1"
}

/// What names this implementation to its peers (PS3.7 D.3.3.2).
public enum Implementation {
    /// A UID derived from a UUID (PS3.5 B.2).
    public static let classUID = FileMeta.wadoImplementationClassUID
    /// At most 16 characters.
    public static let versionName = FileMeta.wadoImplementationVersionName
}
