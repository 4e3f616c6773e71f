internal import Glibc
public import ServiceKit
internal import Synchronization

/// Listens for associations and serves each on a thread of its own.
///
/// A connection gets a thread only when its A-ASSOCIATE-RQ is whole and acceptable. Until then it is one of the
/// waiting connections, which a single thread watches: a silent one costs a descriptor, is closed when the ARTIM time
/// is over, and gives way, the oldest first, when there are too many of them. When all associations are in use, the
/// one that has been silent for longest gives way if that is long enough; else the newcomer is rejected with
/// local-limit-exceeded, transient.
public final class AssociationAcceptor: Sendable {
    public struct Configuration: Sendable {
        /// Empty: all addresses.
        public var host = ""
        /// 0: a free one, see `port`.
        public var port: UInt16 = 11_111
        public var policy: AcceptorPolicy
        /// Associations at a time.
        public var maximumAssociations = 200
        /// Connections at a time that have not sent their request, or are to be closed by the peer.
        public var maximumWaiting = 500
        /// The ARTIM timer (PS3.8 9.1.5).
        public var artimMilliseconds = 30_000
        /// An association on which nothing comes for so long is aborted.
        public var idleMilliseconds = 60_000
        /// When all associations are in use, one silent for so long gives way to a newcomer.
        public var evictionMilliseconds = 5_000
        /// For a peer that does not take our answers.
        public var writeMilliseconds = 30_000
        /// Bytes read at a time, for each association.
        public var bufferSize = 262_144

        public init(policy: AcceptorPolicy) { self.policy = policy }
    }

    /// What the acceptor tells its owner, for metrics and logs.
    public enum Notice: Sendable {
        case accepted(calling: String, called: String, peer: String, contexts: Int)
        case rejected(AssociateReject, calling: String, peer: String)
        /// The ARTIM time was over, or the connection gave way to others.
        case dropped(peer: String)
    }

    public typealias HandlerFactory =
        @Sendable (_ association: NegotiatedAssociation, _ peerAddress: String) -> any AssociationHandler

    private struct Served {
        var record: AssociationRecord
        var thread: ServiceThread?
    }

    private struct Shared {
        var served: [UInt64: Served] = [:]
        /// Threads that have nothing left to do but to be joined.
        var finished: [ServiceThread] = []
        /// Connections that the peer is to close.
        var returned: [Waiting] = []
        var isStopping = false
    }

    /// A connection without an association.
    private struct Waiting: Sendable {
        var socket: StreamSocket
        var upper: UpperLayer
        var deadline: Int
    }

    private let configuration: Configuration
    private let makeHandler: HandlerFactory
    private let notice: @Sendable (Notice) -> Void
    private let listener: ListeningSocket
    private let wake: WakePipe
    private let shared = Monitor(Shared())
    private let thread = StoppableThread()
    private let nextID = Atomic<UInt64>(1)

    /// Binds the port; throws when it is taken.
    public init(
        _ configuration: Configuration, notice: @escaping @Sendable (Notice) -> Void = { _ in },
        makeHandler: @escaping HandlerFactory
    ) throws(TransportError) {
        self.configuration = configuration
        self.makeHandler = makeHandler
        self.notice = notice
        listener = try ListeningSocket(host: configuration.host, port: configuration.port)
        wake = try WakePipe()
    }

    public var port: UInt16 { listener.port }
    /// Associations at this moment.
    public var associationCount: Int { shared.withLock { $0.served.count } }

    public func start() throws(ThreadError) {
        try thread.start(name: "dicom-accept") { [self] stop in
            stop.withHandler({ self.wake.signal() }) { run(stop) }
        }
    }

    /// Stops accepting, lets operations that have begun end for at most `deadlineMilliseconds`, then ends the rest, and
    /// returns when all threads are gone.
    public func stop(deadlineMilliseconds: Int) {
        guard thread.stop() else { return }
        let records = shared.withLock { shared in
            shared.isStopping = true
            return shared.served.values.map(\.record)
        }
        for record in records { record.askToEnd(evict: false) }
        _ = shared.wait(milliseconds: deadlineMilliseconds) { $0.served.isEmpty ? true : nil }
        for record in shared.withLock({ $0.served.values.map(\.record) }) {
            record.socket.shutdown(reading: true, writing: true)
        }
        _ = shared.wait { $0.served.isEmpty ? true : nil }
        for finished in takeFinished() { finished.join() }
        shared.withLock { $0.returned = [] }
    }

