/// The upper layer's state machine (PS3.8 9.2): events in, the action to take out. It does nothing itself.
public struct UpperLayerStateMachine: Hashable, Sendable {
    public enum Role: Sendable { case requestor, acceptor }

    /// PS3.8 tables 9-1 to 9-5.
    public enum State: UInt8, CaseIterable, Sendable {
        case idle = 1
        case awaitingRequest = 2
        case awaitingLocalResponse = 3
        case awaitingTransport = 4
        case awaitingAcceptOrReject = 5
        case established = 6
        case awaitingReleaseResponse = 7
        case awaitingLocalRelease = 8
        case collisionRequestorAwaitingLocalRelease = 9
        case collisionAcceptorAwaitingReleaseResponse = 10
        case collisionRequestorAwaitingReleaseResponse = 11
        case collisionAcceptorAwaitingLocalRelease = 12
        case awaitingClose = 13
    }

    /// The rows of PS3.8 table 9-10, in its order.
    public enum Event: Hashable, Sendable {
        case associateRequestPrimitive
        case transportConnected
        case associateAcceptPDU
        case associateRejectPDU
        case transportIndication
        /// A-ASSOCIATE-RQ PDU; not acceptable to the provider itself: AE-6 rejects at once.
        case associateRequestPDU(acceptable: Bool)
        case acceptPrimitive
        case rejectPrimitive
        case dataPrimitive
        case dataPDU
        case releaseRequestPrimitive
        case releaseRequestPDU
        case releaseResponsePDU
        case releaseResponsePrimitive
        case abortPrimitive
        case abortPDU
        case transportClosed
        case timerExpired
        case invalidPDU
    }

    /// PS3.8 tables 9-6 to 9-9.
    public enum Action: String, Sendable {
        /// Connect.
        case ae1
        /// Send A-ASSOCIATE-RQ.
        case ae2
        /// Confirm: accepted.
        case ae3
        /// Confirm: rejected; close.
        case ae4
        /// Start ARTIM.
        case ae5
        /// Stop ARTIM; indicate the request, or (see the new state) send A-ASSOCIATE-RJ and start ARTIM.
        case ae6
        /// Send A-ASSOCIATE-AC.
        case ae7
        /// Send A-ASSOCIATE-RJ, start ARTIM.
        case ae8
        /// Send P-DATA-TF.
        case dt1
        /// Indicate data.
        case dt2
        /// Send A-RELEASE-RQ.
        case ar1
        /// Indicate release.
        case ar2
        /// Confirm release; close.
        case ar3
        /// Send A-RELEASE-RP, start ARTIM.
        case ar4
        /// Stop ARTIM.
        case ar5
        /// Indicate data.
        case ar6
        /// Send P-DATA-TF.
        case ar7
        /// Indicate release (collision).
        case ar8
        /// Send A-RELEASE-RP.
        case ar9
        /// Confirm release.
        case ar10
        /// Send A-ABORT (user), start or restart ARTIM.
        case aa1
        /// Stop ARTIM, close.
        case aa2
        /// Indicate the abort; close.
        case aa3
        /// Indicate A-P-ABORT.
        case aa4
        /// Stop ARTIM.
        case aa5
        /// Ignore the PDU.
        case aa6
        /// Send A-ABORT (provider).
        case aa7
        /// Send A-ABORT (provider), indicate A-P-ABORT, start ARTIM.
        case aa8
    }

    public let role: Role
    public private(set) var state = State.idle

    public init(role: Role) { self.role = role }

    /// Takes the transition of table 9-10. nil where the table has an empty cell: such an event cannot come from a
    /// peer, only from a mistake of ours, and changes nothing.
    public mutating func handle(_ event: Event) -> Action? {
        guard let (action, next) = transition(event) else { return nil }
        state = next
        return action
    }

