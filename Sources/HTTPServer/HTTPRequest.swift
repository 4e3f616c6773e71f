/// A request as it came: nothing is decoded, nothing is normalised.
public struct HTTPRequest: Sendable {
    /// As sent; methods are case-sensitive (RFC 9110 9.1).
    public var method: String
    /// Path and query as sent, percent signs and all: printable ASCII without spaces. Of the absolute form
    /// (`http://host/path`) without scheme and authority; `*` of `OPTIONS *`.
    public var target: String
    public var headers: HTTPHeaders
    /// The peer's numeric address, of a mapped IPv4 address its IPv4 form; empty when unknown.
    public var remoteAddress: String
    /// The body when `HTTPUpload.collect` was chosen for it; else empty.
    public var body: [UInt8] = []
    /// The declared length of the body, nil when it is chunked, 0 when there is none.
    public var contentLength: UInt64?

    public init(
        method: String, target: String, headers: HTTPHeaders = HTTPHeaders(), remoteAddress: String = "",
        contentLength: UInt64? = 0
    ) {
        self.method = method
        self.target = target
        self.headers = headers
        self.remoteAddress = remoteAddress
        self.contentLength = contentLength
    }

    /// The part of `target` before the first `?`, undecoded.
    public var path: Substring { target[..<(mark ?? target.endIndex)] }

    /// What follows the first `?`, undecoded; nil when there is none.
    public var query: Substring? {
        guard let mark else { return nil }
        return target[target.utf8.index(after: mark)...]
    }

    /// The first `?`. All who ask for path or query need it, and most targets have none.
    private var mark: String.Index? {
        let offset = target.utf8.withContiguousStorageIfAvailable { $0.firstIndex(of: UInt8(ascii: "?")) }
        guard let offset else { return target.utf8.firstIndex(of: UInt8(ascii: "?")) }
        return offset.map { target.utf8.index(target.startIndex, offsetBy: $0) }
    }

    public var hasBody: Bool { contentLength != 0 }
}

/// Takes a request's body piece by piece. Used by one thread; released when the request is over, however it ended.
public protocol HTTPBodyReceiver: AnyObject {
    /// May block: the peer waits meanwhile. A response ends the receiving: the rest of the body is dropped or, when it
    /// is long, the connection closed.
    func receive(_ bytes: RawSpan) -> HTTPResponse?
    /// The whole body has been received. Not called when the peer went away.
    func finish() -> HTTPResponse
}

/// What is to become of the body of a request that has one.
public enum HTTPUpload {
    /// Answered without reading it; the connection is closed afterwards.
    case reject(HTTPResponse)
    /// Handed over as it arrives.
    case receive(any HTTPBodyReceiver)
    /// Collected up to so many bytes for the handler, more is answered 413.
    case collect(limit: Int)
    /// Read and dropped before the handler is called, when it is not too long; else the connection is closed.
    case discard
}
