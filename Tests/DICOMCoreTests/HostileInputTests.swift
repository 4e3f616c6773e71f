import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

/// Inputs that ended other readers, or were made to.
@Suite struct HostileInputTests {
    private static func code(
        _ bytes: [UInt8], _ syntax: TransferSyntax = .explicitVRLittleEndian, _ options: ReadOptions = .whole
    ) -> DICOMError.Code? {
        do throws(DICOMError) {
            _ = try DataSet(bytes: bytes, transferSyntax: syntax, options: options)
            return nil
        } catch {
            return error.code
        }
    }

    private static let sequence: [UInt8] = [8, 0, 0x40, 0x11, 0x53, 0x51, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]
    private static let item: [UInt8] = [0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]
    private static let itemEnd: [UInt8] = [0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0]
    private static let sequenceEnd: [UInt8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]

    private static func nested(_ depth: Int) -> [UInt8] {
        [[UInt8]](repeating: sequence + item, count: depth).flatMap { $0 }
            + [[UInt8]](repeating: itemEnd + sequenceEnd, count: depth).flatMap { $0 }
    }

    @Test func nesting() throws {
        let dataSet = try DataSet(bytes: Self.nested(200), transferSyntax: .explicitVRLittleEndian)
        var depth = 0
        var level: DataSet? = dataSet
        while let item = level?.item(Tag(0x0008_1140)) {
            depth += 1
            level = item
        }
        #expect(depth == 200)
        #expect(try DataSetWriter(dataSet).encoded(in: .explicitVRBigEndian).count == Self.nested(200).count)
        #expect(Self.code(Self.nested(257)) == .tooDeep)
        #expect(Self.code(Self.nested(100_000)) == .tooDeep)
        var options = ReadOptions.whole
        options.maximumDepth = .max
        #expect(Self.code(Self.nested(100_000), .explicitVRLittleEndian, options) == nil)
        // Without the ends it is cut off, at any depth.
        let open = Array(Self.nested(200).prefix(200 * 20))
        #expect(Self.code(open) == .truncated)
        // Sequences with lengths, each claiming all that follows.
        var defined: [UInt8] = []
        for left in stride(from: 1000, to: 0, by: -1) {
            let length = UInt32(left * 20 - 12)
            defined += [8, 0, 0x40, 0x11, 0x53, 0x51, 0, 0] + withUnsafeBytes(of: length) { [UInt8]($0) }
            defined += [0xFE, 0xFF, 0, 0xE0] + withUnsafeBytes(of: length - 8) { [UInt8]($0) }
        }
        #expect(Self.code(defined) == .tooDeep)
        #expect(Self.code(defined, .explicitVRLittleEndian, options) == nil)
    }

    @Test func errorsSayWhere() {
        let uid: [UInt8] = [8, 0, 0x55, 0x11, 0x55, 0x49, 200, 0, 0x31]
        let bytes = Self.sequence + Self.item + Self.itemEnd + Self.item + uid
        do throws(DICOMError) {
            _ = try DataSet(bytes: bytes, transferSyntax: .explicitVRLittleEndian)
            Issue.record("read")
        } catch {
            #expect(error.code == .truncated)
            #expect(error.byteOffset == 36)
            #expect(error.path == [.tag(Tag(0x0008_1140)), .item(1), .tag(Tag(0x0008_1155))])
            #expect(error.description == "truncated at byte 36, (0008,1140)[1](0008,1155)")
        }
    }

