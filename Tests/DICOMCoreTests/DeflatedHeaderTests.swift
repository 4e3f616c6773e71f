import DICOMCore
import DICOMDictionary
import Testing

@Suite struct DeflatedHeaderTests {
    private static let syntax = TransferSyntax.deflatedExplicitVRLittleEndian

    /// Some kilobytes of deflated nothing must not become a hundred megabytes of elements or of short values.
    @Test func whatADeflatedHeaderMayBecomeDependsOnItsBytes() throws {
        func code(_ builder: DataSetBuilder, _ syntax: TransferSyntax = Self.syntax) -> DICOMError.Code? {
            let bytes = builder.encoded(in: syntax)
            do throws(DICOMError) {
                _ = try DataSet(bytes: bytes, transferSyntax: syntax, options: .header)
                return nil
            } catch { return error.code }
        }
        func items(_ count: Int) -> DataSetBuilder {
            var builder = DataSetBuilder()
            builder.set(Tag(0x0040_0555), items: [DataSetBuilder](repeating: DataSetBuilder(), count: count))
            return builder
        }
        #expect(items(3_000_000).encoded(in: Self.syntax).count < 40_000)
        #expect(code(items(3_000_000)) == .tooManyElements)
        #expect(code(items(60_000)) == nil)
        // What as many may be where they are not deflated.
        #expect(code(items(300_000), .explicitVRLittleEndian) == nil)
        func values(_ count: Int) -> DataSetBuilder {
            var builder = DataSetBuilder()
            for number in 0..<count {
                let zeros = [UInt8](repeating: 0, count: 60_000)
                builder.set(Tag(group: 0x0009, element: UInt16(number)), vr: .ob, bytes: zeros)
            }
            return builder
        }
        #expect(code(values(500)) == .headerTooLong)
        #expect(code(values(100)) == nil)
        #expect(code(values(500), .explicitVRLittleEndian) == nil)
    }

    /// The frames of a segmentation, the most regular header there is, are read at any number.
    @Test func framesOfASegmentationAreRead() throws {
        var frames: [DataSetBuilder] = []
        for number in 0..<10_000 {
            var code = DataSetBuilder()
            code.set(Tag(0x0008_0100), "113076")
            code.set(Tag(0x0008_0102), "DCM")
            code.set(Tag(0x0008_0104), "Segmentation")
            var source = DataSetBuilder()
            source.set(Tag(0x0008_1150), "1.2.840.10008.5.1.4.1.1.2")
            source.set(Tag(0x0008_1155), "1.2.3.4.5.6.\(number % 200)")
            source.set(Tag(0x0040_A170), items: [code])
            var derivation = DataSetBuilder()
            derivation.set(Tag(0x0008_2112), items: [source])
            derivation.set(Tag(0x0008_9215), items: [code])
            var content = DataSetBuilder()
            content.set(Tag(0x0020_9157), [number / 200 + 1, number % 200 + 1])
            var position = DataSetBuilder()
            position.set(Tag(0x0020_0032), ["-125", "-125", "\(number % 200 - 100)"])
            var frame = DataSetBuilder()
            frame.set(Tag(0x0008_9124), items: [derivation])
            frame.set(Tag(0x0020_9111), items: [content])
            frame.set(Tag(0x0020_9113), items: [position])
            frames.append(frame)
        }
        var builder = DataSetBuilder()
        builder.set(Tag(0x5200_9230), items: frames)
        builder.set(Tag(0x7FE0_0010), vr: .ob, bytes: [])
        let bytes = builder.encoded(in: Self.syntax)
        let dataSet = try DataSet(
            bytes: bytes, transferSyntax: Self.syntax, options: .header)
        #expect(dataSet.items(Tag(0x5200_9230)).count == 10_000)
    }
}
