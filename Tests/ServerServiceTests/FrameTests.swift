import Archive
import CDeflate
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import HTTPServer
import ServerService
import Synchronization
import TestSupport
import Testing

@Suite struct FrameTests {
    private let raw = ["Accept": "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*"]

    @Test func nativeFramesAreRangesOfTheFile() throws {
        let archive = try TestArchive()
        let builder = Make.builder(frames: 5)
        let identity = try archive.add(Make.file(builder))
        let pixels = (0..<5 * 48).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        let parts = try archive.get(archive.url(identity) + "/frames/1,3,5", raw).parts()
        #expect(parts.map(\.body) == [0, 2, 4].map { Array(pixels[$0 * 48..<$0 * 48 + 48]) })
        for part in parts {
            #expect(part.headers["Content-Type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1")
        }
        // Twice the same frame, in the order asked for.
        #expect(
            try archive.get(archive.url(identity) + "/frames/2,1,2", raw).parts().map(\.body)
                == [1, 0, 1].map { Array(pixels[$0 * 48..<$0 * 48 + 48]) })
        #expect(try archive.get(archive.url(identity) + "/frames/1%2C2", raw).parts().count == 2)
        let single = archive.get(archive.url(identity) + "/frames/4", ["Accept": "application/octet-stream"])
        #expect(single.body == Array(pixels[144..<192]))
        #expect(single.header("Content-Type") == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1")
        #expect(
            archive.get(archive.url(identity) + "/frames/1,2", ["Accept": "application/octet-stream"]).status == 406)
    }

    /// What the OHIF viewer and other clients send.
    @Test(arguments: [
        "multipart/related; type=\"application/octet-stream\"; transfer-syntax=\"*\"",
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
        "multipart/related; type=\"application/octet-stream\"", "multipart/related", "*/*",
        "multipart/related; type=\"application/octet-stream\"; transfer-syntax=1.2.840.10008.1.2.1",
        "multipart/related; type=\"image/jls\"; q=0.9, multipart/related; type=\"application/octet-stream\"; q=0.1",
    ])
    func acceptHeaders(accept: String) throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder()))
        let answer = archive.get(archive.url(identity) + "/frames/1", ["Accept": accept])
        #expect(answer.status == 200)
        #expect(
            String(decoding: answer.body.prefix(200), as: UTF8.self).contains(
                "\r\nContent-Type: application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1\r\n"))
        #expect(try answer.parts().count == 1)
    }

    @Test func wrongNumbers() throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder(frames: 3)))
        for list in ["4", "1,4", "999999999"] {
            let answer = archive.get(archive.url(identity) + "/frames/\(list)")
            #expect(answer.status == 404)
            #expect(answer.text.contains("3"))
        }
        for list in ["0", "-1", "a", "1,", ",1", "1,,2", "1;2", "1.5", "99999999999999999999", "%31%2C0", " 1"] {
            #expect(archive.get(archive.url(identity) + "/frames/\(list)").status == 400, "\(list)")
        }
        let long = (0..<10_001).map { _ in "1" }.joined(separator: ",")
        #expect(archive.get(archive.url(identity) + "/frames/" + long).status == 414)
    }

    @Test func instancesWithoutPixelDataHaveNoFrames() throws {
        let archive = try TestArchive()
        var builder = Make.builder()
        builder.remove(.pixelData)
        let identity = try archive.add(Make.file(builder))
        #expect(archive.get(archive.url(identity) + "/frames/1").status == 404)
        #expect(archive.get(archive.url(identity) + "/bulkdata/7FE00010").status == 404)
        #expect(archive.get(archive.url(identity), ["Accept": "application/dicom"]).status == 200)
    }

    @Test func pixelDataThatIsTooShort() throws {
        let archive = try TestArchive()
        var builder = Make.builder(frames: 4)
        builder.set(.pixelData, vr: .ow, bytes: [UInt8](repeating: 3, count: 100))
        let identity = try archive.add(Make.file(builder))
        #expect(archive.get(archive.url(identity) + "/frames/2").status == 200)
        #expect(archive.get(archive.url(identity) + "/frames/3").status == 404)
        builder.set(.rows, 0)
        builder.set(.sopInstanceUID, "1.2.3.4.9")
        let strange = try archive.add(Make.file(builder))
        #expect(archive.get(archive.url(strange) + "/frames/1").status == 404)
        #expect(archive.get(archive.url(strange) + "/bulkdata/7FE00010").status == 200)
    }

    @Test func filesThatWereCutServeWhatTheyHave() throws {
        let archive = try TestArchive()
        let bytes = Make.file(Make.builder(frames: 4))
        let identity = try archive.add(bytes)
        let path = archive.folder.appending(path: "store/\(ArchivePaths.instance(identity))")
        try Data(try Data(contentsOf: path).dropLast(60)).write(to: path)
        #expect(archive.get(archive.url(identity) + "/frames/2", raw).status == 200)
        #expect(archive.get(archive.url(identity) + "/frames/3", raw).status == 404)
        #expect(archive.get(archive.url(identity) + "/frames/1,4", raw).status == 404)
        let all = archive.get(archive.url(identity) + "/bulkdata/7FE00010", ["Accept": "application/octet-stream"])
        #expect(all.body.count == 4 * 48 - 60)
    }

    @Test(arguments: [3, 5, 8, 16])
    func bitsThatDoNotFillBytes(columns: Int) throws {
        let archive = try TestArchive()
        let frames = 7
        let builder = Make.builder(rows: 3, columns: columns, frames: frames, bits: 1)
        let identity = try archive.add(Make.file(builder))
        let count = (3 * columns * frames + 7) / 8
        let pixels = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        func bit(_ bytes: [UInt8], _ index: Int) -> UInt8 { bytes[index / 8] >> UInt8(index % 8) & 1 }
        for frame in 0..<frames {
            let answer = archive.get(
                archive.url(identity) + "/frames/\(frame + 1)", ["Accept": "application/octet-stream"])
            #expect(answer.body.count == (3 * columns + 7) / 8)
            for pixel in 0..<3 * columns {
                #expect(bit(answer.body, pixel) == bit(pixels, frame * 3 * columns + pixel))
            }
            for rest in 3 * columns..<answer.body.count * 8 { #expect(bit(answer.body, rest) == 0) }
        }
    }

    @Test(arguments: [TransferSyntax.implicitVRLittleEndian, .explicitVRBigEndian, .deflatedExplicitVRLittleEndian])
    func otherNativeTransferSyntaxesGiveTheSameFrames(syntax: TransferSyntax) throws {
        let archive = try TestArchive()
        let little = try archive.add(Make.file(Make.builder(rows: 150, columns: 501, frames: 3)))
        let expected = archive.get(archive.url(little) + "/frames/2,3", raw)
        let other = try archive.add(Make.file(Make.builder(rows: 150, columns: 501, frames: 3), syntax))
        let answer = archive.get(archive.url(other) + "/frames/2,3", raw)
        #expect(try answer.parts().map(\.body) == expected.parts().map(\.body))
        #expect(try answer.parts().first?.headers["Content-Type"]?.hasSuffix("=1.2.840.10008.1.2.1") == true)
        let single = ["Accept": "application/octet-stream"]
        #expect(archive.get(archive.url(other) + "/frames/2", single).body == (try expected.parts().first?.body))
        #expect(archive.get(archive.url(other) + "/bulkdata/7FE00010", single).body.count == 150 * 501 * 3 * 2)
    }

    /// How the fragments lie, and whether frames can be told apart.
    @Test(arguments: ["basic", "extended", "one each", "marks", "none"])
    func fragmentsBecomeFrames(layout: String) throws {
        let archive = try TestArchive()
        let frames: [[[UInt8]]] = [
            [[0xFF, 0xD8, 1, 1], [1, 2, 3, 4]], [[0xFF, 0xD8, 2, 2, 2, 2]],
            [[0xFF, 0xD8, 3, 3], [9, 9], [8, 8, 8, 8]],
        ]
        var fragments = frames.flatMap { $0 }
        var offsets: [Int] = []
        var position = 0
        for frame in frames {
            offsets.append(position)
            position += frame.reduce(0) { $0 + 8 + $1.count }
        }
        func bytes(_ value: Int, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        var builder = Make.builder(frames: 3)
        var expected = frames.map { Array($0.joined()) }
        var table: [UInt8] = []
        switch layout {
        case "basic": table = offsets.flatMap { bytes($0, 4) }
        case "extended":
            builder.set(.extendedOffsetTable, vr: .ov, bytes: offsets.flatMap { bytes($0, 8) })
            builder.set(.extendedOffsetTableLengths, vr: .ov, bytes: expected.flatMap { bytes($0.count, 8) })
        case "one each":
            fragments = expected
        case "none":
            fragments = fragments.map { $0.map { $0 == 0xFF ? 0 : $0 } }
            expected = []
        default: break
        }
        builder.set(.pixelData, vr: .ob, fragments: [table] + fragments)
        let identity = try archive.add(Make.file(builder, TransferSyntax(uid: "1.2.840.10008.1.2.4.50")))
        let accept = ["Accept": "multipart/related; type=\"image/jpeg\""]
        let answer = archive.get(archive.url(identity) + "/frames/1,2,3", accept)
        guard layout != "none" else {
            #expect(answer.status == 404)
            // All of it can still be had.
            #expect(
                try archive.get(archive.url(identity) + "/bulkdata/7FE00010", accept).parts().count == fragments.count)
            return
        }
        let parts = try answer.parts()
        #expect(parts.map(\.body) == expected)
        for part in parts {
            #expect(part.headers["Content-Type"] == "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50")
        }
        #expect(try archive.get(archive.url(identity) + "/bulkdata/7FE00010", accept).parts().map(\.body) == expected)
        // OHIF asks for octets in any transfer syntax and looks at the part's.
        let octets = try archive.get(archive.url(identity) + "/frames/3", raw).parts()
        #expect(octets.map(\.body) == [expected[2]])
        #expect(octets[0].headers["Content-Type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.50")
        #expect(archive.get(archive.url(identity) + "/frames/3", ["Accept": "image/jpeg"]).body == expected[2])
        #expect(archive.get(archive.url(identity) + "/frames/4", accept).status == 404)
        // Octets without a transfer syntax would be uncompressed pixels.
        #expect(
            archive.get(
                archive.url(identity) + "/frames/1", ["Accept": "multipart/related; type=\"application/octet-stream\""]
            ).status == 406)
    }

    @Test func manyFragmentsOfASingleFrameAreJoined() throws {
        let archive = try TestArchive()
        var builder = Make.builder()
        let fragments = (0..<5_000).map { index in
            [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: 2 + index % 3 * 2)
        }
        builder.set(.pixelData, vr: .ob, fragments: [[]] + fragments)
        let identity = try archive.add(Make.file(builder, TransferSyntax(uid: "1.2.840.10008.1.2.4.90")))
        let answer = archive.get(archive.url(identity) + "/frames/1", ["Accept": "image/jp2"])
        #expect(answer.body == Array(fragments.joined()))
        #expect(answer.header("Content-Type") == "image/jp2; transfer-syntax=1.2.840.10008.1.2.4.90")
    }

    /// More parts than an answer prepares: each is made when it is sent.
    @Test func manyFramesAreSentAsBulkData() throws {
        let archive = try TestArchive()
        let frames = (0..<9_000).map { index in
            [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: index % 4 * 2)
        }
        var builder = Make.builder(frames: frames.count)
        builder.set(.pixelData, vr: .ob, fragments: [[]] + frames)
        let identity = try archive.add(
            Make.file(builder, TransferSyntax(uid: "1.2.840.10008.1.2.4.90")), isIndexed: false)
        let accept = ["Accept": "multipart/related; type=\"image/jp2\""]
        let answer = archive.get(archive.url(identity) + "/bulkdata/7FE00010", accept)
        #expect(try answer.parts().map(\.body) == frames)
        let list = Array(stride(from: 1, to: 9_001, by: 2))
        let some = archive.get(
            archive.url(identity) + "/frames/" + list.prefix(1_500).map(String.init).joined(separator: ","), accept)
        #expect(try some.parts().map(\.body) == list.prefix(1_500).map { frames[$0 - 1] })
    }

    @Test func brokenFragmentsAreNoFrames() throws {
        let archive = try TestArchive()
        var builder = Make.builder(frames: 2)
        builder.set(.pixelData, vr: .ob, fragments: [[], [1, 2], [3, 4]])
        let syntax = TransferSyntax(uid: "1.2.840.10008.1.2.4.50")
        let whole = Make.file(builder, syntax)
        // The item's length beyond the file's end; a tag that is no item; an end within a header.
        for (cut, change) in [(0, true), (4, false), (11, false), (13, false)] {
            var bytes = Array(whole.dropLast(cut))
            if change { bytes[bytes.count - 8 - 2 - 4 + 3] = 0x7F }
            guard let file = try? DICOMFile(bytes: bytes, options: .header) else { continue }
            let identity = InstanceIdentity(
                tenant: .standard, study: try #require(UID("1.2.3")), series: try #require(UID("1.2.3.4")),
                instance: try #require(file.dataSet.string(.sopInstanceUID).flatMap { UID($0) }))
            let path = archive.folder.appending(path: "store/\(ArchivePaths.instance(identity))")
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: path)
            let answer = archive.get(archive.url(identity) + "/frames/2", raw)
            #expect([200, 404, 500].contains(answer.status))
        }
    }

    @Test(.enabled(if: !samples.isEmpty && Python.has("pydicom"), "needs Python with pydicom"))
    func framesOfSamplesAreWhatPydicomSees() throws {
        let archive = try TestArchive()
        var paths: [String] = []
        var identities: [InstanceIdentity] = []
        for url in samples {
            let tenant = try #require(TenantID("t\(paths.count)"))
            identities.append(try archive.add([UInt8](try Data(contentsOf: url)), tenant: tenant, isIndexed: false))
            paths.append(url.path)
        }
        let script = """
            import sys, json, zlib, pydicom
            from pydicom.encaps import generate_frames
            out = []
            for path in sys.argv[1:]:
                row = None
                try:
                    ds = pydicom.dcmread(path, force=True)
                    if 'PixelData' in ds and 'Rows' in ds:
                        n = int(ds.get('NumberOfFrames', 1) or 1)
                        syntax = ds.file_meta.TransferSyntaxUID
                        if syntax.is_compressed and not syntax.is_deflated:
                            row = [zlib.crc32(f) for f in generate_frames(ds.PixelData, number_of_frames=n)]
                        elif syntax.is_little_endian and ds.BitsAllocated >= 8:
                            samples = ds.SamplesPerPixel
                            if ds.PhotometricInterpretation == 'YBR_FULL_422': samples = 2
                            size = ds.Rows * ds.Columns * samples * ds.BitsAllocated // 8
                            row = [zlib.crc32(ds.PixelData[i*size:(i+1)*size]) for i in range(n)]
                except Exception:
                    row = None
                out.append(row)
            print(json.dumps(out))
            """
        let output = try Python.run(script, paths)
        let rows = try #require(try JSONSerialization.jsonObject(with: output) as? [Any])
        var compared = 0
        for (index, row) in rows.enumerated() {
            guard let row = row as? [UInt32] else { continue }
            let list = (1...row.count).map(String.init).joined(separator: ",")
            let answer = archive.get(
                archive.url(identities[index]) + "/frames/" + list,
                ["Accept": "multipart/related; transfer-syntax=*", "x-tenant": "t\(index)"])
            guard answer.status == 200 else {
                Issue.record("\(samples[index].lastPathComponent): \(answer.text)")
                continue
            }
            let hashes = try answer.parts().map { crc32($0.body) }
            #expect(hashes == row, "\(samples[index].lastPathComponent)")
            compared += 1
        }
        #expect(compared > 20)
    }
}

private func crc32(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { libdeflate_crc32(0, $0.baseAddress, $0.count) }
}
