import DICOMDictionary
import DICOMWeb
import Testing

/// A private tag means nothing without its creator: whose it is, says the request, or the spec.
@Suite struct QIDOPrivateElementTests {
    private static let blocks = [DICOMTag(0x0029_0010): "ACME 1.2", DICOMTag(0x0029_0011): "OTHER"]

    private func resolved(_ text: String) throws -> (query: QIDOQuery, others: [String]) {
        var query = try QIDOQuery(level: .series, query: text)
        let others = query.resolvePrivateElements(Self.blocks)
        return (query, others.map(\.description).sorted())
    }

    @Test func theRequestSaysWhoseBlockItMeans() throws {
        // Whatever block it takes for it.
        for text in [
            "00291008=FAST&includefield=00291009", "00291008=FAST&00290010=ACME%201.2&includefield=00291009",
            "00294208=FAST&00290042=ACME%201.2&includefield=00294209",
            "00291108=FAST&00290011=ACME%201.2%20&includefield=00291109&includefield=00290011",
        ] {
            let (query, others) = try resolved(text)
            #expect(query.matches.map(\.path.description) == ["00291008"], "\(text)")
            #expect(query.includeFields.first?.description == "00291009" && others.isEmpty)
            #expect(query.includeFields.count == 1 || query.includeFields[1].description == "00290010")
            #expect(query.privateCreators == Self.blocks)
        }
        let two = try resolved("00291008=A&00290010=OTHER&00291108=B&00290011=ACME%201.2&PatientID=1").query
        #expect(two.matches.map(\.path.description) == ["00291108", "00291008", "00100020"])
        let nested = try resolved("00081032.00292010=1.5&00081032.00290020=OTHER&00292010=1").query
        #expect(nested.matches.map(\.path.description) == ["00081032.00291110", "00292010"])
    }

    @Test func elementsOfOthersAreNotTakenForOurs() throws {
        let (query, others) = try resolved(
            "00291008=FAST&00290010=SOMEBODY&includefield=00291009&00311001=x&00310010=ACME%201.2")
        #expect(query.matches.isEmpty && others == ["00291008", "00311001"])
        #expect(query.privateCreators[DICOMTag(0x0029_0010)] == "SOMEBODY")
        #expect(query.privateCreators[DICOMTag(0x0029_0011)] == "OTHER")
        #expect(query.includeFields.map(\.description) == ["00291009"])
    }

    private func found(_ text: String, in json: String) throws -> String {
        let (query, _) = try resolved(text)
        let bytes = Array(json.utf8)
        let finder = QIDOAttributeFinder(query.includeFields.map(\.tag), of: query)
        return try finder.find(in: bytes.span.bytes).map { tag, range in
            "\(String(tag.rawValue, radix: 16)) \(String(decoding: bytes[range], as: UTF8.self))"
        }.joined(separator: "\n")
    }

    @Test func answersHaveTheElementOfTheCreatorWithIt() throws {
        func lo(_ text: String) -> String { #"{"vr":"LO","Value":["\#(text)"]}"# }
        let json =
            #"{"00100020":\#(lo("P")),"00290010":\#(lo("FIRST")),"00290011":\#(lo("SOMEBODY")),"00290080":\#(lo("ACME 1.2")),"#
            + #""00291008":\#(lo("first")),"00291108":\#(lo("somebody")),"00298008":\#(lo("acme"))}"#
        #expect(
            try found("includefield=00291008,PatientID", in: json)
                == "100020 \(lo("P"))\n290010 \(lo("ACME 1.2"))\n291008 \(lo("acme"))")
        #expect(
            try found("includefield=00291008&00290010=SOMEBODY", in: json)
                == "290010 \(lo("SOMEBODY"))\n291008 \(lo("somebody"))")
        // Nobody says whose: what stands there, and whose it is.
        #expect(
            try found("includefield=00298008", in: json) == "290080 \(lo("ACME 1.2"))\n298008 \(lo("acme"))")
        #expect(try found("includefield=00291108", in: json) == "")
        #expect(try found("includefield=00291077,00290010", in: json) == "290010 \(lo("FIRST"))")
        #expect(throws: DICOMJSONError.self) { try found("includefield=00291008", in: json + "}") }
    }
}
