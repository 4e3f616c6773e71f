import DICOMDictionary
import DICOMWeb
import Testing

@Suite struct QIDOQueryTests {
    private static func query(_ text: String, _ level: QIDOLevel = .studies) throws -> QIDOQuery {
        try QIDOQuery(level: level, query: text)
    }

    private static func matching(_ text: String) throws -> QIDOMatch.Matching? {
        try query(text).matches.first?.matching
    }

    private static func code(_ text: String) -> QIDOError.Code? {
        do throws(QIDOError) {
            _ = try QIDOQuery(level: .studies, query: text)
            return nil
        } catch { return error.code }
    }

    /// The study list of OHIF, word for word.
    @Test func whatOHIFSends() throws {
        let text =
            "limit=101&offset=0&fuzzymatching=true&includefield=00081030%2C00080060%2C00080090%2C00100030"
            + "&PatientName=*x*&00100020=*y*&AccessionNumber=*z*&StudyDescription=*d*&ModalitiesInStudy=MR%2CCT"
            + "&StudyDate=20000101-20241231&StudyInstanceUID=1.2.3&StudyInstanceUID=1.2.3"
        let query = try Self.query(text)
        #expect(query.limit == 101 && query.offset == 0 && query.fuzzyMatching && !query.includesAll)
        #expect(
            query.includeFields.map(\.description) == ["00081030", "00080060", "00080090", "00100030"])
        #expect(
            query.matches.map(\.path.description)
                == ["00100010", "00100020", "00080050", "00081030", "00080061", "00080020", "0020000D"])
        #expect(
            query.matches.map(\.matching) == [
                .wildcard("*x*"), .wildcard("*y*"), .wildcard("*z*"), .wildcard("*d*"),
                .anyOf([.single("MR"), .single("CT")]), .range(QIDORange(lower: "20000101", upper: "20241231")),
                .uidList(["1.2.3"]),
            ])
        #expect(query.matches.map(\.vr) == [.pn, .lo, .sh, .lo, .cs, .da, .ui])
    }

    @Test func attributeNames() throws {
        for text in ["PatientID=1", "00100020=1", "0010%30020=1"] {
            #expect(try Self.query(text).matches[0].path == AttributePath(DICOMTag(0x0010_0020)))
        }
        let path = [DICOMTag(0x0040_0275), DICOMTag(0x0040_0009)]
        for text in [
            "00400275.00400009=x", "RequestAttributesSequence.ScheduledProcedureStepID=x",
            "RequestAttributesSequence.00400009=x",
        ] {
            #expect(try Self.query(text).matches[0].path.tags == path)
        }
        #expect(try Self.query("00091001=x").matches[0].vr == .un)
        #expect(try Self.query("0009100a=x").matches[0].path.description == "0009100A")
        let unknown = [
            "PatientId", "foo", "_", "PatientID.PatientName", "00400275.",
            String(repeating: "00400275.", count: 8) + "00400009", "0040027",
        ]
        let query = try Self.query(unknown.map { $0 + "=1" }.joined(separator: "&") + "&%0D%0A%22=1&Modality=CT")
        #expect(query.matches.map(\.path.description) == ["00080060"])
        #expect(query.warnings.count == unknown.count)
        for (name, warning) in zip(unknown, query.warnings) {
            #expect(warning.hasPrefix(name.utf8.count <= 64 ? name + " is neither" : "a parameter is neither"))
        }
        #expect(!query.warnings.joined().contains("\r"))
    }

    @Test func universalMatching() throws {
        for text in [
            "PatientID=", "PatientID", "PatientID=*", "PatientName=**", "StudyDate=", "StudyDate=*", "SeriesNumber=*",
        ] {
            #expect(try Self.matching(text) == .universal, "\(text)")
        }
    }

    @Test func dates() throws {
        func range(_ lower: String?, _ upper: String?) -> QIDOMatch.Matching {
            .range(QIDORange(lower: lower, upper: upper))
        }
        #expect(try Self.matching("StudyDate=20240229") == .single("20240229"))
        #expect(try Self.matching("StudyDate=2024.02.29") == .single("20240229"))
        #expect(try Self.matching("StudyDate=20200101-") == range("20200101", nil))
        #expect(try Self.matching("StudyDate=-20201231") == range(nil, "20201231"))
        #expect(try Self.matching("StudyDate=20200101-20201231") == range("20200101", "20201231"))
        for text in [
            "20230229", "20241301", "2024", "20240101-20230101", "-", "20240101--20240102", "2024010*", "abc",
            "20240101-x", "99999999",
        ] {
            #expect(Self.code("StudyDate=\(text)") != nil, "\(text)")
        }
        #expect(Self.code("StudyDate=2024010*") == .matchingNotAllowed)
    }

    @Test func times() throws {
        func range(_ lower: String?, _ upper: String?) -> QIDOMatch.Matching {
            .range(QIDORange(lower: lower, upper: upper))
        }
        #expect(try Self.matching("StudyTime=101530") == range("101530.000000", "101530.999999"))
        #expect(try Self.matching("StudyTime=101530.5") == .single("101530.500000"))
        #expect(try Self.matching("StudyTime=000000-235959") == range("000000.000000", "235959.999999"))
        #expect(try Self.matching("StudyTime=1015") == range("101500.000000", "101559.999999"))
        #expect(try Self.matching("StudyTime=10:15:30") == range("101530.000000", "101530.999999"))
        #expect(try Self.matching("StudyTime=08-1159") == range("080000.000000", "115959.999999"))
        #expect(try Self.matching("StudyTime=2200-") == range("220000.000000", nil))
        #expect(try Self.matching("StudyTime=235960") == range("235959.000000", "235959.999999"))
        for text in ["24", "1060", "101", "10.5", "101530.1234567", "1200-1100"] {
            #expect(Self.code("StudyTime=\(text)") == .invalidValue, "\(text)")
        }
    }

    @Test func dateTimes() throws {
        func range(_ lower: String?, _ upper: String?) -> QIDOMatch.Matching {
            .range(QIDORange(lower: lower, upper: upper))
        }
        // AcquisitionDateTime
        #expect(
            try Self.matching("0008002A=2024") == range("20240101000000.000000", "20241231235959.999999"))
        #expect(
            try Self.matching("0008002A=2023-2024") == range("20230101000000.000000", "20241231235959.999999"))
        let ten = range("20240101100000.000000", "20240101100000.999999")
        #expect(try Self.matching("0008002A=20240101120000%2B0200") == ten)
        // A plus that was not encoded is a space to who decodes forms.
        #expect(try Self.matching("0008002A=20240101120000+0200") == ten)
        #expect(try Self.matching("0008002A=20231231230000.0-0200") == .single("20240101010000.000000"))
        #expect(
            try Self.matching("0008002A=20240229120000%2B0000-20240301000000-0500")
                == range("20240229120000.000000", "20240301050000.999999"))
        #expect(try Self.matching("0008002A=-202402") == range(nil, "20240229235959.999999"))
        #expect(Self.code("0008002A=202") == .invalidValue)
        #expect(Self.code("0008002A=20240101120000%2B9900") == .invalidValue)
    }

    @Test func wildcards() throws {
        #expect(try Self.matching("PatientName=SMITH*") == .wildcard("SMITH*"))
        #expect(try Self.matching("AccessionNumber=A?1") == .wildcard("A?1"))
        #expect(try Self.matching("Modality=C*,MR") == .anyOf([.wildcard("C*"), .single("MR")]))
        for text in ["StudyInstanceUID=1.2*", "SeriesNumber=1*", "PatientAge=0?5Y", "SliceThickness=1?"] {
            #expect(Self.code(text) != nil, "\(text)")
        }
        #expect(Self.code("StudyInstanceUID=1.2*") == .matchingNotAllowed)
    }

    @Test func uidLists() throws {
        #expect(try Self.matching("StudyInstanceUID=1.2,1.3") == .uidList(["1.2", "1.3"]))
        #expect(try Self.matching(#"StudyInstanceUID=1.2\1.3\1.2"#) == .uidList(["1.2", "1.3"]))
        #expect(try Self.matching("StudyInstanceUID=1.2%2C%201.3") == .uidList(["1.2", "1.3"]))
        for text in ["1..2", ".1", "1.", "a", String(repeating: "1", count: 65), ","] {
            #expect(Self.code("StudyInstanceUID=\(text)") == .invalidValue, "\(text)")
        }
        let many = (0..<2001).map { "1.\($0)" }.joined(separator: ",")
        #expect(Self.code("StudyInstanceUID=\(many)") == .tooLarge)
    }

    @Test func otherValues() throws {
        #expect(try Self.matching("SeriesNumber=7") == .single("7"))
        #expect(try Self.matching("SliceThickness=2.5") == .single("2.5"))
        #expect(try Self.matching("PatientAge=045Y") == .single("045Y"))
        #expect(try Self.matching("PatientName=M%C3%BCller%5EJ%C3%BCrgen") == .single("Müller^Jürgen"))
        #expect(try Self.matching("PatientName=A+B") == .single("A B"))
        for text in ["SeriesNumber=x", "SeriesNumber=1.5", "SliceThickness=nan", "PatientAge=45", "PatientID=%00"] {
            #expect(Self.code(text) == .invalidValue, "\(text)")
        }
        #expect(Self.code("RequestAttributesSequence=1") == .matchingNotAllowed)
        #expect(Self.code("PixelData=1") == .matchingNotAllowed)
        #expect(Self.code("PatientID=\(String(repeating: "x", count: 1025))") == .tooLarge)
    }

    @Test func parameters() throws {
        #expect(try Self.query("includefield=all").includesAll)
        let query = try Self.query("includefield=PatientID&includefield=00100020,Modality,,00400275.00400009")
        #expect(query.includeFields.map(\.description) == ["00100020", "00080060", "00400275.00400009"])
        let odd = try Self.query("includefield=00081030,foo&includefield=foo,%0D%0AX:%201")
        #expect(odd.includeFields.map(\.description) == ["00081030"])
        #expect(
            odd.warnings == [
                "includefield foo is no known attribute and was ignored",
                "includefield is no known attribute and was ignored",
            ])
        for text in ["99999999999", "9223372036854775807", "99999999999999999999999999"] {
            #expect(try Self.query("limit=\(text)&offset=\(text)").limit == Int(Int32.max))
        }
        #expect(try Self.query("limit=0&limit=0").limit == 0)
        for text in ["limit=-1", "limit=x", "limit=", "limit=1.5", "fuzzymatching=1"] {
            #expect(Self.code(text) == .invalidValue, "\(text)")
        }
        #expect(Self.code("limit=1&limit=2") == .duplicate)
        #expect(Self.code("PatientID=1&00100020=2") == .duplicate)
        #expect(try Self.query("PatientID=1&00100020=1").matches.count == 1)
        #expect(try Self.query("accept=application/json&multiplevaluematching=true").warnings.count == 1)
        #expect(try Self.query("emptyvaluematching=true&AccessionNumber=%22%22").matches[0].matching == .empty)
        #expect(try Self.query("").matches.isEmpty)
        #expect(try Self.query("&&").matches.isEmpty)
    }

    @Test func pathUIDs() throws {
        let query = try QIDOQuery(
            level: .instances, studyUID: "1.2", seriesUID: "1.2.3", query: "StudyInstanceUID=1.9")
        #expect(query.matches.map(\.matching) == [.uidList(["1.2"]), .uidList(["1.2.3"]), .uidList(["1.9"])])
        #expect(query.pathUIDs == 2)
        #expect(throws: QIDOError.self) { try QIDOQuery(level: .series, studyUID: "../etc", query: "") }
        #expect(!query.returnedTags.contains(.patientName) && query.returnedTags.contains(.sopInstanceUID))
        let all = try QIDOQuery(level: .instances, query: "includefield=Manufacturer&KVP=120")
        #expect(all.returnedTags.contains(.patientName) && all.returnedTags.contains(.manufacturer))
        #expect(all.returnedTags.contains(.kvp))
        #expect(all.returnedTags == all.returnedTags.sorted())
    }

    @Test func malformedQueries() {
        for text in ["PatientID=%", "PatientID=%1", "PatientID=%zz", "PatientID=%FF", "%C3=1"] {
            #expect(Self.code(text) == .malformedQuery, "\(text)")
        }
        #expect(Self.code(String(repeating: "a", count: 70_000)) == .tooLarge)
        #expect(Self.code((0..<300).map { "0010\(1000 + $0)=" }.joined(separator: "&")) == .tooLarge)
    }

    /// Errors say which parameter, and never its value.
    @Test func errorsDoNotRepeatValues() {
        for text in ["StudyDate=SECRET", "StudyInstanceUID=SECRET", "SeriesNumber=SECRET", "PatientAge=SECRET"] {
            let error = #expect(throws: QIDOError.self) { try Self.query(text) }
            #expect(error?.description.contains("SECRET") == false)
            #expect(error?.parameter == text.split(separator: "=").first.map(String.init))
        }
    }

    /// Whatever the query, it is parsed or refused.
    @Test func randomQueries() {
        var generator = SplitMix(seed: 7)
        let pieces = [
            "PatientName=", "StudyDate=", "StudyTime=", "0008002A=", "StudyInstanceUID=", "&", "-", ",", "\\", "*", "?",
            "%", "%2C", "2024", "0101", "1.2", "+", "=", "limit=", "offset=", "9", "includefield=", "all", ".", "é",
            "00400275", "%00", "\"\"", "emptyvaluematching=true", ":", "120000",
        ]
        var accepted = 0
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                text += pieces[Int.random(in: 0..<pieces.count, using: &generator)]
            }
            if Self.code(text) == nil { accepted += 1 }
        }
        #expect(accepted > 1000)
    }
}