    @Test func lengths() {
        // Past the end, past the item, past the sequence.
        #expect(Self.code([8, 0, 0x18, 0, 0x55, 0x49, 9, 0, 0x31]) == .truncated)
        #expect(Self.code([9, 0, 0x10, 0x10, 0x4F, 0x42, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF]) == .truncated)
        let element: [UInt8] = [8, 0, 0x55, 0x11, 0x55, 0x49, 20, 0] + [UInt8](repeating: 0x31, count: 20)
        let short: [UInt8] = [0xFE, 0xFF, 0, 0xE0, 12, 0, 0, 0]
        #expect(Self.code(Self.sequence + short + element + Self.sequenceEnd) == .lengthExceedsParent)
        let definedSequence: [UInt8] = [8, 0, 0x40, 0x11, 0x53, 0x51, 0, 0, 16, 0, 0, 0]
        #expect(
            Self.code(definedSequence + [0xFE, 0xFF, 0, 0xE0, 28, 0, 0, 0] + element) == .lengthExceedsParent)
        // A fragment of undefined length, an element among fragments.
        let pixels: [UInt8] = [0xE0, 0x7F, 0x10, 0, 0x4F, 0x42, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]
        #expect(Self.code(pixels + Self.item) == .invalidLength)
        #expect(Self.code(pixels + element) == .unexpectedTag)
        #expect(Self.code(pixels + [0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0]) == .truncated)
        #expect(Self.code(Self.item) == .unexpectedTag)
        #expect(Self.code(Self.sequence + element) == .unexpectedTag)
    }

    @Test func zeroLengthItemsAreBounded() throws {
        let empty: [UInt8] = [0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0]
        let many = [[UInt8]](repeating: empty, count: 100_000).flatMap { $0 }
        let dataSet = try DataSet(
            bytes: Self.sequence + many + Self.sequenceEnd, transferSyntax: .explicitVRLittleEndian)
        #expect(dataSet.items(Tag(0x0008_1140)).count == 100_000)
        var options = ReadOptions.whole
        options.maximumElements = 1000
        #expect(
            Self.code(Self.sequence + many + Self.sequenceEnd, .explicitVRLittleEndian, options) == .tooManyElements)
    }

    @Test func truncationCanBeAccepted() throws {
        var options = ReadOptions.whole
        options.acceptsTruncation = true
        let element: [UInt8] = [8, 0, 0x55, 0x11, 0x55, 0x49, 20, 0, 0x31, 0x2E, 0x32]
        let dataSet = try DataSet(
            bytes: Self.sequence + Self.item + element, transferSyntax: .explicitVRLittleEndian, options: options)
        #expect(dataSet.isTruncated)
        #expect(dataSet.item(Tag(0x0008_1140))?.string(Tag(0x0008_1155)) == "1.2")
        #expect(try DataSetWriter(dataSet).encoded() == Self.sequence + Self.item + element)
    }

    @Test func zerosAndBitsAfterTheDataSetArePadding() throws {
        let element: [UInt8] = [0x10, 0, 0x20, 0, 0x4C, 0x4F, 2, 0, 0x41, 0x20]
        for padding in [[UInt8](repeating: 0, count: 1000), [1, 2, 3], [0]] {
            let dataSet = try DataSet(bytes: element + padding, transferSyntax: .explicitVRLittleEndian)
            #expect(dataSet.elements.map(\.tag) == [Tag(0x0010_0020)])
            #expect(try DataSetWriter(dataSet).encoded() == element + padding)
        }
        // A long run of zeros that ends otherwise is not looked at again and again.
        let zeros = [UInt8](repeating: 0, count: 1 << 22) + [8, 0, 0x18, 0]
        _ = try? DataSet(bytes: element + zeros, transferSyntax: .implicitVRLittleEndian)
    }

    @Test func unknownSequences() throws {
        // (0008,1140) as UN with a length, its content implicit.
        let uid: [UInt8] = [8, 0, 0x55, 0x11, 2, 0, 0, 0, 0x31, 0]
        let known: [UInt8] = [8, 0, 0x40, 0x11, 0x55, 0x4E, 0, 0, 18, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0, 10, 0, 0, 0] + uid
        for syntax in [TransferSyntax.explicitVRLittleEndian] {
            let dataSet = try DataSet(bytes: known, transferSyntax: syntax)
            #expect(dataSet.item(Tag(0x0008_1140))?.string(Tag(0x0008_1155)) == "1")
        }
        // The same with explicit content, which some write.
        let explicit: [UInt8] = [8, 0, 0x55, 0x11, 0x55, 0x49, 2, 0, 0x31, 0]
        let second: [UInt8] = known.prefix(20) + explicit
        let dataSet = try DataSet(bytes: second, transferSyntax: .explicitVRLittleEndian)
        #expect(dataSet.item(Tag(0x0008_1140))?.string(Tag(0x0008_1155)) == "1")
        // What does not parse stays bytes, and what follows is read.
        let damaged: [UInt8] = Array(known.prefix(20)) + [UInt8](repeating: 0xAA, count: 10)
        let after: [UInt8] = [0x10, 0, 0x20, 0, 0x4C, 0x4F, 2, 0, 0x41, 0x20]
        let rest = try DataSet(bytes: damaged + after, transferSyntax: .explicitVRLittleEndian)
        let element = try #require(rest.element(Tag(0x0008_1140)))
        #expect(element.vr == .un && element.length == 18 && !element.isSequence)
        #expect(rest.string(Tag(0x0010_0020)) == "A")
        // A private one of undefined length is a sequence without a dictionary (PS3.5 6.2.2).
        let unknown: [UInt8] =
            [9, 0, 1, 0x10, 0x55, 0x4E, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF] + Self.item + uid + Self.itemEnd
            + Self.sequenceEnd
        let nested = try DataSet(bytes: unknown, transferSyntax: .explicitVRLittleEndian)
        #expect(nested.item(Tag(0x0009_1001))?.string(Tag(0x0008_1155)) == "1")
    }

    @Test func manyWrongGuessesTakeNoLonger() throws {
        // Each item has a UN that looks like a sequence and is none.
        let guess: [UInt8] =
            [8, 0, 0x40, 0x11, 0x55, 0x4E, 0, 0, 12, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0, 4, 0, 0, 0, 1, 2, 3, 4]
        let items = [[UInt8]](repeating: Self.item + guess + Self.itemEnd, count: 100_000).flatMap { $0 }
        let dataSet = try DataSet(
            bytes: Self.sequence + items + Self.sequenceEnd, transferSyntax: .explicitVRLittleEndian)
        #expect(dataSet.items(Tag(0x0008_1140)).count == 100_000)
        #expect(dataSet.item(Tag(0x0008_1140))?.element(Tag(0x0008_1140))?.vr == .un)
    }

    @Test func mixedEncodings() throws {
        let id: [UInt8] = [0x10, 0, 0x20, 0, 0x4C, 0x4F, 2, 0, 0x41, 0x20]
        let implicit: [UInt8] = [0x10, 0, 0x20, 0, 2, 0, 0, 0, 0x41, 0x20]
        // VRs where there should be none, and the other way round, also from one element to the next.
        let explicit = try DataSet(bytes: id, transferSyntax: .implicitVRLittleEndian)
        #expect(explicit.string(Tag(0x0010_0020)) == "A")
        let first: [UInt8] = [8, 0, 0x50, 0, 0x53, 0x48, 2, 0, 0x42, 0x20]
        let mixed = try DataSet(bytes: first + implicit, transferSyntax: .explicitVRLittleEndian)
        #expect(mixed.string(Tag(0x0010_0020)) == "A" && mixed.element(Tag(0x0010_0020))?.vr == .lo)
        // VRs that are none: with the short length, and with the long one of a later edition.
        let question: [UInt8] = [9, 0, 1, 0x10, 0x3F, 0x3F, 2, 0, 1, 2]
        let later: [UInt8] = [9, 0, 2, 0x10, 0x5A, 0x5A, 0, 0, 2, 0, 0, 0, 3, 4]
        let odd = try DataSet(bytes: question + later + id, transferSyntax: .explicitVRLittleEndian)
        #expect(odd.elements.map(\.length) == [2, 2, 2])
        #expect(odd.elements.map(\.vr) == [.un, .un, .lo])
        #expect(odd.string(Tag(0x0010_0020)) == "A")
    }

    @Test func aDeflatedHeaderInflatesNoFurther() throws {
        var builder = DataSetTests.sample()
        builder.set(Tag(0x7FE0_0010), vr: .ow, bytes: [UInt8](repeating: 0, count: 80 << 20))
        let bytes = builder.encoded(in: .deflatedExplicitVRLittleEndian)
        let dataSet = try DataSet(bytes: bytes, transferSyntax: .deflatedExplicitVRLittleEndian, options: .header)
        #expect(dataSet.string(Tag(0x0010_0020)) == "A17")
        #expect(dataSet.stopElement?.length == 80 << 20)
        #expect(dataSet.storage.count <= 1 << 20)
    }

    @Test func bombsAreRefused() throws {
        var builder = DataSetBuilder()
        builder.set(Tag(0x7FE0_0010), vr: .ow, bytes: [UInt8](repeating: 0, count: 80 << 20))
        let bytes = builder.encoded(in: .deflatedExplicitVRLittleEndian)
        #expect(bytes.count < 1 << 18)
        // That it is compressed well is nothing against it: sparse segmentations are.
        #expect(Self.code(bytes, .deflatedExplicitVRLittleEndian) == nil)
        var options = ReadOptions.whole
        options.maximumInflatedBytes = 1000
        let small = DataSetTests.sample().encoded(in: .deflatedExplicitVRLittleEndian)
        #expect(Self.code(small, .deflatedExplicitVRLittleEndian) == nil)
        builder.set(Tag(0x7FE0_0010), vr: .ow, bytes: [UInt8](repeating: 0, count: 2000))
        #expect(
            Self.code(
                builder.encoded(in: .deflatedExplicitVRLittleEndian), .deflatedExplicitVRLittleEndian, options)
                == .inflatesTooFar)
        #expect(Self.code([0xFF, 0xFF, 1, 2, 3], .deflatedExplicitVRLittleEndian) == .invalidDeflate)
        #expect(Self.code(Array(small.dropLast(10)), .deflatedExplicitVRLittleEndian) == .invalidDeflate)
    }

    /// Every input that once did harm stays here, with what came of it.
    @Test func theCorpus() {
        for bytes in HostileCorpus.inputs { RandomInputTests.exercise(bytes) }
    }
}

/// Bytes found by `RandomInputTests` that ended the process, hung or took too much memory; and some that did so to
/// other readers.
enum HostileCorpus {
    static let inputs: [[UInt8]] = [
        // A meta element whose length leaves no room for the data set.
        [UInt8](repeating: 0, count: 128) + Array("DICM".utf8) + [2, 0, 0x10, 0, 0x55, 0x49, 0xFF, 0xFF],
        // Lengths of 4 GB less one and less eight, in both forms.
        [8, 0, 0x18, 0, 0xFE, 0xFF, 0xFF, 0xFF], [8, 0, 0x18, 0, 0xF8, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0],
        [9, 0, 0x10, 0x10, 0x55, 0x4E, 0, 0, 0xF8, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0, 0xE0, 0xF8, 0xFF, 0xFF, 0xFF],
    ]
}
