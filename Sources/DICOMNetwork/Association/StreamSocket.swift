internal import Glibc

/// What went wrong with a connection.
public enum TransportError: Error, Hashable, Sendable, CustomStringConvertible {
    case system(operation: String, errorNumber: Int32)
    case unknownHost(String)
    case timeout
    case closed

    public var description: String {
        switch self {
        case .system(let operation, let errorNumber): "\(operation): \(String(cString: strerror(errorNumber)))"
        case .unknownHost(let host): "no address for \(host)"
        case .timeout: "timed out"
        case .closed: "closed by the peer"
        }
    }
}

/// A connected TCP socket that is owned: closed with its owner.
///
/// Used by one thread, but for `shutdown`, which any thread may call while the owner holds the socket.
final class StreamSocket: Sendable {
    let descriptor: Int32

    init(adopting descriptor: Int32) {
        self.descriptor = descriptor
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &one, socklen_t(MemoryLayout<Int32>.size))
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { close(descriptor) }

    func setBlocking(_ blocking: Bool) {
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK)
    }

    /// How long `read` and `write` wait before they throw `timeout`; 0: for ever.
    func setTimeouts(readMilliseconds: Int, writeMilliseconds: Int) {
        for (option, milliseconds) in [(SO_RCVTIMEO, readMilliseconds), (SO_SNDTIMEO, writeMilliseconds)] {
            var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
            setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// At least one byte; 0: the peer has closed. What does not fit into `room` goes to `buffer`.
    func read(
        first room: UnsafeMutableRawBufferPointer? = nil, into buffer: UnsafeMutableRawBufferPointer
    ) throws(TransportError) -> Int {
        while true {
            let count: Int
            if let room {
                let places = [
                    iovec(iov_base: room.baseAddress, iov_len: room.count),
                    iovec(iov_base: buffer.baseAddress, iov_len: buffer.count),
                ]
                count = readv(descriptor, places, Int32(places.count))
            } else {
                count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            }
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: throw .timeout
            case ECONNRESET, EPIPE: throw .closed
            default: throw .system(operation: "read", errorNumber: errno)
            }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer, more: Bool = false) throws(TransportError) {
        var rest = bytes
        while !rest.isEmpty {
            let flags = Int32(MSG_NOSIGNAL) | (more ? Int32(MSG_MORE) : 0)
            let count = send(descriptor, rest.baseAddress, rest.count, flags)
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else {
                switch errno {
                case EINTR: continue
                case EAGAIN: throw .timeout
                case ECONNRESET, EPIPE: throw .closed
                default: throw .system(operation: "write", errorNumber: errno)
                }
            }
        }
    }

    func write(_ bytes: [UInt8], more: Bool = false) throws(TransportError) {
        var failure: TransportError?
        bytes.withUnsafeBytes { buffer in
            do throws(TransportError) { try write(buffer, more: more) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    func shutdown(reading: Bool, writing: Bool) {
        let how = reading ? (writing ? SHUT_RDWR : SHUT_RD) : SHUT_WR
        _ = Glibc.shutdown(descriptor, Int32(how))
    }

    /// The peer's numeric address, IPv4 in its own form.
    var peerAddress: String {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let size = Int(length)
        return withUnsafeMutableBytes(of: &storage) { bytes in
            guard let address = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                getpeername(descriptor, address, &length) == 0
            else { return "" }
            return SocketAddress.host(address, min(Int(length), size))
        }
    }

    static func connect(host: String, port: UInt16, timeoutMilliseconds: Int) throws(TransportError) -> StreamSocket {
        var failure = TransportError.unknownHost(host)
        for address in try SocketAddress.resolve(host: host, port: port, passive: false) {
            let descriptor = Glibc.socket(address.family, Int32(SOCK_STREAM.rawValue), 0)
            guard descriptor >= 0 else {
                failure = .system(operation: "socket", errorNumber: errno)
                continue
            }
            let socket = StreamSocket(adopting: descriptor)
            socket.setBlocking(false)
            let result = address.withPointer { Glibc.connect(descriptor, $0, $1) }
            if result != 0 {
                guard errno == EINPROGRESS else {
                    failure = .system(operation: "connect", errorNumber: errno)
                    continue
                }
                var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                guard poll(&poller, 1, Int32(clamping: timeoutMilliseconds)) > 0 else {
                    failure = .timeout
                    continue
                }
                var number: Int32 = 0
                var length = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &length)
                guard number == 0 else {
                    failure = .system(operation: "connect", errorNumber: number)
                    continue
                }
            }
            socket.setBlocking(true)
            return socket
        }
        throw failure
    }
}

/// A socket address of either family.
struct SocketAddress: Sendable {
    let family: Int32
    private let bytes: [UInt8]

    func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        bytes.withUnsafeBytes { buffer in
            // An address from getaddrinfo is never empty.
            body(buffer.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(buffer.count))
        }
    }

    /// `host` empty: any address (passive) or loopback.
    static func resolve(host: String, port: UInt16, passive: Bool) throws(TransportError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = passive ? AI_PASSIVE : 0
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &list)
        guard result == 0 else { throw .unknownHost(host) }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let info = next?.pointee {
            if let address = info.ai_addr, info.ai_addrlen > 0 {
                addresses.append(
                    SocketAddress(
                        family: info.ai_family,
                        bytes: Array(UnsafeRawBufferPointer(start: address, count: Int(info.ai_addrlen)))))
            }
            next = info.ai_next
        }
        // Passive: one socket of IPv6 serves both families.
        return passive ? addresses.sorted { $0.family == AF_INET6 && $1.family != AF_INET6 } : addresses
    }

    static func host(_ address: UnsafePointer<sockaddr>, _ length: Int) -> String {
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        guard getnameinfo(address, socklen_t(length), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 else {
            return ""
        }
        let name = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let mapped = "::ffff:"
        return name.hasPrefix(mapped) && name.contains(".") ? String(name.dropFirst(mapped.count)) : name
    }
}

/// A listening TCP socket.
final class ListeningSocket: Sendable {
    let descriptor: Int32
    let port: UInt16

    /// `port` 0: a free one. `host` empty: all addresses.
    init(host: String, port: UInt16) throws(TransportError) {
        var failure = TransportError.unknownHost(host)
        for address in try SocketAddress.resolve(host: host, port: port, passive: true) {
            let descriptor = Glibc.socket(address.family, Int32(SOCK_STREAM.rawValue), 0)
            guard descriptor >= 0 else {
                failure = .system(operation: "socket", errorNumber: errno)
                continue
            }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            var one: Int32 = 1
            var zero: Int32 = 0
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
            if address.family == AF_INET6 {
                setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &zero, socklen_t(MemoryLayout<Int32>.size))
            }
            guard address.withPointer({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, 1024) == 0 else {
                failure = .system(operation: "listen on port \(port)", errorNumber: errno)
                close(descriptor)
                continue
            }
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
            self.descriptor = descriptor
            self.port = ListeningSocket.port(of: descriptor)
            return
        }
        throw failure
    }

    deinit { close(descriptor) }

    private static func port(of descriptor: Int32) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { bytes in
            guard let address = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                getsockname(descriptor, address, &length) == 0
            else { return 0 }
            // sin_port and sin6_port stand at the same place, in network order.
            return UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        }
    }

    enum Accepted {
        case socket(StreamSocket)
        case none
        /// No descriptor is left.
        case exhausted
    }

    /// Never waits.
    func accept() -> Accepted {
        let accepted = Glibc.accept(descriptor, nil, nil)
        if accepted >= 0 { return .socket(StreamSocket(adopting: accepted)) }
        return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM ? .exhausted : .none
    }
}
