import Archive
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import HTTPServer
import ServerService
import Synchronization
import Testing

@Suite struct SearchTests {
    private func archive(_ change: (inout ServerConfiguration) -> Void = { _ in }) throws -> TestArchive {
        let archive = try TestArchive(change)
        for study in 1...3 {
            for series in 1...2 {
                for instance in 1...5 {
                    var builder = Make.builder(
                        study: "1.\(study)", series: "1.\(study).\(series)",
                        instance: "1.\(study).\(series).\(instance)",
                        rows: series * 2, number: instance)
                    builder.set(.patientID, "P-\(study)")
                    builder.set(.studyDate, "2024030\(study)")
                    try archive.add(Make.file(builder))
                }
            }
        }
        return archive
    }

    private func value(_ object: [String: Any], _ tag: String) -> String? {
        ((object[tag] as? [String: Any])?["Value"] as? [Any])?.first.map { "\($0)" }
    }

    private func count(_ archive: TestArchive, _ path: String) throws -> Int {
        let answer = archive.get("/dicom-web" + path)
        #expect(answer.status == 200, "\(path): \(answer.text)")
        #expect(answer.header("Content-Type") == "application/dicom+json")
        return try answer.json().count
    }

    @Test func everyFormOfPath() throws {
        let archive = try archive()
        #expect(try count(archive, "/studies") == 3)
        #expect(try count(archive, "/series") == 6)
        #expect(try count(archive, "/instances") == 30)
        #expect(try count(archive, "/studies/1.1/series") == 2)
        #expect(try count(archive, "/studies/1.1/instances") == 10)
        #expect(try count(archive, "/studies/1.1/series/1.1.2/instances") == 5)
        #expect(try count(archive, "/studies/") == 3)
        for path in [
            "/studies?PatientID=nobody", "/studies/9/series", "/studies/9/instances", "/studies/1.1/series/9/instances",
        ] {
            #expect(archive.get("/dicom-web" + path).text == "[]")
        }
    }

    @Test(arguments: [
        ("/studies?PatientID=P-2", 1), ("/studies?00100020=P-2", 1), ("/studies?PatientID=P-*", 3),
        ("/studies?PatientID=%2A-2", 1), ("/studies?StudyDate=20240302-", 2),
        ("/studies?StudyDate=20240301-20240302", 2),
        ("/studies?StudyInstanceUID=1.1%2C1.3", 2), ("/studies?StudyInstanceUID=1.1,1.3&StudyInstanceUID=1.1,1.3", 2),
        ("/studies?limit=2", 2), ("/studies?limit=2&offset=2", 1), ("/studies?offset=9", 0), ("/studies?limit=0", 0),
        ("/studies?PatientName=doe*&fuzzymatching=true", 3), ("/studies?PatientName=", 3),
        ("/instances?InstanceNumber=3", 6), ("/instances?InstanceNumber=3&PatientID=P-1", 2),
        ("/instances?Rows=4&limit=7", 7), ("/instances?Rows=4&offset=14", 1),
        ("/instances?SOPInstanceUID=1.1.1.1,1.2.2.2", 2),
        ("/instances?Manufacturer=Phantoms*", 30), ("/instances?Manufacturer=nobody", 0),
        ("/studies/1.1/series/1.1.1/instances?limit=2&offset=4", 1), ("/studies/1.1/instances?offset=7", 3),
        ("/studies/1.1/series/1.1.1/instances?PatientID=P-1", 5),
        ("/studies/1.1/series/1.1.1/instances?PatientID=P-2", 0),
        ("/instances?offset=28", 2), ("/instances?offset=10&limit=10", 10),
    ])
    func finds(path: String, expected: Int) throws {
        #expect(try count(archive(), path) == expected, "\(path)")
    }

    /// Where instances disagree, those alone are found that have the values.
    @Test(arguments: [
        ("/instances?PatientID=P-1", 10), ("/instances?PatientID=P-1&limit=7", 7), ("/instances?PatientID=nobody", 0),
        ("/instances?PatientID=P-1&InstanceNumber=3", 2), ("/studies/1.1/instances?PatientID=P-1&offset=7", 3),
        ("/studies/1.1/series/1.1.1/instances?PatientID=P-2", 0), ("/instances?StudyDate=20240302-", 20),
        ("/instances?ModalitiesInStudy=XX", 30), ("/studies/1.1/instances", 10),
    ])
    func instancesThatDisagree(_ path: String, _ expected: Int) throws {
        let archive = try archive()
        archive.index.hasVariants.store(true, ordering: .relaxed)
        #expect(try count(archive, path) == expected)
    }

