internal import CMicroHTTPD
import Glibc
import Synchronization

/// An HTTP/1.1 server (RFC 9112) over libmicrohttpd, with a thread for each connection: handlers and bodies may block
/// without delaying another connection.
public final class HTTPServer: Sendable {
    private let core: ServerCore
    private let state = Mutex(State())

    private struct State: ~Copyable, @unchecked Sendable {
        var daemon: OpaquePointer?
        var acceptor: pthread_t?
        var port: UInt16 = 0
    }

    /// - Parameters:
    ///   - handler: answers a request without body, or whose body was collected or dropped; on the connection's thread.
    ///   - upload: decides about a request's body, when it has one, before it is read.
    ///   - observer: told of every answered request after its end, on the connection's thread: it must not block.
    ///   - log: gets the library's own messages, which may quote what a peer sent.
    public init(
        configuration: HTTPServerConfiguration, handler: @escaping @Sendable (HTTPRequest) -> HTTPResponse,
        upload: @escaping @Sendable (HTTPRequest) -> HTTPUpload = { _ in .discard },
        observer: (@Sendable (HTTPExchange) -> Void)? = nil, log: (@Sendable (String) -> Void)? = nil
    ) {
        var configuration = configuration
        configuration.maximumConnections = min(max(1, configuration.maximumConnections), 65_536)
        configuration.maximumHeaderBytes = min(max(4_096, configuration.maximumHeaderBytes), 16 << 20)
        core = ServerCore(
            configuration: configuration, handler: handler, upload: upload, observer: observer, log: log)
    }

    deinit {
        stop()
    }

    /// The port it listens on; 0 before `start`.
    public var port: UInt16 { state.withLock { $0.port } }
    /// Connections open now.
    public var connectionCount: Int { core.connectionCount }
    /// Connections accepted since the start.
    public var acceptedCount: Int { core.accepted.load(ordering: .relaxed) }
    /// Connections closed because they were silent or slow for too long, or idle when places were short.
    public var reapedCount: Int { core.reaped.load(ordering: .relaxed) }

    /// Listens, and returns when requests are served.
    public func start() throws(HTTPServerError) {
        let result: Result<Void, HTTPServerError> = state.withLock { state in
            guard state.daemon == nil else { return .success(()) }
            do throws(HTTPServerError) {
                try start(&state)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private func start(_ state: inout State) throws(HTTPServerError) {
        let configuration = core.configuration
        if configuration.tls != nil, wado_httpd_has_tls() == 0 { throw .tlsUnsupported }
        // A peer that goes away is an error of that write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        let listener = try Listener.listen(host: configuration.host, port: configuration.port)

        var options = wado_httpd_options()
        // Ours is the acceptor's business; the library's is out of reach.
        options.connection_limit = UInt32(configuration.maximumConnections) + 65_536
        options.connection_limit_per_address = UInt32(clamping: max(0, configuration.maximumConnectionsPerAddress))
        options.connection_memory = configuration.maximumHeaderBytes
        options.handler = handleCallback
        options.completed = completedCallback
        options.connection = connectionCallback
        options.request_line = requestLineCallback
        options.log = logCallback
        options.context = Unmanaged.passUnretained(core).toOpaque()
        let certificate = configuration.tls.map { strdup($0.certificate) } ?? nil
        let key = configuration.tls.map { strdup($0.key) } ?? nil
        options.tls_certificate = UnsafePointer(certificate)
        options.tls_key = UnsafePointer(key)
        defer {
            free(certificate)
            free(key)
        }
        guard let daemon = wado_httpd_start(&options) else {
            close(listener.socket)
            throw .cannotStart
        }
        core.isStopping.store(false, ordering: .releasing)
        core.isDrained.store(false, ordering: .releasing)
        core.isListening.store(true, ordering: .releasing)
        guard let acceptor = Acceptor(core: core, daemon: daemon, listener: listener.socket).start() else {
            wado_httpd_stop(daemon)
            close(listener.socket)
            throw .cannotStart
        }
        state.daemon = daemon
        state.port = listener.port
        state.acceptor = acceptor
    }

    /// Accepts nothing more, lets running requests end for `drainTimeout`, then closes every connection. Returns when
    /// no handler runs any more; a handler that never returns makes it wait. A stopped server may be started again.
    public func stop() {
        state.withLock { state in
            guard let daemon = state.daemon else { return }
            core.isStopping.store(true, ordering: .releasing)
            core.wakeReaper()
            let end = Clock.milliseconds() + UInt64(max(0, core.configuration.drainTimeout))
            while core.isListening.load(ordering: .acquiring) || core.isBusy, Clock.milliseconds() < end {
                usleep(5_000)
            }
            core.isDrained.store(true, ordering: .releasing)
            core.wakeReaper()
            if let acceptor = state.acceptor { pthread_join(acceptor, nil) }
            wado_httpd_stop(daemon)
            core.freeAllPlaces()
            state.daemon = nil
            state.acceptor = nil
        }
    }
}
