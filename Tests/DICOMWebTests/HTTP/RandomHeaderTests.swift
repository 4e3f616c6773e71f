import DICOMWeb
import Testing

/// Random input: values or errors, and never anything that depends on how the bytes were cut.
@Suite struct RandomHeaderTests {
    private struct Recorder: MultipartReceiver {
        typealias Failure = Never
        var text: [UInt8] = []

        mutating func beginPart(_ headers: PartHeaders) {
            text += [1] + Array("\(headers.fields)".utf8) + [2]
        }

        mutating func partBytes(_ bytes: RawSpan) { bytes.withUnsafeBytes { text.append(contentsOf: $0) } }
        mutating func endPart() { text.append(3) }
    }

    private static func read(_ bytes: [UInt8], by step: Int) -> ([UInt8], MultipartError?) {
        guard let boundary = MultipartBoundary("--a") else { return ([], nil) }
        var reader = MultipartReader(boundary: boundary)
        var recorder = Recorder()
        do {
            for start in stride(from: 0, to: bytes.count, by: step) {
                try reader.read(bytes.span.bytes.extracting(start..<min(start + step, bytes.count)), into: &recorder)
            }
            try reader.finish()
            return (recorder.text, nil)
        } catch let error as MultipartError {
            return (recorder.text, error)
        } catch MultipartReadError<Never>.malformed(let error) {
            return (recorder.text, error)
        } catch { return (recorder.text, nil) }
    }

    @Test func multipartInAnyPieces() {
        var generator = SplitMix(seed: 5)
        let pieces = [
            "\r\n----a", "----a", "\r\n", "\r", "\n", "--", "-", "a", "X: y", "Content-Type: a/b", " ", "\0", "xyz",
        ]
        var complete = 0
        for round in 0..<4000 {
            var text = round % 2 == 0 ? "----a\r\nX: y\r\n\r\n" : ""
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                text += pieces[Int.random(in: 0..<pieces.count, using: &generator)]
            }
            if round % 3 == 0 { text += "\r\n----a--" }
            let bytes = Array(text.utf8)
            let whole = Self.read(bytes, by: bytes.count)
            if whole.1 == nil { complete += 1 }
            for step in [1, 2, 3, 5] {
                let pieces = Self.read(bytes, by: step)
                #expect(pieces.0 == whole.0)
                #expect(pieces.1?.code == whole.1?.code)
                #expect(pieces.1?.byteOffset == whole.1?.byteOffset)
            }
        }
        #expect(complete > 100 && complete < 4000)
    }

    @Test func acceptHeaders() {
        var generator = SplitMix(seed: 6)
        let pieces = [
            "multipart/related", "application/dicom+json", "*/*", ";", ",", "=", "\"", "\\", "type", "q", "0.5", "1",
            "*",
            "transfer-syntax", "application/octet-stream", " ", "\t", "/", "é", "\u{1}", "1.2.840.10008.1.2.1",
        ]
        let offers = [
            Representation(.dicomJSON),
            Representation(.octetStream, multipart: true, transferSyntaxUID: "1.2.840.10008.1.2.1"),
        ]
        var chosen = [0, 0, 0]
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<Int.random(in: 1...10, using: &generator) {
                text += pieces[Int.random(in: 0..<pieces.count, using: &generator)]
            }
            let header = AcceptHeader(lines: [text])
            chosen[((try? header.negotiate(offers)) ?? -1) + 1] += 1
            if let mediaType = MediaType(text) { #expect(MediaType(mediaType.description) == mediaType) }
        }
        #expect(chosen.allSatisfy { $0 > 0 })
    }
}
