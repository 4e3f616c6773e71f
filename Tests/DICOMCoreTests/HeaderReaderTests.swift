import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

@Suite struct HeaderReaderTests {
    /// Every sample's header, read alone and as a part of the whole.
    @Test(.enabled(if: !DICOMFiles.all.isEmpty))
    func aHeaderIsTheStartOfTheWhole() throws {
        let reader = HeaderReader()
        for url in DICOMFiles.all {
            var options = ReadOptions.whole
            options.acceptsTruncation = true
            guard let whole = try? DICOMFile.read(path: url.path, options: options) else { continue }
            guard let header = try? reader.read(path: url.path) else {
                // A file that ends within its header is one for `acceptsTruncation` only.
                #expect(whole.dataSet.isTruncated, "\(url.lastPathComponent)")
                continue
            }
            let expected = whole.dataSet.elements.prefix { $0.tag.rawValue < 0x7FE0_0008 }.map(\.tag)
            #expect(header.dataSet.elements.map(\.tag) == expected, "\(url.lastPathComponent)")
            #expect(header.meta == whole.meta)
            #expect(header.dataSetOffset == whole.dataSetOffset)
            for (mine, other) in zip(header.dataSet.elements, whole.dataSet.elements) where !mine.isSequence {
                let same = header.dataSet.withValue(of: mine) { [UInt8](copying: $0) }
                #expect(same == whole.dataSet.withValue(of: other) { [UInt8](copying: $0) })
            }
            if let pixels = whole.dataSet.element(Tag(0x7FE0_0010)) {
                let stop = try #require(header.dataSet.stopElement)
                #expect(stop.tag == pixels.tag && stop.vr == pixels.vr && stop.valueOffset == pixels.valueOffset)
                #expect(stop.isUndefinedLength == pixels.isUndefinedLength)
            }
        }
    }

    private func temporaryFile(_ bytes: [UInt8]) throws -> URL {
        let url = FileManager.default.temporaryDirectory.appending(path: "wado-\(UUID().uuidString).dcm")
        try Data(bytes).write(to: url)
        return url
    }

    private func file(patientID: String, padding: Int = 0) -> [UInt8] {
        var builder = DataSetBuilder()
        builder.set(Tag(0x0009_1001), vr: .ob, bytes: [UInt8](repeating: 7, count: padding))
        builder.set(Tag(0x0010_0020), vr: .lo, text: patientID)
        builder.set(Tag(0x7FE0_0010), vr: .ow, bytes: [UInt8](repeating: 1, count: 100_000))
        return FileMeta(transferSyntaxUID: "1.2.840.10008.1.2.1").encoded()
            + builder.encoded(in: .explicitVRLittleEndian)
    }

    @Test func whatWasReadStaysValid() throws {
        let urls = try ["A", "B", "C"].map { try temporaryFile(file(patientID: $0)) }
        defer { for url in urls { try? FileManager.default.removeItem(at: url) } }
        let reader = HeaderReader()
        let kept = try urls.map { try reader.read(path: $0.path) }
        #expect(kept.map { $0.dataSet.string(Tag(0x0010_0020)) } == ["A", "B", "C"])
        for (url, id) in zip(urls, ["A", "B", "C"]) {
            let storage = try reader.read(path: url.path).storage
            // Only the storage is kept: it must not be written into either.
            _ = try reader.read(path: urls[0].path)
            let text = storage.withBytes { String(decoding: [UInt8](copying: $0), as: UTF8.self) }
            #expect(text.contains(id))
        }
    }

    @Test func longHeadersAreReadFurther() throws {
        let url = try temporaryFile(file(patientID: "LONG", padding: 300_000))
        defer { try? FileManager.default.removeItem(at: url) }
        let reader = HeaderReader()
        for _ in 0..<3 { #expect(try reader.read(path: url.path).dataSet.string(Tag(0x0010_0020)) == "LONG") }
        let file = try reader.read(path: url.path)
        #expect(file.storage.count < 400_000)
        var options = ReadOptions.header
        options.maximumHeaderBytes = 200_000
        #expect(throws: DICOMError.self) { try HeaderReader(options: options).read(path: url.path) }
        do throws(DICOMError) {
            _ = try HeaderReader(options: options).read(path: url.path)
        } catch {
            #expect(error.code == .headerTooLong)
        }
    }

    @Test func whatCannotBeReadSaysSo() throws {
        let reader = HeaderReader()
        func code(_ path: String) -> DICOMError.Code? {
            do throws(DICOMError) {
                _ = try reader.read(path: path)
                return nil
            } catch {
                return error.code
            }
        }
        let empty = try temporaryFile([])
        let text = try temporaryFile(Array("Dear reader, this is not a picture at all, it is a letter.".utf8))
        let cut = try temporaryFile(Array(file(patientID: "A", padding: 50).prefix(400)))
        defer { for url in [empty, text, cut] { try? FileManager.default.removeItem(at: url) } }
        #expect(code("/nonexistent/file.dcm") == .unreadable)
        #expect(code(FileManager.default.temporaryDirectory.path) == .unreadable)
        #expect(code(empty.path) == .notDICOM)
        #expect(code(text.path) == .notDICOM)
        #expect(code(cut.path) == nil)
        let short = try temporaryFile(Array(file(patientID: "A", padding: 5000).prefix(1000)))
        defer { try? FileManager.default.removeItem(at: short) }
        #expect(code(short.path) == .truncated)
        #expect(throws: DICOMError.self) { try DICOMFile.read(path: "/nonexistent/file.dcm") }
    }
}

extension [UInt8] {
    init(copying bytes: RawSpan) { self = bytes.withUnsafeBytes { [UInt8]($0) } }
}
