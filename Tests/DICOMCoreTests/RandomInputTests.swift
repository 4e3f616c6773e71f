import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

/// Samples with bytes flipped, cut, repeated and replaced by hostile lengths: values or typed errors come of them, and
/// memory in proportion, never anything else. The same inputs at each run.
@Suite(.enabled(if: !DICOMFiles.all.isEmpty))
struct RandomInputTests {
    /// 100,000 inputs in release, where they take seconds; `WADO_RANDOM_INPUTS` overrides.
    private static let count: Int = {
        if let text = ProcessInfo.processInfo.environment["WADO_RANDOM_INPUTS"], let count = Int(text) { return count }
        #if DEBUG
            return 3000
        #else
            return 120_000
        #endif
    }()

    /// What the samples have before their pixels, and a little of those: the rest teaches nothing.
    private static let samples: [[UInt8]] = DICOMFiles.all.compactMap { url in
        guard let handle = try? FileHandle(forReadingFrom: url), let data = try? handle.read(upToCount: 12_000) else {
            return nil
        }
        return [UInt8](data)
    }

    @Test(arguments: 0..<8)
    func valuesOrErrors(seed: UInt64) {
        var random = SplitMix(state: seed &* 0x1234_5678_9ABC_DEF1 &+ 42)
        for _ in 0..<Self.count / 8 {
            var bytes = Self.samples[random.below(Self.samples.count)]
            for _ in 0...random.below(4) { Self.damage(&bytes, &random) }
            Self.exercise(bytes)
        }
    }

    private static func damage(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        guard bytes.count > 16 else { return }
        let place = random.below(bytes.count)
        switch random.below(8) {
        case 0: bytes[place] ^= UInt8(1 << random.below(8))
        case 1: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 2: bytes.removeSubrange(place...)
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(40)))
        case 4:
            let end = min(bytes.count, place + 1 + random.below(200))
            let piece = bytes[place..<end]
            for _ in 0...random.below(10) { bytes.insert(contentsOf: piece, at: place) }
        case 5:
            // A hostile length, tag or delimiter somewhere.
            let words: [UInt32] = [
                0xFFFF_FFFF, 0xFFFF_FFFE, 0x7FFF_FFFF, 0x8000_0000, 0, 1, 0xE000_FFFE, 0xE00D_FFFE, 0xE0DD_FFFE,
                UInt32(bytes.count), UInt32(bytes.count - place), 0x0010_7FE0, 0x0103_0028, 0x0005_0008,
            ]
            let word = words[random.below(words.count)]
            for index in 0..<4 where place + index < bytes.count {
                bytes[place + index] = UInt8(truncatingIfNeeded: word >> (8 * UInt32(index)))
            }
        case 6:
            let vrs = ["SQ", "UN", "OB", "OW", "UT", "PN", "LO", "US", "AT", "XX", "??"]
            let vr = Array(vrs[random.below(vrs.count)].utf8)
            for index in 0..<2 where place + index < bytes.count { bytes[place + index] = vr[index] }
        default:
            let other = random.below(bytes.count)
            let length = min(random.below(64), bytes.count - max(place, other))
            for index in 0..<length { bytes[place + index] = bytes[other + index] }
        }
    }

    /// Reads the bytes in every way there is, and all that comes of it.
    static func exercise(_ bytes: [UInt8]) {
        var lenient = ReadOptions.whole
        lenient.acceptsTruncation = true
        lenient.maximumInflatedBytes = 1 << 20
        // Where an error can lie: in the bytes, or in what a deflated data set inflates to.
        let isDeflated =
            bytes.prefix(600).firstRange(of: Array(TransferSyntax.deflatedExplicitVRLittleEndian.uid.utf8)) != nil
        let reach = isDeflated ? max(bytes.count, 64 << 20) : bytes.count
        for options in [ReadOptions.header, lenient] {
            do throws(DICOMError) {
                let file = try DICOMFile(bytes: bytes, options: options)
                visit(file.dataSet, count: file.dataSet.storage.count)
                _ = file.meta
                _ = file.exportedHeader
                if let written = try? DataSetWriter(file.dataSet).encoded(in: .explicitVRLittleEndian) {
                    // The longest growth: implicit elements become explicit ones of the long form.
                    #expect(written.count <= file.dataSet.storage.count * 2 + 64)
                }
            } catch {
                #expect((0...reach).contains(error.byteOffset))
                #expect(error.description.utf8.count < 40_000)
            }
        }
        for syntax in [TransferSyntax.implicitVRLittleEndian, .explicitVRBigEndian] {
            if let dataSet = try? DataSet(bytes: bytes, transferSyntax: syntax, options: .whole) {
                visit(dataSet, count: bytes.count)
            }
        }
    }

    /// All values, in all forms; and that the elements take no more memory than they may.
    private static func visit(_ dataSet: DataSet, count: Int) {
        var total = 0
        func visit(_ dataSet: DataSet) {
            for element in dataSet.elements {
                total += 1
                let range = element.valueRange
                #expect(range.lowerBound >= 0 && range.upperBound <= count)
                if element.isSequence {
                    for item in dataSet.items(of: element) {
                        total += 1
                        visit(item)
                    }
                } else if element.isEncapsulated {
                    for fragment in dataSet.fragments(of: element) {
                        total += 1
                        #expect(fragment.upperBound <= count)
                    }
                } else if element.length < 2000 {
                    _ = dataSet.strings(of: element)
                    _ = dataSet.integers(of: element)
                    _ = dataSet.doubles(of: element)
                }
            }
        }
        visit(dataSet)
        // Eight bytes is the shortest an element can be: 32 bytes for each, and as much again in reserve.
        #expect(total <= count / 8)
        #expect(dataSet.memoryFootprint <= 64 * (count / 8) + 4096)
        let warnings = dataSet.warnings
        #expect(warnings.count <= 33 && warnings.count <= dataSet.warningCount)
        #expect(warnings.allSatisfy { (0...count).contains($0.byteOffset) && $0.path.count <= 2 * 256 + 2 })
    }
}

/// Sebastiano Vigna's SplitMix64: small, and the same everywhere.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(truncatingIfNeeded: next() % UInt64(bound)) }
}
