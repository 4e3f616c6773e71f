internal import HTTPServer

/// A request that is not answered with what it asked for. The text says what is wrong and what to do; it repeats no
/// value of a query, which may be a patient's.
struct RequestFailure: Error {
    var status: Int
    var message: String
    /// For `Allow` of 405.
    var allowed: String?

    init(_ status: Int, _ message: String, allowed: String? = nil) {
        self.status = status
        self.message = message
        self.allowed = allowed
    }

    static func badRequest(_ message: String) -> RequestFailure { RequestFailure(400, message) }
    static func notFound(_ message: String) -> RequestFailure { RequestFailure(404, message) }
    static func notAcceptable(_ message: String) -> RequestFailure { RequestFailure(406, message) }

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
