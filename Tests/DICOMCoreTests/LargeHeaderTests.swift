import DICOMCore
import DICOMDictionary
import Foundation
import Glibc
import Testing

/// Headers that need much memory: long values are left out, and what is left is in use one at a time.
@Suite struct LargeHeaderTests {
    private static let long = Tag(0x0009_1001)
    private static let text = Tag(0x0040_A160)
    private static let patientID = Tag(0x0010_0020)

    private func write(_ builder: DataSetBuilder, _ syntax: TransferSyntax) throws -> URL {
        let url = FileManager.default.temporaryDirectory.appending(path: "wado-\(UUID().uuidString).dcm")
        try Data(FileMeta(transferSyntaxUID: syntax.uid).encoded() + builder.encoded(in: syntax)).write(to: url)
        return url
    }

    private func code(_ body: () throws -> Void) -> DICOMError.Code? {
        do { try body() } catch { return (error as? DICOMError)?.code }
        return nil
    }

    /// How many bytes of the storage are in memory.
    private func residentBytes(_ storage: ByteStorage) -> Int {
        storage.withBytes { bytes in
            bytes.withUnsafeBytes { bytes in
                let pages = (bytes.count + 4_095) / 4_096
                var states = [UInt8](repeating: 0, count: pages)
                guard mincore(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count, &states) == 0 else {
                    return -1
                }
                return states.reduce(0) { $0 + Int($1 & 1) } * 4_096
            }
        }
    }

    /// A text of 3 MB at the root and in an item, private bytes of 70 MB, and elements behind all of them.
    private func builder() -> DataSetBuilder {
        var item = DataSetBuilder()
        item.set(Self.text, vr: .ut, bytes: [UInt8](repeating: 0x41, count: 3_000_000))
        item.set(Tag(0x0040_DB00), vr: .cs, text: "BEHIND")
        var builder = DataSetBuilder()
        builder.set(Self.long, vr: .ob, bytes: [UInt8](repeating: 7, count: 70 << 20))
        builder.set(Self.patientID, vr: .lo, text: "HERE")
        builder.set(Tag(0x0040_0555), items: [item, item])
        builder.set(Self.text, vr: .ut, bytes: [UInt8](repeating: 0x42, count: 3_000_001))
        builder.set(Tag(0x0040_DB00), vr: .cs, text: "LAST")
        builder.set(Tag(0x7FE0_0010), vr: .ow, bytes: [1, 2, 3, 4])
        return builder
    }

    @Test(arguments: [
        TransferSyntax.explicitVRLittleEndian, .implicitVRLittleEndian, .explicitVRBigEndian,
        .deflatedExplicitVRLittleEndian,
    ])
    func longValuesAreLeftOut(syntax: TransferSyntax) throws {
        let url = try write(builder(), syntax)
        defer { try? FileManager.default.removeItem(at: url) }
        let whole = try DICOMFile.read(path: url.path).dataSet
        let header = try HeaderReader().read(path: url.path).dataSet
        func compare(_ header: DataSet, _ whole: DataSet) throws {
            let wholeElements = whole.elements.filter { $0.tag.rawValue < 0x7FE0_0000 }
            #expect(header.elements.map(\.tag) == wholeElements.map(\.tag))
            for (mine, other) in zip(header.elements, wholeElements) {
                #expect(mine.isOmitted == (other.length > 1 << 20 && !other.isSequence), "\(mine.tag)")
                #expect(header.storedRange(of: mine) == other.valueRange)
                for (mine, other) in zip(header.items(of: mine), whole.items(of: other)) { try compare(mine, other) }
                // As if they were empty, for whoever reads values.
                guard mine.isOmitted else { continue }
                #expect(header.string(of: mine) == nil && header.strings(of: mine).isEmpty)
                #expect(header.integers(of: mine) == nil && header.doubles(of: mine) == nil)
                #expect(header.withValue(of: mine) { $0.byteCount } == 0)
            }
        }
        try compare(header, whole)
        #expect(header.string(Self.patientID) == "HERE" && header.string(Tag(0x0040_DB00)) == "LAST")
        #expect(header.stopElement?.valueOffset == whole.element(Tag(0x7FE0_0010))?.valueOffset)
        #expect(code { _ = try DataSetWriter(header).encoded() } == .notRepresentable)
        // Of a deflated file nothing else is in memory than what was kept.
        if syntax.isDeflated {
            #expect(header.storage.count > 70 << 20)
            #expect((0...1 << 20).contains(residentBytes(header.storage)))
        }
    }

