import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

struct ReadWarningTests {
    /// An element in explicit VR little endian with a length of two bytes.
    private static func element(_ group: Int, _ number: Int, _ vr: String, _ value: [UInt8]) -> [UInt8] {
        [UInt8(group & 255), UInt8(group >> 8), UInt8(number & 255), UInt8(number >> 8)] + Array(vr.utf8)
            + [UInt8(value.count & 255), UInt8(value.count >> 8)] + value
    }

    private static func warnings(
        _ bytes: [UInt8], _ syntax: TransferSyntax = .explicitVRLittleEndian
    ) throws -> [String] {
        let dataSet = try DataSet(bytes: bytes, transferSyntax: syntax)
        #expect(dataSet.warningCount == dataSet.warnings.count)
        return dataSet.warnings.map { "\($0.code.rawValue) \($0.byteOffset) \($0.place)" }
    }

    private static let modality = element(0x0008, 0x0060, "CS", [0x43, 0x54])
    private static let item: [UInt8] = [0xFE, 0xFF, 0x00, 0xE0]
    private static let undefined: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF]
    private static let itemEnd: [UInt8] = [0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0]
    private static let sequenceEnd: [UInt8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]
    private static let sequence: [UInt8] = [0x40, 0, 0x75, 0x02, 0x53, 0x51, 0, 0]

    @Test func whatIsRightHasNone() throws {
        let inner = Self.element(0x0040, 0x0007, "LO", [0x41, 0x20])
        let bytes =
            Self.element(0x0008, 0x0000, "UL", [10, 0, 0, 0]) + Self.modality
            + Self.element(0x0010, 0x0010, "PN", [0x41, 0x20])
            + Self.sequence + Self.undefined + Self.item + Self.undefined + inner + Self.itemEnd + Self.item
            + [UInt8(inner.count), 0, 0, 0] + inner + Self.sequenceEnd
        #expect(try Self.warnings(bytes) == [])
    }

    @Test func eachKind() throws {
        let modality = Self.modality
        let name = Self.element(0x0010, 0x0010, "PN", [0x41, 0x20])
        #expect(try Self.warnings(Self.element(0x0008, 0x0060, "CS", [0x43])) == ["odd-length 0 (0008,0060)"])
        #expect(try Self.warnings(name + modality) == ["tags-not-ascending 10 (0008,0060)"])
        #expect(try Self.warnings(modality + modality) == ["duplicate-tag 10 (0008,0060)"])
        #expect(try Self.warnings(Self.element(0x0009, 0x1001, "ZZ", [1, 2])) == ["unknown-vr 0 (0009,1001)"])
        let implicit: [UInt8] = [0x08, 0, 0x60, 0, 2, 0, 0, 0, 0x43, 0x54]
        #expect(try Self.warnings(implicit) == ["missing-vr 0 (0008,0060)"])
        #expect(try Self.warnings(modality, .implicitVRLittleEndian) == ["unexpected-vr 0 "])
        #expect(try Self.warnings(modality + [1, 2, 3]) == ["trailing-bytes 10 "])
        #expect(try Self.warnings(modality + Self.itemEnd) == ["stray-delimiter 10 (FFFE,E00D)"])
        #expect(
            try Self.warnings(Self.element(0x0008, 0x0005, "CS", Array("ISO_IR 999".utf8)))
                == ["unknown-character-set 8 (0008,0005)"])
        let open = Self.sequence + Self.undefined + Self.item + Self.undefined + Self.element(0x0040, 7, "LO", [])
        #expect(
            try Self.warnings(open + Self.sequenceEnd) == ["missing-delimiter 28 (0040,0275)[0](FFFE,E0DD)"])
        // A value of VR UN that begins with an item and does not go on as one.
        let guess: [UInt8] =
            [0x40, 0, 0x75, 0x02, 0x55, 0x4E, 0, 0, 20, 0, 0, 0]
            + Self.item + [12, 0, 0, 0, 1, 2, 3, 4, 9, 9, 9, 9, 9, 9, 9, 9]
        #expect(try Self.warnings(guess).last == "unreadable-sequence 12 (0040,0275)")
    }

    @Test func groupLengths() throws {
        func group(_ length: UInt8, _ rest: [UInt8]) -> [UInt8] {
            Self.element(0x0008, 0x0000, "UL", [length, 0, 0, 0]) + rest
        }
        let name = Self.element(0x0010, 0x0010, "PN", [0x41, 0x20])
        #expect(try Self.warnings(group(10, Self.modality + name)) == [])
        #expect(try Self.warnings(group(12, Self.modality + name)).map { $0.prefix(18) } == [])
        #expect(
            try Self.warnings(group(8, Self.modality + name)) == ["wrong-group-length 22 (0008,0000)"])
        #expect(
            try Self.warnings(group(20, Self.modality + name + Self.element(0x0010, 0x0020, "LO", [])))
                == ["wrong-group-length 32 (0008,0000)"])
    }

    /// Read from a file in steps, what is odd is told once.
    @Test func stepsTellNothingTwice() throws {
        var bytes: [UInt8] = []
        for number in 0..<1_500 {
            bytes += Self.element(0x0009, 0x1000 + number, "LO", [UInt8](repeating: 65, count: 9))
        }
        bytes += Self.element(0x0009, 0x2000, "ZZ", [1, 2, 3, 4]) + Self.element(0x0009, 0x1FFF, "LO", [])
        let whole = try DataSet(bytes: bytes, transferSyntax: .explicitVRLittleEndian)
        #expect(whole.warningCount == 1_502 && whole.warnings.count == 32)
        let meta = FileMeta(
            mediaStorageSOPClassUID: "1.2", mediaStorageSOPInstanceUID: "1.2.3",
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid
        ).encoded()
        let path = FileManager.default.temporaryDirectory.appending(path: "warnings-\(UUID().uuidString)").path
        try Data(meta + bytes).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let reader = HeaderReader()
        for _ in 0..<2 {
            let file = try reader.read(path: path)
            #expect(file.dataSet.warningCount == 1_502)
            #expect(file.dataSet.warnings.map(\.byteOffset) == whole.warnings.map { $0.byteOffset + meta.count })
        }
    }
}
