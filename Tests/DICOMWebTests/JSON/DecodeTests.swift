import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import TestSupport
import Testing

@Suite struct DecodeTests {
    static func decode(_ text: String, limits: DICOMJSON.Limits = .init()) throws -> DICOMJSON.Decoded {
        try DICOMJSON.decode(Array(text.utf8), limits: limits)
    }

    static func code(_ text: String, limits: DICOMJSON.Limits = .init()) -> DICOMJSONError.Code? {
        do throws(DICOMJSONError) {
            _ = try DICOMJSON.decode(Array(text.utf8), limits: limits)
            return nil
        } catch { return error.code }
    }

    static func encode(_ dataSet: DataSet, _ policy: BulkDataPolicy = .inline) -> String {
        var json: [UInt8] = []
        DICOMJSON.encode(dataSet, bulkData: policy, into: &json)
        return String(decoding: json, as: UTF8.self)
    }

    /// What our encoder writes comes back as the same JSON.
    @Test(arguments: [
        #"{}"#,
        #"{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"Ä","Phonetic":"王"}]}}"#,
        #"{"00100010":{"vr":"PN","Value":[{"Alphabetic":"A^B"},null,{"Ideographic":"C"}]}}"#,
        #"{"00080008":{"vr":"CS","Value":["A",null,"B"]},"00280030":{"vr":"DS","Value":[0.5,1]}}"#,
        #"{"00280010":{"vr":"US","Value":[1,65535]},"00280106":{"vr":"SS","Value":[-1]}}"#,
        #"{"00091001":{"vr":"UV","Value":[18446744073709551615]},"00091002":{"vr":"SV","Value":[-5]}}"#,
        #"{"00091001":{"vr":"FD","Value":[0.1,"NaN","inf","-inf"]},"00091002":{"vr":"FL","Value":[0.5]}}"#,
        #"{"00209165":{"vr":"AT","Value":["00189087"]}}"#,
        #"{"00400275":{"vr":"SQ","Value":[{},{"00400009":{"vr":"SH","Value":["a"]}}]}}"#,
        #"{"00091001":{"vr":"OB","InlineBinary":"AQI="},"00091002":{"vr":"UN","InlineBinary":"AQID"}}"#,
        #"{"00204000":{"vr":"LT","Value":["a\\b\r\n\t\"c"]}}"#,
        #"{"00080060":{"vr":"CS"},"00400275":{"vr":"SQ"},"7FE00010":{"vr":"OW"}}"#,
    ])
    func roundTrip(text: String) throws {
        let decoded = try Self.decode(text)
        // Odd lengths are padded in a data set.
        let expected = text.replacing("\"AQID\"", with: "\"AQIDAA==\"")
        #expect(Self.encode(try decoded.dataSet.dataSet()) == expected)
        #expect(decoded.bulkData.isEmpty)
    }

    @Test func foreignForms() throws {
        let decoded = try Self.decode(
            """
             { "0020000d" : { "Value" : [ "1.2" ], "vr" : "UI" , "x": [{"y":[true,false,null,1.5e3]}] },
              "00080000":{"vr":"UL","Value":[1]},
              "00200013":{"vr":"IS","Value":["7"]}, "00100010":{"Value":["A^B"],"vr":"PN"},
              "00280010":{"vr":"US","Value":[5.0]},
              "00400275":{"Value":[null,{"00091001":{"BulkDataURI":["../x"],"vr":"OB"}}],"vr":"SQ"},
              "00091003":{"vr":"OB","InlineBinary":["AQI="]},
              "7FE00010":{"vr":"OW","BulkDataURI":"http:\\/\\/h\\u00e9\\ud83d\\ude00"} }

            """)
        let dataSet = try decoded.dataSet.dataSet()
        #expect(dataSet.string(.studyInstanceUID) == "1.2")
        #expect(dataSet.integers(.instanceNumber) == [7])
        #expect(dataSet.string(.patientName) == "A^B")
        #expect(dataSet.integers(.rows) == [5])
        #expect(dataSet.items(.requestAttributesSequence).count == 2)
        #expect(decoded.bulkData.map(\.path.description) == ["00400275/1/00091001", "7FE00010"])
        #expect(decoded.bulkData.map(\.uri) == ["../x", "http://hé😀"])
    }

