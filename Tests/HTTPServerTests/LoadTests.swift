import Foundation
import Glibc
import HTTPServer
import Synchronization
import TestSupport
import Testing

private final class Gate: Sendable {
    let entered = Atomic(0)
    let left = Atomic(0)
    let opens = DispatchSemaphore(value: 0)

    func pass() {
        entered.add(1, ordering: .relaxed)
        opens.wait()
        opens.signal()
        left.add(1, ordering: .relaxed)
    }
}

private final class Counter: Sendable {
    let value = Atomic(0)
    func add() { value.add(1, ordering: .relaxed) }
    var count: Int { value.load(ordering: .relaxed) }
}

@Suite struct LoadTests {
    @Test func handlersThatBlockDelayNobody() throws {
        let gate = Gate()
        let served = Counter()
        try TestServer(answer: { request in
            if request.target == "/slow" { gate.pass() }
            return text(request.target)
        }).serve { server in
            let port = server.port
            let workers = (0..<64).map { _ in
                Worker {
                    if (try? RawClient(port).get("/slow").text) == "/slow" { served.add() }
                }
            }
            try eventually { gate.entered.load(ordering: .relaxed) == 64 }
            // All 64 are inside their handlers and stay there until a fast one has been answered.
            for _ in 0..<10 {
                let answer = try fetch(port, "/fast")
                #expect(answer == "/fast")
            }
            #expect(gate.left.load(ordering: .relaxed) == 0)
            gate.opens.signal()
            for worker in workers { worker.join() }
        }
        #expect(served.count == 64)
    }

    @Test func servesThousandsOfConnections() throws {
        let served = Counter()
        try TestServer(answer: { text($0.target) }).serve { server in
            let port = server.port
            let workers = (0..<8).map { worker in
                Worker {
                    for i in 0..<500 {
                        if (try? RawClient(port).get("/\(worker)/\(i)").text) == "/\(worker)/\(i)" { served.add() }
                    }
                }
            }
            for worker in workers { worker.join() }
            #expect(server.acceptedCount == 4_000)
        }
        #expect(served.count == 4_000)
    }

