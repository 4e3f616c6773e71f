import Archive
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import HTTPServer
import ServerService
import Synchronization
import Testing

@Suite struct RouteTests {
    @Test(arguments: [
        "/dicom-web/studies/..", "/dicom-web/studies/../../etc/passwd", "/dicom-web/studies/1.2%2F3",
        "/dicom-web/studies/1.2%00", "/dicom-web/studies/%2e%2e/series/1", "/dicom-web/studies/1.2.3/series/..%2F..",
        "/dicom-web/studies/1.2.3/series/1.2/instances/1.2%5C..", "/dicom-web/studies//series/1.2",
        "/dicom-web/studies/1.2.3/series/1.2/instances//metadata", "/dicom-web/studies/%", "/dicom-web/studies/%zz",
        "/dicom-web/studies/%C3%28", "/dicom-web/studies/1..2", "/dicom-web/studies/.1", "/dicom-web/studies/1.a",
        "/dicom-web/studies/" + String(repeating: "1", count: 65),
    ])
    func pathsThatAreNoneAre400(path: String) throws {
        let answer = try TestArchive().get(path)
        #expect(answer.status == 400 || (path.contains("/../") && answer.status == 404))
        #expect(answer.header("Content-Type") == "application/json")
        let body = try #require(try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any])
        #expect((body["error"] as? String)?.isEmpty == false)
    }

    /// RFC 9110 15.5.15.
    @Test func aLongListOfFramesIs414() throws {
        let archive = try TestArchive()
        let frames = archive.url(try archive.add(Make.file(Make.builder(frames: 2)))) + "/frames/1"
        #expect(archive.get(frames + String(repeating: ",2", count: 3_000), ["Accept": "*/*"]).status == 200)
        let answer = archive.get(frames + String(repeating: ",2", count: 4_200), ["Accept": "*/*"])
        #expect(answer.status == 414)
        #expect(answer.text.contains("the path is longer than 8192 bytes"))
    }

    @Test(arguments: [
        "/x", "/dicom-webx/studies", "/dicom-web/patients", "/dicom-web/studies/1.2/x",
        "/dicom-web/studies/1.2/series/1/x",
        "/dicom-web/studies/1.2/series/1/instances/1/x", "/dicom-web/studies/1.2/metadata/x", "/etc/passwd",
        "/dicom-web/studies/1.2/series/1/instances/1/frames", "/dicom-web/studies/1.2/series/1/instances/1/bulkdata",
        "//dicom-web/studies",
    ])
    func unknownPathsAre404(path: String) throws {
        #expect(try TestArchive().get(path).status == 404)
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
    func otherMethodsAre405(method: String) throws {
        let answer = try TestArchive().get("/dicom-web/studies", method: method)
        #expect(answer.status == 405)
        #expect(answer.header("Allow") == "GET, HEAD, OPTIONS")
    }

    @Test func whatIsNotThereIs404() throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder()))
        for path in [
            "/dicom-web/studies/9", "/dicom-web/studies/9/metadata", "/dicom-web/studies/1.2.3/series/9",
            "/dicom-web/studies/1.2.3/series/9/metadata", "/dicom-web/studies/1.2.3/series/1.2.3.4/instances/9",
            "/dicom-web/studies/1.2.3/series/1.2.3.4/instances/9/metadata",
            "/dicom-web/studies/1.2.3/series/1.2.3.4/instances/9/frames/1",
            "/dicom-web/studies/1.2.3/series/1.2.3.4/instances/9/bulkdata/7FE00010",
            "/dicom-web/studies/9/series/1.2.3.4/instances/\(identity.instance)",
        ] {
            #expect(archive.get(path).status == 404, "\(path)")
        }
    }

    @Test func renderedIsSaidToBeMissing() throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder()))
        #expect(archive.get(archive.url(identity) + "/rendered").status == 501)
        #expect(archive.get(archive.url(identity) + "/thumbnail").status == 501)
        #expect(archive.get(archive.url(identity) + "/frames/1/rendered").status == 501)
    }

    @Test func bothRootsServeTheSame() throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder()))
        let path = archive.url(identity).replacing("/dicom-web", with: "/wado-rs/v1")
        #expect(archive.get(path + "/metadata").body == archive.get(archive.url(identity) + "/metadata").body)
        #expect(archive.get("/wado-rs/v1/studies").status == 200)
    }

    @Test func brokenIndexIs503WithoutDetails() throws {
        let archive = try TestArchive()
        try archive.add(Make.file(Make.builder()))
        archive.index.isBroken.store(true, ordering: .relaxed)
        for path in ["/dicom-web/studies", "/dicom-web/studies/1.2.3", "/dicom-web/studies/1.2.3/metadata", "/readyz"] {
            #expect(archive.get(path).status == 503, "\(path)")
        }
        #expect(archive.get("/").status == 200)
        #expect(archive.get("/healthz").status == 200)
    }

    @Test func whatFailsIsLogged() throws {
        let archive = try TestArchive()
        let identity = try archive.add(Make.file(Make.builder()))
        #expect(archive.get("/dicom-web/studies?PatientID=P-17").status == 200)
        #expect(archive.get("/dicom-web/studies/9/metadata").status == 404)
        #expect(archive.log.all.isEmpty)
        archive.index.isBroken.store(true, ordering: .relaxed)
        #expect(archive.get("/dicom-web/studies?PatientID=P-17").status == 503)
        let line = try #require(archive.log.all.first)
        #expect(line.contains(#""operation":"search-studies","error":"the index is broken""#))
        #expect(!line.contains("P-17"))
        archive.index.isBroken.store(false, ordering: .relaxed)
        // What does not pass by itself is not said to.
        archive.index.isDamaged.store(true, ordering: .relaxed)
        let answer = archive.get("/dicom-web/studies")
        #expect(answer.status == 500)
        #expect(!answer.text.contains("try again later"))
        #expect(archive.log.all.count == 2)
        // A file that is none.
        let path = archive.folder.appending(path: "store/\(ArchivePaths.instance(identity))")
        try Data("not DICOM".utf8).write(to: path)
        #expect(archive.get(archive.url(identity)).status == 500)
        #expect(archive.log.all.last?.contains("retrieve-instance") == true)
    }

    @Test func aFailureOfAllRequestsDoesNotFillTheLog() throws {
        let archive = try TestArchive()
        archive.index.isBroken.store(true, ordering: .relaxed)
        for _ in 0..<200 { #expect(archive.get("/dicom-web/studies").status == 503) }
        // Ten in ten seconds.
        #expect((10...100).contains(archive.log.all.count))
    }
}

