import Foundation
import HTTPServer
import Synchronization
import TestSupport
import Testing

/// Sums what it receives, and tells when it is released.
private final class Sum: HTTPBodyReceiver {
    private let report: Report
    private let failAt: Int
    private var count = 0

    final class Report: Sendable {
        let finished = Atomic(0)
        let released = Atomic(0)
        let received = Atomic(0)
        let isReleased = DispatchSemaphore(value: 0)
    }

    init(_ report: Report, failAt: Int = .max) {
        self.report = report
        self.failAt = failAt
    }

    deinit {
        report.released.add(1, ordering: .relaxed)
        report.isReleased.signal()
    }

    func receive(_ bytes: RawSpan) -> HTTPResponse? {
        count += bytes.byteCount
        report.received.store(count, ordering: .relaxed)
        return count >= failAt ? text("too much", 409) : nil
    }

    func finish() -> HTTPResponse {
        report.finished.add(1, ordering: .relaxed)
        return text("\(count)")
    }
}

@Suite struct UploadTests {
    @Test func receivesBodiesOfKnownAndUnknownLength() throws {
        let report = Sum.Report()
        try TestServer(upload: { _ in .receive(Sum(report)) }, answer: { _ in text("no body") }).serve { server in
            let client = try RawClient(server.port)
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
            client.send([UInt8](repeating: 7, count: 100_000))
            #expect(try client.response().text == "100000")
            client.send(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nabcde\r\n3;x=y\r\nfgh\r\n0\r\n\r\n"
            )
            #expect(try client.response().text == "8")
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            #expect(try client.response().text == "no body")
            client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            client.send("abc")
            #expect(try client.response().text == "3")
        }
        #expect(report.finished.load(ordering: .relaxed) == 3)
        #expect(report.released.load(ordering: .relaxed) == 3)
    }

    @Test func collectsUpToALimit() throws {
        let server = TestServer(
            upload: { _ in .collect(limit: 10) }, answer: { text(String(decoding: $0.body, as: UTF8.self)) })
        try server.serve { server in
            let client = try RawClient(server.port)
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789")
            #expect(try client.response().text == "0123456789")
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n")
            #expect(try client.response().status == 413)
            let other = try RawClient(server.port)
            other.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n")
            #expect(try other.response().status == 413)
            #expect(other.isEnded())
        }
    }

    @Test func rejectsBeforeTheBodyIsRead() throws {
        try TestServer(upload: { _ in .reject(text("not here", 405)) }, answer: { _ in text("handled") }).serve {
            server in
            let client = try RawClient(server.port)
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            #expect(try client.response().status == 405)
            #expect(client.isEnded())
        }
    }

    @Test func aReceiverMayRefuseInTheMiddle() throws {
        let report = Sum.Report()
        try TestServer(upload: { _ in .receive(Sum(report, failAt: 10)) }, answer: { _ in text("handled") }).serve {
            server in
            let client = try RawClient(server.port)
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
            client.send([UInt8](repeating: 7, count: 200_000))
            #expect(try client.response().status == 409)
            #expect(try client.get("/").text == "handled")
        }
        #expect(report.finished.load(ordering: .relaxed) == 0)
    }

    @Test func dropsTheBodyOfAGet() throws {
        try TestServer(answer: { _ in text("handled") }).serve { server in
            let client = try RawClient(server.port)
            #expect(try client.get("/", "Content-Length: 0\r\n").text == "handled")
            client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.response().text == "handled")
            #expect(try client.response().text == "handled")
        }
    }

    @Test func aClientThatGoesAwayIsNoticed() throws {
        let report = Sum.Report()
        try TestServer(upload: { _ in .receive(Sum(report)) }, answer: { _ in text("handled") }).serve { server in
            do {
                let client = try RawClient(server.port)
                client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
                client.send([UInt8](repeating: 7, count: 500_000))
                try eventually { report.received.load(ordering: .relaxed) == 500_000 }
            }
            report.isReleased.wait()
            #expect(report.finished.load(ordering: .relaxed) == 0)
            #expect(try RawClient(server.port).get("/").text == "handled")
        }
    }

    @Test func aBodyThatStallsEnds() throws {
        let report = Sum.Report()
        var configuration = HTTPServerConfiguration()
        configuration.stallWindow = 300
        try TestServer(configuration, upload: { _ in .receive(Sum(report)) }, answer: { _ in text("handled") }).serve {
            server in
            let client = try RawClient(server.port)
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            var isOpen = true
            for _ in 0..<600 where isOpen {
                isOpen = client.send("a")
                usleep(50_000)
            }
            #expect(!isOpen)
            #expect(server.reapedCount == 1)
        }
    }

    @Test func aLargeBodyTakesLittleMemory() throws {
        let report = Sum.Report()
        try TestServer(upload: { _ in .receive(Sum(report)) }, answer: { _ in text("handled") }).serve { server in
            let client = try RawClient(server.port)
            let before = residentKilobytes()
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(512 << 20)\r\n\r\n")
            let piece = [UInt8](repeating: 7, count: 1 << 20)
            var highest = 0
            for _ in 0..<512 {
                guard client.send(piece) else { break }
                highest = max(highest, residentKilobytes())
            }
            #expect(try client.response().text == "\(512 << 20)")
            // Other tests run beside this one; half a gigabyte would show all the same.
            #expect(highest - before < 128 << 10)
        }
    }
}

private func residentKilobytes() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
    return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4
}
