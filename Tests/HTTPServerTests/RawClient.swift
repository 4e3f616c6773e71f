import Foundation
import Glibc
import HTTPServer
import Testing

/// A client that sends exactly what it is told. Gives up (and so fails its test) after 30 s of silence.
final class RawClient {
    struct Response: Equatable {
        var status: Int
        var headers: [String]
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }

        func header(_ name: String) -> String? {
            let prefix = name.lowercased() + ":"
            return headers.first { $0.lowercased().hasPrefix(prefix) }?.dropFirst(prefix.count)
                .trimmingCharacters(in: .whitespaces)
        }
    }

    struct Failure: Error {
        var reason: String
        init(_ reason: String) { self.reason = reason }
    }

    let socket: Int32
    private var buffer: [UInt8] = []

    init(_ port: UInt16) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var timeout = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status != 0 { throw Failure("connect: \(errno)") }
    }

    deinit { close(socket) }

    /// Whether all was taken.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress.map { $0 + done }, bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            done += count
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Sends a GET and reads its answer.
    func get(_ target: String, _ headers: String = "") throws -> Response {
        send("GET \(target) HTTP/1.1\r\nHost: a\r\n\(headers)\r\n")
        return try response()
    }

    /// Reads one response by its framing.
    func response(toHead: Bool = false) throws -> Response {
        var head: [String] = []
        while true {
            let line = try line()
            if line.isEmpty { break }
            head.append(line)
        }
        let parts = (head.first ?? "").split(separator: " ")
        guard parts.count >= 2, let status = Int(parts[1]) else { throw Failure("no status line") }
        if status == 100 { return try response(toHead: toHead) }
        var response = Response(status: status, headers: Array(head.dropFirst()), body: [])
        if toHead || status == 204 || status == 304 { return response }
        if response.header("Transfer-Encoding") == "chunked" {
            while true {
                guard let size = Int(try line(), radix: 16) else { throw Failure("no chunk size") }
                if size == 0 {
                    while try !line().isEmpty {}
                    break
                }
                response.body += try bytes(size)
                guard try line().isEmpty else { throw Failure("chunk too long") }
            }
        } else if let length = response.header("Content-Length").flatMap({ Int($0) }) {
            response.body = try bytes(length)
        } else {
            while let more = try? bytes(1) { response.body += more }
        }
        return response
    }

    /// The lines of one head; the body is left to be read.
    func readHead() -> [String] {
        var head: [String] = []
        while let line = try? line(), !line.isEmpty { head.append(line) }
        return head
    }

    /// Whether the peer has ended the connection, without anything more to read; waits for it.
    func isEnded() -> Bool {
        buffer.isEmpty && !fill()
    }

    /// All that comes until the end.
    func rest() -> [UInt8] {
        while fill() {}
        defer { buffer = [] }
        return buffer
    }

    private func line() throws -> String {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = buffer[..<end]
                let text = String(decoding: line.last == 13 ? line.dropLast() : line, as: UTF8.self)
                buffer.removeSubrange(...end)
                return text
            }
            if !fill() { throw Failure("ended in a line") }
        }
    }

    private func bytes(_ count: Int) throws -> [UInt8] {
        while buffer.count < count {
            if !fill() { throw Failure("ended in a body") }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer.prefix(count))
    }

    private func fill() -> Bool {
        var piece = [UInt8](repeating: 0, count: 65_536)
        let count = recv(socket, &piece, piece.count, 0)
        if count < 0, errno == EAGAIN { Issue.record("30 s of silence") }
        if count > 0 { buffer += piece[..<count] }
        return count > 0
    }
}

/// Runs work on a thread of its own, which `join` waits for.
final class Worker: @unchecked Sendable {
    private let done = DispatchSemaphore(value: 0)

    init(_ work: @escaping @Sendable () -> Void) {
        let done = done
        Thread.detachNewThread {
            work()
            done.signal()
        }
    }

    func join() { done.wait() }
}

/// A server for the time of a closure.
struct TestServer {
    private let server: HTTPServer

    init(
        _ configuration: HTTPServerConfiguration = HTTPServerConfiguration(),
        upload: @escaping @Sendable (HTTPRequest) -> HTTPUpload = { _ in .discard },
        observer: (@Sendable (HTTPExchange) -> Void)? = nil,
        answer: @escaping @Sendable (HTTPRequest) -> HTTPResponse
    ) {
        server = HTTPServer(configuration: configuration, handler: answer, upload: upload, observer: observer)
    }

    func serve<R>(_ body: (HTTPServer) throws -> R) throws -> R {
        try server.start()
        defer { server.stop() }
        return try body(server)
    }
}

func text(_ text: String, _ status: Int = 200) -> HTTPResponse {
    HTTPResponse(status, body: .bytes(Array(text.utf8)))
}

/// A file of so many bytes, removed when nobody refers to it any more.
final class TemporaryFile: Sendable {
    let path: String
    let bytes: [UInt8]

    init(count: Int) throws {
        path = NSTemporaryDirectory() + "/http-test-\(UUID().uuidString)"
        var state: UInt32 = 1
        bytes = (0..<count).map { _ in
            state = state &* 1_664_525 &+ 1_013_904_223
            return UInt8(truncatingIfNeeded: state >> 24)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    deinit { unlink(path) }
}

/// The text of an answer on a connection of its own.
func fetch(_ port: UInt16, _ target: String, _ headers: String = "") throws -> String {
    try RawClient(port).get(target, headers).text
}
