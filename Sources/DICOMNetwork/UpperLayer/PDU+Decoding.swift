extension PDU {
    /// Decodes the variable field of a PDU that is not P-DATA-TF. Unknown items are skipped (PS3.8 9.3.1).
    /// Throws the A-ABORT that answers a malformed one.
    static func decode(_ type: PDUType, _ body: [UInt8]) throws(Abort) -> PDU {
        var reader = BigEndianReader(bytes: body, position: 0, end: body.count)
        switch type {
        case .associateRequest:
            return .associateRequest(try reader.associateRequest())
        case .associateAccept:
            return .associateAccept(try reader.associateAccept())
        case .associateReject:  // PS3.8 table 9-21
            guard body.count >= 4 else { throw .invalidParameter }
            return .associateReject(AssociateReject(result: body[1], source: body[2], reason: body[3]))
        case .releaseRequest:  // PS3.8 table 9-24; its four bytes are reserved
            return .releaseRequest
        case .releaseResponse:  // PS3.8 table 9-25
            return .releaseResponse
        case .abort:  // PS3.8 table 9-26
            guard body.count >= 4 else { return .abort(.noReason) }
            return .abort(Abort(source: body[2], reason: body[3]))
        case .data:
            throw .unexpectedPDU
        }
    }
}

/// Text in fields of PDUs and in command sets.
enum FieldText {
    /// Without padding; what is not printable ASCII becomes a question mark.
    static func trimmed(_ field: ArraySlice<UInt8>) -> String {
        let isPadding = { (byte: UInt8) in byte == 0 || byte == 0x20 }
        guard let first = field.firstIndex(where: { !isPadding($0) }),
            let last = field.lastIndex(where: { !isPadding($0) })
        else { return "" }
        return String(decoding: field[first...last].map { $0 < 0x20 || $0 > 0x7E ? 0x3F : $0 }, as: UTF8.self)
    }
}

/// Reads big-endian numbers and items within bounds; everything thrown is "invalid PDU parameter value".
struct BigEndianReader {
    let bytes: [UInt8]
    var position: Int
    let end: Int

    var isAtEnd: Bool { position >= end }

    mutating func uint8() throws(Abort) -> UInt8 {
        guard end - position >= 1 else { throw .invalidParameter }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func uint16() throws(Abort) -> UInt16 {
        guard end - position >= 2 else { throw .invalidParameter }
        defer { position += 2 }
        return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
    }

    mutating func uint32() throws(Abort) -> UInt32 {
        UInt32(try uint16()) << 16 | UInt32(try uint16())
    }

    mutating func skip(_ count: Int) throws(Abort) {
        guard end - position >= count else { throw .invalidParameter }
        position += count
    }

    mutating func take(_ count: Int) throws(Abort) -> ArraySlice<UInt8> {
        guard end - position >= count else { throw .invalidParameter }
        defer { position += count }
        return bytes[position..<position + count]
    }

    mutating func rest() -> ArraySlice<UInt8> {
        defer { position = end }
        return bytes[position..<end]
    }

    /// The next item: its type, and a reader of its content.
    mutating func item() throws(Abort) -> (type: UInt8, content: BigEndianReader) {
        let type = try uint8()
        try skip(1)
        let length = Int(try uint16())
        guard end - position >= length else { throw .invalidParameter }
        defer { position += length }
        return (type, BigEndianReader(bytes: bytes, position: position, end: position + length))
    }

    /// A UID or name: padding of NUL and space taken off (some peers pad), bytes beyond ASCII replaced.
    mutating func text(_ count: Int? = nil) throws(Abort) -> String {
        let field = try take(count ?? (end - position))
        return FieldText.trimmed(field)
    }

    mutating func associateRequest() throws(Abort) -> AssociateRequest {
        let version = try uint16()  // bytes 7-8
        try skip(2)  // bytes 9-10, reserved
        var request = AssociateRequest(titles: try AssociateTitles(reading: &self), contexts: [])
        request.protocolVersion = version
        request.applicationContext = ""
        var ids: Set<UInt8> = []
        while !isAtEnd {
            var (type, content) = try item()
            switch type {
            case 0x10: request.applicationContext = try content.text()
            case 0x20:
                let context = try content.proposedContext()
                guard context.id & 1 == 1, ids.insert(context.id).inserted else { throw .invalidParameter }
                request.contexts.append(context)
            case 0x50: try content.userInformation(into: &request.user)
            default: continue
            }
        }
        return request
    }

    /// PS3.8 table 9-13.
    mutating func proposedContext() throws(Abort) -> ProposedContext {
        var context = ProposedContext(id: try uint8(), abstractSyntax: "", transferSyntaxes: [])
        try skip(3)
        while !isAtEnd {
            var (type, content) = try item()
            switch type {
            case 0x30: context.abstractSyntax = try content.text()
            case 0x40: context.transferSyntaxes.append(try content.text())
            default: continue
            }
        }
        return context
    }

    mutating func associateAccept() throws(Abort) -> AssociateAccept {
        let version = try uint16()
        try skip(2)
        var accept = AssociateAccept(titles: try AssociateTitles(reading: &self), contexts: [])
        accept.protocolVersion = version
        while !isAtEnd {
            var (type, content) = try item()
            switch type {
            case 0x10: accept.applicationContext = try content.text()
            case 0x21: accept.contexts.append(try content.contextResult())
            case 0x50: try content.userInformation(into: &accept.user)
            default: continue
            }
        }
        return accept
    }

    /// PS3.8 table 9-18.
    mutating func contextResult() throws(Abort) -> ContextResult {
        let id = try uint8()
        try skip(1)
        let result = ContextResult.Reason(rawValue: try uint8()) ?? .noReason
        try skip(1)
        var context = ContextResult(id: id, result: result, transferSyntax: "")
        while !isAtEnd {
            var (type, content) = try item()
            if type == 0x40 { context.transferSyntax = try content.text() }
        }
        return context
    }

    mutating func userInformation(into user: inout UserInformation) throws(Abort) {
        while !isAtEnd {
            var (type, content) = try item()
            switch type {
            case 0x51: user.maximumLength = try content.uint32()  // PS3.8 D.1
            case 0x52: user.implementationClassUID = try content.text()  // PS3.7 D.3.3.2.1
            case 0x53:  // PS3.7 D.3.3.3
                user.asynchronousOperations = .init(invoked: try content.uint16(), performed: try content.uint16())
            case 0x54:  // PS3.7 D.3.3.4
                let sopClass = try content.text(Int(try content.uint16()))
                user.roles.append(
                    RoleSelection(sopClass: sopClass, scu: try content.uint8() != 0, scp: try content.uint8() != 0))
            case 0x55: user.implementationVersionName = try content.text()  // PS3.7 D.3.3.2.3
            case 0x56:  // PS3.7 D.3.3.5
                let sopClass = try content.text(Int(try content.uint16()))
                user.extendedNegotiations.append(
                    ExtendedNegotiation(sopClass: sopClass, information: Array(content.rest())))
            case 0x58:  // PS3.7 D.3.3.7.1
                let type = try content.uint8()
                let responseRequested = try content.uint8() != 0
                let primary = Array(try content.take(Int(try content.uint16())))
                let secondary = Array(try content.take(Int(try content.uint16())))
                user.userIdentity = UserIdentity(
                    type: type, responseRequested: responseRequested, primary: primary, secondary: secondary)
            default: continue
            }
        }
    }
}