@Suite struct TenantTests {
    @Test func equalUIDsOfTwoTenantsAreApartThroughEveryRoute() throws {
        let archive = try TestArchive()
        let other = try #require(TenantID("other"))
        var builder = Make.builder(frames: 2)
        let mine = try archive.add(Make.file(builder))
        builder.set(.patientName, "ROE^RICHARD")
        builder.set(.patientID, "X-99")
        builder.set(.pixelData, vr: .ow, bytes: [UInt8](repeating: 0xEE, count: 96))
        builder.set(.redPaletteColorLookupTableData, vr: .ow, bytes: [UInt8](repeating: 0xEE, count: 4_096))
        let theirs = try archive.add(Make.file(builder), tenant: other)
        #expect(mine.instance == theirs.instance)
        let instance = archive.url(mine)
        let paths = [
            "/dicom-web/studies", "/dicom-web/studies?includefield=Manufacturer", "/dicom-web/series",
            "/dicom-web/instances",
            "/dicom-web/studies/1.2.3/series", "/dicom-web/studies/1.2.3/instances",
            "/dicom-web/studies/1.2.3/series/1.2.3.4/instances?includefield=PatientID",
            "/dicom-web/studies/1.2.3/metadata", "/dicom-web/studies/1.2.3/series/1.2.3.4/metadata",
            "\(instance)/metadata",
            "/dicom-web/studies/1.2.3", "/dicom-web/studies/1.2.3/series/1.2.3.4", instance, "\(instance)/frames/1,2",
            "\(instance)/bulkdata/7FE00010",
        ]
        for path in paths {
            let a = archive.get(path, ["Accept": "*/*"])
            let b = archive.get(path, ["Accept": "*/*", "x-tenant": "other"])
            let none = archive.get(path, ["Accept": "*/*", "x-tenant": "nobody"])
            #expect(a.status == 200, "\(path)")
            #expect(b.status == 200, "\(path)")
            #expect(!contains(a.body, [UInt8](repeating: 0xEE, count: 16)), "\(path)")
            for secret in ["ROE", "X-99", "PROVENANCE"] { #expect(!contains(a.body, Array(secret.utf8)), "\(path)") }
            for secret in ["DOE", "P-17", "PROVENANCE"] { #expect(!contains(b.body, Array(secret.utf8)), "\(path)") }
            #expect(none.text == "[]" || none.status == 404, "\(path)")
            #expect(a.header("Vary")?.contains("x-tenant") == true)
        }
        let palette = "\(instance)/bulkdata/00281201"
        #expect(archive.get(palette).status == 404)
        #expect(archive.get(palette, ["x-tenant": "other"]).status == 200)
        #expect(archive.get("/", ["x-tenant": "nobody"]).text.contains("Studies: 0."))
    }

    private func contains(_ bytes: [UInt8], _ needle: [UInt8]) -> Bool {
        Data(bytes).range(of: Data(needle)) != nil
    }

    @Test(arguments: ["..", "a/b", "", "a b", "\u{E4}", String(repeating: "a", count: 65), "other, other"])
    func whatIsNoTenantIs400(name: String) throws {
        #expect(try TestArchive().get("/dicom-web/studies", ["x-tenant": name]).status == 400)
    }

    @Test func onlyDeclaredTenantsExist() throws {
        let archive = try TestArchive { $0.tenants = [.standard] }
        try archive.add(Make.file(Make.builder()))
        #expect(archive.get("/dicom-web/studies").status == 200)
        #expect(archive.get("/dicom-web/studies", ["x-tenant": "other"]).status == 404)
    }
}
