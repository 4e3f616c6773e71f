/// How an `HTTPServer` listens, and what it puts up with.
public struct HTTPServerConfiguration: Sendable {
    /// A numeric address or a name; of a name the first address is taken. Empty: all addresses of the machine.
    public var host = "127.0.0.1"
    /// 0 for a free one, which `HTTPServer.port` tells.
    public var port: UInt16 = 0
    /// Connections at a time, each with a thread; more wait to be accepted. When few places are left, the connections
    /// that have been idle longest are closed. At least 1.
    public var maximumConnections = 512
    /// Connections at a time from one address, 0 for no such limit; a further one is closed at once.
    public var maximumConnectionsPerAddress = 0
    /// Bytes of request line and headers together, at least 4,096; longer ones are answered 414 or 431. Each connection
    /// has so much memory, which is zeroed after each request: more costs time.
    public var maximumHeaderBytes = 32_768
    /// Milliseconds from accepting a connection, or from a later request's first line, to the end of its headers.
    public var headerDeadline = 10_000
    /// Milliseconds that a connection may wait for its next request.
    public var idleTimeout = 60_000
    /// A request body being received and a response being sent must move at least `minimumBytesPerWindow` within this
    /// many milliseconds, else the connection is closed.
    public var stallWindow = 30_000
    public var minimumBytesPerWindow = 4_096
    /// While all places are taken and others wait, the answer that has been taken most slowly for so many milliseconds,
    /// less than `minimumBytesPerWindow` in them, gives up its place: one after another.
    public var stallPatience = 5_000
    /// Bytes of a body that nobody wants (of a GET, or after an error was found) that are read and dropped so that the
    /// connection can go on; beyond it the connection is closed.
    public var maximumDiscardedBytes = 16 << 20
    /// Milliseconds that `stop` waits for running requests.
    public var drainTimeout = 10_000
    /// PEM texts of certificate chain and key; nil: plain HTTP.
    public var tls: TLS?

    public struct TLS: Sendable {
        public var certificate: String
        public var key: String

        public init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    public init() {}
}

/// Why a server did not start.
public enum HTTPServerError: Error, CustomStringConvertible {
    /// `reason` is the system's.
    case addressInUse(host: String, port: UInt16)
    case cannotListen(host: String, port: UInt16, reason: String)
    case tlsUnsupported
    case cannotStart

    public var description: String {
        switch self {
        case .addressInUse(let host, let port):
            "port \(port) of '\(host)' is taken by another program: stop that one, or choose another port"
        case .cannotListen(let host, let port, let reason): "cannot listen on port \(port) of '\(host)': \(reason)"
        case .tlsUnsupported: "libmicrohttpd was built without TLS: leave the certificate out, or use a reverse proxy"
        case .cannotStart:
            "libmicrohttpd did not start: with TLS, check certificate and key; else the process lacks memory or threads"
        }
    }
}