    private func transition(_ event: Event) -> (Action, State)? {
        switch event {
        case .associateRequestPrimitive: return state == .idle ? (.ae1, .awaitingTransport) : nil
        case .transportConnected: return state == .awaitingTransport ? (.ae2, .awaitingAcceptOrReject) : nil
        case .transportIndication: return state == .idle ? (.ae5, .awaitingRequest) : nil
        case .acceptPrimitive: return state == .awaitingLocalResponse ? (.ae7, .established) : nil
        case .rejectPrimitive: return state == .awaitingLocalResponse ? (.ae8, .awaitingClose) : nil
        case .dataPrimitive:
            switch state {
            case .established: return (.dt1, .established)
            case .awaitingLocalRelease: return (.ar7, .awaitingLocalRelease)
            default: return nil
            }
        case .releaseRequestPrimitive: return state == .established ? (.ar1, .awaitingReleaseResponse) : nil
        case .releaseResponsePrimitive:
            switch state {
            case .awaitingLocalRelease, .collisionAcceptorAwaitingLocalRelease: return (.ar4, .awaitingClose)
            case .collisionRequestorAwaitingLocalRelease: return (.ar9, .collisionRequestorAwaitingReleaseResponse)
            default: return nil
            }
        case .abortPrimitive:
            switch state {
            case .awaitingTransport: return (.aa2, .idle)
            case .idle, .awaitingRequest, .awaitingClose: return nil
            default: return (.aa1, .awaitingClose)
            }
        case .transportClosed:
            switch state {
            case .idle: return nil
            case .awaitingRequest: return (.aa5, .idle)
            case .awaitingClose: return (.ar5, .idle)
            default: return (.aa4, .idle)
            }
        case .timerExpired:
            return state == .awaitingRequest || state == .awaitingClose ? (.aa2, .idle) : nil
        case .associateAcceptPDU, .associateRejectPDU, .associateRequestPDU, .dataPDU, .releaseRequestPDU,
            .releaseResponsePDU, .abortPDU, .invalidPDU:
            return received(event)
        }
    }

    private func received(_ event: Event) -> (Action, State)? {
        switch (event, state) {
        case (_, .idle), (_, .awaitingTransport): return nil
        case (.associateAcceptPDU, .awaitingAcceptOrReject): return (.ae3, .established)
        case (.associateRejectPDU, .awaitingAcceptOrReject): return (.ae4, .idle)
        case (.associateRequestPDU(let acceptable), .awaitingRequest):
            return (.ae6, acceptable ? .awaitingLocalResponse : .awaitingClose)
        case (.associateRequestPDU, .awaitingClose), (.invalidPDU, .awaitingClose): return (.aa7, .awaitingClose)
        case (.dataPDU, .established): return (.dt2, .established)
        case (.dataPDU, .awaitingReleaseResponse): return (.ar6, .awaitingReleaseResponse)
        case (.releaseRequestPDU, .established): return (.ar2, .awaitingLocalRelease)
        case (.releaseRequestPDU, .awaitingReleaseResponse):
            return role == .requestor
                ? (.ar8, .collisionRequestorAwaitingLocalRelease) : (.ar8, .collisionAcceptorAwaitingReleaseResponse)
        case (.releaseResponsePDU, .awaitingReleaseResponse),
            (.releaseResponsePDU, .collisionRequestorAwaitingReleaseResponse):
            return (.ar3, .idle)
        case (.releaseResponsePDU, .collisionAcceptorAwaitingReleaseResponse):
            return (.ar10, .collisionAcceptorAwaitingLocalRelease)
        case (.abortPDU, .awaitingRequest), (.abortPDU, .awaitingClose): return (.aa2, .idle)
        case (.abortPDU, _): return (.aa3, .idle)
        case (_, .awaitingClose): return (.aa6, .awaitingClose)
        case (_, .awaitingRequest): return (.aa1, .awaitingClose)
        default: return (.aa8, .awaitingClose)
        }
    }
}