    private func takeFinished() -> [ServiceThread] {
        shared.withLock { shared in
            defer { shared.finished = [] }
            return shared.finished
        }
    }

    // MARK: The accepting thread

    private func run(_ stop: StopToken) {
        var waiting: [Waiting] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16_384, alignment: 16)
        defer { buffer.deallocate() }
        while !stop.isStopped {
            waiting += shared.withLock { shared in
                defer { shared.returned = [] }
                return shared.returned
            }
            for finished in takeFinished() { finished.join() }
            let now = MonotonicClock.milliseconds
            waiting.removeAll { connection in
                guard connection.deadline <= now else { return false }
                if connection.upper.state == .awaitingRequest { notice(.dropped(peer: connection.socket.peerAddress)) }
                return true
            }
            limit(&waiting)

            var pollers = [pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)]
            pollers.append(pollfd(fd: wake.readEnd, events: Int16(POLLIN), revents: 0))
            pollers += waiting.map { pollfd(fd: $0.socket.descriptor, events: Int16(POLLIN), revents: 0) }
            let next = waiting.map(\.deadline).min().map { max(1, $0 - now) } ?? 60_000
            guard poll(&pollers, nfds_t(pollers.count), Int32(clamping: next)) > 0 else { continue }

            if pollers[1].revents != 0 { wake.drain() }
            var kept: [Waiting] = []
            kept.reserveCapacity(waiting.count + 1)
            for (index, var connection) in waiting.enumerated() {
                if pollers[index + 2].revents == 0 || advance(&connection, buffer) { kept.append(connection) }
            }
            waiting = kept
            if pollers[0].revents != 0 { acceptAll(&waiting) }
        }
    }

    private func acceptAll(_ waiting: inout [Waiting]) {
        // At most so many at a time, so that the others get their turn.
        for _ in 0..<64 {
            switch listener.accept() {
            case .none: return
            case .exhausted:
                // Without a descriptor nobody gets in; the one that has waited longest makes room.
                guard !waiting.isEmpty else {
                    usleep(20_000)
                    return
                }
                notice(.dropped(peer: waiting[0].socket.peerAddress))
                waiting.removeFirst()
            case .socket(let socket):
                socket.setBlocking(false)
                var upper = UpperLayer(role: .acceptor)
                _ = upper.transportIndication()
                waiting.append(Waiting(socket: socket, upper: upper, deadline: artimDeadline()))
            }
        }
    }

    private func artimDeadline() -> Int { MonotonicClock.milliseconds + configuration.artimMilliseconds }

    /// Closes the oldest connections while there are too many, or while they hold too much (16 MiB) together.
    private func limit(_ waiting: inout [Waiting]) {
        var held = waiting.reduce(0) { $0 + $1.upper.pendingBytes }
        var surplus = 0
        while surplus < waiting.count,
            waiting.count - surplus > configuration.maximumWaiting || held > 16 << 20
        {
            held -= waiting[surplus].upper.pendingBytes
            notice(.dropped(peer: waiting[surplus].socket.peerAddress))
            surplus += 1
        }
        waiting.removeFirst(surplus)
    }

    /// Reads what there is for a waiting connection; false when it no longer is one.
    private func advance(_ connection: inout Waiting, _ buffer: UnsafeMutableRawBufferPointer) -> Bool {
        let count: Int
        do {
            count = try connection.socket.read(into: buffer)
        } catch .timeout {
            return true
        } catch {
            return false
        }
        guard count > 0 else { return false }
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])
        var position = 0
        var effects: [UpperLayer.Effect] = []
        while position < count {
            effects.removeAll(keepingCapacity: true)
            // No fragment can come here: data is passed on in established associations only.
            _ = connection.upper.receive(bytes, at: &position, effects: &effects)
            for effect in effects {
                switch effect {
                case .send(let answer):
                    do { try connection.socket.write(answer) } catch { return false }
                case .closeTransport, .indicateClosed: return false
                case .startTimer: connection.deadline = artimDeadline()
                case .indicateAssociation(let request):
                    let rest = Array(UnsafeRawBufferPointer(rebasing: bytes[position...]))
                    guard let reject = serve(request, &connection, rest: rest) else { return false }
                    notice(
                        .rejected(reject, calling: request.titles.calling, peer: connection.socket.peerAddress))
                    for effect in connection.upper.reject(reject) {
                        if case .send(let answer) = effect {
                            do { try connection.socket.write(answer) } catch { return false }
                        }
                    }
                    connection.deadline = artimDeadline()
                default: break
                }
            }
        }
        return true
    }

    /// Accepts the request and starts the association's thread; a rejection otherwise.
    private func serve(
        _ request: AssociateRequest, _ connection: inout Waiting, rest: [UInt8]
    ) -> AssociateReject? {
        let accept: AssociateAccept
        let association: NegotiatedAssociation
        switch configuration.policy.decide(request) {
        case .reject(let reject): return reject
        case .accept(let answer, let negotiated): (accept, association) = (answer, negotiated)
        }
        guard makeRoom() else { return .localLimitExceeded }

        let socket = connection.socket
        let id = nextID.wrappingAdd(1, ordering: .relaxed).oldValue
        let record = AssociationRecord(id: id, socket: socket)
        shared.withLock { $0.served[id] = Served(record: record, thread: nil) }
        let upper = connection.upper
        let thread: ServiceThread
        do {
            thread = try ServiceThread(name: "dicom-\(id)") { [self] _ in
                run(record, upper: upper, accept: accept, association: association, firstBytes: rest)
            }
        } catch {
            shared.withLock { _ = $0.served.removeValue(forKey: id) }
            return .temporaryCongestion
        }
        shared.withLock { shared in
            if shared.served[id] == nil {
                shared.finished.append(thread)
            } else {
                shared.served[id]?.thread = thread
            }
        }
        return nil
    }

    /// True when there is room for one more association.
    private func makeRoom() -> Bool {
        let silentSince = MonotonicClock.milliseconds - configuration.evictionMilliseconds
        let victim: AssociationRecord?? = shared.withLock { shared in
            // Those asked to end do not count: they are about to.
            let living = shared.served.values.map(\.record).filter { $0.request.load(ordering: .acquiring) == 0 }
            guard living.count >= configuration.maximumAssociations else { return .some(nil) }
            guard shared.served.count < 2 * configuration.maximumAssociations else { return nil }
            let oldest = living.min {
                $0.lastActivity.load(ordering: .relaxed) < $1.lastActivity.load(ordering: .relaxed)
            }
            guard let oldest, oldest.lastActivity.load(ordering: .relaxed) <= silentSince else { return nil }
            return oldest
        }
        guard let victim else { return false }
        victim?.askToEnd(evict: true)
        return true
    }

    // MARK: An association's thread

    private func run(
        _ record: AssociationRecord, upper: UpperLayer, accept: AssociateAccept, association: NegotiatedAssociation,
        firstBytes: [UInt8]
    ) {
        let socket = record.socket
        socket.setBlocking(true)
        socket.setTimeouts(
            readMilliseconds: configuration.idleMilliseconds, writeMilliseconds: configuration.writeMilliseconds)
        let peer = socket.peerAddress
        notice(
            .accepted(
                calling: association.callingAETitle, called: association.calledAETitle, peer: peer,
                contexts: association.contexts.count))
        let handler = makeHandler(association, peer)
        var upper = upper
        var remaining: UpperLayer?
        var sent = false
        for case .send(let bytes) in upper.accept(accept) {
            do {
                try socket.write(bytes)
                sent = true
            } catch { sent = false }
        }
        if sent,
            let session = AssociationSession(
                record: record, upper: upper, association: association, handler: handler)
        {
            remaining = session.run(firstBytes: firstBytes, bufferSize: max(configuration.bufferSize, 4096))
        } else {
            handler.associationEnds(.connectionLost)
        }
        let deadline = artimDeadline()
        shared.withLock { shared in
            guard let served = shared.served.removeValue(forKey: record.id) else { return }
            if let thread = served.thread { shared.finished.append(thread) }
            if let remaining, !shared.isStopping {
                socket.setBlocking(false)
                shared.returned.append(Waiting(socket: socket, upper: remaining, deadline: deadline))
            }
        }
        wake.signal()
    }
}

/// Wakes a thread out of `poll`.
final class WakePipe: Sendable {
    let readEnd: Int32
    private let writeEnd: Int32

    init() throws(TransportError) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw .system(operation: "pipe", errorNumber: errno) }
        readEnd = ends[0]
        writeEnd = ends[1]
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    func signal() {
        var byte: UInt8 = 1
        _ = write(writeEnd, &byte, 1)
    }

    func drain() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(readEnd, &bytes, bytes.count) > 0 {}
    }
}
