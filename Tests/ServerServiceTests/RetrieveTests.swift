import Archive
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import HTTPServer
import ServerService
import Synchronization
import TestSupport
import Testing

/// Sample files that have the UIDs that filing needs.
let samples: [URL] = DICOMFiles.all.filter { url in
    guard let file = try? DICOMFile.read(path: url.path), !file.dataSet.isTruncated else { return false }
    return [Tag.studyInstanceUID, .seriesInstanceUID, .sopInstanceUID].allSatisfy {
        file.dataSet.string($0).flatMap { UID($0) } != nil
    }
}

@Suite struct RetrieveTests {
    private let any = ["Accept": "multipart/related; type=\"application/dicom\"; transfer-syntax=*"]

    @Test(.enabled(if: !samples.isEmpty, "needs pydicom's files"), arguments: samples)
    func instancesComeAsTheyWereReceived(url: URL) throws {
        let archive = try TestArchive()
        let bytes = [UInt8](try Data(contentsOf: url))
        let original = try DICOMFile(bytes: bytes)
        let identity = try archive.add(bytes, isIndexed: false)
        let answer = archive.get(archive.url(identity), any)
        #expect(answer.status == 200)
        let part = try #require(try answer.parts().first)
        let type = try #require(part.headers["Content-Type"])
        #expect(type == "application/dicom; transfer-syntax=\(original.transferSyntax.uid)")
        #expect(part.headers["Content-Location"] == "http://archive.test:9999\(archive.url(identity))")
        let received = try DICOMFile(bytes: part.body)
        #expect(received.meta?.privateInformation == nil)
        #expect(received.meta?.privateInformationCreatorUID == "")
        #expect(received.meta?.transferSyntaxUID == original.transferSyntax.uid)
        #expect(part.body[received.dataSetOffset...].elementsEqual(bytes[original.dataSetOffset...]))
        #expect(Data(part.body).range(of: Data("PROVENANCE".utf8)) == nil)
        // The same alone.
        let single = archive.get(archive.url(identity), ["Accept": "application/dicom; transfer-syntax=*"])
        #expect(single.header("Content-Type") == type)
        #expect(single.body == part.body)
    }

    @Test(.enabled(if: !samples.isEmpty, "needs pydicom's files"), arguments: samples)
    func nativeInstancesComeAsExplicitLittleEndianWhenNoTransferSyntaxIsNamed(url: URL) throws {
        let archive = try TestArchive()
        let bytes = [UInt8](try Data(contentsOf: url))
        let original = try DICOMFile(bytes: bytes)
        let identity = try archive.add(bytes, isIndexed: false)
        let answer = archive.get(archive.url(identity), ["Accept": "application/dicom"])
        #expect(answer.status == 200)
        let received = try DICOMFile(bytes: answer.body)
        let stop = try DICOMFile(bytes: bytes, options: .header).dataSet.stopElement
        guard !original.transferSyntax.isEncapsulated, stop?.isUndefinedLength != true else {
            #expect(received.transferSyntax == original.transferSyntax)
            return
        }
        #expect(received.transferSyntax == .explicitVRLittleEndian)
        #expect(received.meta?.transferSyntaxUID == TransferSyntax.explicitVRLittleEndian.uid)
        let expected = try DataSetWriter(original.dataSet).encoded(in: .explicitVRLittleEndian)
        #expect(answer.body[received.dataSetOffset...].elementsEqual(expected))
    }

