import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

@Suite struct HeadScannerTests {
    /// Feeds the bytes in pieces of this size; the outcome, and after how many bytes it came.
    private static func scan(
        _ bytes: [UInt8], _ syntax: TransferSyntax, pieces: Int
    ) -> (outcome: HeadScanner.Outcome, fed: Int) {
        var scanner = HeadScanner(transferSyntax: syntax)
        var position = 0
        while position < bytes.count {
            let end = min(position + pieces, bytes.count)
            let outcome = Array(bytes[position..<end]).withUnsafeBytes { scanner.feed($0.bytes) }
            position = end
            if case .needMore = outcome { continue }
            return (outcome, position)
        }
        return (scanner.finish(), position)
    }

    private static func head(_ outcome: HeadScanner.Outcome) -> InstanceHead? {
        if case .found(let head) = outcome { return head }
        return nil
    }

    /// A data set with sequences of both forms before what is looked for.
    private static func sample() -> DataSetBuilder {
        var code = DataSetBuilder()
        code.set(Tag(0x0008_0018), vr: .ui, text: "9.9.9")
        code.set(Tag(0x0020_000D), vr: .ui, text: "9.9.8")
        var builder = DataSetBuilder()
        builder.set(Tag(0x0008_0005), vr: .cs, text: "ISO_IR 100")
        builder.set(Tag(0x0008_0016), vr: .ui, text: "1.2.840.10008.5.1.4.1.1.2")
        builder.set(Tag(0x0008_0018), vr: .ui, text: "1.2.3.4")
        builder.set(Tag(0x0008_0020), vr: .da, text: "20240229")
        builder.set(Tag(0x0008_1140), vr: .sq, items: [code, code])
        builder.set(Tag(0x0009_1010), vr: .un, bytes: [UInt8](repeating: 0xFE, count: 3000))
        builder.set(Tag(0x0020_000D), vr: .ui, text: "1.2.3")
        builder.set(Tag(0x0020_000E), vr: .ui, text: "1.2.3.5")
        builder.set(Tag(0x0020_0013), vr: .is, integers: [7])
        builder.set(Tag(0x7FE0_0010), vr: .ow, bytes: [UInt8](repeating: 1, count: 10_000))
        return builder
    }

    private static let expected: InstanceHead = {
        var head = InstanceHead()
        head.sopClassUID = "1.2.840.10008.5.1.4.1.1.2"
        head.sopInstanceUID = "1.2.3.4"
        head.studyDate = "20240229"
        head.studyInstanceUID = "1.2.3"
        head.seriesInstanceUID = "1.2.3.5"
        return head
    }()

