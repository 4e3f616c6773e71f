import Archive
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import HTTPServer
import ServerService
import Synchronization
import Testing

@Suite struct BulkDataTests {
    private let single = ["Accept": "application/octet-stream"]

    @Test(arguments: [
        TransferSyntax.explicitVRLittleEndian, .implicitVRLittleEndian, .explicitVRBigEndian,
        .deflatedExplicitVRLittleEndian,
    ])
    func everyURIOfTheMetadataCanBeHad(syntax: TransferSyntax) throws {
        let archive = try TestArchive()
        var item = DataSetBuilder()
        item.set(.waveformBitsAllocated, 16)
        item.set(.waveformData, vr: .ow, bytes: (0..<3_000).map { UInt8(truncatingIfNeeded: $0 / 7) })
        var other = DataSetBuilder()
        other.set(.waveformData, vr: .ow, bytes: (0..<2_000).map { UInt8(truncatingIfNeeded: $0 / 3) })
        var builder = Make.builder()
        builder.set(.redPaletteColorLookupTableData, vr: .ow, bytes: (0..<4_096).map { UInt8(truncatingIfNeeded: $0) })
        builder.set(.encapsulatedDocument, vr: .ob, bytes: (0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 3) })
        builder.set(.waveformSequence, items: [item, other])
        let identity = try archive.add(Make.file(builder, syntax))
        let metadata = try archive.get(archive.url(identity) + "/metadata").json()[0]
        var uris: [String] = []
        func collect(_ object: [String: Any]) {
            for case let element as [String: Any] in object.values {
                if let uri = element["BulkDataURI"] as? String { uris.append(uri) }
                for case let item as [String: Any] in element["Value"] as? [Any] ?? [] { collect(item) }
            }
        }
        collect(metadata)
        #expect(uris.count == 5)
        // The reference: the same data set, little endian.
        let reference = DataSetBuilder(try DICOMFile(bytes: Make.file(builder)).dataSet)
        let dataSet = try DataSet(
            bytes: reference.encoded(in: .explicitVRLittleEndian), transferSyntax: .explicitVRLittleEndian)
        for uri in uris {
            let path = try #require(BulkDataPath(uri.split(separator: "/bulkdata/")[1]))
            let (inner, element) = try #require(path.resolve(in: dataSet))
            let expected = inner.withValue(of: element) { $0.withUnsafeBytes { [UInt8]($0) } }
            #expect(archive.get(uri, single).body == expected, "\(uri)")
            let parts = try archive.get(uri, ["Accept": "multipart/related; type=\"application/octet-stream\""]).parts()
            #expect(parts.map(\.body) == [expected], "\(uri)")
        }
    }

    /// Values that metadata name by a URI for their length alone, whatever their VR.
    @Test(arguments: [
        TransferSyntax.explicitVRLittleEndian, .implicitVRLittleEndian, .explicitVRBigEndian,
        .deflatedExplicitVRLittleEndian,
    ])
    func longValuesCanBeHad(syntax: TransferSyntax) throws {
        let archive = try TestArchive()
        let text = (0..<3_000_000).map { UInt8(0x41 + $0 / 7 % 20) }
        var item = DataSetBuilder()
        item.set(.textValue, vr: .ut, bytes: text.reversed())
        var builder = Make.builder()
        builder.set(.acquisitionContextSequence, items: [DataSetBuilder(), item])
        builder.set(.textValue, vr: .ut, bytes: text)
        let identity = try archive.add(Make.file(builder, syntax), isIndexed: false)
        let root = archive.url(identity) + "/bulkdata/"
        #expect(archive.get(root + "0040A160", single).body == text)
        #expect(archive.get(root + "00400555/1/0040A160", single).body == text.reversed())
        let parts = try archive.get(
            root + "0040A160", ["Accept": "multipart/related; type=\"application/octet-stream\""]
        )
        .parts()
        #expect(parts.map(\.body) == [text])
    }

    @Test func wrongPaths() throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder()))
        for path in [
            "x", "7FE0001", "7FE000100", "00540016/0", "00540016/x/00180031", "..", "..%2F..", "00100010/0/00100020/1",
        ] {
            #expect(archive.get(archive.url(identity) + "/bulkdata/\(path)").status == 400, "\(path)")
        }
        for path in ["00281201", "00540016/0/00180031", "00540016/999999999/00180031"] {
            #expect(archive.get(archive.url(identity) + "/bulkdata/\(path)").status == 404, "\(path)")
        }
        #expect(archive.get(archive.url(identity) + "/bulkdata/00281201/").status == 404)
        #expect(archive.get(archive.url(identity) + "/bulkdata/00100010", ["Accept": "image/jpeg"]).status == 406)
        #expect(archive.get(archive.url(identity) + "/bulkdata/00100010", single).text == "DOE^JANE")
    }

    @Test func oddLengths() throws {
        let archive = try TestArchive()
        // An odd length is illegal, and some writers write it: what is there is served.
        var bytes = Make.file(Make.builder(rows: 3, columns: 3, bits: 8))
        let offset = bytes.count - 10 - 4
        #expect(bytes[offset] == 10)
        bytes[offset] = 9
        bytes.removeLast()
        let identity = try archive.add(bytes)
        #expect(archive.get(archive.url(identity) + "/frames/1", single).body.count == 9)
        #expect(archive.get(archive.url(identity) + "/bulkdata/7FE00010", single).body.count == 9)
    }
}
