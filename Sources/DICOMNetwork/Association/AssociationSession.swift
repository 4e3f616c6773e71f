internal import ServiceKit
internal import Synchronization

/// What the acceptor and the association's thread both see of an association.
final class AssociationRecord: Sendable {
    let id: UInt64
    let socket: StreamSocket
    /// Monotonic milliseconds of the last message that ended, or the last few kilobytes of one that came in: bytes that
    /// only trickle do not count.
    let lastActivity: Atomic<Int>
    /// A message has begun and is not answered yet.
    let isBusy = Atomic<Bool>(false)
    /// Why the acceptor wants it to end: 0 not at all, 1 stopping, 2 eviction.
    let request = Atomic<UInt8>(0)

    init(id: UInt64, socket: StreamSocket) {
        self.id = id
        self.socket = socket
        lastActivity = Atomic(MonotonicClock.milliseconds)
    }

    /// Wakes its thread from a blocked read; the connection can still be written to. When stopping, one that is in
    /// the middle of a message ends it first.
    func askToEnd(evict: Bool) {
        _ = request.compareExchange(expected: 0, desired: evict ? 2 : 1, ordering: .acquiringAndReleasing)
        if evict || !isBusy.load(ordering: .acquiring) { socket.shutdown(reading: true, writing: false) }
    }
}

/// An established association of the acceptor, run by one thread.
final class AssociationSession {
    private let record: AssociationRecord
    private let association: NegotiatedAssociation
    private let handler: any AssociationHandler
    private let encoder: PDVEncoder
    private var upper: UpperLayer
    private var assembler: MessageAssembler
    private var operation: Operation?
    private var end: AssociationEnd?
    private var effects: [UpperLayer.Effect] = []

    /// A command whose data set is being received.
    private struct Operation {
        var command: CommandSet
        var contextID: UInt8
        /// Answered at the end; the data set is thrown away.
        var refusal: DIMSEStatus?
        /// The handler has begun it and not ended it.
        var isOpen: Bool
    }

    /// Fragments of this length and more are received right where the handler wants them. Of shorter ones it costs less
    /// to take many by one call, and copy them.
    private static let longFragment = 32_768
    /// What is received behind a long fragment, or before the first: headers, and the command set.
    private static let headBytes = 4_096

    /// `upper` has sent A-ASSOCIATE-AC.
    init?(
        record: AssociationRecord, upper: UpperLayer, association: NegotiatedAssociation,
        handler: any AssociationHandler
    ) {
        guard let encoder = PDVEncoder(peerMaximum: association.peerMaximumLength) else { return nil }
        self.record = record
        self.upper = upper
        self.association = association
        self.handler = handler
        self.encoder = encoder
        let ids = Set(association.contexts.keys)
        assembler = MessageAssembler(isAccepted: { ids.contains($0) })
    }

