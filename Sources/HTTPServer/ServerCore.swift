internal import CMicroHTTPD
import Glibc
import Synchronization

/// What the callbacks share: the handlers, and the table of connections.
final class ServerCore: Sendable {
    let configuration: HTTPServerConfiguration
    let handler: @Sendable (HTTPRequest) -> HTTPResponse
    let upload: @Sendable (HTTPRequest) -> HTTPUpload
    let observer: (@Sendable (HTTPExchange) -> Void)?
    let log: (@Sendable (String) -> Void)?

    let isStopping = Atomic(false)
    /// Stopping, and nothing more is waited for.
    let isDrained = Atomic(false)
    /// Whether the acceptor has the listening socket open.
    let isListening = Atomic(false)
    let accepted = Atomic(0)
    let reaped = Atomic(0)
    /// Accepted and not yet closed.
    private let open = Atomic(0)
    private let table = Mutex(Table())
    private let wake: Int32

    private struct Table {
        var connections: [Int: Connection] = [:]
        var nextID = 0
    }

    init(
        configuration: HTTPServerConfiguration, handler: @escaping @Sendable (HTTPRequest) -> HTTPResponse,
        upload: @escaping @Sendable (HTTPRequest) -> HTTPUpload, observer: (@Sendable (HTTPExchange) -> Void)?,
        log: (@Sendable (String) -> Void)?
    ) {
        self.configuration = configuration
        self.handler = handler
        self.upload = upload
        self.observer = observer
        self.log = log
        wake = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    }

    deinit {
        close(wake)
    }

    var connectionCount: Int { table.withLock { $0.connections.count } }

    /// Whether one more connection may be accepted.
    var hasRoom: Bool { open.load(ordering: .acquiring) < configuration.maximumConnections }

    /// Keeps a place for a connection that was accepted and not yet `add`ed.
    func reservePlace() {
        accepted.add(1, ordering: .relaxed)
        open.add(1, ordering: .acquiringAndReleasing)
    }

    /// After the daemon has stopped: it drops what it was given last without a word.
    func freeAllPlaces() {
        open.store(0, ordering: .releasing)
    }

    func freePlace() {
        open.subtract(1, ordering: .acquiringAndReleasing)
        wakeReaper()
    }

    func add(_ connection: Connection) {
        table.withLock { table in
            table.nextID += 1
            connection.id = table.nextID
            table.connections[connection.id] = connection
        }
    }

    /// Afterwards nobody touches the connection's socket any more, so that its number may be used again.
    func remove(_ connection: Connection) {
        table.withLock { _ = $0.connections.removeValue(forKey: connection.id) }
        let before = open.subtract(1, ordering: .acquiringAndReleasing).oldValue
        if before >= configuration.maximumConnections { wakeReaper() }
    }

    func wakeReaper() {
        eventfd_write(wake, 1)
    }

    /// Waits until woken, until a client knocks at `listener` (-1: none is waited for), or for so many milliseconds.
    /// - Returns: whether one knocked.
    func wait(listener: Int32, milliseconds: Int32) -> Bool {
        var polls = [
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&polls, 2, milliseconds) > 0 else { return false }
        if polls[0].revents != 0 {
            var value: eventfd_t = 0
            eventfd_read(wake, &value)
        }
        return polls[1].revents != 0
    }

    /// Whether a request is being received, handled or answered.
    var isBusy: Bool {
        table.withLock { table in
            table.connections.values.contains {
                let phase = $0.phase.load(ordering: .acquiring)
                return phase != .fresh && phase != .waiting
            }
        }
    }

    /// Closes what has been silent or slow for too long. The only place where time matters: the library's own time-out
    /// starts anew with every byte, and would end requests whose handler takes long.
    func reap() {
        let now = Clock.milliseconds()
        let isStopping = isStopping.load(ordering: .acquiring)
        table.withLock { table in
            for connection in table.connections.values where !connection.isClosing.load(ordering: .relaxed) {
                if isOverdue(connection, now, isStopping) { end(connection) }
            }
        }
    }

