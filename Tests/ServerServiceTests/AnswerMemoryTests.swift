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

    /// Deflated instances are inflated as they are sent: of however many at once nothing is held.
    @Test(arguments: ["/frames/2", "/bulkdata/7FE00010", "/bulkdata/00091001", ""])
    func inflatedInstancesTakeNone(path: String) throws {
        let archive = try TestArchive { $0.answerMemoryBytes = 16 }
        let accept = path.isEmpty ? Self.explicit : "application/octet-stream"
        let targets = try [TransferSyntax.explicitVRLittleEndian, .deflatedExplicitVRLittleEndian].map { syntax in
            var builder = Make.builder(
                instance: "1.2.3.4.\(syntax.isDeflated ? 1 : 2)", rows: 150, columns: 501, frames: 3)
            builder.set(DICOMDictionary.Tag(0x0009_1001), vr: .ob, bytes: [1, 2, 3, 4])
            let identity = try archive.add(Make.file(builder, syntax), isIndexed: false)
            return archive.url(identity) + path
        }
        let held = (0..<16).map { _ in respond(archive, targets[1], accept) }
        let expected = TestArchive.read(respond(archive, targets[0], accept)).body
        for response in held {
            let answer = TestArchive.read(response)
            #expect(answer.status == 200)
            guard path.isEmpty else {
                #expect(answer.body == expected)
                continue
            }
            let file = try DICOMFile(bytes: answer.body)
            #expect(file.transferSyntax == .explicitVRLittleEndian && file.meta?.privateInformation == nil)
            let own = try DICOMFile(bytes: expected)
            for tag in [DICOMDictionary.Tag.pixelData, .patientName, DICOMDictionary.Tag(0x0009_1001)] {
                let bytes = [file, own].map { file in
                    file.dataSet.element(tag).map {
                        file.dataSet.withValue(of: $0) { $0.withUnsafeBytes { Array($0) } }
                    }
                }
                #expect(bytes[0] != nil && bytes[0] == bytes[1])
            }
        }
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