    @Test(arguments: [
        TransferSyntax.implicitVRLittleEndian, .explicitVRLittleEndian, .explicitVRBigEndian,
        .deflatedExplicitVRLittleEndian,
    ])
    func piecesOfAnySize(syntax: TransferSyntax) throws {
        let bytes = Self.sample().encoded(in: syntax)
        for pieces in [1, 2, 3, 5, 7, 11, 13, 64, 1000, 16384, 1 << 20] {
            let (outcome, fed) = Self.scan(bytes, syntax, pieces: pieces)
            #expect(Self.head(outcome) == Self.expected, "\(pieces)")
            if pieces < 100, !syntax.isDeflated { #expect(fed < 4000) }
        }
    }

    /// Everything the samples have before their series UID, at three sizes of pieces.
    @Test(.enabled(if: !DICOMFiles.all.isEmpty))
    func everySample() throws {
        var compared = 0
        for url in DICOMFiles.all {
            guard let file = try? DICOMFile.read(path: url.path) else { continue }
            let bytes = try [UInt8](Data(contentsOf: url))[file.dataSetOffset...]
            let dataSet = file.dataSet
            // Out of order nothing is promised.
            let tags = dataSet.elements.map(\.tag)
            guard tags == tags.sorted() else { continue }
            var head = InstanceHead()
            head.sopClassUID = dataSet.string(Tag(0x0008_0016)) ?? ""
            head.sopInstanceUID = dataSet.string(Tag(0x0008_0018)) ?? ""
            head.studyDate = dataSet.string(Tag(0x0008_0020)) ?? ""
            head.studyInstanceUID = dataSet.string(Tag(0x0020_000D)) ?? ""
            head.seriesInstanceUID = dataSet.string(Tag(0x0020_000E)) ?? ""
            for pieces in [1, 37, 4096] {
                let (outcome, _) = Self.scan(Array(bytes), file.transferSyntax, pieces: pieces)
                #expect(Self.head(outcome) == head, "\(url.lastPathComponent) \(pieces)")
            }
            compared += 1
        }
        #expect(compared > DICOMFiles.all.count / 2)
    }

    @Test func sequencesOfUndefinedLength() {
        func tag(_ group: UInt16, _ element: UInt16) -> [UInt8] {
            [UInt8(group & 0xFF), UInt8(group >> 8), UInt8(element & 0xFF), UInt8(element >> 8)]
        }
        let undefined: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF]
        let item = tag(0xFFFE, 0xE000) + undefined
        let itemEnd = tag(0xFFFE, 0xE00D) + [0, 0, 0, 0]
        let sequenceEnd = tag(0xFFFE, 0xE0DD) + [0, 0, 0, 0]
        // UN of undefined length: implicit little endian within.
        let unknown =
            tag(0x0009, 0x1001) + [0x55, 0x4E, 0, 0] + undefined + item + tag(0x0009, 0x1002) + [2, 0, 0, 0, 1, 2]
            + itemEnd + sequenceEnd
        let nested =
            tag(0x0008, 0x1140) + [0x53, 0x51, 0, 0] + undefined + item
            + tag(0x0008, 0x1199) + [0x53, 0x51, 0, 0] + undefined
            + tag(0xFFFE, 0xE000) + [10, 0, 0, 0] + tag(0x0020, 0x000E) + [0x55, 0x49, 2, 0, 0x31, 0]
            + sequenceEnd + itemEnd + sequenceEnd
        let uid = tag(0x0020, 0x000D) + [0x55, 0x49, 2, 0, 0x32, 0]
        let bytes = nested + unknown + uid + tag(0x0020, 0x0013) + [0x49, 0x53, 0, 0]
        for pieces in 1...bytes.count {
            let (outcome, fed) = Self.scan(bytes, .explicitVRLittleEndian, pieces: pieces)
            #expect(Self.head(outcome)?.studyInstanceUID == "2")
            #expect(Self.head(outcome)?.seriesInstanceUID == "")
            #expect(fed <= bytes.count)
        }
    }

    @Test func hostileBytesEnd() {
        func code(_ bytes: [UInt8]) -> DICOMError.Code? {
            if case .cannot(let error) = Self.scan(bytes, .explicitVRLittleEndian, pieces: 4096).outcome {
                return error.code
            }
            return nil
        }
        #expect(code([8, 0, 0x18, 0, 0x55, 0x49, 200, 0, 0x31]) == .truncated)
        let sequence: [UInt8] = [8, 0, 0x40, 0x11, 0x53, 0x51, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]
        let item: [UInt8] = [0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]
        #expect(code([[UInt8]](repeating: sequence + item, count: 100_000).flatMap { $0 }) == .tooDeep)
        #expect(code(item) == .unexpectedTag)
        #expect(code(sequence + sequence) == .unexpectedTag)
        // A length of 4 GB is passed over, not stored: the end of the data set is then inside of it.
        #expect(code([9, 0, 1, 0x10, 0x4F, 0x42, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 1, 2, 3]) == .truncated)
        // A UID of 60,000 bytes is no UID.
        let long: [UInt8] = [8, 0, 0x18, 0, 0x55, 0x49, 0x60, 0xEA] + [UInt8](repeating: 0x31, count: 60_000)
        #expect(Self.head(Self.scan(long, .explicitVRLittleEndian, pieces: 1000).outcome)?.sopInstanceUID == "")
    }
}
