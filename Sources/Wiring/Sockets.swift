internal import Glibc

/// Small things with TCP sockets of this machine.
public enum Sockets {
    /// Whether a port can be listened on.
    public enum Availability: Equatable, Sendable {
        case free(Int)
        case taken
        /// Ports below 1024 need a right.
        case forbidden
        /// Not an address of this machine.
        case noSuchAddress
    }

    /// Below what Linux gives to outgoing connections by itself (`ip_local_port_range`): a service that starts again
    /// does not find such a port taken by somebody's connection.
    private static let lastingPorts = 20_000..<32_768

    /// Tries to listen on a port for a moment. Port 0 finds a free one.
    public static func probe(host: String, port: Int) -> Availability {
        guard port == 0 else { return tryListening(host: host, port: port) }
        for _ in 0..<64 {
            let found = tryListening(host: host, port: Int.random(in: lastingPorts))
            if found != .taken { return found }
        }
        return tryListening(host: host, port: 0)
    }

    private static func tryListening(host: String, port: Int) -> Availability {
        guard let list = resolve(host, port: port, passive: true) else { return .noSuchAddress }
        defer { freeaddrinfo(list) }
        let descriptor = socket(list.pointee.ai_family, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        guard descriptor >= 0 else { return .noSuchAddress }
        defer { close(descriptor) }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, list.pointee.ai_addr, list.pointee.ai_addrlen) == 0, listen(descriptor, 1) == 0 else {
            switch errno {
            case EADDRINUSE: return .taken
            case EACCES: return .forbidden
            default: return .noSuchAddress
            }
        }
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let found = withUnsafeMutableBytes(of: &address) { bytes -> Int in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                getsockname(descriptor, base, &length) == 0
            else { return 0 }
            // The port stands at the same place, in network order, for IPv4 and IPv6.
            return Int(bytes[2]) << 8 | Int(bytes[3])
        }
        return .free(found)
    }

    /// A connection, with a limit for every read and write; nil when there is none.
    static func connect(host: String, port: Int, timeoutMilliseconds: Int) -> Int32? {
        guard let list = resolve(host, port: port, passive: false) else { return nil }
        defer { freeaddrinfo(list) }
        let descriptor = socket(list.pointee.ai_family, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        guard descriptor >= 0 else { return nil }
        var limit = timeval(tv_sec: timeoutMilliseconds / 1000, tv_usec: (timeoutMilliseconds % 1000) * 1000)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        guard Glibc.connect(descriptor, list.pointee.ai_addr, list.pointee.ai_addrlen) == 0 else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    private static func resolve(_ host: String, port: Int, passive: Bool) -> UnsafeMutablePointer<addrinfo>? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = passive ? AI_PASSIVE : 0
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &list)
        return result == 0 ? list : nil
    }
}

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
}

extension Sockets {
    /// An address to connect to, for one that is listened on.
    public static func reachable(_ address: String) -> String {
        switch address {
        case "", "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: address
        }
    }
}

extension LocalHTTP {
    /// The same, as it is written in URLs.
    public static func reachable(_ address: String) -> String {
        let host = Sockets.reachable(address)
        return host.contains(":") ? "[\(host)]" : host
    }
}
