import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import Testing

/// JSON of data sets whose bytes are written out here, one by one.
@Suite struct EncodeTests {
    /// An element in explicit little endian.
    static func element(_ tag: UInt32, _ vr: String, _ value: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        for half in [UInt16(tag >> 16), UInt16(truncatingIfNeeded: tag)] {
            bytes += [UInt8(truncatingIfNeeded: half), UInt8(half >> 8)]
        }
        bytes += Array(vr.utf8)
        let length = value.count
        if ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"].contains(vr) {
            bytes += [0, 0] + (0..<4).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) }
        } else {
            bytes += [UInt8(truncatingIfNeeded: length), UInt8(truncatingIfNeeded: length >> 8)]
        }
        return bytes + value
    }

    static func element(_ tag: UInt32, _ vr: String, _ value: String) -> [UInt8] {
        element(tag, vr, Array(value.utf8))
    }

    static func json(
        _ bytes: [UInt8], _ policy: BulkDataPolicy = .inline, syntax: TransferSyntax = .explicitVRLittleEndian,
        options: ReadOptions = .whole
    ) throws -> String {
        let dataSet = try DataSet(bytes: bytes, transferSyntax: syntax, options: options)
        var json: [UInt8] = []
        DICOMJSON.encode(dataSet, bulkData: policy, into: &json)
        #expect((try? JSONSerialization.jsonObject(with: Data(json))) != nil, "not JSON")
        return String(decoding: json, as: UTF8.self)
    }

    /// What stands behind `"vr":"XX"` for one attribute.
    static func value(_ vr: String, _ value: [UInt8]) throws -> String {
        let json = try json(element(0x0009_1001, vr, value))
        let prefix = #"{"00091001":{"vr":""# + vr + #"""#
        #expect(json.hasPrefix(prefix) && json.hasSuffix("}}"))
        return String(json.dropFirst(prefix.count).dropLast(2))
    }

    static func value(_ vr: String, _ text: String) throws -> String { try value(vr, Array(text.utf8)) }

    @Test(arguments: [
        ("10", "10"), ("1.0E+3 ", "1.0E+3"), ("+5", "5"), (".5", "0.5"), ("1.", "1"), ("-.5", "-0.5"), ("007", "7"),
        ("-0", "-0"), ("00.50", "0.50"), ("1e-05", "1E-05"), (" 12.5 ", "12.5"), ("+.1e3", "0.1E3"), ("NaN", "\"NaN\""),
        ("inf", "\"inf\""), ("1E999", "\"1E999\""), ("1,5", "\"1,5\""), ("1.2.3", "\"1.2.3\""), ("e5", "\"e5\""),
        (".", "\".\""), ("-", "\"-\""), ("1E", "\"1E\""), ("0x10", "\"0x10\""), ("1_000", "\"1_000\""),
        ("1\"2", "\"1\\\"2\""),
    ])
    func decimalStrings(text: String, json: String) throws {
        #expect(try Self.value("DS", text) == ",\"Value\":[\(json)]")
        #expect(try Self.value("IS", text) == ",\"Value\":[\(json)]")
    }

    @Test func severalDecimals() throws {
        #expect(try Self.value("DS", #"1\\ 2 \+3.\"#) == #","Value":[1,null,2,3,null]"#)
        #expect(try Self.value("DS", "  ") == "")
        #expect(try Self.value("DS", "") == "")
        #expect(try Self.value("DS", [0x31, 0xFF]) == ",\"Value\":[\"1\u{FFFD}\"]")
        let long = String(repeating: "9", count: 400)
        #expect(try Self.value("DS", long) == ",\"Value\":[\"\(long)\"]")
    }

    @Test func text() throws {
        #expect(try Self.value("LO", "a b ") == #","Value":["a b"]"#)
        #expect(try Self.value("LO", #" a\\b \"#) == #","Value":["a",null,"b",null]"#)
        #expect(try Self.value("LO", "q\"\u{1}\t\n\u{7F}") == #","Value":["q\"\u0001\t\n\u007F"]"#)
        #expect(try Self.value("UI", "1.2.3\0") == #","Value":["1.2.3"]"#)
        #expect(try Self.value("UI", "\0\0") == "")
        #expect(try Self.value("LT", #" a\b  "#) == #","Value":[" a\\b"]"#)
        #expect(try Self.value("UT", "a\r\nb") == #","Value":["a\r\nb"]"#)
        #expect(try Self.value("UC", #" a \b"#) == #","Value":[" a","b"]"#)
        #expect(try Self.value("UR", "http://x/?a=\\b ") == #","Value":["http://x/?a=\\b"]"#)
        #expect(try Self.value("DA", #"20200101\ "#) == #","Value":["20200101",null]"#)
    }

    @Test func textInACharacterSet() throws {
        let latin1 =
            Self.element(0x0008_0005, "CS", "ISO_IR 100") + Self.element(0x0009_1001, "LO", [0xE9, 0x5C, 0x22])
        #expect(try Self.json(latin1).hasSuffix(#""vr":"LO","Value":["é","\""]}}"#))
        let utf8 = Self.element(0x0008_0005, "CS", "ISO_IR 192") + Self.element(0x0010_0010, "PN", "Ä^é=王^小 ")
        #expect(
            try Self.json(utf8).hasSuffix(#""vr":"PN","Value":[{"Alphabetic":"Ä^é","Ideographic":"王^小"}]}}"#))
        let broken = Self.element(0x0008_0005, "CS", "ISO_IR 192") + Self.element(0x0009_1001, "LO", [0xC3, 0x28])
        #expect(try Self.json(broken).contains("\"LO\",\"Value\":[\""))
    }

    @Test func personNames() throws {
        #expect(
            try Self.value("PN", "A^B=C=D=E") == #","Value":[{"Alphabetic":"A^B","Ideographic":"C","Phonetic":"D"}]"#)
        #expect(try Self.value("PN", "=C") == #","Value":[{"Ideographic":"C"}]"#)
        #expect(
            try Self.value("PN", #"A\\B= =C "#)
                == #","Value":[{"Alphabetic":"A"},null,{"Alphabetic":"B","Phonetic":"C"}]"#)
        #expect(try Self.value("PN", "==") == "")
        #expect(try Self.value("PN", "  ") == "")
        #expect(try Self.value("PN", "A\"B") == #","Value":[{"Alphabetic":"A\"B"}]"#)
    }

    @Test func binaryNumbers() throws {
        #expect(try Self.value("US", [1, 0, 0xFF, 0xFF]) == #","Value":[1,65535]"#)
        #expect(try Self.value("SS", [0xFF, 0xFF, 0, 0x80]) == #","Value":[-1,-32768]"#)
        #expect(try Self.value("UL", [0xFF, 0xFF, 0xFF, 0xFF]) == #","Value":[4294967295]"#)
        #expect(try Self.value("SL", [0, 0, 0, 0x80]) == #","Value":[-2147483648]"#)
        let ones = [UInt8](repeating: 0xFF, count: 8)
        #expect(try Self.value("UV", ones) == #","Value":[18446744073709551615]"#)
        #expect(try Self.value("SV", Array(ones.dropLast()) + [0x7F]) == #","Value":[9223372036854775807]"#)
        #expect(try Self.value("SV", [UInt8](repeating: 0, count: 7) + [0x80]) == #","Value":[-9223372036854775808]"#)
        #expect(
            try Self.value("AT", [0x08, 0x00, 0x18, 0x00, 0xE0, 0x7F, 0x10, 0x00])
                == #","Value":["00080018","7FE00010"]"#)
        // Left over bytes.
        #expect(try Self.value("US", [1, 0, 7]) == #","Value":[1]"#)
        #expect(try Self.value("UL", [1, 0]) == "")
    }

    @Test func floatingPoint() throws {
        func bytes(_ values: Double...) -> [UInt8] {
            values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
        }
        func bytes(_ values: Float...) -> [UInt8] {
            values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
        }
        #expect(try Self.value("FD", bytes(1.5, -0.0, 0, 1e300, 5e-300)) == #","Value":[1.5,-0.0,0.0,1e+300,5e-300]"#)
        #expect(
            try Self.value("FD", bytes(Double.nan, Double.infinity, -Double.infinity))
                == #","Value":["NaN","inf","-inf"]"#)
        #expect(
            try Self.value("FD", bytes(-123456789.0, 1e15, 0.1)) == #","Value":[-123456789.0,1000000000000000.0,0.1]"#)
        #expect(try Self.value("FL", bytes(Float(0.1), Float(2))) == #","Value":[0.10000000149011612,2.0]"#)
        #expect(try Self.value("FL", bytes(Float.nan)) == #","Value":["NaN"]"#)
    }

    @Test func inlineBinary() throws {
        #expect(try Self.value("OB", [1]) == #","InlineBinary":"AQ==""#)
        #expect(try Self.value("OB", [1, 2]) == #","InlineBinary":"AQI=""#)
        #expect(try Self.value("OW", [1, 2, 3, 255]) == #","InlineBinary":"AQID/w==""#)
        #expect(try Self.value("UN", [0xFB, 0xEF, 0xBE]) == #","InlineBinary":"++++""#)
        #expect(try Self.value("OB", []) == "")
        var big = Self.element(0x0009_1001, "OW", [1, 2, 3, 4])
        // The same element in big endian: tag and length turned.
        big.replaceSubrange(0..<12, with: [0x00, 0x09, 0x10, 0x01, 0x4F, 0x57, 0, 0, 0, 0, 0, 4])
        #expect(try Self.json(big, syntax: .explicitVRBigEndian).contains(#""InlineBinary":"AgEEAw==""#))
    }

    @Test func bulkData() throws {
        let policy = BulkDataPolicy(uriPrefix: "/dicom-web/studies/1/bulkdata/", threshold: 4)
        let item = Self.element(0x0009_1001, "OB", [UInt8](repeating: 7, count: 6))
        let items: [UInt8] = [0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0, 0xE0, UInt8(item.count), 0, 0, 0] + item
        let bytes =
            Self.element(0x0009_1001, "OB", [1, 2, 3, 4]) + Self.element(0x0009_1002, "OB", [1, 2, 3, 4, 5, 6])
            + Self.element(0x0009_1003, "SQ", items) + Self.element(0x7FE0_0010, "OW", [1, 2])
        let json = try Self.json(bytes, policy)
        #expect(
            json == #"{"00091001":{"vr":"OB","InlineBinary":"AQIDBA=="},"#
                + #""00091002":{"vr":"OB","BulkDataURI":"/dicom-web/studies/1/bulkdata/00091002"},"#
                + #""00091003":{"vr":"SQ","Value":[{},{"00091001":{"vr":"OB","#
                + #""BulkDataURI":"/dicom-web/studies/1/bulkdata/00091003/1/00091001"}}]},"#
                + #""7FE00010":{"vr":"OW","BulkDataURI":"/dicom-web/studies/1/bulkdata/7FE00010"}}"#)
        // A reader that stopped before Pixel Data gives the same.
        #expect(try Self.json(bytes, policy, options: .header) == json)
        let dataSet = try DataSet(bytes: bytes, transferSyntax: .explicitVRLittleEndian)
        let path = try #require(BulkDataPath("00091003/1/00091001"))
        let (parent, element) = try #require(path.resolve(in: dataSet))
        #expect(element.length == 6 && parent.isItem)
        #expect(path.description == "00091003/1/00091001")
        #expect(BulkDataPath("00091003/2/00091001")?.resolve(in: dataSet) == nil)
        for text in [
            "", "00091003/1", "00091003/x/00091001", "0009100", "00091003//00091001", "../00091001",
            "00091003/-1/00091001",
        ] {
            #expect(BulkDataPath(text) == nil, "\(text)")
        }
        #expect(try Self.json(Self.element(0x7FE0_0010, "OW", []), policy) == #"{"7FE00010":{"vr":"OW"}}"#)
        let quoted = BulkDataPolicy(uriPrefix: "/\"\\", threshold: 0)
        #expect(try Self.json(Self.element(0x0009_1001, "OB", [1, 2]), quoted).contains(#""/\"\\00091001""#))
    }

    @Test func whatIsLeftOut() throws {
        let bytes =
            Self.element(0x0008_0000, "UL", [4, 0, 0, 0]) + Self.element(0x0008_0060, "CS", "CT")
            + Self.element(0x0009_0000, "UL", [4, 0, 0, 0])
        #expect(try Self.json(bytes) == #"{"00080060":{"vr":"CS","Value":["CT"]}}"#)
        #expect(try Self.json([]) == "{}")
    }

    /// Out of order and repeated: ascending, and the first counts.
    @Test func disorder() throws {
        let bytes =
            Self.element(0x0010_0020, "LO", "B ") + Self.element(0x0008_0060, "CS", "CT")
            + Self.element(0x0010_0020, "LO", "C ")
        #expect(
            try Self.json(bytes) == #"{"00080060":{"vr":"CS","Value":["CT"]},"00100020":{"vr":"LO","Value":["B"]}}"#)
        let sorted = Self.element(0x0010_0020, "LO", "B ") + Self.element(0x0010_0020, "LO", "C ")
        #expect(try Self.json(sorted) == #"{"00100020":{"vr":"LO","Value":["B"]}}"#)
    }

    @Test func sequences() throws {
        let empty = Self.element(0x0040_0275, "SQ", [UInt8]())
        #expect(try Self.json(empty) == #"{"00400275":{"vr":"SQ"}}"#)
    }

    private static func item(_ content: [UInt8]) -> [UInt8] {
        [0xFE, 0xFF, 0, 0xE0] + (0..<4).map { UInt8(truncatingIfNeeded: content.count >> ($0 * 8)) } + content
    }

    /// As deep as the reader goes, and no larger than a small multiple of what was read.
    @Test func deepSequencesOfTinyPixelData() throws {
        var bytes: [UInt8] = []
        for _ in 0..<2000 { bytes += Self.item(Self.element(0x7FE0_0010, "OW", [1, 2])) }
        bytes = Self.element(0x0088_0200, "SQ", bytes)
        for _ in 0..<200 { bytes = Self.element(0x0088_0200, "SQ", Self.item(bytes)) }
        let dataSet = try DataSet(bytes: bytes, transferSyntax: .explicitVRLittleEndian)
        var json: [UInt8] = []
        DICOMJSON.encode(dataSet, bulkData: BulkDataPolicy(uriPrefix: "/b/"), into: &json)
        #expect(json.count < bytes.count * 4)
        var limits = DICOMJSON.Limits()
        limits.depth = 256
        #expect(try DICOMJSON.decode(json, limits: limits).dataSet.tags == [DICOMTag(0x0088_0200)])
    }

    /// Whole or not at all; what would only become a URI does not count.
    @Test func jsonLongerThanTheLimitIsRefused() throws {
        let text = Self.element(0x0009_1001, "UT", String(repeating: "x", count: 1_000))
        let numbers = Self.element(0x0009_1002, "FD", [UInt8](repeating: 0x41, count: 800))
        let binary = Self.element(0x0009_1003, "OB", [UInt8](repeating: 1, count: 5_000))
        for bytes in [text, numbers, text + numbers, text + binary] {
            let dataSet = try DataSet(bytes: bytes, transferSyntax: .explicitVRLittleEndian)
            let policy = BulkDataPolicy(uriPrefix: "/b/")
            var whole: [UInt8] = []
            DICOMJSON.encode(dataSet, bulkData: policy, into: &whole)
            var json: [UInt8] = []
            #expect(DICOMJSON.encode(dataSet, bulkData: policy, limit: whole.count, into: &json) && json == whole)
            json = []
            #expect(!DICOMJSON.encode(dataSet, bulkData: policy, limit: whole.count - 1, into: &json) && json.isEmpty)
            #expect(!DICOMJSON.encode(dataSet, bulkData: policy, limit: 100, into: &json) && json.isEmpty)
        }
    }

    @Test func longTextWithEscapes() throws {
        let text = String(repeating: "ab\u{1}\"", count: 5000)
        let json = try Self.json(Self.element(0x0009_1001, "UT", text))
        let escaped = String(repeating: #"ab\u0001\""#, count: 5000)
        #expect(json == #"{"00091001":{"vr":"UT","Value":["\#(escaped)"]}}"#)
    }

    /// The largest and smallest numbers JSON may have to hold, read back by another reader.
    @Test func numbersAreReadBackByFoundation() throws {
        var generator = SplitMix(seed: 3)
        for _ in 0..<2000 {
            let bits = UInt64.random(in: .min ... .max, using: &generator)
            let value = Double(bitPattern: bits)
            let text = try Self.value("FD", withUnsafeBytes(of: bits.littleEndian) { Array($0) })
            guard value.isFinite else { continue }
            let number = try #require(text.split(separator: "[").last?.dropLast())
            #expect(Double(String(number)) == value)
        }
    }

    /// Text that a character set decides, of many values, of which some are empty.
    @Test func decodedValuesArePartedAndTrimmed() throws {
        let set = Self.element(0x0008_0005, "CS", "ISO_IR 100")
        func tail(_ vr: String, _ bytes: [UInt8], tag: UInt32 = 0x0009_1001) throws -> String {
            let json = try Self.json(set + Self.element(tag, vr, bytes))
            let mark = "\"vr\":\"\(vr == "UN" ? "LO" : vr)\""
            return String(json.split(separator: mark, maxSplits: 1).last?.dropLast(2) ?? "")
        }
        let text: [UInt8] = [0x20, 0x4D, 0xFC, 0x20, 0x5C, 0x5C, 0x20, 0x41, 0x22, 0x20, 0x5C]
        #expect(try tail("LO", text) == #","Value":["Mü",null,"A\"",null]"#)
        #expect(try tail("UC", text) == #","Value":[" Mü",null," A\"",null]"#)
        #expect(try tail("LT", text) == #","Value":[" Mü \\\\ A\" \\"]"#)
        #expect(
            try tail("PN", [0x20, 0x4D, 0xFC, 0x3D, 0x41, 0x5C, 0x5C, 0x42, 0x20])
                == #","Value":[{"Alphabetic":"Mü","Ideographic":"A"},null,{"Alphabetic":"B"}]"#)
        // A private creator is LO also where it is written as UN.
        #expect(try tail("UN", [0x4D, 0xFC], tag: 0x0009_0010) == #","Value":["Mü"]"#)
        let many = [UInt8](repeating: 0x5C, count: 1 << 16) + [0xFC]
        let json = try Self.json(set + Self.element(0x0009_1001, "UC", many))
        #expect(json.hasSuffix(#"null,"ü"]}}"#) && json.utf8.count < (5 << 16) + 200)
    }
}
