internal import CMicroHTTPD
import Glibc

/// A listening socket.
struct Listener {
    var socket: Int32
    var port: UInt16

    static func listen(host: String, port: UInt16) throws(HTTPServerError) -> Listener {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &found)
        guard status == 0, let found else {
            throw .cannotListen(host: host, port: port, reason: String(cString: gai_strerror(status)))
        }
        defer { freeaddrinfo(found) }
        // Without a host IPv6's any-address takes IPv4 too; it may be second in the list, or missing.
        var candidates: [addrinfo] = []
        var next: UnsafeMutablePointer<addrinfo>? = found
        while let entry = next {
            candidates.append(entry.pointee)
            next = entry.pointee.ai_next
        }
        if host.isEmpty { candidates.sort { $0.ai_family == AF_INET6 && $1.ai_family != AF_INET6 } }
        var failure: Int32 = 0
        for candidate in candidates {
            let type = candidate.ai_socktype | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            let socket = Glibc.socket(candidate.ai_family, type, candidate.ai_protocol)
            guard socket >= 0 else {
                failure = errno
                continue
            }
            var on: Int32 = 1
            var off: Int32 = 0
            setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            if candidate.ai_family == AF_INET6 {
                setsockopt(
                    socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, socklen_t(MemoryLayout<Int32>.size))
            }
            if bind(socket, candidate.ai_addr, candidate.ai_addrlen) == 0, Glibc.listen(socket, 1_024) == 0 {
                return Listener(socket: socket, port: boundPort(socket))
            }
            failure = errno
            close(socket)
            if failure == EADDRINUSE { throw .addressInUse(host: host, port: port) }
        }
        throw .cannotListen(host: host, port: port, reason: String(cString: strerror(failure)))
    }

    private static func boundPort(_ socket: Int32) -> UInt16 {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &address) { bytes in
            guard let base = bytes.baseAddress,
                getsockname(socket, base.assumingMemoryBound(to: sockaddr.self), &length) == 0
            else { return 0 }
            // The port stands at the same place in both families.
            return UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        }
    }
}
