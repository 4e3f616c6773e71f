import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

@Suite struct FileMetaTests {
    private static let meta = FileMeta(
        mediaStorageSOPClassUID: "1.2.840.10008.5.1.4.1.1.2", mediaStorageSOPInstanceUID: "1.2.3.4",
        transferSyntaxUID: "1.2.840.10008.1.2.1", sourceAETitle: "SCANNER", sendingAETitle: "GATE",
        receivingAETitle: "WADO", privateInformationCreatorUID: "1.2.3.9", privateInformation: [1, 2, 3])

    @Test func theGroupByHand() {
        let meta = FileMeta(
            mediaStorageSOPClassUID: "1.2", mediaStorageSOPInstanceUID: "1.3", transferSyntaxUID: "1.4.5",
            implementationClassUID: "1.9", implementationVersionName: "V1", sourceAETitle: "ABC")
        var expected = [UInt8](repeating: 0, count: 128) + Array("DICM".utf8)
        expected += [2, 0, 0, 0, 0x55, 0x4C, 4, 0, 74, 0, 0, 0]
        expected += [2, 0, 1, 0, 0x4F, 0x42, 0, 0, 2, 0, 0, 0, 0, 1]
        expected += [2, 0, 2, 0, 0x55, 0x49, 4, 0] + Array("1.2\0".utf8)
        expected += [2, 0, 3, 0, 0x55, 0x49, 4, 0] + Array("1.3\0".utf8)
        expected += [2, 0, 0x10, 0, 0x55, 0x49, 6, 0] + Array("1.4.5\0".utf8)
        expected += [2, 0, 0x12, 0, 0x55, 0x49, 4, 0] + Array("1.9\0".utf8)
        expected += [2, 0, 0x13, 0, 0x53, 0x48, 2, 0] + Array("V1".utf8)
        expected += [2, 0, 0x16, 0, 0x41, 0x45, 4, 0] + Array("ABC ".utf8)
        let length = expected.count - 144
        expected[140] = UInt8(length)
        #expect(meta.encoded() == expected)
    }

    @Test func whatIsEncodedIsRead() throws {
        let dataSet = DataSetTests.sample().encoded(in: .explicitVRLittleEndian)
        let file = try DICOMFile(bytes: Self.meta.encoded() + dataSet)
        var expected = Self.meta
        expected.privateInformation = [1, 2, 3, 0]
        #expect(file.meta == expected)
        #expect(file.transferSyntax == .explicitVRLittleEndian)
        #expect(file.dataSetOffset == Self.meta.encoded().count)
        #expect(file.dataSet.string(Tag(0x0010_0020)) == "A17")
    }

    @Test func aRetrieveDoesNotTellWhereItCameFrom() throws {
        let dataSet = DataSetTests.sample().encoded(in: .explicitVRLittleEndian)
        let file = try DICOMFile(bytes: Self.meta.encoded() + dataSet)
        var expected = Self.meta
        expected.privateInformation = nil
        expected.privateInformationCreatorUID = ""
        #expect(file.exportedHeader == expected.encoded())
        let again = try DICOMFile(bytes: file.exportedHeader + dataSet)
        #expect(again.meta == expected)
    }

    @Test func filesWithoutAMetaGetOne() throws {
        var builder = DataSetTests.sample()
        builder.set(Tag(0x0008_0016), vr: .ui, text: "1.2.840.10008.5.1.4.1.1.4")
        builder.set(Tag(0x0008_0018), vr: .ui, text: "1.2.3.4")
        for syntax in [TransferSyntax.implicitVRLittleEndian, .explicitVRLittleEndian, .explicitVRBigEndian] {
            let bytes = builder.encoded(in: syntax)
            let file = try DICOMFile(bytes: bytes)
            #expect(file.meta == nil)
            #expect(file.transferSyntax == syntax)
            let whole = try DICOMFile(bytes: file.exportedHeader + bytes)
            #expect(whole.meta?.mediaStorageSOPInstanceUID == "1.2.3.4")
            #expect(whole.transferSyntax == syntax)
            #expect(whole.dataSet.string(Tag(0x0010_0020)) == "A17")
        }
    }

    @Test func oddMetas() throws {
        let dataSet = DataSetTests.sample().encoded(in: .explicitVRLittleEndian)
        let meta = Self.meta.encoded()
        // No preamble; no prefix either; a wrong group length; none; a preamble that is not zeros.
        var wrongLength = meta
        wrongLength[140] = 1
        let withoutLength = Array(meta[..<132] + meta[144...])
        let picture = [UInt8](repeating: 0x49, count: 128) + meta[128...]
        for header in [Array(meta[128...]), Array(meta[132...]), wrongLength, withoutLength, picture] {
            let file = try DICOMFile(bytes: header + dataSet)
            #expect(file.meta?.sourceAETitle == "SCANNER")
            #expect(file.dataSet.string(Tag(0x0010_0020)) == "A17")
            #expect(try file.encoded() == header + dataSet)
        }
        // Only a meta, and nothing at all.
        #expect(try DICOMFile(bytes: meta).dataSet.isEmpty)
        #expect(throws: DICOMError.self) { try DICOMFile(bytes: []) }
        #expect(throws: DICOMError.self) { try DICOMFile(bytes: Array(meta.dropLast(5))) }
    }

    @Test func conversionOfAFile() throws {
        let bytes = Self.meta.encoded() + DataSetTests.sample().encoded(in: .explicitVRLittleEndian)
        let file = try DICOMFile(bytes: bytes)
        let converted = try DICOMFile(bytes: try file.encoded(in: .implicitVRLittleEndian))
        #expect(converted.transferSyntax == .implicitVRLittleEndian)
        #expect(converted.meta?.transferSyntaxUID == "1.2.840.10008.1.2")
        #expect(converted.dataSet.doubles(Tag(0x0018_0050)) == [0.625])
    }

    @Test(.enabled(if: Python.has("pydicom")))
    func pydicomReadsIt() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "wado-\(UUID().uuidString).dcm")
        defer { try? FileManager.default.removeItem(at: url) }
        let bytes = Self.meta.encoded() + DataSetTests.sample().encoded(in: .explicitVRLittleEndian)
        try Data(bytes).write(to: url)
        let output = try Python.run(
            """
            import sys, pydicom
            ds = pydicom.dcmread(sys.argv[1])
            m = ds.file_meta
            print(m.MediaStorageSOPInstanceUID, m.SourceApplicationEntityTitle, m.ReceivingApplicationEntityTitle,
                  m.FileMetaInformationGroupLength == ds.file_meta_length if hasattr(ds, "file_meta_length") else True,
                  ds.PatientID, ds.Rows, ds.SliceThickness, ds[0x00081032][0].CodeValue)
            """, [url.path])
        #expect(String(decoding: output, as: UTF8.self) == "1.2.3.4 SCANNER WADO True A17 512 0.625 113724\n")
    }
}