    @Test func idleConnectionsMakeRoomForNewOnes() throws {
        var configuration = HTTPServerConfiguration()
        configuration.maximumConnections = 16
        try TestServer(configuration, answer: { text($0.target) }).serve { server in
            // Ten times as many silent and idle ones as there are places, all kept open.
            var silent: [RawClient] = []
            for i in 0..<160 {
                let client = try RawClient(server.port)
                if i % 2 == 0 { client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
                silent.append(client)
            }
            #expect(try fetch(server.port, "/me") == "/me")
            #expect(server.connectionCount <= 16)
            #expect(server.reapedCount > 0)
            _ = silent.count
        }
    }

    @Test(arguments: [
        "GET /dicom-web/studies HTTP/1.1\r\nHo",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf",
    ])
    func halfRequestsMakeRoomForNewOnes(half: String) throws {
        let gate = Gate()
        let answered = Counter()
        var configuration = HTTPServerConfiguration()
        configuration.maximumConnections = 16
        // No deadline helps: what is half would be waited for longer than clients here wait for an answer.
        configuration.headerDeadline = 600_000
        configuration.idleTimeout = 600_000
        configuration.stallWindow = 600_000
        try TestServer(
            configuration, upload: { _ in .collect(limit: 1_000) },
            answer: { request in
                if request.target == "/slow" { gate.pass() }
                return text(request.target)
            }
        ).serve { server in
            let port = server.port
            let slow = Worker {
                if (try? RawClient(port).get("/slow").text) == "/slow" { answered.add() }
            }
            try eventually { gate.entered.load(ordering: .relaxed) == 1 }
            var halves: [RawClient] = []
            for _ in 0..<20 {
                let client = try RawClient(port)
                client.send(half)
                halves.append(client)
            }
            #expect(try fetch(port, "/me") == "/me")
            #expect(server.connectionCount <= 16)
            #expect(server.reapedCount > 0)
            _ = halves.count
            // Who waits for an answer is not sent away.
            gate.opens.signal()
            slow.join()
        }
        #expect(answered.count == 1)
    }

    /// Clients that ask for much and take nothing.
    @Test func stalledAnswersMakeRoomForNewOnes() throws {
        let file = try TemporaryFile(count: 64 << 20)
        var configuration = HTTPServerConfiguration()
        configuration.maximumConnections = 8
        configuration.stallPatience = 500
        configuration.headerDeadline = 600_000
        configuration.idleTimeout = 600_000
        configuration.stallWindow = 600_000
        try TestServer(
            configuration,
            answer: { request in
                guard request.target != "/me" else { return text("/me") }
                guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
                let segment = HTTPSegments.Segment.file(open, offset: 0, length: open.size)
                switch request.target {
                case "/file": return HTTPResponse(200, body: .file(open, offset: 0, length: open.size))
                case "/chunked": return HTTPResponse(200, body: .chunked(HTTPSegments([segment])))
                case "/endless":
                    return HTTPResponse(200, body: .segments([.made(length: 1 << 40) { _, _ in }]))
                default: return HTTPResponse(200, body: .segments([segment]))
                }
            }
        ).serve { server in
            let port = server.port
            let stalled = try (0..<8).map { number in
                let client = try RawClient(port)
                // More requests behind the first are no reason to keep it.
                for _ in 0..<2 {
                    client.send("GET /\(["file", "chunked", "stream"][number % 3]) HTTP/1.1\r\nHost: a\r\n\r\n")
                }
                _ = client.readHead()
                return client
            }
            #expect(try fetch(port, "/me") == "/me")
            #expect(server.reapedCount > 0)
            // One that takes its answer keeps its place as long as others do not.
            let (isOver, taken, lost) = (Counter(), Counter(), Counter())
            let reader = Worker {
                let client = try? RawClient(port)
                client?.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = client?.readHead()
                var piece = [UInt8](repeating: 0, count: 65_536)
                while isOver.count == 0 {
                    guard let client, recv(client.socket, &piece, piece.count, 0) > 0 else { return lost.add() }
                    taken.add()
                    usleep(500)
                }
            }
            try eventually { taken.count + lost.count > 0 }
            for _ in 0..<3 { #expect(try fetch(port, "/me") == "/me") }
            isOver.add()
            reader.join()
            #expect(taken.count > 0 && lost.count == 0)
            _ = stalled.count
        }
    }

    @Test func limitsConnectionsOfOneAddress() throws {
        var configuration = HTTPServerConfiguration()
        configuration.maximumConnectionsPerAddress = 2
        try TestServer(configuration, answer: { text($0.target) }).serve { server in
            let first = try RawClient(server.port)
            let second = try RawClient(server.port)
            #expect(try first.get("/1").text == "/1")
            #expect(try second.get("/2").text == "/2")
            #expect(try RawClient(server.port).isEnded())
        }
    }

    @Test func clientsThatGoAwayInTheMiddleOfAnAnswerDoNoHarm() throws {
        let file = try TemporaryFile(count: 4 << 20)
        try TestServer(answer: { request in
            guard let open = HTTPFile(path: file.path) else { return text("missing", 500) }
            if request.target == "/ok" { return text("ok") }
            return request.target == "/file"
                ? HTTPResponse(200, body: .file(open, offset: 0, length: open.size))
                : HTTPResponse(200, body: .segments([.file(open, offset: 0, length: open.size)]))
        }).serve { server in
            for i in 0..<40 {
                let client = try RawClient(server.port)
                client.send("GET /\(i % 2 == 0 ? "file" : "stream") HTTP/1.1\r\nHost: a\r\n\r\n")
                var piece = [UInt8](repeating: 0, count: 1_000)
                _ = recv(client.socket, &piece, piece.count, 0)
            }
            #expect(try fetch(server.port, "/ok") == "ok")
        }
    }

    @Test func aSlowReaderEnds() throws {
        let file = try TemporaryFile(count: 32 << 20)
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
            try eventually { server.reapedCount > 0 }
            try eventually { server.connectionCount == 0 }
        }
    }

    @Test func stopLetsRunningRequestsEnd() throws {
        let gate = Gate()
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(),
            handler: { request in
                gate.pass()
                return text("done")
            })
        try server.start()
        let port = server.port
        let answered = Counter()
        let client = Worker {
            guard let client = try? RawClient(port), let response = try? client.get("/") else { return }
            if response.text == "done", response.header("Connection")?.lowercased() == "close" { answered.add() }
        }
        try eventually { gate.entered.load(ordering: .relaxed) == 1 }
        let stopper = Worker { server.stop() }
        // While it stops, nobody new is taken in.
        try eventually { (try? RawClient(port)) == nil }
        gate.opens.signal()
        client.join()
        stopper.join()
        #expect(answered.count == 1)
        #expect(server.connectionCount == 0)
    }

    @Test func stopsUnderLoadAndStartsAgain() throws {
        let file = try TemporaryFile(count: 300_000)
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(),
            handler: { request in
                guard request.target == "/file", let open = HTTPFile(path: file.path) else { return text("ok") }
                return HTTPResponse(200, body: .file(open, offset: 0, length: open.size))
            })
        for _ in 0..<10 {
            try server.start()
            let port = server.port
            let wrong = Counter()
            let served = Counter()
            let workers = (0..<8).map { i in
                Worker {
                    while let client = try? RawClient(port) {
                        while let response = try? client.get(i % 2 == 0 ? "/file" : "/") {
                            if response.status == 200, response.body.count == (i % 2 == 0 ? 300_000 : 2) {
                                served.add()
                            } else {
                                wrong.add()
                            }
                        }
                    }
                }
            }
            try eventually { served.count >= 100 }
            server.stop()
            for worker in workers { worker.join() }
            #expect(wrong.count == 0)
            #expect(server.connectionCount == 0)
        }
        server.stop()
    }

    @Test func saysThatAPortIsTaken() throws {
        try TestServer(answer: { _ in text("first") }).serve { first in
            var configuration = HTTPServerConfiguration()
            configuration.port = first.port
            let second = HTTPServer(configuration: configuration, handler: { _ in text("second") })
            let error = #expect(throws: HTTPServerError.self) { try second.start() }
            #expect("\(error.map { "\($0)" } ?? "")".contains("port \(first.port)"))
        }
    }
}