    /// Closes the connections that have been without a whole request for longest, at most `limit`, when there is no
    /// room: idle ones, those that stopped in the middle of their headers, and uploads of which nothing comes. Where there
    /// are none, the one whose answer has been taken too slowly for longest.
    func makeRoom(limit: Int) {
        let now = Clock.milliseconds()
        table.withLock { table in
            var closing = 0
            var candidates: [Connection] = []
            var stalled: Connection?
            for connection in table.connections.values {
                if connection.isClosing.load(ordering: .relaxed) {
                    closing += 1
                } else if mayMakeRoom(connection, now) {
                    candidates.append(connection)
                } else if isStalled(connection, now), connection.progressTime < stalled?.progressTime ?? .max {
                    stalled = connection
                }
            }
            guard closing < limit else { return }
            candidates.sort { ($0.since.load(ordering: .relaxed), $0.id) < ($1.since.load(ordering: .relaxed), $1.id) }
            let chosen = candidates.lazy.filter { !self.hasInput($0) }.prefix(limit - closing)
            if chosen.isEmpty, closing == 0, let stalled { return end(stalled) }
            for connection in chosen { end(connection) }
        }
    }

    /// Headers come in one piece, or soon after another: in milliseconds.
    private static let patienceWithHeaders: UInt64 = 500
    /// How long an upload may pause while others wait for its place, in milliseconds.
    private static let patienceWithUploads: UInt64 = 2_000

    /// Whether the peer took too little of an answer for `stallPatience`, counted from when places became short.
    private func isStalled(_ connection: Connection, _ now: UInt64) -> Bool {
        guard connection.phase.load(ordering: .acquiring) == .sending else { return false }
        let moved = wado_httpd_bytes_moved(connection.socket)
        // Counted anew after a pause in which nobody looked.
        let isKnown =
            connection.progressTime >= connection.since.load(ordering: .relaxed)
            && now - connection.lookedAt < UInt64(configuration.stallPatience)
        connection.lookedAt = now
        let isTaken = moved &- connection.progressBytes >= UInt64(configuration.minimumBytesPerWindow)
        if !isKnown || isTaken || wado_httpd_has_unsent(connection.socket) == 0 {
            connection.progressTime = now
            connection.progressBytes = moved
        }
        return now - connection.progressTime >= UInt64(configuration.stallPatience)
    }

    private func mayMakeRoom(_ connection: Connection, _ now: UInt64) -> Bool {
        let phase = connection.phase.load(ordering: .acquiring)
        let since = connection.since.load(ordering: .relaxed)
        switch phase {
        case .fresh, .waiting: return true
        case .header: return now > since + Self.patienceWithHeaders
        case .handling, .sending: return false
        case .receiving:
            let moved = wado_httpd_bytes_moved(connection.socket)
            if connection.progressTime < since || moved != connection.progressBytes {
                connection.progressTime = now
                connection.progressBytes = moved
            }
            return now - connection.progressTime > Self.patienceWithUploads
        }
    }

    /// Whether a request is waiting to be read.
    private func hasInput(_ connection: Connection) -> Bool {
        var byte: UInt8 = 0
        return recv(connection.socket, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    private func end(_ connection: Connection) {
        connection.isClosing.store(true, ordering: .relaxed)
        reaped.add(1, ordering: .relaxed)
        shutdown(connection.socket, Int32(SHUT_RDWR))
    }

    private func isOverdue(_ connection: Connection, _ now: UInt64, _ isStopping: Bool) -> Bool {
        let phase = connection.phase.load(ordering: .acquiring)
        let since = connection.since.load(ordering: .relaxed)
        let age = now > since ? now - since : 0
        switch phase {
        case .fresh, .header: return age > UInt64(configuration.headerDeadline) || (isStopping && phase == .fresh)
        case .waiting: return isStopping || age > UInt64(configuration.idleTimeout)
        case .handling: return false
        case .receiving, .sending:
            let window = UInt64(configuration.stallWindow)
            guard age > window else { return false }
            // A window that began before this phase did, or none yet: one begins now.
            guard connection.windowStart >= since, connection.windowStart > 0 else {
                connection.windowStart = now
                connection.windowBytes = wado_httpd_bytes_moved(connection.socket)
                return false
            }
            guard now - connection.windowStart > window else { return false }
            let moved = wado_httpd_bytes_moved(connection.socket)
            let isStalled = moved &- connection.windowBytes < UInt64(configuration.minimumBytesPerWindow)
            connection.windowStart = now
            connection.windowBytes = moved
            return isStalled
        }
    }
}
