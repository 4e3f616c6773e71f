/// Decoder and state machine together: bytes in, what is to be done out, for acceptor and requestor. No sockets, no
/// clocks: its driver sends, closes and keeps the ARTIM timer as the effects say.
public struct UpperLayer: Sendable {
    public enum Effect: Hashable, Sendable {
        case send([UInt8])
        case closeTransport
        case startTimer
        case stopTimer
        /// The acceptor's user is asked: answer by `accept` or `reject`.
        case indicateAssociation(AssociateRequest)
        case confirmAccepted(AssociateAccept)
        case confirmRejected(AssociateReject)
        case indicateRelease
        case confirmRelease
        case indicateAbort(Abort)
        /// The transport went away without a release.
        case indicateClosed
    }

    public private(set) var machine: UpperLayerStateMachine
    private var decoder = PDUDecoder()
    private var passesData = false

    public init(role: UpperLayerStateMachine.Role) { machine = UpperLayerStateMachine(role: role) }

    public var state: UpperLayerStateMachine.State { machine.state }
    /// Bytes collected of a PDU that is not whole yet.
    public var pendingBytes: Int { decoder.pendingBytes }
    /// Bytes that are still to come of the data set's fragment under way, when it is handed on.
    public var expectedData: Int { passesData ? decoder.expectedData : 0 }
    /// The longest fragment of a data set so far, in bytes.
    public var longestFragment: Int { decoder.longestFragment }

    /// Takes bytes from `position` on until a fragment was found (returned, standing in `buffer`), effects are to be
    /// carried out (appended), or the bytes are used up. Call again while `position` is before the end.
    public mutating func receive(
        _ buffer: UnsafeRawBufferPointer, at position: inout Int, effects: inout [Effect]
    ) -> Fragment? {
        while let event = decoder.next(in: buffer, at: &position) {
            switch event {
            case .dataBegins:
                let action = machine.handle(.dataPDU)
                passesData = action == .dt2 || action == .ar6
                perform(action, abort: .unexpectedPDU, effects: &effects)
            case .fragment(let fragment):
                if passesData { return fragment }
            case .pdu(let pdu): receive(pdu, effects: &effects)
            case .malformed(let abort):
                perform(machine.handle(.invalidPDU), abort: abort, effects: &effects)
                position = buffer.count
            }
            if !effects.isEmpty { return nil }
        }
        return nil
    }

    private mutating func receive(_ pdu: PDU, effects: inout [Effect]) {
        switch pdu {
        case .associateRequest(let request):
            // What the provider itself judges (PS3.8 table 9-11: only bit 0 of the version is tested).
            let acceptable = request.protocolVersion & 1 == 1
            let action = machine.handle(.associateRequestPDU(acceptable: acceptable))
            guard action == .ae6 else { return perform(action, abort: .unexpectedPDU, effects: &effects) }
            effects.append(.stopTimer)
            if acceptable {
                effects.append(.indicateAssociation(request))
            } else {
                effects.append(.send(PDU.associateReject(.protocolVersionNotSupported).encoded()))
                effects.append(.startTimer)
            }
        case .associateAccept(let accept):
            let action = machine.handle(.associateAcceptPDU)
            if action == .ae3 { effects.append(.confirmAccepted(accept)) }
            perform(action, abort: .unexpectedPDU, effects: &effects)
        case .associateReject(let reject):
            let action = machine.handle(.associateRejectPDU)
            if action == .ae4 { effects.append(.confirmRejected(reject)) }
            perform(action, abort: .unexpectedPDU, effects: &effects)
        case .releaseRequest: perform(machine.handle(.releaseRequestPDU), abort: .unexpectedPDU, effects: &effects)
        case .releaseResponse: perform(machine.handle(.releaseResponsePDU), abort: .unexpectedPDU, effects: &effects)
        case .abort(let abort):
            let action = machine.handle(.abortPDU)
            if action == .aa3 { effects.append(.indicateAbort(abort)) }
            perform(action, abort: .unexpectedPDU, effects: &effects)
        }
    }

    /// What a local event leads to. Data itself is framed by the driver.
    public mutating func connect() -> [Effect] { local(.associateRequestPrimitive) }

    public mutating func connected(_ request: AssociateRequest) -> [Effect] {
        guard machine.handle(.transportConnected) == .ae2 else { return [] }
        return [.send(PDU.associateRequest(request).encoded())]
    }

    public mutating func transportIndication() -> [Effect] { local(.transportIndication) }

    public mutating func accept(_ accept: AssociateAccept) -> [Effect] {
        guard machine.handle(.acceptPrimitive) == .ae7 else { return [] }
        return [.send(PDU.associateAccept(accept).encoded())]
    }

    public mutating func reject(_ reject: AssociateReject) -> [Effect] {
        guard machine.handle(.rejectPrimitive) == .ae8 else { return [] }
        return [.send(PDU.associateReject(reject).encoded()), .startTimer]
    }

    public mutating func requestRelease() -> [Effect] { local(.releaseRequestPrimitive) }
    public mutating func respondToRelease() -> [Effect] { local(.releaseResponsePrimitive) }
    public mutating func transportClosed() -> [Effect] { local(.transportClosed) }

    /// The user gives up, or the provider for a reason that shows only above this layer.
    public mutating func abort(_ abort: Abort) -> [Effect] {
        var effects: [Effect] = []
        let action = machine.handle(.abortPrimitive)
        if action == .aa1 { return [.send(PDU.abort(abort).encoded()), .startTimer] }
        perform(action, abort: abort, effects: &effects)
        return effects
    }

    private mutating func local(_ event: UpperLayerStateMachine.Event) -> [Effect] {
        var effects: [Effect] = []
        perform(machine.handle(event), abort: .noReason, effects: &effects)
        return effects
    }

    /// The effects of an action but for what the caller has done already.
    private func perform(_ action: UpperLayerStateMachine.Action?, abort: Abort, effects: inout [Effect]) {
        switch action {
        case nil, .ae1, .ae2, .ae3, .ae6, .ae7, .ae8, .dt1, .dt2, .ar6, .ar7, .aa6: break
        case .ae4, .aa3: effects.append(.closeTransport)
        case .ae5: effects.append(.startTimer)
        case .ar1: effects.append(.send(PDU.releaseRequest.encoded()))
        case .ar2, .ar8: effects.append(.indicateRelease)
        case .ar3: effects += [.confirmRelease, .closeTransport]
        case .ar4: effects += [.send(PDU.releaseResponse.encoded()), .startTimer]
        case .ar5, .aa5: effects.append(.stopTimer)
        case .ar9: effects.append(.send(PDU.releaseResponse.encoded()))
        case .ar10: effects.append(.confirmRelease)
        // Of a PDU before the association, of the service user's source (PS3.8 table 9-9), unlike AA-8.
        case .aa1: effects += [.send(PDU.abort(.byUser).encoded()), .startTimer]
        case .aa2: effects += [.stopTimer, .closeTransport]
        case .aa4: effects.append(.indicateClosed)
        case .aa7: effects.append(.send(PDU.abort(abort).encoded()))
        case .aa8: effects += [.send(PDU.abort(abort).encoded()), .indicateAbort(abort), .startTimer]
        }
    }
}
