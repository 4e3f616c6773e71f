import Foundation
import HTTPServer
import Synchronization
import Testing

@Suite struct ResponseTests {
    @Test func keepsAConnectionForManyRequests() throws {
        try TestServer(answer: { text("you asked for \($0.target)") }).serve { server in
            let client = try RawClient(server.port)
            for i in 0..<20 {
                let response = try client.get("/a/\(i)?q=%2F")
                #expect(response.status == 200)
                #expect(response.text == "you asked for /a/\(i)?q=%2F")
            }
            #expect(server.acceptedCount == 1)
        }
    }

    @Test func answersPipelinedRequestsInOrder() throws {
        try TestServer(answer: { text($0.target + String(decoding: $0.body, as: UTF8.self)) }).serve { server in
            let client = try RawClient(server.port)
            client.send((0..<50).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
            for i in 0..<50 { #expect(try client.response().text == "/\(i)") }
        }
        try TestServer(
            upload: { _ in .collect(limit: 100) },
            answer: { text($0.target + String(decoding: $0.body, as: UTF8.self)) }
        ).serve { server in
            let client = try RawClient(server.port)
            client.send(
                "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyGET /g HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.response().text == "/pbody")
            #expect(try client.response().text == "/g")
        }
    }

    @Test func answersHEADWithTheHeadersOfGET() throws {
        try TestServer(answer: { _ in text("12345") }).serve { server in
            let client = try RawClient(server.port)
            client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            let response = try client.response(toHead: true)
            #expect(response.header("Content-Length") == "5")
            #expect(try client.get("/").text == "12345")
        }
    }

    @Test func closesAfterHTTP10() throws {
        try TestServer(answer: { _ in text("old") }).serve { server in
            let client = try RawClient(server.port)
            client.send("GET / HTTP/1.0\r\n\r\n")
            #expect(try client.response().text == "old")
            #expect(client.isEnded())
        }
    }

    @Test(arguments: [204, 304])
    func sendsNoBodyWhereNoneBelongs(status: Int) throws {
        try TestServer(answer: { $0.target == "/" ? HTTPResponse(status) : text("next") }).serve { server in
            let client = try RawClient(server.port)
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.response().status == status)
            #expect(try client.response().text == "next")
        }
    }

    @Test func sendsRangesOfFiles() throws {
        let file = try TemporaryFile(count: 1_000_000)
        try TestServer(answer: { request in
            guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
            return request.target == "/all"
                ? HTTPResponse(200, body: .file(open, offset: 0, length: open.size))
                : HTTPResponse(200, body: .file(open, offset: 12_345, length: 543_210))
        }).serve { server in
            let client = try RawClient(server.port)
            #expect(try client.get("/all").body == file.bytes)
            #expect(try client.get("/range").body == Array(file.bytes[12_345..<555_555]))
            #expect(try client.get("/all").body.count == 1_000_000)
        }
    }

    @Test func cutsTheConnectionWhenAFileIsShorterThanPromised() throws {
        let file = try TemporaryFile(count: 1_000)
        try TestServer(answer: { _ in
            guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
            return HTTPResponse(200, body: .file(open, offset: 500, length: 5_000))
        }).serve { server in
            let client = try RawClient(server.port)
            #expect(throws: RawClient.Failure.self) { try client.get("/") }
        }
    }

    @Test func cutsTheConnectionWhenAFileShrinks() throws {
        let file = try TemporaryFile(count: 64 << 20)
        var configuration = HTTPServerConfiguration()
        configuration.stallWindow = 300
        try TestServer(
            configuration,
            answer: { _ in
                guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
                return HTTPResponse(200, body: .file(open, offset: 0, length: open.size))
            }
        ).serve { server in
            let client = try RawClient(server.port)
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(client.readHead().contains("Content-Length: \(64 << 20)"))
            #expect(truncate(file.path, 1_000) == 0)
            #expect(client.rest().count < 64 << 20)
        }
    }

    @Test func opensRegularFilesOnly() {
        #expect(HTTPFile(path: NSTemporaryDirectory()) == nil)
        #expect(HTTPFile(path: "/dev/null") == nil)
        #expect(HTTPFile(path: "/nowhere/at/all") == nil)
    }

    @Test(arguments: [true, false])
    func streamsSegmentsOfBytesAndFiles(isLengthKnown: Bool) throws {
        let files = try (0..<3).map { try TemporaryFile(count: 200_000 + $0) }
        var expected: [UInt8] = []
        for file in files { expected += Array("--x\r\n".utf8) + file.bytes[100...] }
        let whole = expected
        try TestServer(answer: { _ in
            let next = Mutex(0)
            let box = SegmentSource(next: next, files: files)
            return HTTPResponse(
                200, body: .stream(HTTPSegments(length: isLengthKnown ? whole.count : nil) { try box.step() }))
        }).serve { server in
            let client = try RawClient(server.port)
            for _ in 0..<2 {
                let response = try client.get("/")
                #expect(response.body == whole)
                #expect((response.header("Transfer-Encoding") == "chunked") == !isLengthKnown)
            }
        }
    }

    @Test(arguments: [true, false])
    func sendsSegmentsWithTheirLength(isArray: Bool) throws {
        let file = try TemporaryFile(count: 300_000)
        try TestServer(answer: { _ in
            guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
            let segments: [HTTPSegments.Segment] = [
                .bytes(Array("head".utf8)), .bytes([]), .file(open, offset: 7, length: 250_000),
                .bytes(Array("middle".utf8)), .file(open, offset: 299_999, length: 1),
                .file(open, offset: 5, length: 0),
                .bytes(Array("tail".utf8)),
            ]
            return HTTPResponse(200, body: isArray ? .segments(segments) : .stream(HTTPSegments(segments)))
        }).serve { server in
            let client = try RawClient(server.port)
            for _ in 0..<3 {
                let response = try client.get("/")
                #expect(response.header("Content-Length") == "250015")
                #expect(
                    response.body == Array("head".utf8) + file.bytes[7..<250_007] + Array("middle".utf8)
                        + [file.bytes[299_999]] + Array("tail".utf8))
            }
        }
    }

    @Test func sendsComputedSegments() throws {
        try TestServer(answer: { _ in
            let made = HTTPSegments.Segment.made(length: 300_000) { buffer, position in
                for index in 0..<buffer.count { buffer[index] = UInt8(truncatingIfNeeded: (position + index) / 3) }
            }
            return HTTPResponse(200, body: .segments([.bytes([1]), made]))
        }).serve { server in
            let body = try RawClient(server.port).get("/").body
            #expect(body == [1] + (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 3) })
        }
    }

    /// Each as large as makes another way of sending it.
    @Test(arguments: [0, 1, 16_384, 16_385, 3_000_000])
    func sendsFilesOfEverySize(count: Int) throws {
        let file = try TemporaryFile(count: count)
        try TestServer(answer: { request in
            guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
            return request.target == "/file"
                ? HTTPResponse(200, body: .file(open, offset: 0, length: open.size))
                : HTTPResponse(200, body: .segments([.file(open, offset: 0, length: open.size)]))
        }).serve { server in
            let client = try RawClient(server.port)
            #expect(try client.get("/file").body == file.bytes)
            #expect(try client.get("/segments").body == file.bytes)
            client.send("HEAD /segments HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.response(toHead: true).header("Content-Length") == "\(count)")
            #expect(try client.get("/file").body == file.bytes)
        }
    }

    @Test(arguments: [nil, 1_000])
    func cutsTheConnectionWhenAStreamFails(length: Int?) throws {
        try TestServer(answer: { _ in
            let count = Mutex(0)
            let source = FailingSource(count: count)
            return HTTPResponse(200, body: .stream(HTTPSegments(length: length) { try source.step() }))
        }).serve { server in
            let client = try RawClient(server.port)
            #expect(throws: RawClient.Failure.self) { try client.get("/") }
        }
    }

    @Test func noValueEndsItsHeaderLine() throws {
        try TestServer(answer: { _ in
            var response = text("ok")
            response.add("X-Echo", "a\r\nSet-Cookie: b=c\r\n\r\nbody\u{0}\u{7F}")
            return response
        }).serve { server in
            let response = try RawClient(server.port).get("/")
            #expect(response.header("Set-Cookie") == nil)
            #expect(response.header("X-Echo")?.hasPrefix("a  Set-Cookie: b=c    body") == true)
            #expect(response.text == "ok")
        }
    }

    @Test func tellsTheObserverWhatHappened() throws {
        let seen = Mutex<[HTTPExchange]>([])
        let log = ExchangeLog(seen: seen)
        try TestServer(
            observer: { log.append($0) },
            answer: { request in
                var response = text("12345", 201)
                response.note = request.target
                return response
            }
        ).serve { server in
            let client = try RawClient(server.port)
            _ = try client.get("/x")
            client.send("HEAD /y HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try client.response(toHead: true)
        }
        let all = log.all
        #expect(all.map(\.status) == [201, 201])
        #expect(all.map(\.sentBytes) == [5, 0])
        #expect(all.map { $0.note as? String } == ["/x", "/y"])
        #expect(all.allSatisfy { $0.isComplete && $0.request.remoteAddress == "127.0.0.1" })
    }

    @Test func keepsDuplicateHeadersInOrder() throws {
        try TestServer(answer: { request in
            text(
                "\(request.headers.joined("accept") ?? "-")|\(request.headers["Accept"] ?? "-")|\(request.headers.count(of: "ACCEPT"))"
            )
        }).serve { server in
            let response = try RawClient(server.port).get("/", "Accept: a;q=1\r\nX: y\r\naccept: b\r\n")
            #expect(response.text == "a;q=1, b|a;q=1|2")
        }
    }
}

final class ExchangeLog: Sendable {
    private let seen: Mutex<[HTTPExchange]>
    init(seen: consuming Mutex<[HTTPExchange]>) { self.seen = seen }
    func append(_ exchange: HTTPExchange) { seen.withLock { $0.append(exchange) } }
    var all: [HTTPExchange] { seen.withLock { $0 } }
}

private final class SegmentSource: Sendable {
    let next: Mutex<Int>
    let files: [TemporaryFile]

    init(next: consuming Mutex<Int>, files: [TemporaryFile]) {
        self.next = next
        self.files = files
    }

    func step() throws -> HTTPSegments.Segment? {
        let index = next.withLock { next in
            defer { next += 1 }
            return next
        }
        guard index < files.count * 2 else { return nil }
        if index % 2 == 0 { return .bytes(Array("--x\r\n".utf8)) }
        guard let file = HTTPFile(path: files[index / 2].path) else { throw RawClient.Failure("open") }
        return .file(file, offset: 100, length: file.size - 100)
    }
}

private final class FailingSource: Sendable {
    let count: Mutex<Int>
    init(count: consuming Mutex<Int>) { self.count = count }

    func step() throws -> HTTPSegments.Segment? {
        let count = count.withLock { count in
            count += 1
            return count
        }
        if count > 3 { throw RawClient.Failure("on purpose") }
        return .bytes(Array("some".utf8))
    }
}
