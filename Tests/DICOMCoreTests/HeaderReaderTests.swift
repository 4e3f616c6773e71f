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
                guard !mine.isOmitted else {
                    #expect(header.dataSet.storedRange(of: mine) == other.valueRange)
                    continue
                }
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
        let url = try temporaryFile(file(patientID: "LONG", padding: 150_000))
        defer { try? FileManager.default.removeItem(at: url) }
        let reader = HeaderReader()
        for _ in 0..<3 { #expect(try reader.read(path: url.path).dataSet.string(Tag(0x0010_0020)) == "LONG") }
        let file = try reader.read(path: url.path)
        #expect(file.dataSet.stopElement?.tag == Tag(0x7FE0_0010))
        var options = ReadOptions.header
        options.maximumHeaderBytes = 100_000
        // Beyond the limit the file is mapped, not refused.
        let mapped = try HeaderReader(options: options).read(path: url.path)
        #expect(mapped.dataSet.string(Tag(0x0010_0020)) == "LONG")
        #expect(mapped.dataSet.stopElement?.tag == Tag(0x7FE0_0010))
        #expect(try reader.read(path: url.path).dataSet.string(Tag(0x0010_0020)) == "LONG")
    }

    /// An encapsulated document, say: it stands before where Pixel Data would.
    @Test func aValueOfManyMegabytesBeforePixelDataIsNoObstacle() throws {
        let url = try temporaryFile(file(patientID: "HUGE", padding: 65 << 20))
        defer { try? FileManager.default.removeItem(at: url) }
        func tags(_ header: DICOMFile) -> [DICOMDictionary.Tag] { header.dataSet.elements.map(\.tag) }
        #expect(try tags(HeaderReader().read(path: url.path)) == tags(DICOMFile.read(path: url.path, options: .header)))
        let header = try HeaderReader().read(path: url.path)
        #expect(header.dataSet.string(Tag(0x0010_0020)) == "HUGE")
        let element = try #require(header.dataSet.element(Tag(0x0009_1001)))
        #expect(element.isOmitted && element.length == 0)
        #expect(header.dataSet.storedRange(of: element).count == 65 << 20)
        let stop = try #require(header.dataSet.stopElement)
        #expect(stop.tag == Tag(0x7FE0_0010) && stop.length == 100_000)
    }

    /// Whatever the limit, copied, copied in steps or mapped: the elements are the same.
    @Test func manyElementsAreReadTheSameInAnyWay() throws {
        var builder = DataSetBuilder()
        for block in 0..<200 {
            for element in 0x1000..<0x1010 {
                builder.set(
                    Tag(group: UInt16(0x0011 + 2 * block), element: UInt16(element)), vr: .ob,
                    bytes: [UInt8](repeating: UInt8(truncatingIfNeeded: block), count: 1000))
            }
        }
        builder.set(Tag(0x7FE0_0010), vr: .ow, bytes: [1, 2])
        let bytes =
            FileMeta(transferSyntaxUID: "1.2.840.10008.1.2.1").encoded() + builder.encoded(in: .explicitVRLittleEndian)
        let url = try temporaryFile(bytes)
        defer { try? FileManager.default.removeItem(at: url) }
        let expected = try DICOMFile(bytes: bytes, options: .header).dataSet.elements.map(\.valueRange)
        #expect(expected.count == 3200)
        for limit in [1, 4096, 100_000, 1 << 20, bytes.count - 1, bytes.count, 1 << 30] {
            var options = ReadOptions.header
            options.maximumHeaderBytes = limit
            let file = try HeaderReader(options: options).read(path: url.path)
            #expect(file.dataSet.elements.map(\.valueRange) == expected, "limit \(limit)")
        }
    }

    @Test func aLongDeflatedFileIsRead() throws {
        var random = SplitMix(state: 5)
        var builder = DataSetBuilder()
        builder.set(Tag(0x0009_1001), vr: .ob, bytes: (0..<6_000_000).map { _ in UInt8(random.below(256)) })
        builder.set(Tag(0x0010_0020), vr: .lo, text: "DEFLATED")
        builder.set(Tag(0x7FE0_0010), vr: .ow, bytes: [1, 2])
        let bytes =
            FileMeta(transferSyntaxUID: TransferSyntax.deflatedExplicitVRLittleEndian.uid).encoded()
            + builder.encoded(in: .deflatedExplicitVRLittleEndian)
        #expect(bytes.count > ReadOptions.header.maximumHeaderBytes)
        let url = try temporaryFile(bytes)
        defer { try? FileManager.default.removeItem(at: url) }
        #expect(try HeaderReader().read(path: url.path).dataSet.string(Tag(0x0010_0020)) == "DEFLATED")
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