    @Test func whatCannotBeMadeIs406() throws {
        let archive = try TestArchive()
        var builder = Make.builder()
        let native = try archive.add(Make.file(builder))
        builder.set(.sopInstanceUID, "1.2.3.4.6")
        builder.set(.pixelData, vr: .ob, fragments: [[], [0xFF, 0xD8, 1, 2]])
        let compressed = try archive.add(Make.file(builder, TransferSyntax(uid: "1.2.840.10008.1.2.4.70")))
        let jpeg = "; transfer-syntax=1.2.840.10008.1.2.4.50"
        for type in [
            "application/dicom\(jpeg)", "multipart/related; type=\"application/dicom\"\(jpeg)", "image/jpeg",
            "text/html",
        ] {
            let answer = archive.get(archive.url(native), ["Accept": type])
            #expect(answer.status == 406)
            #expect(answer.text.contains("1.2.840.10008.1.2.1"), "\(answer.text)")
        }
        let explicit = ["Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"]
        #expect(archive.get(archive.url(native), explicit).status == 200)
        let answer = archive.get(archive.url(compressed), explicit)
        #expect(answer.status == 406)
        #expect(answer.text.contains("1.2.840.10008.1.2.4.70"))
        // A series that has one of both can be had in what each is, not in one that one of them is not.
        #expect(archive.get("/dicom-web/studies/1.2.3/series/1.2.3.4", explicit).status == 406)
        #expect(try archive.get("/dicom-web/studies/1.2.3/series/1.2.3.4", any).parts().count == 2)
    }

    @Test func studiesAndSeriesComeWhole() throws {
        let archive = try TestArchive()
        for s in 1...3 {
            for i in 1...4 {
                let syntax: TransferSyntax = i == 2 ? .implicitVRLittleEndian : .explicitVRLittleEndian
                try archive.add(
                    Make.file(
                        Make.builder(series: "1.2.3.\(s)", instance: "1.2.3.\(s).\(i)", rows: 100, columns: 99), syntax)
                )
            }
        }
        let study = archive.get("/dicom-web/studies/1.2.3", any)
        #expect(study.length != nil)
        let parts = try study.parts()
        #expect(parts.count == 12)
        let uids = try parts.map { try DICOMFile(bytes: $0.body).dataSet.string(.sopInstanceUID) ?? "" }
        #expect(Set(uids).count == 12)
        #expect(parts.allSatisfy { $0.headers["Content-Length"] == "\($0.body.count)" })
        #expect(try archive.get("/dicom-web/studies/1.2.3/series/1.2.3.2", any).parts().count == 4)
        let converted = try archive.get(
            "/dicom-web/studies/1.2.3", ["Accept": "multipart/related; type=\"application/dicom\""]
        )
        .parts()
        #expect(
            converted.allSatisfy {
                $0.headers["Content-Type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
            })
        // Alone, a study cannot be had.
        #expect(archive.get("/dicom-web/studies/1.2.3", ["Accept": "application/dicom"]).status == 406)
    }

    @Test func manyInstancesStreamWithoutBeingLookedAtBefore() throws {
        let archive = try TestArchive()
        for i in 1...300 { try archive.add(Make.file(Make.builder(instance: "1.2.3.4.\(i)"))) }
        let answer = archive.get("/dicom-web/studies/1.2.3", any)
        #expect(answer.length == nil)
        #expect(try answer.parts().count == 300)
        let restricted = archive.get(
            "/dicom-web/studies/1.2.3",
            ["Accept": "multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.3"])
        #expect(restricted.status == 406)
    }

    @Test func conditionalRequests() throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder(), .implicitVRLittleEndian))
        for path in [
            archive.url(identity), archive.url(identity) + "/frames/1", archive.url(identity) + "/bulkdata/7FE00010",
        ] {
            let answer = archive.get(path)
            let tag = try #require(answer.header("ETag"))
            // Weak where the boundary makes the bytes others each time.
            #expect(tag.hasPrefix("W/") == answer.header("Content-Type")?.hasPrefix("multipart"))
            for same in [tag, tag.hasPrefix("W/") ? String(tag.dropFirst(2)) : "W/" + tag, "\"x\", \(tag)"] {
                #expect(archive.get(path, ["If-None-Match": same]).status == 304)
            }
            try archive.add(Make.file(Make.builder(columns: 8)))
            #expect(archive.get(path, ["If-None-Match": tag]).status == 200)
            try archive.add(Make.file(Make.builder(), .implicitVRLittleEndian))
        }
    }
}
