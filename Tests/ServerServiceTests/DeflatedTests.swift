import Archive
import DICOMCore
import DICOMDictionary
import Foundation
import HTTPServer
import ServerService
import Testing

/// Instances that are stored deflated, which are inflated as they are sent.
@Suite struct DeflatedTests {
    private let single = ["Accept": "application/octet-stream"]

    /// A segmentation of 1 bit: nearly all of it is nothing, so it is compressed to a thousandth.
    @Test func aSparseSegmentationOfManyFrames() throws {
        let archive = try TestArchive()
        let (frames, size) = (2_500, 512 * 512 / 8)
        var builder = Make.builder(rows: 512, columns: 512, frames: frames, bits: 1)
        var pixels = [UInt8](repeating: 0, count: frames * size)
        for index in 1_000..<1_060 { pixels[index * size + 77] = UInt8(index - 999) }
        pixels[pixels.count - 1] = 9
        builder.set(.pixelData, vr: .ob, bytes: pixels)
        let file = Make.file(builder, .deflatedExplicitVRLittleEndian)
        #expect(file.count * 100 < pixels.count && pixels.count > 64 << 20)
        let identity = try archive.add(file, isIndexed: false)
        let root = archive.url(identity)
        for number in [1, 1_001, 2_500] {
            let frame = archive.get(root + "/frames/\(number)", single)
            #expect(frame.status == 200 && frame.body == Array(pixels[(number - 1) * size..<number * size]))
        }
        let list = try archive.get(root + "/frames/1001,1060,2500", [:]).parts().map(\.body)
        #expect(list == [1_000, 1_059, 2_499].map { Array(pixels[$0 * size..<($0 + 1) * size]) })
        let answer = archive.get(root, ["Accept": "application/dicom"])
        #expect(answer.status == 200 && answer.length == answer.body.count)
        let whole = try DICOMFile(bytes: answer.body)
        let element = try #require(whole.dataSet.element(.pixelData))
        #expect(whole.dataSet.withValue(of: element) { $0.withUnsafeBytes { $0.elementsEqual(pixels) } })
    }

    /// Frames that begin within a byte share it with the frame before.
    @Test func framesThatShareBytes() throws {
        let archive = try TestArchive()
        var builder = Make.builder(rows: 3, columns: 7, frames: 20, bits: 1)
        builder.set(.pixelData, vr: .ob, bytes: (0..<54).map { UInt8(truncatingIfNeeded: $0 &* 91 &+ 13) })
        let deflated = try archive.add(Make.file(builder, .deflatedExplicitVRLittleEndian), isIndexed: false)
        let list = "/frames/" + (1...20).map { "\($0)" }.joined(separator: ",")
        let parts = try archive.get(archive.url(deflated) + list).parts().map(\.body)
        let plain = try archive.add(Make.file(builder), isIndexed: false)
        #expect(try parts == archive.get(archive.url(plain) + list).parts().map(\.body))
        #expect(Set(parts).count > 10)
    }

    /// Each step back means to inflate from the start.
    @Test func framesAreAskedForInOrder() throws {
        let archive = try TestArchive()
        let builder = Make.builder(frames: 30)
        let plain = try archive.add(Make.file(builder), isIndexed: false)
        let backwards = "/frames/" + (1...30).reversed().map { "\($0)" }.joined(separator: ",")
        let some = "/frames/30,1,29,2,28,3,3,3"
        #expect(archive.get(archive.url(plain) + backwards).status == 200)
        let expected = try archive.get(archive.url(plain) + some).parts().map(\.body)
        let deflated = try archive.add(Make.file(builder, .deflatedExplicitVRLittleEndian), isIndexed: false)
        let refused = archive.get(archive.url(deflated) + backwards)
        #expect(refused.status == 400 && refused.text.contains("ascending"))
        #expect(try archive.get(archive.url(deflated) + some).parts().map(\.body) == expected)
    }

    /// What cannot be inflated is told by a status as long as nothing was sent.
    @Test func damagedOnes() throws {
        let archive = try TestArchive()
        var builder = Make.builder(rows: 100, columns: 100, frames: 10)
        var state: UInt64 = 7
        builder.set(
            .pixelData, vr: .ow,
            bytes: (0..<200_000).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 40)
            })
        let identity = try archive.add(Make.file(builder, .deflatedExplicitVRLittleEndian), isIndexed: false)
        let path = archive.folder.appending(path: "store/\(ArchivePaths.instance(identity))")
        try Data(try Data(contentsOf: path).prefix(100_000)).write(to: path)
        let root = archive.url(identity)
        #expect(archive.get(root + "/frames/1", single).status == 200)
        #expect(archive.get(root + "/frames/10", single).status == 500)
        #expect(archive.get(root, ["Accept": "application/dicom"]).status == 500)
        #expect(archive.get(root + "/bulkdata/00100010", single).text == "DOE^JANE")
    }
}
