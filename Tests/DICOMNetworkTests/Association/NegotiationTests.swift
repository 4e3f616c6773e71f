import DICOMNetwork
import Testing

struct NegotiationTests {
    static let ct = "1.2.840.10008.5.1.4.1.1.2"
    static let implicit = "1.2.840.10008.1.2"
    static let explicit = "1.2.840.10008.1.2.1"
    static let jpeg = "1.2.840.10008.1.2.4.70"

    static var policy: AcceptorPolicy {
        AcceptorPolicy(aeTitle: "STORE-SCP", abstractSyntaxes: [ct], transferSyntaxes: [explicit, jpeg, implicit])
    }

    static func request(_ contexts: [(String, [String])]) -> AssociateRequest {
        AssociateRequest(
            titles: AssociateTitles(called: "STORE-SCP", calling: "MODALITY"),
            contexts: contexts.enumerated().map {
                ProposedContext(id: UInt8(2 * $0 + 1), abstractSyntax: $1.0, transferSyntaxes: $1.1)
            })
    }

    static func accepted(
        _ policy: AcceptorPolicy, _ request: AssociateRequest
    ) -> (AssociateAccept, NegotiatedAssociation)? {
        guard case .accept(let accept, let association) = policy.decide(request) else { return nil }
        return (accept, association)
    }

    static func rejection(_ policy: AcceptorPolicy, _ request: AssociateRequest) -> AssociateReject? {
        guard case .reject(let reject) = policy.decide(request) else { return nil }
        return reject
    }

    @Test func eachContextIsDecidedByItself() throws {
        let request = Self.request([
            (Self.ct, [Self.implicit, Self.jpeg, Self.explicit]), (Self.ct, ["1.2.3"]), ("1.2.3", [Self.implicit]),
            (AcceptorPolicy.verification, [Self.implicit]), (Self.ct, []),
        ])
        let (accept, association) = try #require(Self.accepted(Self.policy, request))
        #expect(
            accept.contexts.map(\.result) == [
                .acceptance, .transferSyntaxesNotSupported, .abstractSyntaxNotSupported, .acceptance,
                .transferSyntaxesNotSupported,
            ])
        #expect(association.contexts.keys.sorted() == [1, 7])
        // The requestor's first, but implicit VR only when it is all there is.
        #expect(association.contexts[1]?.transferSyntax == Self.jpeg)
        #expect(association.contexts[7]?.transferSyntax == Self.implicit)
        #expect(accept.user.maximumLength == 262_144)
        #expect(!accept.user.implementationClassUID.isEmpty)
        #expect(accept.user.asynchronousOperations == nil)

        var ours = Self.policy
        ours.followsRequestorOrder = false
        #expect(Self.accepted(ours, request)?.1.contexts[1]?.transferSyntax == Self.explicit)
    }

    /// PS3.8 table 9-17: titles as the requestor padded them, and what is reserved.
    @Test func bytes11To74AreSentBackAsTheyCame() throws {
        var bytes = PDU.associateRequest(Self.request([(Self.ct, [Self.explicit])])).encoded()
        bytes.replaceSubrange(10..<26, with: Array(" STORE-SCP".utf8) + [0, 0, 0, 0, 0, 0])
        bytes.replaceSubrange(26..<42, with: Array("CT ".utf8) + [0xC4, 0x09] + Array("           ".utf8))
        bytes.replaceSubrange(42..<74, with: (1...32).map { UInt8($0 * 7) })
        guard case .pdu(.associateRequest(let request)) = PDUTests.decode(bytes, pieces: 9).last else {
            Issue.record("no request")
            return
        }
        var policy = Self.policy
        policy.requiresCalledAETitle = true
        let (accept, association) = try #require(Self.accepted(policy, request))
        #expect(association.calledAETitle == "STORE-SCP" && association.callingAETitle == "CT ??")
        #expect(PDU.associateAccept(accept).encoded()[10..<74] == bytes[10..<74])
    }

    @Test func rejectionsHaveTheirReasons() {
        var request = Self.request([(Self.ct, [Self.explicit])])
        request.applicationContext = "1.2.3"
        #expect(Self.rejection(Self.policy, request) == .applicationContextNotSupported)

        request = Self.request([(Self.ct, [Self.explicit])])
        request.titles = AssociateTitles(called: "OTHER", calling: "MODALITY")
        #expect(Self.rejection(Self.policy, request) == nil)
        var policy = Self.policy
        policy.requiresCalledAETitle = true
        #expect(Self.rejection(policy, request) == .calledAETitleNotRecognized)

        policy = Self.policy
        policy.callingAETitles = ["CT1"]
        #expect(Self.rejection(policy, request) == .callingAETitleNotRecognized)
        request.titles = AssociateTitles(called: "STORE-SCP", calling: "CT1")
        #expect(Self.rejection(policy, request) == nil)

        for (maximum, isRejected) in [(UInt32(0), false), (1, true), (7, true), (8, false)] {
            request.user.maximumLength = maximum
            #expect((Self.rejection(Self.policy, request) != nil) == isRejected)
        }
    }

    @Test func rolesWindowAndIdentity() throws {
        var request = Self.request([(Self.ct, [Self.explicit]), (AcceptorPolicy.verification, [Self.implicit])])
        request.user.roles = [
            RoleSelection(sopClass: Self.ct, scu: true, scp: true),
            RoleSelection(sopClass: AcceptorPolicy.verification, scu: false, scp: true),
            RoleSelection(sopClass: "1.2.3", scu: true, scp: false),
        ]
        request.user.asynchronousOperations = .init(invoked: 0, performed: 5)
        request.user.userIdentity = UserIdentity(type: 1, responseRequested: false, primary: [0x6A], secondary: [])
        let (accept, _) = try #require(Self.accepted(Self.policy, request))
        #expect(accept.user.roles == [RoleSelection(sopClass: Self.ct, scu: true, scp: false)])
        #expect(accept.contexts.map(\.result) == [.acceptance, .userRejection])
        #expect(accept.user.asynchronousOperations == .init(invoked: 1, performed: 1))
        #expect(accept.user.userIdentity == nil)
    }
}
