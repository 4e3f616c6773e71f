/// A response. `Date`, `Content-Length`, `Transfer-Encoding` and `Connection` are the server's business.
public struct HTTPResponse: Sendable {
    /// 200...599.
    public var status: Int {
        didSet { prepared = nil }
    }
    public private(set) var headers: [(name: StaticString, value: String)] = [] {
        didSet { prepared = nil }
    }
    public var body: HTTPBody {
        didSet { prepared = nil }
    }
    /// The connection ends after this response.
    public var closes = false
    /// What the library made of status, headers and body, as long as these are not changed.
    private(set) var prepared: PreparedResponse?
    /// Given back in `HTTPExchange`, for access logs.
    public var note: (any Sendable)?

    public init(_ status: Int, body: HTTPBody = .empty) {
        self.status = status
        self.body = body
    }

    /// Adds a header. Control characters in the value become spaces, so that no value can end its line.
    public mutating func add(_ name: StaticString, _ value: String) {
        var value = value
        let isClean = value.withUTF8 { bytes in
            for byte in bytes where byte < 0x20 || byte == 0x7F { return false }
            return true
        }
        if !isClean {
            value = String(
                decoding: value.utf8.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }, as: UTF8.self)
        }
        headers.append((name, value))
    }

    /// Adds a header that the caller knows to be free of control characters.
    public mutating func add(_ name: StaticString, literal value: StaticString) {
        headers.append((name, value.description))
    }

    /// Makes what is sent, once for all copies of this response. Of bodies in memory only; others are left as they are.
    public mutating func prepare() { prepared = PreparedResponse(self) }

    /// The first value under a name, spelled exactly so.
    public func header(_ name: StaticString) -> String? {
        headers.first { $0.name.description == name.description }?.value
    }
}

/// The body of a response.
public enum HTTPBody: Sendable {
    case empty
    case bytes([UInt8])
    /// Bytes that other responses send too.
    case shared(HTTPSharedBytes)
    /// A range of a file, sent without passing through the process.
    case file(HTTPFile, offset: Int, length: Int)
    /// Pieces one after another, all known beforehand: multipart around ranges of files.
    case segments([HTTPSegments.Segment])
    /// Pieces one after another, sent chunked (RFC 9112 7.1), ranges of files without passing through the process: the
    /// fastest way for multipart. As a stream where that cannot be: over TLS and to HTTP/1.0.
    case chunked(HTTPSegments)
    /// Bytes made as they are sent.
    case stream(any HTTPBodyStream)

    /// Bytes; nil when unknown.
    public var length: Int? {
        switch self {
        case .empty: 0
        case .bytes(let bytes): bytes.count
        case .shared(let bytes): bytes.count
        case .file(_, _, let length): length
        case .segments(let segments): segments.reduce(0) { $0 + $1.length }
        case .chunked(let segments): segments.length
        case .stream(let stream): stream.length
        }
    }
}

/// A body that is produced piece by piece, on the connection's thread, as fast as the peer takes it.
public protocol HTTPBodyStream: AnyObject, Sendable {
    /// Bytes in all; nil when unknown (then sent chunked). A stream that ends before its length cuts the connection, so
    /// that no peer takes a part for the whole.
    var length: Int? { get }
    /// Fills a buffer of 1 or more bytes with at least 1 byte and returns how many; 0: the end. May block. An error
    /// cuts the connection.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// What was asked, what was answered, and how it went. Made when the last byte was sent or the connection was lost.
public struct HTTPExchange: Sendable {
    public var request: HTTPRequest
    public var status: Int
    /// Bytes of the body given to the system for sending; 0 of a range sent incompletely.
    public var sentBytes: Int
    public var isComplete: Bool
    /// From the end of the headers to the end of the response.
    public var nanoseconds: UInt64
    public var note: (any Sendable)?
    /// What its body threw as it was sent; the peer going away is no failure.
    public var failure: (any Error)?
}