    /// Serves the association until it is over. Returns the upper layer when the connection is to be waited for to be
    /// closed by the peer (PS3.8 state 13), nil when it is closed.
    func run(firstBytes: [UInt8], bufferSize: Int) -> UpperLayer? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 16)
        defer { buffer.deallocate() }
        var closing = false
        var trickled = 0
        if !firstBytes.isEmpty { firstBytes.withUnsafeBytes { closing = receive($0) } }
        while !closing && end == nil {
            let request = record.request.load(ordering: .acquiring)
            if request == 2 || (request == 1 && assembler.isIdle && operation == nil) {
                endByRequest()
                break
            }
            do {
                let (room, rest) = places(buffer)
                let count = try record.socket.read(first: room, into: rest)
                if count == 0 {
                    if record.request.load(ordering: .acquiring) != 0 {
                        endByRequest()
                    } else {
                        _ = upper.transportClosed()
                        finish(.connectionLost)
                    }
                    break
                }
                trickled += count
                let direct = min(count, room?.count ?? 0)
                if let room { closing = receive(UnsafeRawBufferPointer(rebasing: room[..<direct])) }
                if count > direct, !closing, end == nil {
                    closing = receive(UnsafeRawBufferPointer(rebasing: rest[..<(count - direct)]))
                }
                if trickled >= 4096 || assembler.isIdle {
                    record.lastActivity.store(MonotonicClock.milliseconds, ordering: .relaxed)
                    trickled = 0
                }
            } catch TransportError.timeout {
                perform(upper.abort(.noReason))
                finish(.idle)
            } catch {
                finish(.connectionLost)
            }
        }
        finish(end ?? .connectionLost)
        return upper.state == .awaitingClose ? upper : nil
    }

    /// Where the next bytes go: those of a long fragment to the handler's place, what comes behind them to the buffer.
    private func places(
        _ buffer: UnsafeMutableRawBufferPointer
    ) -> (room: UnsafeMutableRawBufferPointer?, rest: UnsafeMutableRawBufferPointer) {
        guard upper.longestFragment >= Self.longFragment else { return (nil, buffer) }
        let head = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(Self.headBytes, buffer.count)])
        let expected = upper.expectedData
        guard operation?.isOpen == true, expected > 0, let room = handler.storeRoom(expected) else {
            // Of what is thrown away as much as there is.
            return (nil, expected > 0 ? buffer : head)
        }
        return (room, room.count < expected ? UnsafeMutableRawBufferPointer(rebasing: buffer[..<0]) : head)
    }

    private func endByRequest() {
        perform(upper.abort(.noReason))
        finish(record.request.load(ordering: .acquiring) == 2 ? .evicted : .stopped)
    }

    /// Takes received bytes in; true when the connection is to be closed.
    private func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while position < bytes.count {
            effects.removeAll(keepingCapacity: true)
            if let fragment = upper.receive(bytes, at: &position, effects: &effects) {
                do {
                    try receive(fragment, in: bytes)
                } catch let abort as Abort {
                    perform(upper.abort(abort))
                    finish(.aborted(abort))
                } catch {
                    finish(.connectionLost)
                    return true
                }
                if end != nil { return false }
            } else if perform(effects) {
                return true
            }
        }
        return false
    }

    private func receive(_ fragment: Fragment, in bytes: UnsafeRawBufferPointer) throws {
        record.isBusy.store(true, ordering: .releasing)
        switch try assembler.add(fragment, in: bytes) {
        case .none: break
        case .command(let command, let contextID):
            try begin(command, contextID: contextID)
            if let early = assembler.takeEarlyData() {
                early.bytes.withUnsafeBytes { data($0) }
                if early.isLast { try endOperation() }
            }
        case .data(let isLast):
            data(UnsafeRawBufferPointer(rebasing: bytes[fragment.range]))
            if isLast { try endOperation() }
        }
        if assembler.isIdle { record.isBusy.store(false, ordering: .releasing) }
    }

    private func begin(_ command: CommandSet, contextID: UInt8) throws {
        guard let context = association.contexts[contextID] else { throw Abort.unexpectedParameter }
        guard let field = command[uint16: Command.commandField] else { throw Abort.invalidParameter }
        // A response, or C-CANCEL: nothing of ours is outstanding.
        let wantsAnswer = field & 0x8000 == 0 && field != Command.cancelRequest
        var operation = Operation(command: command, contextID: contextID, refusal: nil, isOpen: false)
        switch field {
        case Command.echoRequest:
            operation.refusal = .success
        case Command.storeRequest:
            if !command.hasDataSet {
                let status = DIMSEStatus(DIMSEStatus.cannotUnderstand, "no data set")
                handler.storeRefused(command, context: context, status: status)
                operation.refusal = status
            } else if command[text: Command.affectedSOPClassUID] != context.abstractSyntax {
                let status = DIMSEStatus(
                    DIMSEStatus.sopClassNotSupported, "SOP class is not that of the presentation context")
                handler.storeRefused(command, context: context, status: status)
                operation.refusal = status
            } else {
                operation.refusal = handler.storeBegins(command, context: context)
                operation.isOpen = operation.refusal == nil
            }
        default:
            operation.refusal = DIMSEStatus(DIMSEStatus.unrecognizedOperation, "unrecognized operation")
        }
        if command.hasDataSet {
            self.operation = operation
            if !wantsAnswer { self.operation?.refusal = nil }
        } else if wantsAnswer, let status = operation.refusal {
            try respond(to: command, contextID: contextID, status)
        }
    }

    private func data(_ bytes: UnsafeRawBufferPointer) {
        guard let operation, operation.isOpen, !bytes.isEmpty else { return }
        if let refusal = handler.storeReceives(bytes) {
            self.operation?.refusal = refusal
            self.operation?.isOpen = false
        }
    }

    private func endOperation() throws {
        guard let operation else { return }
        self.operation = nil
        if operation.isOpen {
            try respond(to: operation.command, contextID: operation.contextID, handler.storeEnds())
        } else if let refusal = operation.refusal {
            try respond(to: operation.command, contextID: operation.contextID, refusal)
        }
    }

    private func respond(to command: CommandSet, contextID: UInt8, _ status: DIMSEStatus) throws {
        try record.socket.write(encoder.encode(command: command.response(status), contextID: contextID))
    }

    /// Carries effects out; true when the connection is to be closed.
    @discardableResult
    private func perform(_ effects: [UpperLayer.Effect]) -> Bool {
        for effect in effects {
            switch effect {
            case .send(let bytes):
                do { try record.socket.write(bytes) } catch {
                    finish(.connectionLost)
                    return true
                }
            case .indicateRelease:
                // A release in the middle of a message abandons it.
                let response = upper.respondToRelease()
                finish(.released)
                if perform(response) { return true }
            case .indicateAbort(let abort): finish(.aborted(abort))
            case .closeTransport: return true
            case .indicateClosed: finish(.connectionLost)
            case .startTimer, .stopTimer, .indicateAssociation, .confirmAccepted, .confirmRejected, .confirmRelease:
                break
            }
        }
        return false
    }

    /// Notes why it is over, once.
    private func finish(_ reason: AssociationEnd) {
        guard end == nil else { return }
        end = reason
        if operation?.isOpen == true { handler.storeAbandoned() }
        operation = nil
        handler.associationEnds(reason)
    }
}
