import Archive
import DICOMCore
import DICOMDictionary
import Foundation
import Glibc
import HTTPServer
import ServerService
import Testing

/// What answers hold in memory until they are sent is bounded for all of them together.
@Suite struct AnswerMemoryTests {
    private func respond(_ archive: TestArchive, _ target: String, _ accept: String) -> HTTPResponse {
        var headers = HTTPHeaders()
        headers.append(name: "Host", value: "archive.test")
        headers.append(name: "Accept", value: accept)
        return archive.handler.respond(to: HTTPRequest(method: "GET", target: target, headers: headers))
    }

    private static let explicit = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"

    /// Of 450 kB inflated, two fit in.
    @Test(arguments: ["/frames/2", "/bulkdata/7FE00010", "/bulkdata/00091001", ""])
    func inflatedInstancesAreSharedAndBounded(path: String) throws {
        let archive = try TestArchive { $0.answerMemoryBytes = 1_000_000 }
        let accept = path.isEmpty ? Self.explicit : "application/octet-stream"
        let targets = try (1...3).map { number in
            var builder = Make.builder(instance: "1.2.3.4.\(number)", rows: 150, columns: 501, frames: 3)
            builder.set(DICOMDictionary.Tag(0x0009_1001), vr: .ob, bytes: [1, 2, 3, 4])
            let identity = try archive.add(Make.file(builder, .deflatedExplicitVRLittleEndian), isIndexed: false)
            return archive.url(identity) + path
        }
        var held: [HTTPResponse] = []
        // Many who want the same take no more than one.
        for target in targets.prefix(2) {
            for _ in 0..<16 {
                held.append(respond(archive, target, accept))
                #expect(held.last?.status == 200)
            }
        }
        #expect(respond(archive, targets[2], accept).status == 503)
        // What is being sent is not disturbed.
        let body = TestArchive.read(try #require(held.first)).body
        held.removeAll()
        #expect(!body.isEmpty)
        #expect(respond(archive, targets[2], accept).status == 200)
        #expect(TestArchive.read(respond(archive, targets[0], accept)).body == body)
    }

    @Test func anInstanceThatInflatesToMoreThanThereEverIsIsNoReasonToWait() throws {
        let archive = try TestArchive { $0.answerMemoryBytes = 100_000 }
        let builder = Make.builder(rows: 150, columns: 501, frames: 3)
        let identity = try archive.add(Make.file(builder, .deflatedExplicitVRLittleEndian), isIndexed: false)
        let frames = archive.url(identity) + "/frames/1"
        let refused = TestArchive.read(respond(archive, frames, "application/octet-stream"))
        #expect(refused.status == 406)
        #expect(String(decoding: refused.body, as: UTF8.self).contains("inflates to more than 100000 bytes"))
        // As it is stored it can be had.
        #expect(respond(archive, archive.url(identity), "application/dicom; transfer-syntax=*").status == 200)
    }

    @Test func conversionsAreBounded() throws {
        let archive = try TestArchive { $0.answerMemoryBytes = 4 << 20 }
        var builder = Make.builder()
        builder.set(DICOMDictionary.Tag(0x0009_1001), vr: .ob, bytes: [UInt8](repeating: 7, count: 800_000))
        let target = archive.url(try archive.add(Make.file(builder, .implicitVRLittleEndian), isIndexed: false))
        var held = (0..<2).map { _ in respond(archive, target, Self.explicit) }
        #expect(held.map(\.status) == [200, 200])
        #expect(respond(archive, target, Self.explicit).status == 503)
        let converted = try DICOMFile(bytes: TestArchive.read(held[0]).body)
        #expect(converted.transferSyntax == .explicitVRLittleEndian)
        let element = try #require(converted.dataSet.element(DICOMDictionary.Tag(0x0009_1001)))
        #expect(element.length == 800_000)
        #expect(converted.dataSet.element(.pixelData)?.length == 48)
        held.removeAll()
        #expect(respond(archive, target, Self.explicit).status == 200)
    }

    /// What is not there is not found; what cannot be opened may be there.
    @Test func aFileThatCannotBeOpenedIsNotMissing() throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder()))
        let path = archive.folder.appending(path: "store/\(ArchivePaths.instance(identity))").path
        let targets = [
            (archive.url(identity), "application/dicom; transfer-syntax=*"),
            (archive.url(identity) + "/frames/1", "application/octet-stream"),
            (archive.url(identity) + "/bulkdata/00080018", "application/octet-stream"),
        ]
        func statuses() -> [Int] { targets.map { respond(archive, $0.0, $0.1).status } }
        #expect(statuses() == [200, 200, 200])
        try FileManager.default.removeItem(atPath: path)
        #expect(statuses() == [404, 404, 404])
        // A link to itself: ELOOP, for the superuser too.
        #expect(symlink(path, path) == 0)
        #expect(statuses() == [503, 503, 503])
    }
}
