internal import CMicroHTTPD
import Glibc
import Synchronization

/// A connection, and the request it is busy with.
///
/// Unchecked: `phase`, `since` and `isClosing` are atomic; `window...`, `progress...` and `lookedAt` are the reaper's alone,
/// under the table's lock; all else is touched only by callbacks of this connection, which run one after another on its
/// thread.
final class Connection: @unchecked Sendable {
    enum Phase: UInt8, AtomicRepresentable {
        /// Accepted, no request yet.
        case fresh
        /// Between two requests.
        case waiting
        /// A request line has come, the headers have not.
        case header
        case receiving
        case handling
        case sending
    }

    enum Step {
        case head
        case ready
        case receiving(any HTTPBodyReceiver)
        case collecting(limit: Int)
        case discarding(HTTPResponse?)
        case answered
    }

    let core: ServerCore
    let socket: Int32
    let address: String
    let phase = Atomic(Phase.fresh)
    /// When the phase began, in milliseconds of the monotonic clock.
    let since: Atomic<UInt64>
    let isClosing = Atomic(false)
    /// Number in the table.
    var id = 0

    var windowStart: UInt64 = 0
    var windowBytes: UInt64 = 0
    /// When bytes of an upload were last seen to have come, or enough of an answer to have gone; looked at only while
    /// there is no room, last at `lookedAt`.
    var progressTime: UInt64 = 0
    var progressBytes: UInt64 = 0
    var lookedAt: UInt64 = 0

    var step = Step.head
    /// The request target as sent, copied before the library decodes it in place.
    var target: [UInt8] = []
    var targetStart: UnsafePointer<CChar>?
    var request: HTTPRequest?
    var isHead = false
    var isVersion10 = false
    var status = 0
    var note: (any Sendable)?
    var failure: (any Error)?
    var started: UInt64 = 0
    var responseLength: Int?
    var sentBytes = 0
    var discarded = 0

    init(core: ServerCore, socket: Int32, address: String) {
        self.core = core
        self.socket = socket
        self.address = address
        since = Atomic(Clock.milliseconds())
    }

    func enter(_ phase: Phase) {
        since.store(Clock.milliseconds(), ordering: .relaxed)
        self.phase.store(phase, ordering: .releasing)
    }

    func begin(_ uri: UnsafePointer<CChar>) {
        target.removeAll(keepingCapacity: true)
        let length = strlen(uri)
        uri.withMemoryRebound(to: UInt8.self, capacity: length) {
            target.append(contentsOf: UnsafeBufferPointer(start: $0, count: length))
        }
        targetStart = uri
        step = .head
        enter(.header)
    }

    /// Forgets the request.
    func reset() {
        step = .head
        request = nil
        note = nil
        failure = nil
        status = 0
        responseLength = nil
        sentBytes = 0
        discarded = 0
        isHead = false
        if target.capacity > 4_096 { target = [] }
        enter(.waiting)
    }
}

package enum Clock {
    package static func nanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// To some milliseconds, at a fifth of the price.
    static func milliseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        return UInt64(time.tv_sec) &* 1_000 &+ UInt64(time.tv_nsec) / 1_000_000
    }
}

/// The numeric form of a peer's address.
func numericAddress(_ address: UnsafePointer<sockaddr>?) -> String {
    guard let address else { return "" }
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let raw = UnsafeRawPointer(address)
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
        var ipv4 = raw.loadUnaligned(as: sockaddr_in.self).sin_addr
        inet_ntop(AF_INET, &ipv4, &text, socklen_t(text.count))
    case AF_INET6:
        var ipv6 = raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr
        inet_ntop(AF_INET6, &ipv6, &text, socklen_t(text.count))
    default: return ""
    }
    let result = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return result.hasPrefix("::ffff:") && result.contains(".") ? String(result.dropFirst(7)) : result
}
