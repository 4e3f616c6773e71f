import Foundation
import HTTPServer
import Synchronization
import TestSupport
import Testing

/// Bodies whose pieces the server sends itself.
@Suite struct ChunkedTests {
    private static func segments(_ file: HTTPFile) -> [HTTPSegments.Segment] {
        [
            .bytes(Array("--x\r\n\r\n".utf8)), .file(file, offset: 7, length: 250_000), .bytes([]),
            .bytes(Array("\r\n--x\r\n\r\n".utf8)),
            .made(length: 200_000) { buffer, position in
                for index in 0..<buffer.count { buffer[index] = UInt8(truncatingIfNeeded: (position + index) / 3) }
            },
            .file(file, offset: 5, length: 0), .file(file, offset: 299_999, length: 1),
            .bytes([UInt8](repeating: 7, count: 100_000)), .bytes(Array("\r\n--x--\r\n".utf8)),
        ]
    }

    private static func content(_ file: TemporaryFile) -> [UInt8] {
        Array("--x\r\n\r\n".utf8) + file.bytes[7..<250_007] + Array("\r\n--x\r\n\r\n".utf8)
            + (0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 3) } + [file.bytes[299_999]]
            + [UInt8](repeating: 7, count: 100_000) + Array("\r\n--x--\r\n".utf8)
    }

    private func serve(_ body: (HTTPServer, TemporaryFile) throws -> Void) throws {
        let file = try TemporaryFile(count: 300_000)
        try TestServer(answer: { request in
            guard request.target != "/text" else { return text("text") }
            guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
            let all = Self.segments(open)
            if request.target == "/known" { return HTTPResponse(200, body: .chunked(HTTPSegments(all))) }
            let index = Mutex(0)
            let row = SegmentRow(all, index)
            return HTTPResponse(200, body: .chunked(HTTPSegments(length: nil) { row.next() }))
        }).serve { try body($0, file) }
    }

    @Test(arguments: ["/known", "/unknown"])
    func comesWholeAndKeepsTheConnection(target: String) throws {
        try serve { server, file in
            let client = try RawClient(server.port)
            for _ in 0..<3 {
                let response = try client.get(target)
                #expect(response.header("Transfer-Encoding") == "chunked")
                #expect(response.header("Content-Length") == nil)
                #expect(response.body == Self.content(file))
                #expect(try client.get("/text").text == "text")
            }
            client.send("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\nGET /text HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.response().body == Self.content(file))
            #expect(try client.response().text == "text")
            #expect(server.acceptedCount == 1)
        }
    }

    @Test func oldClientsAndHEADGetALength() throws {
        try serve { server, file in
            let old = try RawClient(server.port)
            old.send("GET /known HTTP/1.0\r\n\r\n")
            let response = try old.response()
            #expect(response.header("Content-Length") == "\(Self.content(file).count)")
            #expect(response.body == Self.content(file))
            let client = try RawClient(server.port)
            client.send("HEAD /known HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.response(toHead: true).header("Content-Length") == "\(Self.content(file).count)")
            #expect(try client.get("/text").text == "text")
        }
    }

    @Test(arguments: [true, false])
    func anEmptyBodyIsNoError(isLengthKnown: Bool) throws {
        try TestServer(answer: { _ in
            HTTPResponse(200, body: .chunked(HTTPSegments(length: isLengthKnown ? 0 : nil) { nil }))
        }).serve { server in
            let client = try RawClient(server.port)
            for _ in 0..<2 { #expect(try client.get("/").body == []) }
        }
    }

    /// What is wrong with a body must not look like its end.
    @Test(arguments: ["short", "long", "fails", "cut"])
    func cutsTheConnectionWhenABodyIsNotAsPromised(what: String) throws {
        let file = try TemporaryFile(count: 100_000)
        try TestServer(answer: { _ in
            guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
            let step = Mutex(0)
            let row: SegmentRow
            switch what {
            case "short": row = SegmentRow([.bytes([1, 2, 3])], step)
            case "long": row = SegmentRow([.bytes([UInt8](repeating: 1, count: 1_001))], step)
            case "fails": row = SegmentRow([.made(length: 1_000) { _, _ in throw RawClient.Failure("made") }], step)
            default: row = SegmentRow([.file(open, offset: 99_500, length: 1_000)], step)
            }
            return HTTPResponse(200, body: .chunked(HTTPSegments(length: 1_000) { row.next() }))
        }).serve { server in
            let client = try RawClient(server.port)
            #expect(throws: RawClient.Failure.self) { try client.get("/") }
            #expect(throws: Never.self) { _ = try RawClient(server.port) }
        }
    }

    @Test func aClientThatStopsReadingIsLetGo() throws {
        let file = try TemporaryFile(count: 32 << 20)
        var configuration = HTTPServerConfiguration()
        configuration.stallWindow = 200
        let seen = Mutex<[HTTPExchange]>([])
        let log = ExchangeLog(seen: seen)
        try TestServer(
            configuration, observer: { log.append($0) },
            answer: { _ in
                guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
                return HTTPResponse(
                    200, body: .chunked(HTTPSegments([.bytes([1]), .file(open, offset: 0, length: open.size)])))
            }
        ).serve { server in
            let client = try RawClient(server.port)
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try eventually { !log.all.isEmpty }
            #expect(log.all.map(\.isComplete) == [false])
            #expect(client.rest().count < 32 << 20)
        }
    }

    @Test func aPreparedResponseIsSentToAll() throws {
        var ready = HTTPResponse(200, body: .bytes(Array("ready".utf8)))
        ready.add("ETag", literal: "\"1\"")
        ready.note = "note"
        ready.prepare()
        let prepared = ready
        try TestServer(answer: { request in
            var response = prepared
            switch request.target {
            case "/header": response.add("X-More", literal: "1")
            case "/body": response.body = .bytes(Array("other".utf8))
            case "/status": response.status = 404
            case "/close": response.closes = true
            default: break
            }
            return response
        }).serve { server in
            let client = try RawClient(server.port)
            for _ in 0..<3 {
                let plain = try client.get("/")
                #expect(plain.text == "ready" && plain.header("ETag") == "\"1\"" && plain.header("X-More") == nil)
                #expect(try client.get("/header").header("X-More") == "1")
                #expect(try client.get("/body").text == "other")
                #expect(try client.get("/status").status == 404)
            }
            client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.response(toHead: true).header("Content-Length") == "5")
            #expect(try client.get("/close").header("Connection") == "close")
            #expect(client.isEnded())
            let workers = (0..<8).map { _ in
                Worker {
                    for _ in 0..<200 {
                        let answer = try? fetch(server.port, "/")
                        if answer != "ready" { Issue.record("not what was prepared") }
                    }
                }
            }
            for worker in workers { worker.join() }
        }
    }
}

private final class SegmentRow: Sendable {
    private let segments: [HTTPSegments.Segment]
    private let index: Mutex<Int>

    init(_ segments: [HTTPSegments.Segment], _ index: consuming Mutex<Int>) {
        self.segments = segments
        self.index = index
    }

    func next() -> HTTPSegments.Segment? {
        index.withLock { index in
            index += 1
            return index <= segments.count ? segments[index - 1] : nil
        }
    }
}
