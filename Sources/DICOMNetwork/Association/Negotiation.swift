internal import DICOMCore

/// A presentation context that both sides agreed on.
public struct NegotiatedContext: Hashable, Sendable {
    public var id: UInt8
    public var abstractSyntax: String
    public var transferSyntax: String

    public init(id: UInt8, abstractSyntax: String, transferSyntax: String) {
        self.id = id
        self.abstractSyntax = abstractSyntax
        self.transferSyntax = transferSyntax
    }
}

/// What an acceptor accepts.
public struct AcceptorPolicy: Sendable {
    /// The title by which we are called, at most 16 characters.
    public var aeTitle: String
    /// Refuse callers that call us by another title.
    public var requiresCalledAETitle = false
    /// The only callers admitted; empty: all.
    public var callingAETitles: Set<String> = []
    /// SOP classes, besides Verification, which is always accepted.
    public var abstractSyntaxes: Set<String>
    /// The transfer syntaxes accepted, the preferred first.
    public var transferSyntaxes: [String]
    /// Take the requestor's first acceptable transfer syntax instead of our most preferred one: many senders list first
    /// what the instance is stored in. Implicit VR and big endian are chosen only when nothing else is acceptable.
    public var followsRequestorOrder = true
    /// The longest P-DATA-TF we ask for; longer ones do no harm.
    public var maximumLength: UInt32 = 262_144

    public init(aeTitle: String, abstractSyntaxes: Set<String>, transferSyntaxes: [String]) {
        self.aeTitle = aeTitle
        self.abstractSyntaxes = abstractSyntaxes
        self.transferSyntaxes = transferSyntaxes
    }

    public static let verification = "1.2.840.10008.1.1"
    static let implicitVRLittleEndian = TransferSyntax.implicitVRLittleEndian.uid
    static let explicitVRBigEndian = TransferSyntax.explicitVRBigEndian.uid
}

/// The outcome of negotiation, for the acceptor's user. A user identity, which may be a secret, is not carried on.
public struct NegotiatedAssociation: Sendable {
    public var calledAETitle: String
    public var callingAETitle: String
    /// The accepted contexts by ID.
    public var contexts: [UInt8: NegotiatedContext]
    public var peerMaximumLength: UInt32
}

extension AcceptorPolicy {
    public enum Decision: Sendable {
        case accept(AssociateAccept, NegotiatedAssociation)
        case reject(AssociateReject)
    }

    /// Decides on a request (PS3.8 9.3.3, PS3.7 D.3.3). A request without an acceptable context is accepted with all
    /// of them refused, as the standard has it.
    public func decide(_ request: AssociateRequest) -> Decision {
        guard request.applicationContext == DICOMApplicationContext.name else {
            return .reject(.applicationContextNotSupported)
        }
        guard !requiresCalledAETitle || request.titles.called == aeTitle else {
            return .reject(.calledAETitleNotRecognized)
        }
        guard callingAETitles.isEmpty || callingAETitles.contains(request.titles.calling) else {
            return .reject(.callingAETitleNotRecognized)
        }
        // Nothing could ever be sent to such a peer.
        guard PDVEncoder(peerMaximum: request.user.maximumLength) != nil else { return .reject(.noReason) }

        var roles: [String: RoleSelection] = [:]
        for role in request.user.roles where roles[role.sopClass] == nil {
            // We are SCP of what we accept and never SCU: the requestor's SCP role is not granted (PS3.7 D.3.3.4).
            roles[role.sopClass] = RoleSelection(sopClass: role.sopClass, scu: role.scu, scp: false)
        }
        var results: [ContextResult] = []
        var accepted: [UInt8: NegotiatedContext] = [:]
        var answeredRoles: [RoleSelection] = []
        for context in request.contexts {
            let role = roles[context.abstractSyntax]
            let (result, syntax) = decide(context, role: role)
            results.append(ContextResult(id: context.id, result: result, transferSyntax: syntax))
            guard result == .acceptance else { continue }
            accepted[context.id] = NegotiatedContext(
                id: context.id, abstractSyntax: context.abstractSyntax, transferSyntax: syntax)
            if let role, !answeredRoles.contains(role) { answeredRoles.append(role) }
        }

        var accept = AssociateAccept(titles: request.titles, contexts: results)
        accept.user.maximumLength = maximumLength
        accept.user.implementationClassUID = Implementation.classUID
        accept.user.implementationVersionName = Implementation.versionName
        accept.user.roles = answeredRoles
        // Operations are done one after the other.
        if request.user.asynchronousOperations != nil {
            accept.user.asynchronousOperations = .init(invoked: 1, performed: 1)
        }
        return .accept(
            accept,
            NegotiatedAssociation(
                calledAETitle: request.titles.called, callingAETitle: request.titles.calling, contexts: accepted,
                peerMaximumLength: request.user.maximumLength))
    }

    private func decide(_ context: ProposedContext, role: RoleSelection?) -> (ContextResult.Reason, String) {
        let fallback = context.transferSyntaxes.first ?? Self.implicitVRLittleEndian
        guard context.abstractSyntax == Self.verification || abstractSyntaxes.contains(context.abstractSyntax) else {
            return (.abstractSyntaxNotSupported, fallback)
        }
        if let role, !role.scu { return (.userRejection, fallback) }
        let acceptable =
            followsRequestorOrder
            ? context.transferSyntaxes.filter { transferSyntaxes.contains($0) }
            : transferSyntaxes.filter { context.transferSyntaxes.contains($0) }
        let chosen =
            followsRequestorOrder
            ? acceptable.first { $0 != Self.implicitVRLittleEndian && $0 != Self.explicitVRBigEndian }
                ?? acceptable.first
            : acceptable.first
        guard let chosen else { return (.transferSyntaxesNotSupported, fallback) }
        return (.acceptance, chosen)
    }
}
