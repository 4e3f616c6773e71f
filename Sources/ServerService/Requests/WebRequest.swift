internal import Archive
internal import DICOMWeb
internal import HTTPServer

/// A request whose tenant is known.
struct WebRequest {
    var http: HTTPRequest
    var tenant: TenantID
    /// What URLs in answers start with: `http://host/dicom-web`.
    var root: String

    /// The Accept header and the `accept` query parameter.
    func accept() throws(RequestFailure) -> AcceptHeader {
        var lines: [String] = []
        if let line = http.headers.joined("accept") { lines.append(line) }
        var query: [String] = []
        if let text = http.query, text.utf8.count > 6 {
            do {
                for item in try QIDOQuery.items(String(text)) where item.name == "accept" { query.append(item.value) }
            } catch { throw .badRequest(error.description) }
        }
        return AcceptHeader(lines: lines, query: query)
    }

    /// Chooses a representation, or says what there is (406).
    func negotiate(_ offers: [Representation]) throws(RequestFailure) -> Representation {
        do { return offers[try accept().negotiate(offers)] } catch let error as NotAcceptable {
            throw .notAcceptable(error.description)
        } catch let error as RequestFailure { throw error } catch { throw .badRequest("Accept cannot be read") }
    }

    /// Whether gzip is accepted, and not less liked than no encoding at all (RFC 9110 12.5.3).
    var acceptsGzip: Bool {
        guard let header = http.headers.joined("accept-encoding") else { return false }
        var gzip: Int?
        var identity: Int?
        var any: Int?
        for item in header.split(separator: ",") {
            let parts = item.split(separator: ";").map { part in
                part.filter { $0 != " " && $0 != "\t" }.lowercased()
            }
            guard let name = parts.first else { continue }
            var weight = 1000
            for parameter in parts.dropFirst() where parameter.hasPrefix("q=") {
                // One that cannot be read does not ask for anything.
                weight = AcceptHeader.Range.quality(String(parameter.dropFirst(2))) ?? 0
            }
            switch name {
            case "gzip", "x-gzip": gzip = max(gzip ?? 0, weight)
            case "identity": identity = weight
            case "*": any = weight
            default: break
            }
        }
        // No encoding is always possible, but only somebody who names it prefers it.
        let wanted = gzip ?? any ?? 0
        return wanted > 0 && wanted >= identity ?? 0
    }

    /// Whether `If-None-Match` names this entity tag, which has its quotation marks; weak ones are the same as strong
    /// ones (RFC 9110 13.1.2).
    func isUnchanged(_ tag: String) -> Bool {
        guard let header = http.headers.joined("if-none-match") else { return false }
        func strong(_ tag: Substring) -> Substring { tag.hasPrefix("W/") ? tag.dropFirst(2) : tag }
        for item in header.split(separator: ",") {
            var item = item.drop { $0 == " " || $0 == "\t" }
            while item.last == " " || item.last == "\t" { item.removeLast() }
            if item == "*" || strong(item) == strong(tag[...]) { return true }
        }
        return false
    }
}

extension HTTPResponse {
    static func unchanged(_ tag: String) -> HTTPResponse {
        var response = HTTPResponse(304)
        response.add("ETag", tag)
        return response
    }
}
