import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

@Suite struct DataSetBuilderTests {
    @Test func bytesByHand() {
        var item = DataSetBuilder()
        item.set(.codeValue, "A1")
        var builder = DataSetBuilder()
        builder.set(.rows, 258)
        builder.set(.patientID, "ABC")
        builder.set(.sopInstanceUID, "1.2.3")
        builder.set(.procedureCodeSequence, items: [item])
        #expect(
            builder.encoded(in: .explicitVRLittleEndian)
                == [8, 0, 0x18, 0, 0x55, 0x49, 6, 0] + Array("1.2.3\0".utf8)
                + [8, 0, 0x32, 0x10, 0x53, 0x51, 0, 0, 18, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0, 10, 0, 0, 0]
                + [8, 0, 0, 1, 0x53, 0x48, 2, 0, 0x41, 0x31]
                + [0x10, 0, 0x20, 0, 0x4C, 0x4F, 4, 0] + Array("ABC ".utf8) + [
                    0x28, 0, 0x10, 0, 0x55, 0x53, 2, 0, 2, 1,
                ])
        var rows = DataSetBuilder()
        rows.set(.rows, 258)
        #expect(rows.encoded(in: .explicitVRBigEndian) == [0, 0x28, 0, 0x10, 0x55, 0x53, 0, 2, 1, 2])
        #expect(rows.encoded(in: .implicitVRLittleEndian) == [0x28, 0, 0x10, 0, 2, 0, 0, 0, 2, 1])
    }

    @Test(arguments: [TransferSyntax.explicitVRLittleEndian, .explicitVRBigEndian])
    func numbersOfEveryVR(syntax: TransferSyntax) throws {
        var builder = DataSetBuilder()
        let integers: [(VR, [Int64])] = [
            (.us, [0, 65535]), (.ss, [-32768, 32767]), (.ul, [0, 4_294_967_295]), (.sl, [-2_147_483_648, 5]),
            (.uv, [0, .max]), (.sv, [.min, .max]), (.is, [-12, 34]), (.at, [0x0010_0020, 0x7FE0_0010]),
        ]
        let doubles: [(VR, [Double])] = [
            (.fl, [1.5, -0.25]), (.fd, [3.141592653589793, -1e300]), (.ds, [0.1, -12345.678]), (.of, [2.5]),
            (.od, [1e-300]),
        ]
        for (index, (vr, values)) in integers.enumerated() {
            builder.set(Tag(group: 0x0011, element: UInt16(0x1000 + index)), vr: vr, integers: values)
        }
        for (index, (vr, values)) in doubles.enumerated() {
            builder.set(Tag(group: 0x0011, element: UInt16(0x1100 + index)), vr: vr, doubles: values)
        }
        let dataSet = try DataSet(bytes: builder.encoded(in: syntax), transferSyntax: syntax)
        for (index, (vr, values)) in integers.enumerated() {
            #expect(dataSet.integers(Tag(group: 0x0011, element: UInt16(0x1000 + index))) == values, "\(vr)")
        }
        for (index, (vr, values)) in doubles.enumerated() {
            #expect(dataSet.doubles(Tag(group: 0x0011, element: UInt16(0x1100 + index))) == values, "\(vr)")
        }
        #expect(dataSet.strings(Tag(0x0011_1003)) == ["-2147483648", "5"])
        #expect(DataSetBuilder(dataSet).encoded(in: syntax) == builder.encoded(in: syntax))
    }

    @Test func decimalStringsHaveAtMost16Characters() throws {
        let values = [
            0, 1, -1.5, 0.1, 1.0 / 3, -1.0 / 3, 123456.789012345678, 1e22, -1.2345678901234567e-10,
            0.00012345678901234567, 9.99999999999999999e22, -99999999999999.95, 0.99999999999999999, 1e300, -1e-300,
        ]
        for value in values {
            var builder = DataSetBuilder()
            builder.set(.sliceThickness, value)
            let text = try #require(try builder.dataSet().string(.sliceThickness))
            #expect(text.utf8.count <= 16, "\(text)")
            let back = try #require(Double(text))
            #expect(abs(back - value) <= abs(value) * 1e-8, "\(text)")
        }
    }

    @Test func textOfAllKinds() throws {
        var builder = DataSetBuilder()
        builder.set(.imageType, ["ORIGINAL", "PRIMARY", "AXIAL"])
        builder.set(.patientName, "DOE^JANE")
        builder.set(.patientComments, vr: .lt, text: "  a \\ b  ")
        builder.setEmpty(.accessionNumber)
        builder.set(.instanceNumber, " 12 ")
        builder.set(.columns, "512")
        let dataSet = try builder.dataSet()
        #expect(dataSet.strings(.imageType) == ["ORIGINAL", "PRIMARY", "AXIAL"])
        #expect(dataSet.string(.imageType) == "ORIGINAL")
        // The backslash in LT is a character, its leading spaces are kept.
        #expect(dataSet.strings(.patientComments) == ["  a \\ b"])
        #expect(dataSet.string(.accessionNumber) == nil)
        #expect(dataSet.element(.accessionNumber)?.length == 0)
        #expect(dataSet.strings(.studyID) == [])
        #expect(dataSet.integers(.instanceNumber) == [12])
        #expect(dataSet.integers(.columns) == [512])
        #expect(dataSet.integers(.patientName) == nil)
    }

    @Test func privateElements() throws {
        var builder = DataSetBuilder()
        builder.setPrivate(group: 0x0029, creator: "FIRST", element: 0x01, vr: .ob, bytes: [1, 2])
        builder.setPrivate(group: 0x0029, creator: "SECOND", element: 0x01, vr: .lo, strings: ["x"])
        builder.setPrivate(group: 0x0029, creator: "FIRST", element: 0x02, vr: .lo, strings: ["y"])
        let dataSet = try builder.dataSet()
        #expect(
            dataSet.elements.map(\.tag.rawValue) == [0x0029_0010, 0x0029_0011, 0x0029_1001, 0x0029_1002, 0x0029_1101])
        #expect(dataSet.privateElement(group: 0x0029, creator: "SECOND", element: 1)?.tag == Tag(0x0029_1101))
        #expect(dataSet.privateElement(group: 0x0029, creator: "THIRD", element: 1) == nil)
        #expect(dataSet.privateElement(group: 0x0028, creator: "FIRST", element: 1) == nil)
    }

    @Test func elementsAreReplacedAndRemoved() {
        var builder = DataSetBuilder()
        builder.set(.patientID, "A")
        builder.set(.sopClassUID, "1.2")
        builder.set(.patientID, "B")
        #expect(builder.tags == [.sopClassUID, .patientID])
        builder.remove(.sopClassUID)
        #expect(builder.tags == [.patientID] && builder.vr(of: .patientID) == .lo)
        #expect(!builder.contains(.sopClassUID) && builder.count == 1)
    }

    @Test func signedValuesByPixelRepresentation() throws {
        for (representation, expected): (Int, Int64) in [(0, 63536), (1, -2000)] {
            var builder = DataSetBuilder()
            builder.set(.pixelRepresentation, representation)
            builder.set(.pixelPaddingValue, vr: .us, integers: [63536])
            let bytes = builder.encoded(in: .implicitVRLittleEndian)
            let dataSet = try DataSet(bytes: bytes, transferSyntax: .implicitVRLittleEndian)
            #expect(dataSet.integers(.pixelPaddingValue) == [expected])
        }
    }

    /// The parser's own list of `US or SS` agrees with the dictionary.
    @Test func everyUSOrSSIsKnown() throws {
        for entry in DataDictionary.allEntries where entry.vrs.contains(.us) && entry.vrs.contains(.ss) {
            var builder = DataSetBuilder()
            builder.set(.pixelRepresentation, 1)
            builder.set(entry.tag, vr: .us, integers: [65535])
            // The tags before (0028,0103) come too early to know.
            guard entry.tag > .pixelRepresentation else { continue }
            let bytes = builder.encoded(in: .implicitVRLittleEndian)
            let element = try DataSet(bytes: bytes, transferSyntax: .implicitVRLittleEndian).element(entry.tag)
            #expect(element?.vr == (entry.vrs.contains(.ow) ? .ow : .ss), "\(entry.keyword)")
        }
    }

    @Test func anElementTakes32Bytes() { #expect(MemoryLayout<Element>.stride == 32) }

    /// Pydicom reads what is built, in each transfer syntax.
    @Test(
        .enabled(if: Python.has("pydicom")),
        arguments: [
            TransferSyntax.implicitVRLittleEndian, .explicitVRLittleEndian, .explicitVRBigEndian,
            .deflatedExplicitVRLittleEndian,
        ])
    func pydicomReadsIt(syntax: TransferSyntax) throws {
        var inner = DataSetBuilder()
        inner.set(.codeMeaning, "Grüße")
        var outer = DataSetBuilder()
        outer.set(.procedureCodeSequence, items: [inner, DataSetBuilder()])
        var builder = DataSetBuilder()
        builder.set(.requestAttributesSequence, items: [outer])
        builder.set(.patientName, "Müller^Jörg=山田")
        builder.set(.imagePositionPatient, [-1.5, 0, 1.0 / 3])
        builder.set(.rows, 300)
        builder.set(.frameIncrementPointer, vr: .at, integers: [0x0018_1063])
        builder.set(.pixelData, vr: .ow, bytes: [1, 2, 3, 4])
        let url = FileManager.default.temporaryDirectory.appending(path: "wado-\(UUID().uuidString).dcm")
        defer { try? FileManager.default.removeItem(at: url) }
        try Data(FileMeta(transferSyntaxUID: syntax.uid).encoded() + builder.encoded(in: syntax)).write(to: url)
        let output = try Python.run(
            """
            import sys, pydicom
            ds = pydicom.dcmread(sys.argv[1])
            sys.stdout.reconfigure(encoding="utf-8")
            codes = ds.RequestAttributesSequence[0].ProcedureCodeSequence
            print(ds.SpecificCharacterSet, ds.PatientName, ds.ImagePositionPatient, ds.Rows, len(codes),
                  codes[0].CodeMeaning, ds.FrameIncrementPointer, len(ds.PixelData), sep="|")
            """, [url.path])
        #expect(
            String(decoding: output, as: UTF8.self)
                == "ISO_IR 192|Müller^Jörg=山田|[-1.5, 0, 0.33333333333333]|300|2|Grüße|(0018,1063)|4\n")
    }
}
