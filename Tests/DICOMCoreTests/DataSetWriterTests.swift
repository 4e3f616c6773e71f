import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

@Suite struct DataSetWriterTests {
    /// Files in deflated transfer syntaxes are inflated and deflated again: another encoder, another stream.
    @Test(.enabled(if: !DICOMFiles.all.isEmpty))
    func everyFileIsGivenBackByteForByte() throws {
        var written = 0
        for url in DICOMFiles.all {
            var options = ReadOptions.whole
            options.acceptsTruncation = true
            guard let file = try? DICOMFile.read(path: url.path, options: options) else { continue }
            let bytes = try [UInt8](Data(contentsOf: url))
            #expect(try file.encoded() == bytes, "\(url.lastPathComponent)")
            let dataSet = try DataSetWriter(file.dataSet).encoded()
            if file.transferSyntax.isDeflated {
                let again = try DataSet(bytes: dataSet, transferSyntax: file.transferSyntax)
                #expect(Self.dump(again) == Self.dump(file.dataSet), "\(url.lastPathComponent)")
            } else {
                #expect(dataSet == Array(bytes[file.dataSetOffset...]), "\(url.lastPathComponent)")
            }
            written += 1
        }
        #expect(written > DICOMFiles.all.count * 9 / 10)
    }

    /// There and back again through another transfer syntax, which writes each element anew: the same elements, and
    /// from files without oddities the same bytes.
    @Test(.enabled(if: !DICOMFiles.all.isEmpty))
    func conversionsKeepEveryValue() throws {
        var identical = 0
        for url in DICOMFiles.all {
            guard let file = try? DICOMFile.read(path: url.path) else { continue }
            let origin = file.transferSyntax
            guard !origin.isEncapsulated, !origin.isDeflated else { continue }
            for other in [TransferSyntax.explicitVRBigEndian, .explicitVRLittleEndian, .implicitVRLittleEndian]
            where other != origin {
                // In implicit VR private VRs are lost, so that numbers there cannot be turned back.
                if other.isImplicitVR, origin.isBigEndian { continue }
                let withVRs = !other.isImplicitVR
                let converted = try DataSet(
                    bytes: try DataSetWriter(file.dataSet).encoded(in: other), transferSyntax: other)
                #expect(Self.isSame(converted, file.dataSet, withVRs), "\(url.lastPathComponent)")
                let back = try DataSetWriter(converted).encoded(in: origin)
                if back == (try DataSetWriter(file.dataSet).encoded()) { identical += 1 }
                let again = try DataSet(bytes: back, transferSyntax: origin)
                #expect(Self.isSame(again, file.dataSet, withVRs), "\(url.lastPathComponent)")
            }
        }
        #expect(
            identical > DICOMFiles.all.count / 3,
            "files without group lengths, odd lengths or padding come back as they were")
    }

    private static func isSame(_ a: DataSet, _ b: DataSet, _ withVRs: Bool) -> Bool {
        dump(a, withVRs: withVRs) == dump(b, withVRs: withVRs)
    }

    /// Path, VR and little-endian value of each element but group lengths.
    private static func dump(_ dataSet: DataSet, _ prefix: String = "", withVRs: Bool = true) -> [String] {
        var lines: [String] = []
        for element in dataSet.elements where element.tag.element != 0 {
            let vr = withVRs ? element.vr.rawValue : 0
            let path = prefix + "\(String(element.tag.rawValue, radix: 16)) \(vr)"
            if element.isSequence {
                lines.append(path)
                for item in dataSet.items(of: element) { lines += dump(item, path + "/", withVRs: withVRs) }
                continue
            }
            var bytes = dataSet.withValue(of: element) { [UInt8](copying: $0) }
            let width =
                switch element.vr {
                case .us, .ss, .ow, .at: 2
                case .ul, .sl, .fl, .of, .ol: 4
                case .fd, .od, .ov, .sv, .uv: 8
                default: 1
                }
            if element.isBigEndian {
                for start in stride(from: 0, to: bytes.count / width * width, by: width) {
                    bytes[start..<start + width].reverse()
                }
            }
            lines.append(path + " \(bytes.hashValue)")
        }
        return lines
    }

    @Test func longValuesOfShortVRsBecomeUN() throws {
        var builder = DataSetBuilder()
        builder.set(Tag(0x0008_1030), vr: .lo, text: String(repeating: "x", count: 70_000))
        let implicit = try DataSet(
            bytes: builder.encoded(in: .implicitVRLittleEndian), transferSyntax: .implicitVRLittleEndian)
        let explicit = try DataSetWriter(implicit).encoded(in: .explicitVRLittleEndian)
        #expect(Array(explicit[4..<8]) == [0x55, 0x4E, 0, 0])
        #expect(explicit.count == 12 + 70_000)
    }

    @Test func pixelDataDoesNotChangeItsKind() throws {
        let encapsulated = TransferSyntax(uid: "1.2.840.10008.1.2.4.50")
        var builder = DataSetBuilder()
        builder.set(Tag(0x7FE0_0010), fragments: [[], [1, 2, 3]])
        let bytes = builder.encoded(in: encapsulated)
        let dataSet = try DataSet(bytes: bytes, transferSyntax: encapsulated)
        let pixels = try #require(dataSet.element(Tag(0x7FE0_0010)))
        #expect(dataSet.fragments(of: pixels).map(\.count) == [0, 4])
        #expect(throws: DICOMError.self) { try DataSetWriter(dataSet).encoded(in: .explicitVRLittleEndian) }
        let other = try DataSetWriter(dataSet).encoded(in: TransferSyntax(uid: "1.2.840.10008.1.2.4.70"))
        #expect(other == bytes)
    }

    @Test func aHeaderIsNotWrittenAsAWhole() throws {
        var builder = DataSetTests.sample()
        builder.set(Tag(0x7FE0_0010), vr: .ow, bytes: [1, 2])
        let dataSet = try DataSet(
            bytes: builder.encoded(in: .explicitVRLittleEndian), transferSyntax: .explicitVRLittleEndian,
            options: .header)
        #expect(throws: DICOMError.self) { try DataSetWriter(dataSet).encoded() }
    }
}
