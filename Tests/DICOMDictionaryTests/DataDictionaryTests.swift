import DICOMDictionary
import Dictionary
import TestSupport
import Testing

@Suite struct DataDictionaryTests {
    static let registry = Result { try RegistryReader.read(try PackageFolder.bytes("dictionary/part06.xml")) }

    @Test func editionIsTheFiles() throws {
        #expect(DataDictionary.edition == (try Self.registry.get().edition))
    }

    /// Every row of the document, both ways.
    @Test func everyRow() throws {
        let elements = try Self.registry.get().elements
        #expect(DataDictionary.allEntries.count == elements.count)
        for (element, entry) in zip(elements, DataDictionary.allEntries) {
            #expect(entry.tag.rawValue == element.tag)
            #expect(entry.keyword == element.keyword)
            #expect(entry.name == element.name)
            #expect(entry.vm == element.vm)
            #expect(entry.vrs.map(\.text) == element.vrs.map(\.rawValue))
            #expect(entry.vr.text == element.vrs.first?.rawValue ?? "UN")
            #expect(entry.isRetired == element.isRetired)
            #expect(entry.isRepeating == element.isRepeating)
            // In a repeating group look for a tag that no row has for itself, (0028,04A3) and not (0028,0403).
            let tag = Tag(element.tag | ~element.mask & 0x00A2_0AA0)
            #expect(DataDictionary.entry(for: tag)?.keyword == entry.keyword)
            if !element.keyword.isEmpty { #expect(DataDictionary.entry(keyword: element.keyword) == entry) }
        }
    }

    @Test func unknown() {
        #expect(DataDictionary.entry(for: Tag(0x0010_0099)) == nil)
        #expect(DataDictionary.entry(for: Tag(0x0009_0010)) == nil)
        #expect(DataDictionary.entry(for: Tag(0x0010_0000)) == nil)
        #expect(DataDictionary.entry(keyword: "PatientsName") == nil)
        #expect(DataDictionary.entry(keyword: "patientName") == nil)
        #expect(DataDictionary.entry(keyword: "") == nil)
        #expect(DataDictionary.entry(keyword: String(repeating: "A", count: 10_000)) == nil)
    }

    @Test func repeatingGroups() throws {
        let overlay = try #require(DataDictionary.entry(for: Tag(0x6022_3000)))
        #expect(overlay.keyword == "OverlayData")
        #expect(overlay.tag == Tag(0x6022_3000))
        #expect(overlay.vrs == [.ob, .ow])
        #expect(overlay.isRepeating)
        #expect(DataDictionary.entry(keyword: "OverlayData")?.tag == .overlayData)
        #expect(DataDictionary.entry(for: Tag(0x501E_0010))?.keyword == "NumberOfPoints")
        #expect(DataDictionary.entry(for: Tag(0x0020_3199))?.keyword == "SourceImageIDs")
        #expect(DataDictionary.entry(for: Tag(0x0028_04A3))?.keyword == "CoefficientCodingPointers")
        #expect(DataDictionary.entry(for: Tag(0x0028_0403))?.keyword == "SequenceOfCompressedData")
        #expect(DataDictionary.entry(for: Tag(0x1000_1234))?.keyword == "ShiftTableSize")
        #expect(DataDictionary.entry(for: Tag(0x1010_1234))?.keyword == "ZonalMap")
        #expect(DataDictionary.entry(for: Tag(0x7FE2_0010))?.keyword == "VariablePixelData")
        #expect(DataDictionary.entry(for: .pixelData)?.keyword == "PixelData")
        // Odd groups are private, elements 0 are group lengths, and not every number of a group has a row.
        #expect(DataDictionary.entry(for: Tag(0x6001_3000)) == nil)
        #expect(DataDictionary.entry(for: Tag(0x1010_0000)) == nil)
        #expect(DataDictionary.entry(for: Tag(0x1000_0000)) == nil)
        #expect(DataDictionary.entry(for: Tag(0x6002_0001)) == nil)
    }

    @Test(
        arguments: [
            (0x0010_0010, VR.pn), (0x0008_0016, .ui), (0x0020_0013, .is), (0x0040_0275, .sq), (0x0018_0050, .ds),
            // Several VRs: the first, but OW for OB or OW.
            (0x0028_0106, .us), (0x0028_3006, .us), (0x7FE0_0010, .ow), (0x6000_3000, .ow), (0x6004_3000, .ow),
            (0x5002_200C, .ow), (0x0002_0001, .ob),
            // Repeating groups.
            (0x6002_0050, .ss), (0x5000_0022, .lo), (0x0020_3110, .cs), (0x1000_0011, .us), (0x1010_0001, .us),
            // Group lengths, also of private, unknown and repeating groups.
            (0x0002_0000, .ul), (0x0008_0000, .ul), (0x0009_0000, .ul), (0x7FE0_0000, .ul), (0x6002_0000, .ul),
            (0x1010_0000, .ul), (0x1000_0000, .ul),
            // Private creators and private elements.
            (0x0009_0010, .lo), (0x0009_00FF, .lo), (0x0009_0001, .un), (0x0009_0100, .un), (0x0009_1001, .un),
            (0x6001_3000, .un),
            // Unknown, nameless, delimiters.
            (0x0010_0099, .un), (0x0008_FFFF, .un), (0x0028_0020, .un), (0xFFFE_E000, .un), (0xFFFE_E0DD, .un),
            (0xFFFF_FFFF, .un),
            // Commands.
            (0x0000_0000, .ul), (0x0000_0002, .ui), (0x0000_0100, .us), (0x0000_0600, .ae), (0x0000_0901, .at),
            (0x0000_0902, .lo), (0x0000_1000, .ui), (0x0000_1031, .us), (0x0000_4711, .un),
        ] as [(UInt32, VR)])
    func vr(_ tag: UInt32, _ vr: VR) {
        #expect(DataDictionary.vr(of: Tag(tag)) == vr)
    }

    /// The VR table agrees with the rows.
    @Test func vrOfEveryRow() throws {
        for element in try Self.registry.get().elements {
            let expected = element.vrs == [.ob, .ow] ? "OW" : element.vrs.first?.rawValue ?? "UN"
            #expect(DataDictionary.vr(of: Tag(element.tag | ~element.mask & 0x00A2_0AA0)).text == expected)
        }
    }

    @Test func constants() {
        #expect(Tag.patientName == Tag(0x0010_0010))
        #expect(Tag.sopInstanceUID == Tag(0x0008_0018))
        #expect(Tag.kvp == Tag(0x0018_0060))
        #expect(Tag.item == Tag(0xFFFE_E000))
        #expect(Tag.overlayData == Tag(0x6000_3000))
        #expect(Tag.transferSyntaxUID == Tag(0x0002_0010))
        #expect(Tag.currentFrameFunctionalGroupsSequence == Tag(0x0006_0001))
    }

    @Test func manyThreadsAtFirstUse() async {
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 { group.addTask { DataDictionary.vr(of: .patientName) == .pn } }
            for await right in group { #expect(right) }
        }
    }
}

extension VR {
    fileprivate var text: String {
        String(decoding: [UInt8(rawValue >> 8), UInt8(rawValue & 0xFF)], as: UTF8.self)
    }
}
