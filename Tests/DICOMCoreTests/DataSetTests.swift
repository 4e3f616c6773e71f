import DICOMCore
import DICOMDictionary
import Testing

@Suite struct DataSetTests {
    /// Patient ID, and a sequence with one item that has a code value.
    static func sample() -> DataSetBuilder {
        var item = DataSetBuilder()
        item.set(Tag(0x0008_0100), vr: .sh, text: "113724")
        var builder = DataSetBuilder()
        builder.set(Tag(0x0010_0020), vr: .lo, text: "A17")
        builder.set(Tag(0x0028_0010), vr: .us, integers: [512])
        builder.set(Tag(0x0008_1032), vr: .sq, items: [item])
        builder.set(Tag(0x0018_0050), vr: .ds, doubles: [0.625])
        return builder
    }

    @Test(arguments: [TransferSyntax.explicitVRLittleEndian, .explicitVRBigEndian, .deflatedExplicitVRLittleEndian])
    func whatWasBuiltIsRead(in syntax: TransferSyntax) throws {
        let bytes = Self.sample().encoded(in: syntax)
        let dataSet = try DataSet(bytes: bytes, transferSyntax: syntax)
        #expect(dataSet.elements.map(\.tag.rawValue) == [0x0008_1032, 0x0010_0020, 0x0018_0050, 0x0028_0010])
        #expect(dataSet.string(Tag(0x0010_0020)) == "A17")
        #expect(dataSet.integers(Tag(0x0028_0010)) == [512])
        #expect(dataSet.doubles(Tag(0x0018_0050)) == [0.625])
        #expect(dataSet.item(Tag(0x0008_1032))?.string(Tag(0x0008_0100)) == "113724")
    }
}
