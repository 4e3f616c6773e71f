import DICOMWeb
import Testing

/// Keeps what a reader finds.
private struct Collector: MultipartReceiver {
    struct Refused: Error {}
    typealias Failure = Refused

    var headers: [PartHeaders] = []
    var bodies: [[UInt8]] = []
    var ended = 0
    var longestPiece = 0
    var maximum = Int.max

    mutating func beginPart(_ headers: PartHeaders) {
        self.headers.append(headers)
        bodies.append([])
    }

    mutating func partBytes(_ bytes: RawSpan) throws(Refused) {
        longestPiece = max(longestPiece, bytes.byteCount)
        bytes.withUnsafeBytes { bodies[bodies.count - 1].append(contentsOf: $0) }
        if bodies[bodies.count - 1].count > maximum { throw Refused() }
    }

    mutating func endPart() { ended += 1 }
}

@Suite struct MultipartTests {
    private static let boundary = MultipartBoundary("abc")!

    /// Reads in pieces of this size.
    private static func read(
        _ bytes: [UInt8], by step: Int, boundary: MultipartBoundary = boundary,
        limits: MultipartReader.Limits = .init()
    ) throws -> Collector {
        var reader = MultipartReader(boundary: boundary, limits: limits)
        var collector = Collector()
        for start in stride(from: 0, to: bytes.count, by: step) {
            try reader.read(
                bytes.span.bytes.extracting(start..<min(start + step, bytes.count)), into: &collector)
        }
        try reader.finish()
        return collector
    }

    private static func error(_ text: String, limits: MultipartReader.Limits = .init()) -> MultipartError? {
        do {
            _ = try read(Array(text.utf8), by: max(text.utf8.count, 1), limits: limits)
            return nil
        } catch let error as MultipartError {
            return error
        } catch MultipartReadError<Collector.Refused>.malformed(let error) {
            return error
        } catch { return nil }
    }

    @Test func writtenBodiesAreReadBack() throws {
        let boundary = MultipartBoundary()
        // Content that looks like a boundary, but for its last character, and ends in a line break.
        let bodies: [[UInt8]] = [
            Array("plain".utf8), [], Array("\r\n--\(boundary.value.dropLast())x\r\n".utf8),
            [13, 13, 10, 13, 10, 45, 45],
            (0..<70_000).map { UInt8(truncatingIfNeeded: $0 * 7) },
        ]
        var bytes: [UInt8] = []
        var length = boundary.closing.count
        for (index, body) in bodies.enumerated() {
            let header = boundary.partHeader(
                isFirst: index == 0, contentType: .octetStream, transferSyntaxUID: "1.2.840.10008.1.2.1",
                location: "/dicom-web/x/frames/\(index + 1)", length: body.count)
            bytes += header + body
            length += header.count + body.count
        }
        bytes += boundary.closing
        #expect(bytes.count == length)
        for step in [1, 2, 3, 7, 64, 65_536, bytes.count] {
            let result = try Self.read(bytes, by: step, boundary: boundary)
            #expect(result.bodies == bodies)
            #expect(result.ended == bodies.count)
            #expect(result.longestPiece <= max(step, boundary.value.utf8.count + 4))
            #expect(result.headers[4].contentType?.parameter("transfer-syntax") == "1.2.840.10008.1.2.1")
            #expect(result.headers[1].value("CONTENT-LOCATION") == "/dicom-web/x/frames/2")
        }
    }

