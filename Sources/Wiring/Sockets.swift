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

    /// An address to connect to, for one that is listened on.
    public static func reachable(_ address: String) -> String {
        switch address {
        case "", "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: address
        }
    }
}
