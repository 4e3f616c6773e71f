import Archive
import CDeflate
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import HTTPServer
import ServerService
import Synchronization
import Testing

@Suite struct MetadataTests {
    private func archive(series: Int = 2, instances: Int = 3) throws -> TestArchive {
        let archive = try TestArchive()
        for s in 1...series {
            for i in 1...instances {
                try archive.add(
                    Make.file(Make.builder(series: "1.2.3.\(s)", instance: "1.2.3.\(s).\(i)", number: i)))
            }
        }
        return archive
    }

    private func uids(_ answer: Answer) throws -> Set<String> {
        Set(try answer.json().compactMap { ($0["00080018"] as? [String: Any])?["Value"] as? [String] }.flatMap { $0 })
    }

    @Test func ofAnInstance() throws {
        let archive = try archive()
        let answer = archive.get("/dicom-web/studies/1.2.3/series/1.2.3.2/instances/1.2.3.2.3/metadata")
        #expect(answer.status == 200)
        #expect(answer.header("Content-Type") == "application/dicom+json")
        let object = try #require(try answer.json().first)
        #expect(try answer.json().count == 1)
        #expect((object["00100010"] as? [String: Any])?["vr"] as? String == "PN")
        let pixels = try #require(object["7FE00010"] as? [String: Any])
        #expect(
            pixels["BulkDataURI"] as? String
                == "/dicom-web/studies/1.2.3/series/1.2.3.2/instances/1.2.3.2.3/bulkdata/7FE00010")
        let tag = try #require(answer.header("ETag"))
        let again = archive.get(
            "/dicom-web/studies/1.2.3/series/1.2.3.2/instances/1.2.3.2.3/metadata", ["If-None-Match": tag])
        #expect(again.status == 304)
        #expect(again.body.isEmpty)
        #expect(again.header("ETag") == tag)
    }

    @Test func ofASeriesFromTheLogAndCompacted() throws {
        let archive = try archive()
        let path = "/dicom-web/studies/1.2.3/series/1.2.3.1/metadata"
        let fromLog = archive.get(path, ["Accept-Encoding": "gzip"])
        #expect(fromLog.header("Content-Encoding") == nil)
        #expect(try uids(fromLog) == ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"])
        #expect(fromLog.length == fromLog.body.count)
        let key = SeriesIdentity(tenantID: TestArchive.tenant.value, studyUID: "1.2.3", seriesUID: "1.2.3.1")
        _ = try archive.metadata.compact(key)
        let stored = archive.get(path, ["Accept-Encoding": "br, gzip;q=0.5"])
        #expect(stored.header("Content-Encoding") == "gzip")
        #expect(stored.length == stored.body.count)
        let plain = archive.get(path)
        #expect(plain.header("Content-Encoding") == nil)
        #expect(try uids(plain) == ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"])
        #expect(gunzip(stored.body, plain.body.count) == plain.body)
        // The two forms are two entities (RFC 9110 8.8.3).
        #expect(stored.header("ETag") != plain.header("ETag"))
        for answer in [stored, plain] {
            let tag = try #require(answer.header("ETag"))
            var headers = ["If-None-Match": "\"other\", W/\(tag)"]
            headers["Accept-Encoding"] = answer.header("Content-Encoding")
            #expect(archive.get(path, headers).status == 304)
        }
        #expect(archive.get(path, ["Accept-Encoding": "gzip;q=0"]).header("Content-Encoding") == nil)
        #expect(archive.get(path, ["Accept-Encoding": "identity"]).header("Content-Encoding") == nil)
        #expect(archive.get(path, ["Accept-Encoding": "*"]).header("Content-Encoding") == "gzip")
        for (text, encoding) in [
            ("gzip;q=0.1, identity;q=0.9", nil), ("identity;q=0.9, gzip;q=0.9", "gzip"),
            ("gzip, identity;q=0.5", "gzip"), ("identity;q=0, gzip;q=0.2", "gzip"), ("identity;q=0, *;q=0.2", "gzip"),
            ("*;q=0.2, gzip;q=0", nil), ("identity;q=0", nil), ("gzip;q=wrong", nil), ("gzip; Q=0.000", nil),
        ] as [(String, String?)] {
            #expect(archive.get(path, ["Accept-Encoding": text]).header("Content-Encoding") == encoding, "\(text)")
        }
        // A further instance changes what is sent, and its tag.
        try archive.add(Make.file(Make.builder(series: "1.2.3.1", instance: "1.2.3.1.4")))
        let grown = archive.get(path, ["Accept-Encoding": "gzip", "If-None-Match": stored.header("ETag") ?? ""])
        #expect(grown.status == 200)
        #expect(try uids(grown).count == 4)
    }

    @Test func ofAStudySeriesAfterSeries() throws {
        let archive = try archive(series: 3, instances: 4)
        _ = try archive.metadata.compact(
            SeriesIdentity(tenantID: TestArchive.tenant.value, studyUID: "1.2.3", seriesUID: "1.2.3.2"))
        let answer = archive.get("/dicom-web/studies/1.2.3/metadata")
        #expect(try answer.json().count == 12)
        #expect(try uids(answer).count == 12)
        let tag = try #require(answer.header("ETag"))
        #expect(archive.get("/dicom-web/studies/1.2.3/metadata", ["If-None-Match": tag]).status == 304)
        try archive.add(Make.file(Make.builder(series: "1.2.3.3", instance: "1.2.3.3.9")))
        #expect(archive.get("/dicom-web/studies/1.2.3/metadata", ["If-None-Match": tag]).status == 200)
    }

    @Test func negotiates() throws {
        let archive = try archive()
        let path = "/dicom-web/studies/1.2.3/metadata"
        for accept in ["application/dicom+json", "*/*", "application/*", "text/html, application/dicom+json;q=0.1"] {
            #expect(archive.get(path, ["Accept": accept]).header("Content-Type") == "application/dicom+json")
        }
        #expect(archive.get(path, ["Accept": "application/json"]).header("Content-Type") == "application/json")
        for accept in ["text/html", "multipart/related; type=\"application/dicom+xml\"", "application/dicom+json;q=0"] {
            let answer = archive.get(path, ["Accept": accept])
            #expect(answer.status == 406)
            #expect(answer.text.contains("application/dicom+json"))
        }
        #expect(archive.get(path + "?accept=application/json").header("Content-Type") == "application/json")
    }
}

func gunzip(_ bytes: [UInt8], _ size: Int) -> [UInt8]? {
    guard let decompressor = libdeflate_alloc_decompressor() else { return nil }
    defer { libdeflate_free_decompressor(decompressor) }
    var output = [UInt8](repeating: 0, count: size)
    var position = 0
    var input = 0
    // A gzip body may have several members.
    while input < bytes.count {
        var used = 0
        var made = 0
        let status = bytes.withUnsafeBytes { source in
            output.withUnsafeMutableBytes { target in
                libdeflate_gzip_decompress_ex(
                    decompressor, source.baseAddress.map { $0 + input }, source.count - input,
                    target.baseAddress.map { $0 + position }, target.count - position, &used, &made)
            }
        }
        guard status == LIBDEFLATE_SUCCESS, used > 0 else { return nil }
        input += used
        position += made
    }
    return position == size ? output : nil
}
