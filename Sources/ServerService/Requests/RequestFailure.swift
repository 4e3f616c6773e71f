internal import Archive
internal import DICOMCore
internal import HTTPServer

/// A request that is not answered with what it asked for. The text says what is wrong and what to do; it repeats no
/// value of a query, which may be a patient's.
struct RequestFailure: Error, CustomStringConvertible {
    var status: Int
    var message: String
    /// For `Allow` of 405.
    var allowed: String?
    /// What went wrong in the archive, for its log; nil where the request is at fault.
    var cause: (any Error)?

    init(_ status: Int, _ message: String, allowed: String? = nil, cause: (any Error)? = nil) {
        self.status = status
        self.message = message
        self.allowed = allowed
        self.cause = cause
    }

    static func badRequest(_ message: String) -> RequestFailure { RequestFailure(400, message) }
    static func notFound(_ message: String) -> RequestFailure { RequestFailure(404, message) }
    static func notAcceptable(_ message: String) -> RequestFailure { RequestFailure(406, message) }

    /// Something of the archive's own that failed: 503 where trying again may help, 500 where somebody has to mend it.
    static func failed(_ what: String, _ cause: any Error) -> RequestFailure {
        if (cause as? any RetriableError)?.isRetriable ?? ((cause as? DICOMError)?.code == .unreadable) {
            return RequestFailure(503, "\(what) now; try again later", cause: cause)
        }
        let why = (cause as? DICOMError).map { ": \($0)" } ?? "; the server's log says why"
        return RequestFailure(500, what + why, cause: cause)
    }

    var description: String { "\(status): \(message)" }

    var response: HTTPResponse {
        var text = "{\"status\":\(status),\"error\":\""
        for scalar in message.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\u{0}"..<"\u{20}", "\u{7F}": text += " "
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\"}\n"
        var response = HTTPResponse(status, body: .bytes(Array(text.utf8)))
        response.add("Content-Type", literal: "application/json")
        if let allowed { response.add("Allow", allowed) }
        return response
    }
}
