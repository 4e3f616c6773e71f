/// What libmicrohttpd lets pass and must not be passed on: requests whose end two readers could see in two places
/// (RFC 9112 6.3, 11.2), and names and targets that no client may send.
enum RequestCheck {
    /// The reason to refuse a request, nil when it is well formed.
    static func problem(headers: HTTPHeaders, isVersion10: Bool) -> StaticString? {
        var hosts = 0
        var lengths = 0
        var encodings = 0
        for field in headers.fields {
            let name = headers.bytes[Int(field.name)..<Int(field.value)]
            let value = headers.bytes[Int(field.value)..<Int(field.end)]
            if name.isEmpty || !name.allSatisfy(isToken) {
                return "a header's name has a space or an illegal character"
            }
            for byte in value where (byte < 0x20 && byte != 0x09) || byte == 0x7F {
                return "a header's value has a control character"
            }
            switch name.count {
            case 4 where headers.matches(field, "host"): hosts += 1
            case 14 where headers.matches(field, "content-length"):
                lengths += 1
                if value.isEmpty || !value.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) {
                    return "Content-Length is not a number"
                }
            case 17 where headers.matches(field, "transfer-encoding"):
                encodings += 1
                if !equals(value, "chunked") { return "Transfer-Encoding is not 'chunked'" }
            default: break
            }
        }
        if hosts > 1 { return "more than one Host header" }
        if hosts == 0, !isVersion10 { return "no Host header" }
        if lengths > 1 { return "more than one Content-Length header" }
        if encodings > 1 { return "more than one Transfer-Encoding header" }
        if encodings == 1, lengths == 1 { return "both Transfer-Encoding and Content-Length" }
        if encodings == 1, isVersion10 { return "Transfer-Encoding in a request of HTTP/1.0" }
        return nil
    }

    /// The target without the scheme and authority of the absolute form; nil when it has other than printable ASCII.
    static func target(_ bytes: [UInt8]) -> String? {
        guard let first = bytes.first else { return nil }
        for byte in bytes where byte <= 0x20 || byte >= 0x7F { return nil }
        if first == UInt8(ascii: "/") || (first == UInt8(ascii: "*") && bytes.count == 1) {
            return String(decoding: bytes, as: UTF8.self)
        }
        for scheme in ["http://", "https://"] {
            guard bytes.count > scheme.utf8.count, equals(bytes.prefix(scheme.utf8.count), scheme) else { continue }
            let rest = bytes.dropFirst(scheme.utf8.count)
            guard let end = rest.firstIndex(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }) else {
                return "/"
            }
            let path = String(decoding: rest[end...], as: UTF8.self)
            return path.hasPrefix("/") ? path : "/" + path
        }
        return nil
    }

    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60, 0x7C, 0x7E: true
        default: false
        }
    }

    private static func equals(_ bytes: ArraySlice<UInt8>, _ name: String) -> Bool {
        bytes.count == name.utf8.count && zip(bytes, name.utf8).allSatisfy { lowercase($0) == $1 }
    }
}
