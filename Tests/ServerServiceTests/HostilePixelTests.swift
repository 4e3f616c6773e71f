import Archive
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import ServerService
import Testing

/// Sizes of images that no sender means well: answers or refusals come of them, never an end of the server.
@Suite struct HostilePixelTests {
    private static let accept = [
        ["Accept": "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*"],
        ["Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"], [:],
    ]

    private func ask(_ archive: TestArchive, _ identity: InstanceIdentity) {
        for path in ["/frames/1", "/frames/2,1", "/frames/999999999", "/bulkdata/7FE00010", ""] {
            for headers in Self.accept {
                let answer = archive.get(archive.url(identity) + path, headers)
                #expect([200, 400, 404, 406, 500].contains(answer.status), "\(path): \(answer.status)")
            }
        }
    }

    @Test func sizesBeyondAllBounds() throws {
        let archive = try TestArchive()
        var builder = Make.builder()
        builder.set(.rows, vr: .ul, integers: [0xFFFF_FFFF])
        builder.set(.columns, vr: .ul, integers: [0xFFFF_FFFF])
        let large = try archive.add(Make.file(builder))
        ask(archive, large)
        #expect(archive.get(archive.url(large) + "/frames/1", Self.accept[0]).status == 404)
        // The pixels can still be had.
        #expect(archive.get(archive.url(large) + "/bulkdata/7FE00010", Self.accept[0]).status == 200)

        var endless = Make.builder(instance: "1.2.3.4.6")
        endless.set(.numberOfFrames, vr: .is, text: "4611686018427387904")
        let frames = try archive.add(Make.file(endless))
        ask(archive, frames)
        #expect(archive.get(archive.url(frames) + "/frames/1", Self.accept[0]).status == 200)
        #expect(archive.get(archive.url(frames) + "/frames/2", Self.accept[0]).status == 404)

        // Tables whose length is that of so many frames, were it computed without care.
        for (number, length) in [("4611686018427387904", 0), ("2305843009213693953", 8), ("4611686018427387905", 4)] {
            var tables = Make.builder(instance: "1.2.3.4.7")
            tables.set(.numberOfFrames, vr: .is, text: number)
            tables.set(.extendedOffsetTable, vr: .ov, bytes: [UInt8](repeating: 0, count: length))
            tables.set(
                .pixelData, vr: .ob, fragments: [[UInt8](repeating: 0, count: length), [0xFF, 0xD8, 1, 2], [3, 4]])
            ask(archive, try archive.add(Make.file(tables, TransferSyntax(uid: "1.2.840.10008.1.2.4.50"))))
        }
    }

    /// Random sizes in random VRs, in files of all kinds; the same at each run.
    @Test(arguments: 0..<4)
    func randomSizes(seed: UInt64) throws {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 7
        func below(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let numbers: [Int64] = [
            0, 1, 2, 7, 8, 16, 255, 32_767, 65_535, 65_536, 0x7FFF_FFFF, 0xFFFF_FFFF, .max, .max / 2 + 1, .max / 4,
            .max / 8 + 1, -1, .min,
        ]
        let vrs: [VR] = [.us, .ul, .uv, .sv, .is, .sl, .ss, .at, .ds, .lo, .ob]
        let tags: [DICOMDictionary.Tag] = [
            .rows, .columns, .samplesPerPixel, .bitsAllocated, .numberOfFrames, .extendedOffsetTable,
        ]
        let syntaxes: [TransferSyntax] = [
            .explicitVRLittleEndian, .explicitVRBigEndian, .implicitVRLittleEndian, .deflatedExplicitVRLittleEndian,
            TransferSyntax(uid: "1.2.840.10008.1.2.4.50"), TransferSyntax(uid: "1.2.840.113619.5.2"),
        ]
        let archive = try TestArchive()
        for _ in 0..<60 {
            var builder = Make.builder(frames: 1 + below(3))
            for _ in 0...below(4) {
                let tag = tags[below(tags.count)]
                let vr = vrs[below(vrs.count)]
                let number = numbers[below(numbers.count)]
                switch vr {
                case .is, .ds, .lo: builder.set(tag, vr: vr, text: "\(number)")
                default:
                    let width = [.uv, .sv].contains(vr) ? 8 : [.us, .ss].contains(vr) ? 2 : 4
                    builder.set(
                        tag, vr: vr, bytes: (0..<width).map { UInt8(truncatingIfNeeded: number >> (8 * Int64($0))) })
                }
            }
            if below(4) == 0 { builder.set(.photometricInterpretation, "YBR_FULL_422") }
            let syntax = syntaxes[below(syntaxes.count)]
            if syntax.isEncapsulated {
                builder.set(
                    .pixelData, vr: .ob,
                    fragments: [[UInt8](repeating: 0, count: 4 * below(3))] + (0...below(3)).map { _ in [0xFF, 0xD8] })
            }
            ask(archive, try archive.add(Make.file(builder, syntax), isIndexed: false))
        }
    }

    @Test func whatStandsBeforePixelDataMayBeLong() throws {
        let archive = try TestArchive()
        for syntax in [TransferSyntax.explicitVRLittleEndian, .implicitVRLittleEndian] {
            var builder = Make.builder()
            builder.set(DICOMDictionary.Tag(0x0009_1001), vr: .ob, bytes: [UInt8](repeating: 7, count: 65 << 20))
            let identity = try archive.add(Make.file(builder, syntax), isIndexed: false)
            #expect(archive.get(archive.url(identity) + "/frames/1", Self.accept[0]).status == 200)
            let explicit = archive.get(archive.url(identity), Self.accept[1])
            #expect(explicit.status == 200 && explicit.body.count > 65 << 20)
            #expect(
                archive.get(archive.url(identity) + "/bulkdata/00091001", ["Accept": "application/octet-stream"])
                    .body.count == 65 << 20)
        }
    }
}
