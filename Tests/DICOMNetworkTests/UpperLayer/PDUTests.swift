import DICOMNetwork
import Testing

struct PDUTests {
    static var request: AssociateRequest {
        var request = AssociateRequest(
            titles: AssociateTitles(called: "STORE-SCP", calling: "MODALITY"),
            contexts: [
                ProposedContext(
                    id: 1, abstractSyntax: "1.2.840.10008.1.1", transferSyntaxes: ["1.2.840.10008.1.2"]),
                ProposedContext(
                    id: 255, abstractSyntax: "1.2.840.10008.5.1.4.1.1.2",
                    transferSyntaxes: ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"]),
            ])
        request.user.maximumLength = 16_384
        request.user.implementationClassUID = "1.2.3"
        request.user.implementationVersionName = "TEST"
        request.user.asynchronousOperations = .init(invoked: 8, performed: 0)
        request.user.roles = [RoleSelection(sopClass: "1.2.840.10008.5.1.4.1.1.2", scu: true, scp: true)]
        request.user.extendedNegotiations = [
            ExtendedNegotiation(sopClass: "1.2.840.10008.5.1.4.1.1.2", information: [1, 2, 3])
        ]
        request.user.userIdentity = UserIdentity(
            type: 2, responseRequested: true, primary: Array("jane".utf8), secondary: Array("secret".utf8))
        return request
    }

    static var all: [PDU] {
        var accept = AssociateAccept(
            titles: AssociateTitles(called: "STORE-SCP", calling: "MODALITY"),
            contexts: [
                ContextResult(id: 1, result: .acceptance, transferSyntax: "1.2.840.10008.1.2"),
                ContextResult(id: 3, result: .transferSyntaxesNotSupported, transferSyntax: ""),
            ])
        accept.user.implementationClassUID = "1.2.3"
        return [
            .associateRequest(request), .associateAccept(accept), .associateReject(.localLimitExceeded),
            .releaseRequest, .releaseResponse, .abort(.unexpectedPDU),
        ]
    }

    /// What comes out of a decoder that gets the bytes in pieces of a size. Fragments of one PDV are joined.
    static func decode(_ bytes: [UInt8], pieces size: Int) -> [Decoded] {
        var decoder = PDUDecoder()
        var result: [Decoded] = []
        var open = false
        for start in stride(from: 0, to: bytes.count, by: size) {
            Array(bytes[start..<min(start + size, bytes.count)]).withUnsafeBytes { buffer in
                var position = 0
                while let event = decoder.next(in: buffer, at: &position) {
                    switch event {
                    case .pdu(let pdu): result.append(.pdu(pdu))
                    case .dataBegins: result.append(.dataBegins)
                    case .malformed(let abort):
                        result.append(.malformed(abort))
                        return
                    case .fragment(let fragment):
                        let part = Array(buffer[fragment.range])
                        if open, case .value(let context, let isCommand, let before, _) = result.last {
                            result[result.count - 1] = .value(context, isCommand, before + part, fragment.isLast)
                        } else {
                            result.append(.value(fragment.contextID, fragment.isCommand, part, fragment.isLast))
                        }
                        open = !fragment.isLast
                    }
                }
                #expect(position == buffer.count)
            }
        }
        return result
    }

    enum Decoded: Hashable {
        case pdu(PDU)
        case dataBegins
        case value(UInt8, Bool, [UInt8], Bool)
        case malformed(Abort)
    }

    @Test(arguments: [1, 2, 3, 5, 7, 64, 100_000])
    func everyPDUComesBackFromPiecesOfAnySize(_ size: Int) {
        let bytes = Self.all.flatMap { $0.encoded() }
        #expect(Self.decode(bytes, pieces: size) == Self.all.map { .pdu($0) })
    }

    @Test func requestHasTheStandardsBytes() {
        var request = AssociateRequest(
            titles: AssociateTitles(called: "B", calling: "A"),
            contexts: [ProposedContext(id: 1, abstractSyntax: "1.1", transferSyntaxes: ["1.2"])])
        request.user.maximumLength = 0x4000
        request.user.implementationClassUID = "1.3"
        let spaces = [UInt8](repeating: 0x20, count: 15)
        let expected: [UInt8] =
            [0x01, 0, 0, 0, 0, 0x86]
            + [0, 1, 0, 0] + Array("B".utf8) + spaces + Array("A".utf8) + spaces
            + [UInt8](repeating: 0, count: 32)
            + [0x10, 0, 0, 21] + Array("1.2.840.10008.3.1.1.1".utf8)
            + [0x20, 0, 0, 18, 1, 0, 0, 0] + [0x30, 0, 0, 3] + Array("1.1".utf8) + [0x40, 0, 0, 3] + Array("1.2".utf8)
            + [0x50, 0, 0, 15] + [0x51, 0, 0, 4, 0, 0, 0x40, 0] + [0x52, 0, 0, 3] + Array("1.3".utf8)
        let encoded = PDU.associateRequest(request).encoded()
        #expect(encoded == expected)
        #expect(encoded.count - 6 == 0x86)
    }

    /// PS3.8 9.3.5: several PDVs in one P-DATA-TF.
    static func data(_ values: [(context: UInt8, control: UInt8, bytes: [UInt8])]) -> [UInt8] {
        var body: [UInt8] = []
        for value in values {
            body += length(value.bytes.count + 2) + [value.context, value.control] + value.bytes
        }
        return [0x04, 0] + length(body.count) + body
    }

    private static func length(_ count: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) }
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func fragmentsComeAsTheyAre(_ size: Int) {
        let bytes = Self.data([
            (1, 1, [1, 2, 3, 4]), (1, 3, [5, 6]), (1, 0, [7]), (1, 2, [8, 9]), (3, 3, []),
        ])
        #expect(
            Self.decode(bytes, pieces: size).filter { $0 != .dataBegins } == [
                .value(1, true, [1, 2, 3, 4, 5, 6], true), .value(1, false, [7, 8, 9], true),
                .value(3, true, [], true),
            ])
    }

    @Test(
        arguments: [
            // An unknown type; a length beyond bounds; a release of 64 kB.
            ([0x08, 0, 0, 0, 0, 0], Abort.unrecognizedPDU),
            ([0x01, 0, 0xFF, 0xFF, 0xFF, 0xFF], .invalidParameter),
            ([0x05, 0, 0, 1, 0, 0], .invalidParameter),
            // A PDV longer than its PDU, one shorter than its header, a PDU shorter than a PDV header.
            ([0x04, 0, 0, 0, 0, 7, 0, 0, 0, 4, 1, 3, 0], .invalidParameter),
            ([0x04, 0, 0, 0, 0, 7, 0, 0, 0, 1, 1, 3, 0], .invalidParameter),
            ([0x04, 0, 0, 0, 0, 3, 0, 0, 0], .invalidParameter),
            // A request without its fixed fields.
            ([0x01, 0, 0, 0, 0, 2, 0, 1], .invalidParameter),
        ] as [([UInt8], Abort)])
    func malformedIsSaid(_ bytes: [UInt8], _ abort: Abort) {
        for size in [1, bytes.count] {
            #expect(Self.decode(bytes, pieces: size).last == .malformed(abort))
        }
    }

    @Test func itemsThatLeaveTheirBoundsAreMalformed() {
        let good = PDU.associateRequest(Self.request).encoded()
        // The context item's length, grown; then the same ID twice; then an even ID.
        for change: (inout [UInt8]) -> Void in [
            { $0[74 + 25 + 3] &+= 200 },
            { $0[good.count - 1] = 0xFF },
        ] {
            var bytes = good
            change(&bytes)
            let decoded = Self.decode(bytes, pieces: bytes.count)
            #expect(decoded != [.pdu(.associateRequest(Self.request))])
        }
        for ids: [UInt8] in [[1, 1], [2, 3], [0, 1]] {
            var request = Self.request
            request.contexts = ids.map { ProposedContext(id: $0, abstractSyntax: "1.2", transferSyntaxes: ["1.2"]) }
            let bytes = PDU.associateRequest(request).encoded()
            #expect(Self.decode(bytes, pieces: 10) == [.malformed(.invalidParameter)])
        }
    }

    @Test func unknownItemsAreSkipped() {
        var bytes = PDU.associateRequest(Self.request).encoded()
        bytes += [0x77, 0, 0, 3, 1, 2, 3]
        let length = bytes.count - 6
        bytes[4] = UInt8(length >> 8)
        bytes[5] = UInt8(length & 0xFF)
        #expect(Self.decode(bytes, pieces: 11) == [.pdu(.associateRequest(Self.request))])
    }
}
