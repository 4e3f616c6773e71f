import Dictionary
import Foundation
import TestSupport
import Testing

@Suite struct RegistryReaderTests {
    @Test func takesTheSmallBook() throws {
        let registry = try SmallBook().read()
        #expect(registry.edition == "2026c")
        #expect(
            registry.elements.map(\.writtenTag) == [
                "(0002,0010)", "(0004,1130)", "(0006,0001)", "(0010,0010)", "(60xx,3000)",
            ])
        #expect(registry.uids.map(\.uid) == ["1.2.840.10008.1.1"])
        #expect(registry.uids.first?.part == "PS3.4")
        let name = try #require(registry.element(keyword: "PatientName"))
        #expect(name.name == "Patient's Name")
        #expect(name.line == SmallBook().lineOfRow(with: "(0010,0010)"))
    }

    @Test func findsElementsOfRepeatingGroups() throws {
        let registry = try SmallBook().read()
        #expect(registry.element(tag: 0x6000_3000)?.keyword == "OverlayData")
        #expect(registry.element(tag: 0x6022_3000)?.keyword == "OverlayData")
        #expect(registry.element(tag: 0x6001_3000) == nil)
        #expect(registry.element(tag: 0x6000_3001) == nil)
        #expect(registry.element(tag: 0x0010_0010)?.keyword == "PatientName")
    }

    @Test func withoutKeywordsOfUIDs() throws {
        var book = SmallBook()
        book.tables[4].headings.remove(at: 2)
        book.tables[4].rows[0].remove(at: 2)
        let registry = try book.read()
        #expect(registry.uids.first?.keyword == "")
        #expect(registry.uids.first?.kind == "SOP Class")
    }

    @Test func linkWithoutTextIsTheDocumentItNames() throws {
        var book = SmallBook()
        book.tables[4].rows[0][4] = "<olink targetdoc=\"PS3.5\" targetptr=\"PS3.5\"/>"
        #expect(try book.read().uids.first?.part == "PS3.5")
    }

    @Test func markupAndInvisibleCharactersAreNotText() throws {
        var book = SmallBook()
        book.tables[0].rows[0] = [
            "\n <emphasis role=\"italic\">(0010,0010)</emphasis>\n", "Patient's\n  Name ",
            "Pa\u{AD}tient\u{200B}Na\u{FEFF}me",
            "PN", "1-n\u{A0}or 1", "<emphasis role=\"italic\">RET - See Note <xref linkend=\"note_6_3\"/></emphasis>",
        ]
        let element = try #require(try book.read().element(tag: 0x0010_0010))
        #expect(element.name == "Patient's Name")
        #expect(element.keyword == "PatientName")
        #expect(element.vm == "1-n or 1")
        #expect(element.isRetired)
    }

    /// The official file of 2026c has the frames of reference in Table A-2 alone, that of 2013 in both.
    @Test func framesOfReferenceOfTableA2() throws {
        var book = SmallBook()
        book.tables.append(
            SmallBook.Table(
                label: "A-2", headings: ["UID Value", "UID Name", "UID Keyword", "Normative Reference"],
                rows: [
                    ["1.2.840.10008.1.1", "Of Table A-1", "Other", "A book"],
                    [
                        "1.2.840.10008.1.4.1.1", "Talairach Brain Atlas Frame of Reference", "TalairachBrainAtlas",
                        "A book",
                    ],
                ]))
        let uids = try book.read().uids
        #expect(uids.map(\.keyword) == ["Verification", "TalairachBrainAtlas"])
        #expect(uids.last?.kind == "Well-known frame of reference")

        book.tables[5].rows[1].removeLast()
        #expect(
            book.failure?.problems.map(\.message)
                == ["Table A-2: this row has 3 cells and the heading 4; mend the row"])
        book.tables[5].rows[1].append("A book")
        book.tables[5].rows.append(book.tables[5].rows[1])
        #expect(book.failure?.problems.first?.message.hasPrefix("UID 1.2.840.10008.1.4.1.1 is here a second") == true)
    }

    @Test func tableOfRealTimeVideoIsAskedOfLaterEditionsOnly() throws {
        var book = SmallBook()
        book.tables.remove(at: 3)
        #expect(book.failure?.problems.first?.message.hasPrefix("Table 9-1 is missing") == true)
        book.subtitle = "DICOM PS 3.6 2013 - Data Dictionary"
        #expect(try book.read().elements.count == 4)
    }
}

