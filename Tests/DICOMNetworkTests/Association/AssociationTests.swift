import DICOMNetwork
import Glibc
import ServiceKit
import Synchronization
import Testing

/// Acceptor and user over real sockets.
@Suite(.serialized) struct AssociationTests {
    /// What a handler saw, by all of an acceptor's handlers.
    final class Seen: Sendable {
        struct Store: Sendable, Equatable {
            var instance: String
            var context: NegotiatedContext
            var bytes: [UInt8]
        }
        let stores = Mutex<[Store]>([])
        /// How long the places are that bytes are wanted at; 0: anywhere.
        let placeLength: Int
        /// Bytes that came to their place.
        let placed = Mutex(0)
        init(placeLength: Int = 0) { self.placeLength = placeLength }
        /// Bytes of data sets.
        let received = Monitor(0)
        let abandoned = Mutex(0)
        /// Of stores that the association refused itself.
        let statuses = Mutex<[UInt16]>([])
        let ends = Monitor<[AssociationEnd]>([])
        let rejected = Monitor(0)
        let dropped = Monitor(0)
        /// Answered to the beginning of a store of this instance.
        let refused = "1.2.3.666"
    }

    final class Handler: AssociationHandler {
        let seen: Seen
        var store: Seen.Store?
        let place: UnsafeMutableRawBufferPointer
        init(_ seen: Seen) {
            self.seen = seen
            place = .allocate(byteCount: max(seen.placeLength, 1), alignment: 1)
        }
        deinit { place.deallocate() }

        func storeBegins(_ command: CommandSet, context: NegotiatedContext) -> DIMSEStatus? {
            let instance = command[text: Command.affectedSOPInstanceUID] ?? ""
            if instance == seen.refused { return DIMSEStatus(DIMSEStatus.outOfResources, "full") }
            store = .init(instance: instance, context: context, bytes: [])
            return nil
        }
        func storeRoom(_ count: Int) -> UnsafeMutableRawBufferPointer? {
            seen.placeLength == 0
                ? nil : UnsafeMutableRawBufferPointer(rebasing: place[..<min(count, seen.placeLength)])
        }
        func storeReceives(_ bytes: UnsafeRawBufferPointer) -> DIMSEStatus? {
            if bytes.baseAddress == UnsafeRawPointer(place.baseAddress) {
                seen.placed.withLock { $0 += bytes.count }
            }
            store?.bytes += bytes
            seen.received.withLock { $0 += bytes.count }
            return nil
        }
        func storeEnds() -> DIMSEStatus {
            if let store { seen.stores.withLock { $0.append(store) } }
            store = nil
            return .success
        }
        func storeRefused(_ command: CommandSet, context: NegotiatedContext, status: DIMSEStatus) {
            seen.statuses.withLock { $0.append(status.code) }
        }
        func storeAbandoned() { seen.abandoned.withLock { $0 += 1 } }
        func associationEnds(_ end: AssociationEnd) { seen.ends.withLock { $0.append(end) } }
    }

    static func acceptor(
        _ seen: Seen, _ change: (inout AssociationAcceptor.Configuration) -> Void = { _ in }
    ) throws -> AssociationAcceptor {
        var configuration = AssociationAcceptor.Configuration(policy: NegotiationTests.policy)
        configuration.host = "127.0.0.1"
        configuration.port = 0
        change(&configuration)
        let acceptor = try AssociationAcceptor(
            configuration,
            notice: { notice in
                switch notice {
                case .rejected: seen.rejected.withLock { $0 += 1 }
                case .dropped: seen.dropped.withLock { $0 += 1 }
                case .accepted: break
                }
            },
            makeHandler: { _, _ in Handler(seen) })
        try acceptor.start()
        return acceptor
    }

