internal import Glibc

/// Asks services of this machine how they are. For small answers of our own servers; no HTTP client for the world.
public enum LocalHTTP {
    /// The longest answer, in bytes.
    static let limit = 16 << 20

    public struct Answer: Sendable {
        public let status: Int
        public let body: [UInt8]
        let head: [UInt8]

        /// The value of the first header of this name.
        public func header(_ name: String) -> String? {
            for line in head.split(separator: 10) {
                let parts = String(decoding: line, as: UTF8.self).split(separator: ":", maxSplits: 1)
                guard parts.count == 2, parts[0].lowercased() == name.lowercased() else { continue }
                return String(parts[1].drop { $0 == " " }.prefix { $0 != "\r" && $0 != "\r\n" })
            }
            return nil
        }
    }

    /// GETs `http://host:port/path`; nil when there is no readable answer.
    public static func get(
        _ url: String, headers: [String] = [], timeoutMilliseconds: Int = 5_000
    ) -> Answer? {
        guard url.hasPrefix("http://") else { return nil }
        let rest = url.dropFirst(7)
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        let mark = authority.lastIndex(of: ":") ?? authority.endIndex
        let port = mark == authority.endIndex ? 80 : Int(authority[authority.index(after: mark)...]) ?? 80
        let host = authority[..<mark].filter { $0 != "[" && $0 != "]" }
        guard let socket = Sockets.connect(host: host, port: port, timeoutMilliseconds: timeoutMilliseconds) else {
            return nil
        }
        defer { close(socket) }
        var request = "GET \(path.isEmpty ? "/" : path) HTTP/1.0\r\nHost: \(authority)\r\nConnection: close\r\n"
        for header in headers { request += header + "\r\n" }
        let bytes = Array((request + "\r\n").utf8)
        guard send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return nil }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while answer.count < limit {
            let count = recv(socket, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            answer.append(contentsOf: buffer[..<count])
        }
        return parse(answer)
    }

    static func parse(_ answer: [UInt8]) -> Answer? {
        let end = Array("\r\n\r\n".utf8)
        guard answer.count >= 16, answer.starts(with: "HTTP/1.".utf8) else { return nil }
        let status = String(decoding: answer[9..<12], as: UTF8.self)
        guard let number = Int(status) else { return nil }
        var index = 0
        while index + 4 <= answer.count {
            if answer[index] == 13, Array(answer[index..<(index + 4)]) == end {
                return Answer(status: number, body: Array(answer[(index + 4)...]), head: Array(answer[..<index]))
            }
            index += 1
        }
        return nil
    }

    /// The same, as it is written in URLs.
    public static func reachable(_ address: String) -> String {
        let host = Sockets.reachable(address)
        return host.contains(":") ? "[\(host)]" : host
    }
}