@Suite struct CurrentEditionTests {
    static let registry = Result { try RegistryReader.read(try PackageFolder.bytes("dictionary/part06.xml")) }

    @Test func counts() throws {
        let registry = try Self.registry.get()
        #expect(registry.edition == "2026c")
        #expect(registry.elements.count == 5309)
        #expect(registry.uids.count == 496)
    }

    struct Row: CustomTestStringConvertible {
        let tag: UInt32, name: String, keyword: String, vrs: [ValueRepresentation], vm: String, isRetired: Bool
        var testDescription: String { String(tag, radix: 16) }
    }

    @Test(arguments: [
        Row(tag: 0x0008_0001, name: "Length to End", keyword: "LengthToEnd", vrs: [.ul], vm: "1", isRetired: true),
        Row(
            tag: 0x0008_0018, name: "SOP Instance UID", keyword: "SOPInstanceUID", vrs: [.ui], vm: "1", isRetired: false
        ),
        Row(tag: 0x0010_0010, name: "Patient's Name", keyword: "PatientName", vrs: [.pn], vm: "1", isRetired: false),
        Row(tag: 0x0018_0061, name: "", keyword: "", vrs: [.ds], vm: "1", isRetired: true),
        Row(tag: 0x0018_1318, name: "dB/dt", keyword: "dBdt", vrs: [.ds], vm: "1", isRetired: false),
        Row(
            tag: 0x0020_31AB, name: "Source Image IDs", keyword: "SourceImageIDs", vrs: [.cs], vm: "1-n",
            isRetired: true),
        Row(tag: 0x0028_0020, name: "", keyword: "", vrs: [], vm: "", isRetired: true),
        Row(
            tag: 0x0028_0106, name: "Smallest Image Pixel Value", keyword: "SmallestImagePixelValue", vrs: [.us, .ss],
            vm: "1", isRetired: false),
        Row(
            tag: 0x0028_1201, name: "Red Palette Color Lookup Table Data", keyword: "RedPaletteColorLookupTableData",
            vrs: [.ow], vm: "1", isRetired: false),
        Row(
            tag: 0x6010_3000, name: "Overlay Data", keyword: "OverlayData", vrs: [.ob, .ow], vm: "1", isRetired: false),
        Row(tag: 0x7FE0_0010, name: "Pixel Data", keyword: "PixelData", vrs: [.ob, .ow], vm: "1", isRetired: false),
        Row(
            tag: 0x0002_0010, name: "Transfer Syntax UID", keyword: "TransferSyntaxUID", vrs: [.ui], vm: "1",
            isRetired: false),
        Row(
            tag: 0x0004_1220, name: "Directory Record Sequence", keyword: "DirectoryRecordSequence", vrs: [.sq],
            vm: "1", isRetired: false),
        Row(
            tag: 0x0006_0001, name: "Current Frame Functional Groups Sequence",
            keyword: "CurrentFrameFunctionalGroupsSequence", vrs: [.sq], vm: "1", isRetired: false),
        Row(tag: 0xFFFE_E000, name: "Item", keyword: "Item", vrs: [], vm: "1", isRetired: false),
    ])
    func element(_ row: Row) throws {
        let element = try #require(try Self.registry.get().element(tag: row.tag))
        #expect(element.name == row.name)
        #expect(element.keyword == row.keyword)
        #expect(element.vrs == row.vrs)
        #expect(element.vm == row.vm)
        #expect(element.isRetired == row.isRetired)
    }

    @Test func uids() throws {
        let uids = try Self.registry.get().uids
        let ct = try #require(uids.first { $0.uid == "1.2.840.10008.5.1.4.1.1.2" })
        #expect(ct.name == "CT Image Storage")
        #expect(ct.keyword == "CTImageStorage")
        #expect(ct.kind == "SOP Class")
        #expect(!ct.isRetired)
        #expect(uids.contains { $0.name == "JPEG Full Progression, Non-Hierarchical (Process 10 & 12)" })
        let bigEndian = try #require(uids.first { $0.uid == "1.2.840.10008.1.2.2" })
        #expect(bigEndian.name == "Explicit VR Big Endian")
        #expect(bigEndian.kind == "Transfer Syntax")
        #expect(bigEndian.isRetired)
        let nameless = try #require(uids.first { $0.uid == "1.2.840.10008.5.1.4.1.1.40" })
        #expect(nameless.name == "")
        #expect(nameless.isRetired)
    }