    @Test func pagesOfInstancesDoNotOverlap() throws {
        let archive = try archive()
        var seen: [String] = []
        for offset in stride(from: 0, to: 35, by: 7) {
            for object in try archive.get("/dicom-web/instances?limit=7&offset=\(offset)").json() {
                seen.append(value(object, "00080018") ?? "")
            }
        }
        #expect(seen.count == 30)
        #expect(Set(seen).count == 30)
    }

    @Test func instancesHaveTheAttributesOfTheStandard() throws {
        let archive = try archive()
        let all = try archive.get("/dicom-web/instances?SOPInstanceUID=1.2.1.3&includefield=00080070%2CPixelData")
            .json()
        let object = try #require(all.first)
        #expect(value(object, "00080018") == "1.2.1.3")
        #expect(value(object, "0020000D") == "1.2")
        #expect(value(object, "00200013") == "3")
        #expect(value(object, "00080070") == "Phantoms & Sons")
        #expect(value(object, "00080056") == "ONLINE")
        #expect(value(object, "00201209") == "5")
        #expect(
            value(object, "00081190") == "http://archive.test:9999/dicom-web/studies/1.2/series/1.2.1/instances/1.2.1.3"
        )
        // Behind a path the attributes of its levels are left out.
        let below = try archive.get("/dicom-web/studies/1.2/series/1.2.1/instances").json()
        #expect(below.allSatisfy { $0["00100010"] == nil && $0["00080070"] == nil && $0["00280010"] != nil })
        let everything = try archive.get("/dicom-web/studies/1.2/series/1.2.1/instances?includefield=all").json()
        #expect(everything.allSatisfy { $0["00080070"] != nil })
    }

    @Test func attributesBeyondTheIndexComeFromMetadata() throws {
        let archive = try archive()
        for path in ["/studies", "/studies/1.1/series"] {
            let plain = try archive.get("/dicom-web\(path)").json()
            #expect(plain.allSatisfy { $0["00080070"] == nil })
            let more = try archive.get("/dicom-web\(path)?includefield=Manufacturer&includefield=PatientID,00189999")
                .json()
            #expect(more.count == plain.count)
            #expect(more.allSatisfy { value($0, "00080070") == "Phantoms & Sons" && $0["00100020"] != nil })
            // The metadata are found without a question for each.
            #expect(archive.index.asked.load(ordering: .relaxed) == 0)
        }
    }

    /// PS3.18 10.6.3.3.1: one of many series or instances says nothing of the study.
    @Test func attributesOfLowerLevelsAreNotReturned() throws {
        let archive = try archive()
        let lower = "SOPInstanceUID,SeriesInstanceUID,SeriesNumber,BitsStored,PixelData,Manufacturer"
        for study in try archive.get("/dicom-web/studies?includefield=\(lower)").json() {
            for tag in ["00080018", "0020000E", "00200011", "00280101", "7FE00010"] {
                // The index in memory answers with what it has.
                if tag == "0020000E" || tag == "00200011" { continue }
                #expect(study[tag] == nil, "\(tag)")
            }
            #expect(study["00080070"] != nil)
        }
        for series in try archive.get("/dicom-web/studies/1.1/series?includefield=\(lower)").json() {
            #expect(series["00080018"] == nil && series["00280101"] == nil && series["7FE00010"] == nil)
            #expect(series["0020000E"] != nil && series["00080070"] != nil)
        }
    }

    @Test func aSequenceThatIsAskedForIsWhole() throws {
        let archive = try TestArchive()
        var code = DataSetBuilder()
        code.set(.codeValue, "A")
        code.set(.codingSchemeDesignator, "99WADO")
        var builder = Make.builder()
        builder.set(.procedureCodeSequence, items: [code])
        // What an index with a column for the code's value has of it.
        let object = """
            {"00081032":{"vr":"SQ","Value":[{"00080100":{"vr":"SH","Value":["A"]}}]},\
            "0020000D":{"vr":"UI","Value":["1.2.3"]},"0020000E":{"vr":"UI","Value":["1.2.3.4"]}}
            """
        let series = SeriesIdentity(tenantID: TestArchive.tenant.value, studyUID: "1.2.3", seriesUID: "1.2.3.4")
        archive.index.add(series, sop: "1.2.3.4.5", object: Array(object.utf8))
        try archive.add(Make.file(builder))
        for level in ["studies", "series"] {
            let plain = try archive.get("/dicom-web/\(level)").json()
            #expect(items(plain[0])?.first?.keys.sorted() == ["00080100"])
            let whole = try archive.get("/dicom-web/\(level)?includefield=ProcedureCodeSequence").json()
            #expect(items(whole[0])?.first?.keys.sorted() == ["00080100", "00080102"])
        }
    }

    private func items(_ object: [String: Any]) -> [[String: Any]]? {
        (object["00081032"] as? [String: Any])?["Value"] as? [[String: Any]]
    }

    @Test func whatIsIgnoredOrCutIsSaid() throws {
        let archive = try archive { $0.maximumResults = 4 }
        let cut = archive.get("/dicom-web/series")
        #expect(try cut.json().count == 4)
        #expect(cut.header("Warning")?.hasPrefix("299 ") == true)
        #expect(archive.get("/dicom-web/series?limit=3").header("Warning") == nil)
        #expect(archive.get("/dicom-web/instances").header("Warning") != nil)
        #expect(archive.get("/dicom-web/instances?limit=4").header("Warning") == nil)
        let ignored = archive.get("/dicom-web/studies?Manufacturer=secret-name")
        #expect(try ignored.json().count == 3)
        #expect(ignored.header("Warning")?.contains("Manufacturer") == true)
        #expect(ignored.header("Warning")?.contains("secret") == false)
        let unknown = archive.get("/dicom-web/studies?includefield=00081030,foo")
        #expect(try unknown.json().count == 3)
        #expect(unknown.header("Warning")?.hasPrefix("299 ") == true)
    }

    @Test(arguments: [
        "?limit=x", "?limit=-1", "?offset=1&offset=2", "?StudyDate=yesterday", "?PatientID=%zz",
        "?fuzzymatching=perhaps", "?StudyInstanceUID=..%2F", "?PatientID=a&PatientID=b",
    ])
    func whatCannotBeUnderstoodIs400(query: String) throws {
        let answer = try archive().get("/dicom-web/studies" + query)
        #expect(answer.status == 400)
        #expect(answer.header("Content-Type") == "application/json")
    }

    @Test func whatIsTooLargeIs413() throws {
        let list = (0..<5_000).map { "1.2.\($0)" }.joined(separator: ",")
        #expect(try archive().get("/dicom-web/studies?StudyInstanceUID=" + list).status == 413)
    }

    @Test func searchesNegotiate() throws {
        let archive = try archive()
        #expect(
            archive.get("/dicom-web/studies?limit=1", ["Accept": "application/json"]).header("Content-Type")
                == "application/json")
        #expect(
            archive.get("/dicom-web/studies", ["Accept": "multipart/related; type=\"application/dicom+xml\""]).status
                == 406)
    }

    @Test func hostsThatAreNoneAre400() throws {
        let archive = try archive { $0.publicURL = "https://pacs.example.org" }
        let first = try archive.get("/dicom-web/instances?limit=1").json()
        #expect(value(first[0], "00081190")?.hasPrefix("https://pacs.example.org/dicom-web/studies/") == true)
    }

    /// Whole metadata of many instances: as much as an answer may take, and the rest by pages.
    @Test func anAnswerEndsWithTheBytesItMayHave() throws {
        let archive = try archive { $0.maximumSearchBytes = 3_000 }
        let whole = try self.archive()
        for path in ["/studies/1.1/instances?includefield=all", "/instances?includefield=all"] {
            let expected = whole.get("/dicom-web" + path)
            #expect(expected.header("Warning") == nil)
            let all = try expected.json().compactMap { value($0, "00080018") }
            var found: [String] = []
            while true {
                let page = archive.get("/dicom-web\(path)&limit=100&offset=\(found.count)")
                let uids = try page.json().compactMap { value($0, "00080018") }
                found += uids
                guard found.count < all.count else { break }
                #expect(page.header("Warning")?.contains("Additional results") == true)
                guard !uids.isEmpty else { break }
                #expect(uids.count < all.count && page.body.count < 6_000)
            }
            #expect(found == all)
        }
        // A single result is sent whatever its length; studies are bounded too.
        let tight = try self.archive { $0.maximumSearchBytes = 1 }
        let one = tight.get("/dicom-web/studies/1.1/series/1.1.1/instances?includefield=all")
        #expect(try one.json().count == 1)
        let study = tight.get("/dicom-web/studies?includefield=Manufacturer")
        #expect(try study.json().count == 1)
        #expect(study.header("Warning")?.contains("Additional results") == true)
        // As much as was asked for is no cut.
        #expect(tight.get("/dicom-web/studies?limit=1").header("Warning") == nil)
    }
}