    @Test(
        arguments: [
            ("", .truncated), ("{", .truncated), (#"{"00100010""#, .truncated), ("[]", .invalidSyntax),
            ("{}x", .trailingBytes),
            (#"{"0010001":{"vr":"LO"}}"#, .invalidTag), (#"{"PatientID":{"vr":"LO"}}"#, .invalidTag),
            (#"{"FFFEE000":{"vr":"UN"}}"#, .invalidTag), (#"{"00100020":{}}"#, .invalidVR),
            (#"{"00100020":{"vr":"XX"}}"#, .invalidVR), (#"{"00100020":{"vr":"LO","vr":"LO"}}"#, .invalidVR),
            (#"{"00100020":{"vr":"LO","Value":"x"}}"#, .invalidSyntax),
            (#"{"00100020":{"vr":"LO","Value":[{}]}}"#, .invalidValue),
            (#"{"00100020":{"vr":"LO","Value":["a\\b"]}}"#, .invalidValue),
            (#"{"00100020":{"vr":"LO","Value":[true]}}"#, .invalidValue),
            (#"{"00100020":{"vr":"LO","Value":[],"InlineBinary":""}}"#, .invalidValue),
            (#"{"00100020":{"vr":"LO"},"00100020":{"vr":"LO"}}"#, .duplicateAttribute),
            (#"{"00280010":{"vr":"US","Value":[65536]}}"#, .invalidValue),
            (#"{"00280010":{"vr":"US","Value":[-1]}}"#, .invalidValue),
            (#"{"00280010":{"vr":"US","Value":[1.5]}}"#, .invalidValue),
            (#"{"00280010":{"vr":"US","Value":[null]}}"#, .invalidValue),
            (#"{"00280010":{"vr":"US","Value":[01]}}"#, .invalidSyntax),
            (#"{"00280010":{"vr":"US","Value":[1,]}}"#, .invalidSyntax),
            (#"{"00091001":{"vr":"OB","InlineBinary":"AQ"}}"#, .invalidValue),
            (#"{"00091001":{"vr":"OB","InlineBinary":"A==="}}"#, .invalidValue),
            (#"{"00091001":{"vr":"OB","InlineBinary":"AQ==AQ=="}}"#, .invalidValue),
            (#"{"00091001":{"vr":"OB","Value":[1]}}"#, .invalidValue),
            (#"{"00091001":{"vr":"SQ","InlineBinary":""}}"#, .invalidValue),
            (#"{"00091001":{"vr":"AT","Value":["0010"]}}"#, .invalidValue),
            (#"{"00204000":{"vr":"LT","Value":["a","b"]}}"#, .invalidValue),
            (#"{"00100010":{"vr":"PN","Value":[{"Alphabetic":"A=B"}]}}"#, .invalidValue),
            (#"{"00100010":{"vr":"PN","Value":[{"Other":"A"}]}}"#, .invalidValue),
            (#"{"00100020":{"vr":"LO","Value":["\ud800"]}}"#, .invalidText),
            (#"{"00100020":{"vr":"LO","Value":["\q"]}}"#, .invalidSyntax),
            ("{\"00100020\":{\"vr\":\"LO\",\"Value\":[\"\u{1}\"]}}", .invalidSyntax),
            (#"{"00100020":{"vr":"LO" "Value":[]}}"#, .invalidSyntax), (#"{"00100020":{"vr":"LO",}}"#, .invalidSyntax),
            (#"{"00100020":nul}"#, .invalidSyntax),
        ] as [(String, DICOMJSONError.Code)])
    func errors(text: String, code: DICOMJSONError.Code) {
        #expect(Self.code(text) == code)
    }

    @Test func limits() {
        func nested(_ depth: Int, _ open: String, _ close: String) -> String {
            String(repeating: open, count: depth) + "{}" + String(repeating: close, count: depth)
        }
        let forward = (#"{"00400275":{"vr":"SQ","Value":["#, "]}}")
        let backward = (#"{"00400275":{"Value":["#, #"],"vr":"SQ"}}"#)
        for (open, close) in [forward, backward] {
            #expect(Self.code(nested(64, open, close)) == nil)
            #expect(Self.code(nested(65, open, close)) == .tooDeep)
            #expect(Self.code(nested(100_000, open, close)) == .tooDeep)
        }
        #expect(Self.code(#"{"00100020":{"x":"# + String(repeating: "[", count: 100_000)) == .tooDeep)
        var limits = DICOMJSON.Limits()
        limits.attributes = 2
        let three = #"{"00100020":{"vr":"LO"},"00100021":{"vr":"LO"},"00100022":{"vr":"LO"}}"#
        #expect(Self.code(three, limits: limits) == .tooLarge)
        limits = .init()
        limits.bytes = 10
        #expect(Self.code(three, limits: limits) == .tooLarge)
    }

    @Test func offsets() {
        let error = #expect(throws: DICOMJSONError.self) { try Self.decode(#"{"00280010":{"vr":"US","Value":[x]}}"#) }
        #expect(error?.byteOffset == 32)
        #expect(error?.description == "DICOM JSON: invalidSyntax at byte 32")
    }

    /// The metadata of real files: decoded and encoded again, the same JSON.
    @Test(.enabled(if: !DICOMFiles.all.isEmpty, "no DICOM files at hand"))
    func realFiles() throws {
        var compared = 0
        for url in DICOMFiles.all {
            guard let file = try? DICOMFile.read(path: url.path, options: .whole) else { continue }
            let text = Self.encode(file.dataSet, BulkDataPolicy(uriPrefix: "/b/", threshold: 0))
            let decoded = try Self.decode(text)
            let again = Self.encode(try decoded.dataSet.dataSet(), BulkDataPolicy(uriPrefix: "/b/", threshold: 0))
            // Values left out are empty the second time.
            #expect(again == text.replacing(/,"BulkDataURI":"[^"]*"/, with: ""), "\(url.lastPathComponent)")
            compared += 1
        }
        #expect(compared > 60)
    }
}

/// Damaged JSON gives typed errors or values, from every reader of it.
@Suite struct HostileJSONTests {
    private static func corpus() -> [[UInt8]] {
        var texts: [[UInt8]] = [
            Array(
                #"{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"\u00c4\"x"}]},"00400275":{"vr":"SQ","Value":[{"00400009":{"vr":"SH","Value":["a",null]}}]},"00280030":{"vr":"DS","Value":[0.5,-1.5E+3]},"00091001":{"vr":"OB","InlineBinary":"AQI="},"7FE00010":{"vr":"OW","BulkDataURI":"/x"}}"#
                    .utf8)
        ]
        for url in DICOMFiles.all.prefix(40) {
            guard let file = try? DICOMFile.read(path: url.path, options: .header), file.dataSet.range.count < 8000
            else {
                continue
            }
            var json: [UInt8] = []
            DICOMJSON.encode(file.dataSet, bulkData: BulkDataPolicy(uriPrefix: "/b/", threshold: 256), into: &json)
            texts.append(json)
        }
        return texts
    }

    @Test func randomDamage() {
        var generator = SplitMix(seed: 20_261_125)
        let corpus = Self.corpus()
        let marks = Array(#"{}[],:"\0123456789eE+-.ntfu "#.utf8) + [0, 0x80, 0xFF, 0xC3]
        let matcher = QIDOMatcher([
            QIDOMatch(path: AttributePath("00400275.00400009")!, vr: .sh, matching: .wildcard("*a*")),
            QIDOMatch(path: AttributePath("00100010")!, vr: .pn, matching: .wildcard("*")),
        ])
        let reader = JSONInstanceReader(tags: [DICOMTag(0x0010_0010), DICOMTag(0x0028_0030), DICOMTag(0x7FE0_0010)])
        var found: [Range<Int>] = []
        var decoded = 0
        for round in 0..<10_000 {
            var text = corpus[round % corpus.count]
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                guard !text.isEmpty else { break }
                let place = Int.random(in: 0..<text.count, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: text[place] = marks.randomElement(using: &generator) ?? 0
                case 1: text.insert(marks.randomElement(using: &generator) ?? 0, at: place)
                case 2: text.remove(at: place)
                case 3: text.removeSubrange(place...)
                default:
                    let end = min(text.count, place + Int.random(in: 1...40, using: &generator))
                    text.insert(contentsOf: text[place..<end], at: place)
                }
            }
            if (try? DICOMJSON.decode(text)) != nil { decoded += 1 }
            _ = try? matcher.matches(text.span.bytes)
            if (try? reader.find(in: text.span.bytes, &found)) != nil {
                #expect(found.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= text.count })
            }
            try? JSONInstanceReader.forEachAttribute(in: text.span.bytes) { _, range in
                #expect(range.upperBound <= text.count)
            }
            _ = try? JSONInstanceReader.string(DICOMTag(0x0010_0010), in: text.span.bytes)
        }
        #expect(decoded > 0 && decoded < 10_000)
    }

    @Test func everyPrefix() {
        for text in Self.corpus().prefix(3) {
            for end in 0..<text.count {
                #expect(throws: DICOMJSONError.self) { try DICOMJSON.decode(Array(text[..<end])) }
            }
        }
    }
}