    @Test func whatEndsInALongValueIsTruncated() throws {
        var builder = DataSetBuilder()
        builder.set(Self.long, vr: .ob, bytes: [UInt8](repeating: 7, count: 2 << 20))
        let plain = builder.encoded(in: .explicitVRLittleEndian)
        // The length field says four bytes more than there are.
        var claimed = plain
        claimed[8] = 4
        var deflated = DataSetBuilder()
        deflated.set(Self.patientID, vr: .lo, text: "A")
        let url = FileManager.default.temporaryDirectory.appending(path: "wado-\(UUID().uuidString).dcm")
        defer { try? FileManager.default.removeItem(at: url) }
        for syntax in [TransferSyntax.explicitVRLittleEndian, .deflatedExplicitVRLittleEndian] {
            let bytes = syntax.isDeflated ? try rawDeflate(claimed) : claimed
            try Data(FileMeta(transferSyntaxUID: syntax.uid).encoded() + bytes).write(to: url)
            #expect(code { _ = try HeaderReader().read(path: url.path) } == .truncated, "\(syntax.uid)")
            #expect(
                code { _ = try DataSet(bytes: bytes, transferSyntax: syntax, options: .header) } == .truncated)
            var lenient = ReadOptions.header
            lenient.acceptsTruncation = true
            let dataSet = try DataSet(bytes: bytes, transferSyntax: syntax, options: lenient)
            let element = try #require(dataSet.element(Self.long))
            #expect(dataSet.isTruncated && dataSet.storedRange(of: element).count == 2 << 20)
        }
    }

    /// Raw deflate of these bytes: the value of a data set that is deflated, without its last fill.
    private func rawDeflate(_ bytes: [UInt8]) throws -> [UInt8] {
        // Stored blocks (RFC 1951 3.2.4) need no compressor.
        var result: [UInt8] = []
        var rest = bytes[...]
        repeat {
            let piece = rest.prefix(65_535)
            rest = rest.dropFirst(piece.count)
            let length = UInt16(piece.count)
            result.append(rest.isEmpty ? 1 : 0)
            for value in [length, ~length] { result += [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)] }
            result += piece
        } while !rest.isEmpty
        return result
    }

    @Test func inflatingIsBounded() throws {
        var builder = DataSetBuilder()
        builder.set(Self.long, vr: .ob, bytes: [UInt8](repeating: 0, count: 5 << 20))
        builder.set(Self.patientID, vr: .lo, text: "A")
        let url = try write(builder, .deflatedExplicitVRLittleEndian)
        defer { try? FileManager.default.removeItem(at: url) }
        var options = ReadOptions.header
        options.maximumInflatedBytes = 3 << 20
        #expect(code { _ = try HeaderReader(options: options).read(path: url.path) } == .inflatesTooFar)
        // Many short values: none is left out, and all would have to be kept.
        var many = DataSetBuilder()
        for number in 0..<3_000 {
            many.set(Tag(group: 0x0009, element: UInt16(number)), vr: .ob, bytes: [UInt8](repeating: 0, count: 1_000))
        }
        let other = try write(many, .deflatedExplicitVRLittleEndian)
        defer { try? FileManager.default.removeItem(at: other) }
        options = .header
        #expect(code { _ = try HeaderReader(options: options).read(path: other.path) } == nil)
        options.maximumKeptBytes = 2 << 20
        #expect(code { _ = try HeaderReader(options: options).read(path: other.path) } == .headerTooLong)
    }

    @Test func largeHeadersAreInUseOneAtATime() throws {
        var builder = DataSetBuilder()
        // 20,000 elements of nothing: short, but not in memory.
        let item = DataSetBuilder()
        builder.set(Tag(0x0040_0555), items: [DataSetBuilder](repeating: item, count: 20_000))
        let many = try write(builder, .deflatedExplicitVRLittleEndian)
        let small = try write(DataSetBuilder(), .explicitVRLittleEndian)
        defer { for url in [many, small] { try? FileManager.default.removeItem(at: url) } }
        var held: DICOMFile? = try HeaderReader().read(path: many.path)
        #expect(held?.dataSet.items(Tag(0x0040_0555)).count == 20_000)
        // Other tests may have the turn after it, but not for ever.
        #expect(code { _ = try HeaderReader(patience: 10).read(path: many.path) } == .unreadable)
        #expect(code { _ = try HeaderReader(patience: 10).read(path: small.path) } == nil)
        // Nor need those wait that are long for a long value alone.
        for syntax in [TransferSyntax.explicitVRLittleEndian, .deflatedExplicitVRLittleEndian] {
            var builder = DataSetBuilder()
            builder.set(Self.long, vr: .ob, bytes: [UInt8](repeating: 7, count: 3 << 20))
            let url = try write(builder, syntax)
            defer { try? FileManager.default.removeItem(at: url) }
            #expect(code { _ = try HeaderReader(patience: 10).read(path: url.path) } == nil)
        }
        held = nil
        #expect(try HeaderReader().read(path: many.path).dataSet.items(Tag(0x0040_0555)).count == 20_000)
    }

    @Test func aStreamIsReadForward() throws {
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 1_000) }
        let deflated = try rawDeflate(bytes)
        let reader = try InflatingReader { buffer, offset in
            let rest = deflated.dropFirst(offset).prefix(min(buffer.count, 777))
            rest.withUnsafeBytes { buffer.copyMemory(from: $0) }
            return rest.count
        }
        var piece = [UInt8](repeating: 0, count: 1_000)
        try reader.skip(to: 123_456)
        #expect(try piece.withUnsafeMutableBytes { try reader.read(into: $0) } == 1_000)
        #expect(piece == Array(bytes[123_456..<124_456]))
        try reader.skip(to: 299_900)
        #expect(try piece.withUnsafeMutableBytes { try reader.read(into: $0) } == 100)
        #expect(reader.isFinished && reader.position == 300_000)
        #expect(try piece.withUnsafeMutableBytes { try reader.read(into: $0) } == 0)
        let cut = try InflatingReader { buffer, offset in
            let rest = deflated.prefix(1_000).dropFirst(offset).prefix(buffer.count)
            rest.withUnsafeBytes { buffer.copyMemory(from: $0) }
            return rest.count
        }
        #expect(code { try cut.skip(to: 10_000) } == .invalidDeflate)
        let failing = try InflatingReader { _, _ in -1 }
        #expect(code { try failing.skip(to: 1) } == .unreadable)
    }
}
