import DICOMDictionary
import DICOMWeb
import Foundation
import Testing

@Suite struct QIDOMatcherTests {
    private static let json = Array(
        #"{"00080018":{"vr":"UI","Value":["1.2.3"]},"00080020":{"vr":"DA","Value":["20200229"]},"0008002A":{"vr":"DT","Value":["20200229101530+0100"]},"00080030":{"vr":"TM","Value":["101530.5"]},"00080050":{"vr":"SH"},"00080060":{"vr":"CS","Value":["MR"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"Müller^Jane^^","Ideographic":"王^小东"}]},"00100020":{"vr":"LO","Value":["A\"1 ",null,"B2"]},"00180050":{"vr":"DS","Value":[1.50]},"00200013":{"vr":"IS","Value":["7"]},"00400275":{"vr":"SQ","Value":[{"00400009":{"vr":"SH","Value":["SPS1"]}},{},{"00400008":{"vr":"SQ","Value":[{"00080100":{"vr":"SH","Value":["C"]}}]},"00400009":{"vr":"SH","Value":["SPS2"]}}]}}"#
            .utf8)

    private static func matches(_ query: String, _ json: [UInt8] = json) throws -> Bool {
        let query = try QIDOQuery(level: .instances, query: query)
        return try QIDOMatcher(query.matches, fuzzy: query.fuzzyMatching).matches(json.span.bytes)
    }

    @Test(arguments: [
        "", "PatientID=", "SOPInstanceUID=1.2.3", "SOPInstanceUID=1.9,1.2.3", "StudyDate=20200229",
        "StudyDate=20200101-",
        "StudyDate=-20200229", "StudyDate=20200101-20201231", "StudyTime=101530.5", "StudyTime=101530",
        "StudyTime=1015",
        "StudyTime=000000-101530",
        "StudyTime=10-11", "0008002A=20200229091530", "0008002A=202002", "0008002A=2020-", "Modality=MR",
        "Modality=CT,MR", "Modality=M*", "Modality=?R", "PatientName=m%C3%BCller%5Ejane", "PatientName=M%C3%9CLLER*",
        "PatientName=*jane", "PatientName=%E7%8E%8B*", "PatientName=M%C3%BCller%5EJane%5E%5E", "PatientID=A%221",
        "PatientID=B2", "PatientID=*2", "SliceThickness=1.5", "SliceThickness=1.50e0", "InstanceNumber=7",
        "InstanceNumber=07", "00400275.00400009=SPS1", "00400275.00400009=SPS2", "00400275.00400009=*S2",
        "00400275.00400008.00080100=C", "fuzzymatching=true&PatientName=jan+m%C3%BCl",
        "fuzzymatching=true&PatientName=jane%5E%E7%8E%8B",
        "emptyvaluematching=true&AccessionNumber=%22%22", "emptyvaluematching=true&Manufacturer=%22%22",
        "SOPInstanceUID=1.2.3&Modality=MR&PatientID=B2",
    ])
    func isFound(query: String) throws {
        #expect(try Self.matches(query))
    }

    @Test(arguments: [
        "SOPInstanceUID=1.2", "SOPInstanceUID=1.2.33", "StudyDate=20200228", "StudyDate=20200301-", "StudyTime=1016",
        "StudyTime=101530.4", "StudyTime=101531-", "0008002A=20200229101530", "0008002A=2021-", "Modality=CT",
        "Modality=mr", "Modality=M",
        "PatientName=Muller", "PatientName=jane", "PatientID=A", "PatientID=a%221", "SliceThickness=1.6",
        "InstanceNumber=8", "00400275.00400009=SPS3", "00400275.00400009=sps1", "00400275.00400008.00080100=D",
        "fuzzymatching=true&PatientName=jan+x", "emptyvaluematching=true&PatientID=%22%22", "AccessionNumber=x",
        "Manufacturer=x", "Manufacturer=x*", "SeriesDate=-20301231",
        "SOPInstanceUID=1.2.3&Modality=CT",
    ])
    func isNotFound(query: String) throws {
        #expect(try !Self.matches(query))
    }

