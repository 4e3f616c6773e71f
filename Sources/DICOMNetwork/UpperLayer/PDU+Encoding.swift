extension PDU {
    /// The PDU's bytes, its header included.
    public func encoded() -> [UInt8] {
        switch self {
        case .associateRequest(let request):
            var body = BigEndianWriter()
            body.associateHeader(version: request.protocolVersion, request.titles)
            body.item(0x10) { $0.text(request.applicationContext) }  // PS3.8 9.3.2.1
            for context in request.contexts {
                body.item(0x20) {  // PS3.8 9.3.2.2
                    $0.bytes.append(contentsOf: [context.id, 0, 0, 0])
                    $0.item(0x30) { $0.text(context.abstractSyntax) }
                    for syntax in context.transferSyntaxes { $0.item(0x40) { $0.text(syntax) } }
                }
            }
            body.userInformation(request.user)
            return PDU.framed(.associateRequest, body.bytes)
        case .associateAccept(let accept):
            var body = BigEndianWriter()
            body.associateHeader(version: accept.protocolVersion, accept.titles)
            body.item(0x10) { $0.text(accept.applicationContext) }
            for context in accept.contexts {
                body.item(0x21) {  // PS3.8 9.3.3.2
                    $0.bytes.append(contentsOf: [context.id, 0, context.result.rawValue, 0])
                    $0.item(0x40) { $0.text(context.transferSyntax) }
                }
            }
            body.userInformation(accept.user)
            return PDU.framed(.associateAccept, body.bytes)
        case .associateReject(let reject):
            return PDU.framed(.associateReject, [0, reject.result, reject.source, reject.reason])
        case .releaseRequest:
            return PDU.framed(.releaseRequest, [0, 0, 0, 0])
        case .releaseResponse:
            return PDU.framed(.releaseResponse, [0, 0, 0, 0])
        case .abort(let abort):
            return PDU.framed(.abort, [0, 0, abort.source, abort.reason])
        }
    }

    /// Type, a reserved byte, the length of what follows (PS3.8 9.3.1).
    private static func framed(_ type: PDUType, _ body: [UInt8]) -> [UInt8] {
        var writer = BigEndianWriter()
        writer.bytes.reserveCapacity(body.count + 6)
        writer.bytes.append(contentsOf: [type.rawValue, 0])
        writer.uint32(UInt32(body.count))
        writer.bytes.append(contentsOf: body)
        return writer.bytes
    }
}

/// Appends big-endian numbers and items.
struct BigEndianWriter {
    var bytes: [UInt8] = []

    mutating func uint16(_ value: UInt16) {
        bytes.append(UInt8(value >> 8))
        bytes.append(UInt8(value & 0xFF))
    }

    mutating func uint32(_ value: UInt32) {
        uint16(UInt16(value >> 16))
        uint16(UInt16(value & 0xFFFF))
    }

    mutating func text(_ value: String) { bytes.append(contentsOf: value.utf8) }

    /// An item: type, a reserved byte, two bytes of length, the content, which is cut at 65,535 bytes.
    mutating func item(_ type: UInt8, _ content: (inout BigEndianWriter) -> Void) {
        bytes.append(type)
        bytes.append(0)
        let start = bytes.count
        uint16(0)
        content(&self)
        let length = min(bytes.count - start - 2, 0xFFFF)
        bytes.removeLast(bytes.count - start - 2 - length)
        bytes[start] = UInt8(length >> 8)
        bytes[start + 1] = UInt8(length & 0xFF)
    }

    /// A field of two bytes of length and as many bytes.
    mutating func counted(_ content: some Collection<UInt8>) {
        let length = min(content.count, 0xFFFF)
        uint16(UInt16(length))
        bytes.append(contentsOf: content.prefix(length))
    }

    /// Bytes 7 to 74 of A-ASSOCIATE-RQ and -AC (PS3.8 tables 9-11 and 9-17).
    mutating func associateHeader(version: UInt16, _ titles: AssociateTitles) {
        uint16(version)
        uint16(0)
        bytes.append(contentsOf: titles.bytes)
    }

    mutating func userInformation(_ user: UserInformation) {
        item(0x50) { item in  // PS3.8 9.3.2.3
            item.item(0x51) { $0.uint32(user.maximumLength) }  // PS3.8 D.1
            item.item(0x52) { $0.text(user.implementationClassUID) }  // PS3.7 D.3.3.2.1
            if let operations = user.asynchronousOperations {
                item.item(0x53) {  // PS3.7 D.3.3.3
                    $0.uint16(operations.invoked)
                    $0.uint16(operations.performed)
                }
            }
            for role in user.roles {
                item.item(0x54) {  // PS3.7 D.3.3.4
                    $0.counted(Array(role.sopClass.utf8))
                    $0.bytes.append(role.scu ? 1 : 0)
                    $0.bytes.append(role.scp ? 1 : 0)
                }
            }
            if !user.implementationVersionName.isEmpty {
                item.item(0x55) { $0.text(user.implementationVersionName) }  // PS3.7 D.3.3.2.3
            }
            for negotiation in user.extendedNegotiations {
                item.item(0x56) {  // PS3.7 D.3.3.5
                    $0.counted(Array(negotiation.sopClass.utf8))
                    $0.bytes.append(contentsOf: negotiation.information)
                }
            }
            if let identity = user.userIdentity {
                item.item(0x58) {  // PS3.7 D.3.3.7.1
                    $0.bytes.append(identity.type)
                    $0.bytes.append(identity.responseRequested ? 1 : 0)
                    $0.counted(identity.primary)
                    $0.counted(identity.secondary)
                }
            }
        }
    }
}
