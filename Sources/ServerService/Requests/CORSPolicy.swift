internal import HTTPServer

/// Lets pages of other origins read answers (Fetch standard, CORS protocol).
struct CORSPolicy: Sendable {
    /// Origins such as `https://viewer.example.org`; `*` is any. Empty: none.
    let origins: [String]
    private let isOpen: Bool
    private let vary: String

    init(_ origins: [String]) {
        self.origins = origins
        isOpen = origins.contains("*")
        vary = "Accept, Accept-Encoding, x-tenant" + (isOpen || origins.isEmpty ? "" : ", Origin")
    }

    /// What Access-Control-Allow-Origin says. Where any origin may read, it says so to those without an origin too: the
    /// answer may be kept by a cache, and be another's.
    func allowed(_ request: HTTPRequest) -> String? {
        if isOpen { return "*" }
        guard !origins.isEmpty, let origin = request.headers["origin"] else { return nil }
        return origins.contains(origin) ? origin : nil
    }

    /// Adds these headers, and what answers vary by.
    func add(to response: inout HTTPResponse, for request: HTTPRequest) {
        response.add("Vary", vary)
        guard let origin = allowed(request) else { return }
        response.add("Access-Control-Allow-Origin", origin)
        response.add(
            "Access-Control-Expose-Headers",
            literal: "Content-Encoding, Content-Length, Content-Location, Content-Type, ETag, Warning")
    }

    /// Answers `OPTIONS`, a preflight or not.
    func preflight(_ request: HTTPRequest) -> HTTPResponse {
        var response = HTTPResponse(204)
        response.add("Allow", literal: "GET, HEAD, OPTIONS")
        guard let origin = allowed(request) else { return response }
        response.add("Access-Control-Allow-Origin", origin)
        response.add("Access-Control-Allow-Methods", literal: "GET, HEAD, OPTIONS")
        response.add("Access-Control-Max-Age", literal: "86400")
        response.add("Vary", literal: "Origin, Access-Control-Request-Headers")
        // Any request header is harmless here: what is asked for is allowed, if it is a list of names.
        if let asked = request.headers.joined("access-control-request-headers"), asked.utf8.count <= 2_048,
            asked.utf8.allSatisfy(Self.isListCharacter)
        {
            response.add("Access-Control-Allow-Headers", asked)
        } else {
            response.add("Access-Control-Allow-Headers", literal: "accept, authorization, content-type, x-tenant")
        }
        return response
    }

    private static func isListCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2C, 0x20, 0x2D, 0x5F: true
        default: false
        }
    }
}