    @Test func linesAreThoseOfTheFile() throws {
        let lines = String(decoding: try PackageFolder.bytes("dictionary/part06.xml"), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        let registry = try Self.registry.get()
        for element in registry.elements {
            #expect(lines[element.line - 1].contains("<tr"))
            #expect(lines[element.line].contains(">\(element.writtenTag)<"), "line \(element.line)")
        }
    }
}

@Suite(.enabled(if: SharedFiles.has("dicom-standard/part06-2013-nema.xml"), "the edition of 2013 is not here"))
struct Edition2013Tests {
    static let document = Result {
        [UInt8](try Data(contentsOf: try #require(SharedFiles.url("dicom-standard/part06-2013-nema.xml"))))
    }
    static let registry = Result { try RegistryReader.read(try document.get()) }

    @Test func counts() throws {
        let registry = try Self.registry.get()
        #expect(registry.edition == "2013")
        #expect(registry.elements.count == 3722 + 10 + 19)
        #expect(registry.uids.count == 348)
    }

    @Test(
        arguments: [
            (0x0018_9445, "", "", [], "", true),
            (0x0028_0020, "", "", [], "", true),
            (0x0020_31FF, "Source Image IDs", "SourceImageIDs", [.cs], "1-n", true),
            (0x0028_0410, "Rows For Nth Order Coefficients", "RowsForNthOrderCoefficients", [.us], "1", true),
            (0x0040_A170, "Purpose of Reference Code Sequence", "PurposeOfReferenceCodeSequence", [.sq], "1", false),
            (0x0074_100A, "Contact URI", "ContactURI", [.st], "1", false),
            (0x5004_3000, "Curve Data", "CurveData", [.ob, .ow], "1", true),
            (0x60FE_1303, "ROI Standard Deviation", "ROIStandardDeviation", [.ds], "1", false),
            (0xFFFE_E0DD, "Sequence Delimitation Item", "SequenceDelimitationItem", [], "1", false),
            (0x0028_3006, "LUT Data", "LUTData", [.us, .ow], "1-n or 1", false),
            (0x0002_0016, "Source Application Entity Title", "SourceApplicationEntityTitle", [.ae], "1", false),
            (0x0004_1504, "MRDR Directory Record Offset", "MRDRDirectoryRecordOffset", [.ul], "1", true),
        ] as [(UInt32, String, String, [ValueRepresentation], String, Bool)])
    func element(
        _ tag: UInt32, _ name: String, _ keyword: String, _ vrs: [ValueRepresentation], _ vm: String, _ isRetired: Bool
    ) throws {
        let element = try #require(try Self.registry.get().element(tag: tag))
        #expect(element.name == name)
        #expect(element.keyword == keyword)
        #expect(element.vrs == vrs)
        #expect(element.vm == vm)
        #expect(element.isRetired == isRetired)
    }

    @Test func uids() throws {
        let uids = try Self.registry.get().uids
        let move = try #require(uids.first { $0.uid == "1.2.840.10008.5.1.4.1.2.5.3" })
        #expect(move.part == "PS3.4")
        #expect(move.line == 84_745)
        let verification = try #require(uids.first)
        #expect(verification.name == "Verification SOP Class")
        #expect(verification.keyword == "")
        #expect(verification.part == "PS3.4")
        #expect(uids.first { $0.uid == "1.2.840.10008.2.6.1" }?.kind == "DICOM UIDs as a Coding Scheme")
    }

    @Test func linesBeyond65535AreRight() throws {
        var lines = String(decoding: try Self.document.get(), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        let place = try #require(lines.firstIndex { $0.contains(">(FFFE,E000)<") })
        #expect(place > 65_535)
        lines[place] = "<para>FFFE,E000</para>"
        #expect {
            _ = try RegistryReader.read(Array(lines.joined(separator: "\n").utf8))
        } throws: { error in
            (error as? RegistryFailure)?.problems.map(\.line) == [place - 1]
        }
    }
}
