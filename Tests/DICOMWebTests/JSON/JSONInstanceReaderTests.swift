import DICOMDictionary
import DICOMWeb
import Testing

@Suite struct JSONInstanceReaderTests {
    static let json = Array(
        #"{"00080018":{"vr":"UI","Value":["1.2.3"]},"00080060":{"vr":"CS","Value":["C\"T}"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"DOE^JANE","Ideographic":"王"}]},"00200013":{"vr":"IS","Value":[7]},"00280010":{"vr":"US","Value":[512]},"00400275":{"vr":"SQ","Value":[{"00400009":{"vr":"SH","Value":["SPS1"]}},{"00400009":{"vr":"SH","Value":["SPS2"]}}]},"7FE00010":{"vr":"OW","BulkDataURI":"/b/7FE00010"}}"#
            .utf8)

    static func find(_ json: [UInt8], _ tags: [DICOMTag]) throws -> [String] {
        var found: [Range<Int>] = []
        try JSONInstanceReader(tags: tags).find(in: json.span.bytes, &found)
        return found.map { String(decoding: json[$0], as: UTF8.self) }
    }

    @Test func rangesOfAttributes() throws {
        let tags: [DICOMTag] = [.rows, .sopInstanceUID, .modality, .patientID, .pixelData]
        #expect(
            JSONInstanceReader(tags: tags + tags).tags == [.sopInstanceUID, .modality, .patientID, .rows, .pixelData])
        #expect(
            try Self.find(Self.json, tags) == [
                #"{"vr":"UI","Value":["1.2.3"]}"#, #"{"vr":"CS","Value":["C\"T}"]}"#, "", #"{"vr":"US","Value":[512]}"#,
                #"{"vr":"OW","BulkDataURI":"/b/7FE00010"}"#,
            ])
        #expect(try Self.find(Array("{}".utf8), tags) == ["", "", "", "", ""])
        #expect(try Self.find(Self.json, []) == [])
    }

    @Test func whiteSpace() throws {
        let json = Array(
            " {\n\t\"00080018\":{\"vr\":\"UI\"} , \"00080060\":{},\"00280010\" : {\"vr\": \"US\", \"Value\": [ 1 ] } ,}\n"
                .utf8)
        #expect(
            try Self.find(json, [.sopInstanceUID, .modality, .rows])
                == [#"{"vr":"UI"}"#, "{}", #"{"vr": "US", "Value": [ 1 ] }"#])
    }

    /// As long as the last wanted attribute has not come, those out of order are found.
    @Test func disorder() throws {
        let json = Array(
            #"{"00200013":{"vr":"IS"},"00080018":{"vr":"UI"},"00280010":{"vr":"US"},"00080060":{"vr":"CS"}}"#.utf8)
        #expect(
            try Self.find(json, [.sopInstanceUID, .instanceNumber, .rows])
                == [#"{"vr":"UI"}"#, #"{"vr":"IS"}"#, #"{"vr":"US"}"#])
    }

    @Test func values() throws {
        func string(_ tag: DICOMTag) throws -> String? { try JSONInstanceReader.string(tag, in: Self.json.span.bytes) }
        #expect(try string(.sopInstanceUID) == "1.2.3")
        #expect(try string(.modality) == "C\"T}")
        #expect(try string(.patientName) == "DOE^JANE=王")
        #expect(try string(.rows) == "512")
        #expect(try string(.patientID) == nil)
        #expect(try string(.requestAttributesSequence) == nil)
    }

    @Test func everyAttribute() throws {
        var tags: [DICOMTag] = []
        try JSONInstanceReader.forEachAttribute(in: Self.json.span.bytes) { tag, range in
            tags.append(tag)
            #expect(Self.json[range].first == 0x7B && Self.json[range].last == 0x7D)
        }
        #expect(tags.count == 7 && tags.last == .pixelData)
    }

    /// Strings of every length around eight bytes, with the mark at every place.
    @Test func stringsOfAllLengths() throws {
        for length in 0..<40 {
            for escape in 0...length {
                var text = String(repeating: "a", count: length)
                text.insert(contentsOf: "\\\"", at: text.index(text.startIndex, offsetBy: escape))
                let json = Array(#"{"00080060":{"vr":"CS","Value":["\#(text)"]},"00280010":{"vr":"US"}}"#.utf8)
                #expect(try Self.find(json, [.rows]) == [#"{"vr":"US"}"#])
            }
        }
    }

    @Test func objectWriter() throws {
        var writer = DICOMJSONObjectWriter()
        writer.copy(.patientName, Array(#"{"vr":"PN"}"#.utf8))
        writer.copy(.pixelData, Array(#"{"vr":"OW"}"#.utf8))
        var bytes: [UInt8] = [0x5B]
        writer.finish(into: &bytes)
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"[{"00100010":{"vr":"PN"},"7FE00010":{"vr":"OW"}}"#
        )
    }
}