    @Test func uidsOfPathAndQueryMustBothHold() throws {
        let json = Array(#"{"0020000D":{"vr":"UI","Value":["1.2"]}}"#.utf8)
        let both = try QIDOQuery(level: .instances, studyUID: "1.2", query: "StudyInstanceUID=1.3")
        #expect(try !QIDOMatcher(both.matches).matches(json.span.bytes))
        let same = try QIDOQuery(level: .instances, studyUID: "1.2", query: "StudyInstanceUID=1.2")
        #expect(try QIDOMatcher(same.matches).matches(json.span.bytes))
    }

    @Test func damagedInstancesAreErrors() {
        #expect(throws: DICOMJSONError.self) { try Self.matches("Modality=MR", Array("[".utf8)) }
        #expect(throws: DICOMJSONError.self) {
            try Self.matches("Modality=MR", Array(#"{"00080060":{"vr":"CS","Value":["MR"]"#.utf8))
        }
    }

    /// Patterns made to be slow are not: the length of a pattern times that of a value would be a thousand million steps.
    @Test func wildcardsTakeBoundedTime() throws {
        let value = String(repeating: "a", count: 1_000_000)
        let json = Array(#"{"00100020":{"vr":"LO","Value":["\#(value)"]}}"#.utf8)
        for pattern in ["*" + String(repeating: "a", count: 1_000) + "b*", String(repeating: "*a", count: 500) + "*b"] {
            #expect(try !Self.matches("PatientID=" + pattern, json))
        }
        #expect(try Self.matches("PatientID=*" + String(repeating: "a?", count: 500), json))
    }

    /// By a few letters, so that they often nearly match, and across the bounds of 64 characters.
    @Test func wildcardsMatchWhatTheirMeaningSays() throws {
        func naive(_ pattern: Substring, _ value: Substring) -> Bool {
            guard let first = pattern.first else { return value.isEmpty }
            if first == "*" {
                return naive(pattern.dropFirst(), value) || (!value.isEmpty && naive(pattern, value.dropFirst()))
            }
            guard let next = value.first, first == "?" || first == next else { return false }
            return naive(pattern.dropFirst(), value.dropFirst())
        }
        var generator = SystemRandomNumberGenerator()
        func text(_ letters: String, _ count: Int) -> String {
            String((0..<count).compactMap { _ in letters.randomElement(using: &generator) })
        }
        var found = 0
        for round in 0..<2_000 {
            // Long ones begin alike.
            let start = round % 4 == 0 ? text("ab", 58 + round % 11) : ""
            let pattern = start + text("ab?*", 1 + round % 7) + "*"
            let value = start + text("ab", round % 9)
            let json = Array(#"{"00100020":{"vr":"LO","Value":["\#(value)"]}}"#.utf8)
            guard !value.isEmpty else { continue }
            let expected = naive(pattern[...], value[...])
            found += expected ? 1 : 0
            // A pattern of nothing but stars is universal matching.
            guard pattern.contains(where: { $0 != "*" }) else { continue }
            #expect(try Self.matches("PatientID=" + pattern, json) == expected, "\(pattern) \(value)")
        }
        #expect(found > 100)
    }

    @Test func answers() throws {
        let query = try QIDOQuery(
            level: .instances, studyUID: "1.2", seriesUID: "1.2.3",
            query: "includefield=PatientID,Manufacturer&Modality=MR")
        let count = Array(#"{"vr":"IS","Value":[5]}"#.utf8)
        var output: [UInt8] = []
        try QIDOInstanceAnswer(query).append(
            Self.json.span.bytes, retrieveURL: "http://h/studies/\"1", more: [(.numberOfSeriesRelatedInstances, count)],
            to: &output)
        #expect(
            String(decoding: output, as: UTF8.self)
                == #"{"00080018":{"vr":"UI","Value":["1.2.3"]},"00080056":{"vr":"CS","Value":["ONLINE"]},"00080060":{"vr":"CS","Value":["MR"]},"00081190":{"vr":"UR","Value":["http://h/studies/\"1"]},"00100020":{"vr":"LO","Value":["A\"1 ",null,"B2"]},"00200013":{"vr":"IS","Value":["7"]},"00201209":{"vr":"IS","Value":[5]}}"#
        )
        let all = try QIDOQuery(level: .instances, query: "includefield=all")
        output = []
        try QIDOInstanceAnswer(all).append(Self.json.span.bytes, retrieveURL: "u", to: &output)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(output)) as? [String: Any])
        #expect(object.count == 13)
        var tags: [DICOMTag] = []
        try JSONInstanceReader.forEachAttribute(in: output.span.bytes) { tag, _ in tags.append(tag) }
        #expect(tags == tags.sorted())
        // A computed value wins over the instance's own.
        output = []
        let own = Array(#"{"00080056":{"vr":"CS","Value":["OFFLINE"]}}"#.utf8)
        try QIDOInstanceAnswer(all).append(own.span.bytes, retrieveURL: "u", to: &output)
        #expect(!String(decoding: output, as: UTF8.self).contains("OFFLINE"))
    }
}
