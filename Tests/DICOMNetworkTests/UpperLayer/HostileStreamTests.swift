import DICOMNetwork
import Testing

/// Random changes of good streams, at fixed seeds: nothing but values and aborts may come out.
struct HostileStreamTests {
    struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    static let ct = NegotiationTests.ct
    static let policy = NegotiationTests.policy

    /// An association from its request to its release, with an echo and two stores.
    static func stream(as role: UpperLayerStateMachine.Role) -> [UInt8] {
        var request = PDUTests.request
        request.contexts[0].transferSyntaxes = [NegotiationTests.implicit]
        var echo = MessageAssemblerTests.command(Command.echoRequest, hasDataSet: false)
        echo[text: Command.affectedSOPClassUID] = AcceptorPolicy.verification
        let store = MessageAssemblerTests.command(Command.storeRequest, hasDataSet: true, id: 2).encoded()
        let data = (0..<200).map { UInt8($0) }
        let messages =
            PDUTests.data([(1, 3, echo.encoded())])
            + PDUTests.data([
                (255, 1, Array(store[..<20])), (255, 3, Array(store[20...])), (255, 0, data), (255, 2, data),
                (255, 3, store), (255, 0, []), (255, 2, data),
            ])
        switch role {
        case .acceptor:
            return PDU.associateRequest(request).encoded() + messages + PDU.releaseRequest.encoded()
        case .requestor:
            return PDUTests.all[1].encoded() + messages + PDU.releaseResponse.encoded()
                + PDU.abort(.noReason).encoded()
        }
    }

    static func changed(_ stream: [UInt8], _ random: inout Random) -> [UInt8] {
        var bytes = stream
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[place] = [0, 1, 0x7F, 0xFF].randomElement(using: &random) ?? 0
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...40, using: &random)))
            case 3:
                let end = min(bytes.count, place + Int.random(in: 1...300, using: &random))
                bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
            case 4: bytes.removeSubrange(place...)
            default:
                bytes.insert(
                    contentsOf: (0..<Int.random(in: 1...30, using: &random)).map { _ in
                        UInt8.random(in: 0...255, using: &random)
                    }, at: place)
            }
        }
        return bytes
    }

    /// Feeds a stream in random pieces to all that looks at a peer's bytes; what came of it.
    static func feed(
        _ bytes: [UInt8], role: UpperLayerStateMachine.Role, _ random: inout Random
    ) -> (upper: UpperLayer, commands: Int, dataBytes: Int, aborted: Bool) {
        var upper = UpperLayer(role: role)
        if role == .acceptor {
            _ = upper.transportIndication()
        } else {
            _ = upper.connect()
            _ = upper.connected(PDUTests.request)
        }
        var assembler = MessageAssembler(isAccepted: { $0 & 1 == 1 })
        var (commands, dataBytes, aborted) = (0, 0, false)
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Int.random(in: 1...200, using: &random))
            Array(bytes[start..<end]).withUnsafeBytes { buffer in
                var position = 0
                while position < buffer.count {
                    var effects: [UpperLayer.Effect] = []
                    let before = position
                    let fragment = upper.receive(buffer, at: &position, effects: &effects)
                    #expect(position > before || !effects.isEmpty || fragment != nil, "no progress")
                    if let fragment {
                        #expect(upper.state == .established || upper.state == .awaitingReleaseResponse)
                        do {
                            switch try assembler.add(fragment, in: buffer) {
                            case .none: break
                            case .command(let command, _):
                                commands += 1
                                _ = command.response(.success).encoded()
                                _ = assembler.takeEarlyData()
                            case .data: dataBytes += fragment.range.count
                            }
                        } catch {
                            _ = upper.abort(.invalidParameter)
                            aborted = true
                            position = buffer.count
                        }
                    }
                    for effect in effects {
                        switch effect {
                        case .indicateAssociation(let request):
                            switch policy.decide(request) {
                            case .accept(let accept, _): _ = upper.accept(accept)
                            case .reject(let reject): _ = upper.reject(reject)
                            }
                        case .indicateRelease: _ = upper.respondToRelease()
                        case .indicateAbort: aborted = true
                        default: break
                        }
                    }
                    if aborted { position = buffer.count }
                }
            }
            start = aborted ? bytes.count : end
        }
        return (upper, commands, dataBytes, aborted)
    }

    @Test func theUnchangedStreamsAreUnderstood() {
        var random = Random(state: 1)
        for _ in 0..<100 {
            let acceptor = Self.feed(Self.stream(as: .acceptor), role: .acceptor, &random)
            #expect(acceptor.upper.state == .awaitingClose)
            #expect(acceptor.commands == 3)
            #expect(acceptor.dataBytes == 600)
            #expect(!acceptor.aborted)
        }
    }

    @Test(arguments: [UpperLayerStateMachine.Role.acceptor, .requestor])
    func changedStreamsGiveValuesOrAborts(_ role: UpperLayerStateMachine.Role) {
        let stream = Self.stream(as: role)
        var random = Random(state: role == .acceptor ? 20_261_125 : 20_261_126)
        var (aborted, understood) = (0, 0)
        for _ in 0..<25_000 {
            let result = Self.feed(Self.changed(stream, &random), role: role, &random)
            if result.aborted { aborted += 1 } else if result.commands > 0 { understood += 1 }
            #expect(result.upper.pendingBytes <= PDUDecoder.maximumControlLength)
        }
        // Both happen, or the changes are too wild or too tame to say anything.
        #expect(aborted > 1000)
        #expect(understood > 1000)
    }

    @Test func noiseGivesAborts() {
        var random = Random(state: 7)
        var aborted = 0
        for _ in 0..<20_000 {
            let noise = (0..<Int.random(in: 1...300, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let result = Self.feed(noise, role: .acceptor, &random)
            // Nobody was told of an association yet: the answer is an abort, and then the peer has to close.
            if result.upper.state == .awaitingClose { aborted += 1 }
            #expect(result.commands == 0 && result.dataBytes == 0)
            #expect(result.upper.pendingBytes <= PDUDecoder.maximumControlLength)
        }
        // All but those that end within the header of a PDU, or begin like one that is allowed to be longer.
        #expect(aborted > 18_000)
    }
}