    static func user(
        _ acceptor: AssociationAcceptor, maximumLength: UInt32 = 131_072
    ) throws -> AssociationUser {
        var configuration = AssociationUser.Configuration(
            host: "127.0.0.1", port: acceptor.port, calledAETitle: "STORE-SCP",
            contexts: [
                ProposedContext(
                    id: 1, abstractSyntax: AcceptorPolicy.verification, transferSyntaxes: [NegotiationTests.implicit]),
                ProposedContext(
                    id: 3, abstractSyntax: NegotiationTests.ct, transferSyntaxes: [NegotiationTests.explicit]),
                ProposedContext(id: 5, abstractSyntax: NegotiationTests.ct, transferSyntaxes: [NegotiationTests.jpeg]),
            ])
        configuration.maximumLength = maximumLength
        return try AssociationUser(configuration)
    }

    /// A bare connection that says what it wants.
    final class Peer {
        let socket: Int32
        init(port: UInt16) {
            socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            #expect(result == 0)
            var time = timeval(tv_sec: 20, tv_usec: 0)
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        deinit { close(socket) }
        func sendIfOpen(_ bytes: [UInt8]) { _ = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
        func send(_ bytes: some Collection<UInt8>) {
            let bytes = Array(bytes)
            #expect(Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
        }
        /// The next PDU's bytes; nil when the peer has closed.
        func receive() -> [UInt8]? {
            guard let header = read(6) else { return nil }
            return read(header[2...].reduce(0) { $0 << 8 | Int($1) }).map { header + $0 }
        }
        private func read(_ count: Int) -> [UInt8]? {
            var bytes: [UInt8] = []
            while bytes.count < count {
                var part = [UInt8](repeating: 0, count: count - bytes.count)
                let got = Glibc.read(socket, &part, part.count)
                guard got > 0 else { return nil }
                bytes += part[..<got]
            }
            return bytes
        }
    }

    static func request() -> [UInt8] {
        PDU.associateRequest(
            NegotiationTests.request([
                (AcceptorPolicy.verification, [NegotiationTests.implicit]),
                (NegotiationTests.ct, [NegotiationTests.explicit]),
            ])
        ).encoded()
    }

    @Test func echoesAndStores() throws {
        let seen = Seen()
        let acceptor = try Self.acceptor(seen)
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        let user = try Self.user(acceptor)
        #expect(user.contexts.count == 3)
        #expect(try user.echo() == .success)
        let large = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(
            try user.store(
                dataSet: large, sopClassUID: NegotiationTests.ct, sopInstanceUID: "1.2.3.4",
                transferSyntaxUID: NegotiationTests.jpeg) == .success)
        let refused = try user.store(
            dataSet: large, sopClassUID: NegotiationTests.ct, sopInstanceUID: seen.refused,
            transferSyntaxUID: NegotiationTests.explicit)
        #expect(refused.code == DIMSEStatus.outOfResources)
        #expect(refused.comment == "full")
        #expect(
            try user.store(
                dataSet: [1, 2], sopClassUID: NegotiationTests.ct, sopInstanceUID: "1.2.3.5",
                transferSyntaxUID: NegotiationTests.explicit) == .success)
        #expect(throws: AssociationError.noContext(sopClass: "1.2", transferSyntax: NegotiationTests.explicit)) {
            try user.store(
                dataSet: [1, 2], sopClassUID: "1.2", sopInstanceUID: "1.2.3.5",
                transferSyntaxUID: NegotiationTests.explicit)
        }
        try user.release()
        let stores = seen.stores.withLock { $0 }
        #expect(stores.map(\.instance) == ["1.2.3.4", "1.2.3.5"])
        #expect(stores.map(\.context.id) == [5, 3])
        #expect(stores.first?.bytes == large)
        #expect(seen.ends.wait(milliseconds: 20_000) { $0 == [.released] ? true : nil } == true)
    }