    @Test func spellingOfPartHeaders() {
        let header = Self.boundary.partHeader(
            isFirst: true, contentType: MediaType("image", "jpeg"), transferSyntaxUID: "1.2.3",
            location: "/a\r\nX-Injected: 1")
        let text = String(decoding: header, as: UTF8.self)
        #expect(
            text
                == "--abc\r\nContent-Type: image/jpeg; transfer-syntax=1.2.3\r\nContent-Location: /aX-Injected: 1\r\n\r\n"
        )
        let contentType = Self.boundary.contentType(of: .octetStream)
        #expect(contentType == #"multipart/related; type="application/octet-stream"; boundary=abc"#)
        let parsed = MediaType(MultipartBoundary().contentType(of: .dicom))
        #expect(parsed?.parameter("boundary").flatMap { MultipartBoundary($0) } != nil)
    }

    /// Bodies as other programs write them.
    @Test(arguments: [
        "--abc\r\nContent-Type: application/dicom\r\n\r\nDATA\r\n--abc--",
        "\r\n--abc\r\nContent-Type: application/dicom\r\n\r\nDATA\r\n--abc--",
        "preamble\r\nmore\r\n--abc\r\nContent-Type: application/dicom\r\n\r\nDATA\r\n--abc--\r\nepilogue\r\n--abc\r\n",
        "--abc \t\r\nContent-type:application/dicom\r\n\r\nDATA\r\n--abc--\r\n",
        "--abc\r\nContent-Type:\r\n application/dicom\r\nX: y\r\n\r\nDATA\r\n--abc--",
    ])
    func foreignBodies(text: String) throws {
        for step in 1...text.utf8.count {
            let result = try Self.read(Array(text.utf8), by: step)
            #expect(result.bodies == [Array("DATA".utf8)])
            #expect(result.headers[0].contentType == .dicom)
        }
    }

    @Test func partsWithoutHeadersOrBody() throws {
        let text = "--abc\r\n\r\nA\r\n--abc\r\nX: 1\r\n\r\n--abc\r\nX: 2\r\n\r\n\r\n--abc\r\n\r\n--abc--"
        for step in 1...text.utf8.count {
            let result = try Self.read(Array(text.utf8), by: step)
            #expect(result.bodies == [[0x41], [], [], []])
            #expect(result.headers.map { $0.value("x") } == [nil, "1", "2", nil])
        }
    }

    @Test func errors() {
        #expect(Self.error("")?.code == .noBoundary)
        #expect(Self.error("no boundary here")?.code == .noBoundary)
        #expect(Self.error(String(repeating: "x", count: 20_000) + "\r\n--abc")?.code == .noBoundary)
        #expect(Self.error(String(repeating: "\r\n", count: 20_000))?.code == .noBoundary)
        #expect(Self.error("--abc\r\nContent-Type: a/b\r\n\r\nDATA")?.code == .truncated)
        #expect(Self.error("--abc\r\nContent-Type: a/b")?.code == .truncated)
        #expect(Self.error("--abc\r\n\r\nDATA\r\n--abc-")?.code == .truncated)
        #expect(Self.error("--abcd\r\n\r\n")?.code == .malformedBoundary)
        #expect(Self.error("--abc\rX")?.code == .malformedBoundary)
        #expect(Self.error("--abc\r\nno colon\r\n\r\n")?.code == .malformedHeader)
        #expect(Self.error("--abc\r\n folded first\r\n\r\n")?.code == .malformedHeader)
        #expect(Self.error("--abc\r\nA: \u{0}\r\n\r\n")?.code == .malformedHeader)
        #expect(Self.error("--abc\r\nA: " + String(repeating: "x", count: 20_000))?.code == .headersTooLong)
        var limits = MultipartReader.Limits()
        limits.parts = 2
        let part = "\r\n--abc\r\n\r\nx"
        #expect(Self.error(part + part + part + "\r\n--abc--", limits: limits)?.code == .tooManyParts)
        #expect(Self.error(part + part + "\r\n--abc--", limits: limits) == nil)
        #expect(Self.error("--abc\r\n\r\nDATA")?.byteOffset == 13)
    }

    @Test func aReceiverMayRefuse() {
        var reader = MultipartReader(boundary: Self.boundary)
        var collector = Collector()
        collector.maximum = 3
        #expect(throws: MultipartReadError<Collector.Refused>.self) {
            try reader.read(Array("--abc\r\n\r\nDATA".utf8).span.bytes, into: &collector)
        }
    }

    @Test func boundaries() {
        #expect(MultipartBoundary("") == nil)
        #expect(MultipartBoundary("a\r\nb") == nil)
        #expect(MultipartBoundary(String(repeating: "a", count: 71)) == nil)
        #expect(MultipartBoundary("a ") == nil)
        #expect(MultipartBoundary("gc0pJq0M:08jU534c0p") != nil)
        #expect(MultipartBoundary() != MultipartBoundary())
    }
}