    @Test(arguments: [UInt32(8), 60, 0])
    func answersFitThePeersMaximum(_ maximum: UInt32) throws {
        let acceptor = try Self.acceptor(Seen())
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        let user = try Self.user(acceptor, maximumLength: maximum)
        #expect(try user.echo() == .success)
        #expect(
            try user.store(
                dataSet: [1, 2], sopClassUID: NegotiationTests.ct, sopInstanceUID: "1.2",
                transferSyntaxUID: NegotiationTests.explicit) == .success)
        try user.release()
    }

    /// A P-DATA-TF with two and more command and data fragments, of two messages, byte by byte too.
    @Test(arguments: [1, 13, 100_000])
    func mixedFragmentsInOnePDU(_ piece: Int) throws {
        let seen = Seen()
        let acceptor = try Self.acceptor(seen)
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        let peer = Peer(port: acceptor.port)
        peer.send(Self.request())
        #expect(peer.receive()?.first == PDUType.associateAccept.rawValue)
        var first = MessageAssemblerTests.command(Command.storeRequest, hasDataSet: true, id: 1)
        first[text: Command.affectedSOPInstanceUID] = "1.2.1"
        var second = MessageAssemblerTests.command(Command.storeRequest, hasDataSet: true, id: 2)
        second[text: Command.affectedSOPInstanceUID] = "1.2.2"
        let (a, b) = (first.encoded(), second.encoded())
        let pdu = PDUTests.data([
            (3, 1, Array(a[..<10])), (3, 1, Array(a[10..<30])), (3, 3, Array(a[30...])), (3, 0, [1, 2]), (3, 0, []),
            (3, 2, [3]), (3, 1, Array(b[..<40])), (3, 0, [4]), (3, 3, Array(b[40...])), (3, 0, [5, 6]), (3, 2, [7]),
        ])
        for start in stride(from: 0, to: pdu.count, by: piece) {
            peer.send(Array(pdu[start..<min(start + piece, pdu.count)]))
        }
        #expect(peer.receive()?.first == PDUType.data.rawValue)
        #expect(peer.receive()?.first == PDUType.data.rawValue)
        peer.send(PDU.releaseRequest.encoded())
        #expect(peer.receive() == PDU.releaseResponse.encoded())
        #expect(seen.stores.withLock { $0.map(\.bytes) } == [[1, 2, 3], [4, 5, 6, 7]])
    }

    /// Long and short fragments, of instances that are taken and of one that is refused, in one stream.
    @Test(arguments: [1, 1_000, 32_768, 200_000])
    func fragmentsComeToTheirPlace(_ placeLength: Int) throws {
        let seen = Seen(placeLength: placeLength)
        let acceptor = try Self.acceptor(seen)
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        let peer = Peer(port: acceptor.port)
        peer.send(Self.request())
        #expect(peer.receive()?.first == PDUType.associateAccept.rawValue)
        var sent: [[UInt8]] = []
        let lengths = [[40_000, 6, 0, 1], [32_768], [5, 70_000, 100_000, 3], [9], [50_000, 50_000]]
        for (number, lengths) in lengths.enumerated() {
            var command = MessageAssemblerTests.command(
                Command.storeRequest, hasDataSet: true, id: UInt16(number + 1))
            command[text: Command.affectedSOPInstanceUID] = number == 2 ? seen.refused : "1.2.\(number + 1)"
            var values: [(UInt8, UInt8, [UInt8])] = [(3, 3, command.encoded())]
            var dataSet: [UInt8] = []
            for (index, length) in lengths.enumerated() {
                let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index &+ number) }
                values.append((3, index == lengths.count - 1 ? 2 : 0, bytes))
                dataSet += bytes
            }
            if number != 2 { sent.append(dataSet) }
            // Some values in one PDU, some each in its own.
            peer.send(number % 2 == 0 ? PDUTests.data(values) : values.flatMap { PDUTests.data([$0]) })
            #expect(peer.receive()?.first == PDUType.data.rawValue)
        }
        peer.send(PDU.releaseRequest.encoded())
        #expect(peer.receive() == PDU.releaseResponse.encoded())
        #expect(seen.stores.withLock { $0.map(\.bytes) } == sent)
        // All of the last one but what came with its command set, whatever else did.
        #expect(seen.placed.withLock { $0 } >= 90_000)
    }

    @Test func nonsenseIsAborted() throws {
        let seen = Seen()
        let acceptor = try Self.acceptor(seen)
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        // Before the association: HTTP. In it: an unknown PDU, a second request, data in a context that there is not.
        let stray = Peer(port: acceptor.port)
        stray.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        #expect(stray.receive() == PDU.abort(.byUser).encoded())
        for (bytes, abort) in [
            ([0x09, 0, 0, 0, 0, 0], Abort.unrecognizedPDU), (Self.request(), .unexpectedPDU),
            (PDUTests.data([(99, 3, [1])]), .unexpectedParameter), (PDUTests.data([(3, 3, [1])]), .invalidParameter),
        ] {
            let peer = Peer(port: acceptor.port)
            peer.send(Self.request())
            #expect(peer.receive()?.first == PDUType.associateAccept.rawValue)
            peer.send(bytes)
            #expect(peer.receive() == PDU.abort(abort).encoded())
        }
        let ends: [AssociationEnd] = [
            .aborted(.unrecognizedPDU), .aborted(.unexpectedPDU), .aborted(.unexpectedParameter),
            .aborted(.invalidParameter),
        ]
        #expect(seen.ends.wait(milliseconds: 20_000) { Set($0) == Set(ends) ? true : nil } == true)
        #expect(try Self.user(acceptor).echo() == .success)
    }

    /// Hundreds of connections that say nothing, and as many associations as there may be: others are served.
    @Test func silentOnesKeepNobodyOut() throws {
        let seen = Seen()
        let acceptor = try Self.acceptor(seen) {
            $0.maximumAssociations = 5
            $0.maximumWaiting = 100
            $0.evictionMilliseconds = 0
        }
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        let silent = (0..<300).map { _ in Peer(port: acceptor.port) }
        #expect(try Self.user(acceptor).echo() == .success)
        #expect(seen.dropped.wait(milliseconds: 20_000) { $0 >= 200 ? true : nil } == true)
        // Each newcomer takes the place of a silent one; it may have to ask again while that one ends.
        var established: [Peer] = []
        for _ in 0..<1000 where established.count < 20 {
            let peer = Peer(port: acceptor.port)
            peer.send(Self.request())
            if peer.receive()?.first == PDUType.associateAccept.rawValue {
                established.append(peer)
            } else {
                usleep(2000)
            }
        }
        #expect(established.count == 20)
        var served = false
        for _ in 0..<1000 where !served {
            if let user = try? Self.user(acceptor) { served = try user.echo() == .success } else { usleep(2000) }
        }
        #expect(served)
        #expect(acceptor.associationCount <= 10)
        withExtendedLifetime((silent, established)) {}
    }

    /// A store whose bytes come one by one holds its place no longer than a silent one.
    @Test func tricklingGivesWay() throws {
        let seen = Seen()
        let acceptor = try Self.acceptor(seen) {
            $0.maximumAssociations = 1
            $0.evictionMilliseconds = 300
        }
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        let trickling = Peer(port: acceptor.port)
        trickling.send(Self.request())
        #expect(trickling.receive()?.first == PDUType.associateAccept.rawValue)
        let command = MessageAssemblerTests.command(Command.storeRequest, hasDataSet: true).encoded()
        trickling.send(PDUTests.data([(3, 3, command), (3, 0, [UInt8](repeating: 0, count: 60_000))]).dropLast(59_000))
        var served = false
        for _ in 0..<500 where !served {
            if seen.ends.current.isEmpty { trickling.sendIfOpen([0]) }
            if let user = try? Self.user(acceptor) { served = try user.echo() == .success } else { usleep(20_000) }
        }
        #expect(served)
        #expect(seen.ends.wait(milliseconds: 20_000) { $0.contains(.evicted) ? true : nil } == true)
        #expect(seen.abandoned.withLock { $0 } == 1)
    }

    @Test func overTheLimitIsRejectedTransiently() throws {
        let seen = Seen()
        let acceptor = try Self.acceptor(seen) {
            $0.maximumAssociations = 2
            $0.evictionMilliseconds = 3_600_000
        }
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        let first = try Self.user(acceptor)
        let second = try Self.user(acceptor)
        #expect(throws: AssociationError.rejected(.localLimitExceeded)) { try Self.user(acceptor) }
        try first.release()
        #expect(seen.ends.wait(milliseconds: 20_000) { $0.isEmpty ? nil : true } == true)
        var served = false
        // The place is free a moment after the release was answered.
        for _ in 0..<200 where !served {
            if let third = try? Self.user(acceptor) { served = try third.echo() == .success } else { usleep(10_000) }
        }
        #expect(served)
        #expect(try second.echo() == .success)
    }

    @Test func timersCloseWhatIsSilent() throws {
        let seen = Seen()
        let acceptor = try Self.acceptor(seen) {
            $0.artimMilliseconds = 100
            $0.idleMilliseconds = 100
        }
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        #expect(Peer(port: acceptor.port).receive() == nil)
        let idle = Peer(port: acceptor.port)
        idle.send(Self.request())
        #expect(idle.receive()?.first == PDUType.associateAccept.rawValue)
        #expect(idle.receive() == PDU.abort(.noReason).encoded())
        #expect(idle.receive() == nil)
        #expect(seen.ends.wait(milliseconds: 20_000) { $0 == [.idle] ? true : nil } == true)
    }

    @Test func aLostConnectionAbandonsItsStore() throws {
        let seen = Seen()
        let acceptor = try Self.acceptor(seen)
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        do {
            let peer = Peer(port: acceptor.port)
            peer.send(Self.request())
            #expect(peer.receive()?.first == PDUType.associateAccept.rawValue)
            let command = MessageAssemblerTests.command(Command.storeRequest, hasDataSet: true).encoded()
            peer.send(PDUTests.data([(3, 3, command), (3, 0, [1, 2, 3])]))
        }
        #expect(seen.ends.wait(milliseconds: 20_000) { $0.isEmpty ? nil : true } == true)
        #expect(seen.abandoned.withLock { $0 } == 1)
        #expect(seen.stores.withLock { $0 }.isEmpty)
    }

    @Test func itsUserIsToldWhatTheAssociationRefuses() throws {
        let seen = Seen()
        let acceptor = try Self.acceptor(seen)
        defer { acceptor.stop(deadlineMilliseconds: 1000) }
        let peer = Peer(port: acceptor.port)
        peer.send(Self.request())
        #expect(peer.receive()?.first == PDUType.associateAccept.rawValue)
        var command = MessageAssemblerTests.command(Command.storeRequest, hasDataSet: true)
        command[text: Command.affectedSOPClassUID] = "1.2.3"
        peer.send(PDUTests.data([(3, 3, command.encoded()), (3, 2, [1, 2])]))
        #expect(peer.receive()?.first == PDUType.data.rawValue)
        command = MessageAssemblerTests.command(Command.storeRequest, hasDataSet: false)
        peer.send(PDUTests.data([(3, 3, command.encoded())]))
        #expect(peer.receive()?.first == PDUType.data.rawValue)
        #expect(
            seen.statuses.withLock { $0 } == [DIMSEStatus.sopClassNotSupported, DIMSEStatus.cannotUnderstand])
        #expect(seen.stores.withLock { $0 }.isEmpty)
    }

    @Test func stoppingEndsIdleAssociationsAndLetsOperationsEnd() throws {
        let seen = Seen()
        let acceptor = try Self.acceptor(seen)
        let idle = Peer(port: acceptor.port)
        let busy = Peer(port: acceptor.port)
        for peer in [idle, busy] {
            peer.send(Self.request())
            #expect(peer.receive()?.first == PDUType.associateAccept.rawValue)
        }
        let command = MessageAssemblerTests.command(Command.storeRequest, hasDataSet: true).encoded()
        busy.send(PDUTests.data([(3, 3, command), (3, 0, [1, 2, 3])]))
        #expect(seen.received.wait(milliseconds: 20_000) { $0 == 3 ? true : nil } == true)
        let stopping = try ServiceThread(name: "stop") { _ in acceptor.stop(deadlineMilliseconds: 20_000) }
        #expect(idle.receive() == PDU.abort(.noReason).encoded())
        busy.send(PDUTests.data([(3, 2, [4])]))
        #expect(busy.receive()?.first == PDUType.data.rawValue)
        #expect(busy.receive() == PDU.abort(.noReason).encoded())
        stopping.join()
        #expect(acceptor.associationCount == 0)
        #expect(seen.stores.withLock { $0.map(\.bytes) } == [[1, 2, 3, 4]])
        #expect(seen.ends.current == [.stopped, .stopped])
    }
}
