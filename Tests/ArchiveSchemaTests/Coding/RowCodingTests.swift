import ArchiveSchema
import Foundation
import Testing

@Suite struct RowCodingTests {
    @Test func messagesAreWhatIsDocumented() throws {
        var row = RowSamples.access
        row.userAgent = "a\"b\\c\n\u{1}\u{7F}é東\u{1F600}"
        var bytes: [UInt8] = Array("x".utf8)
        row.encodeJSON(into: &bytes)
        let expected = """
            x{"tenant_id":"1234567890","request_time":"2023-11-14 22:13:20.000001",\
            "trace_id":"01890a5d-ac96-774b-bcce-b302099a8057","worker_node_id":"node-1","method":"GET",\
            "operation":"metadata","path":"/dicom-web/studies/1.2.3/metadata","study_uid":"1.2.3","series_uid":null,\
            "sop_uid":null,"status":200,"bytes_sent":9223372036854775807,"duration_us":-1,"remote_address":"::1",\
            "user_agent":"a\\"b\\\\c\\n\\u0001\\u007fé東\u{1F600}"}
            """
        #expect(String(decoding: bytes, as: UTF8.self) == expected)
        #expect(try WadoAccessLogRow(json: Array(bytes.dropFirst())) == row)
        let parsed = try JSONSerialization.jsonObject(with: Data(bytes.dropFirst())) as? [String: Any]
        #expect(parsed?["user_agent"] as? String == row.userAgent)
    }

    @Test func everyRowReadsWhatItWrote() throws {
        var random = SplitMix(seed: 11)
        for _ in 0..<300 {
            var bytes: [UInt8] = []
            let state = RowSamples.state(&random)
            state.encodeJSON(into: &bytes)
            #expect(try DicomStateMetaRow(json: bytes) == state)
            bytes = []
            let image = RowSamples.image(&random)
            image.encodeJSON(into: &bytes)
            #expect(try DicomImageMetaRow(json: bytes) == image)
            #expect(JSONSerialization.isValidJSONObject(try JSONSerialization.jsonObject(with: Data(bytes))))
        }
    }

    @Test func whatDoesNotFitIsCutOnTheWay() throws {
        var row = RowSamples.access
        row.userAgent = String(repeating: "東", count: 300) + "\0"
        row.path = "/a\0b"
        var bytes: [UInt8] = []
        row.encodeJSON(into: &bytes)
        let read = try WadoAccessLogRow(json: bytes)
        #expect(read.userAgent == String(repeating: "東", count: 256))
        #expect(read.path == "/a")
    }

    @Test func numbersThatAreNoneBecomeNull() throws {
        var random = SplitMix(seed: 1)
        var row = RowSamples.state(&random)
        row.patientSize = .nan
        row.patientWeight = -.infinity
        var bytes: [UInt8] = []
        row.encodeJSON(into: &bytes)
        let read = try DicomStateMetaRow(json: bytes)
        #expect(read.patientSize == nil && read.patientWeight == nil)
    }

    @Test func messagesOfOthersAreRead() throws {
        let json = """
             { "unknown" : { "a" : [ 1 , -2.5e3, "x\\u00e9", true , false, null , { } , [ ] ] } , "tenant_id" : "t",
            "request_time":"2023-11-14T22:13:20Z", "trace_id":"\\ud83d\\ude00", "worker_node_id":"\\/\\b\\f\\r\\t", "method":"GET",
            "operation":"frames","status":2e2,"status":404} 
            """
        let row = try WadoAccessLogRow(json: Array(json.utf8))
        #expect(row.traceID == "\u{1F600}" && row.workerNodeID == "/\u{8}\u{c}\r\t" && row.status == 404)
        #expect(row.bytesSent == 0 && row.path == nil)
        #expect(row.requestTime.description == "2023-11-14 22:13:20.000000")
    }

    @Test(arguments: [
        ("", "not a row's JSON object (byte 0)"), ("[]", "not a row's JSON object (byte 0)"),
        ("{", "not a row's JSON object (byte 1)"), ("{}", "column tenant_id is missing"),
        ("{} x", "not a row's JSON object (byte 3)"),
        ("{\"tenant_id\":1}", "column tenant_id has no valid value (byte 13)"),
        ("{\"tenant_id\":\"a\"", "not a row's JSON object (byte 16)"),
        ("{\"status\":1.5}", "column status has no valid value (byte 13)"),
        ("{\"status\":3000000000}", "column status has no valid value (byte 20)"),
        ("{\"request_time\":\"yesterday\"}", "column request_time has no valid value (byte 27)"),
        ("{\"tenant_id\":null}", "column tenant_id is missing"),
        ("{\"tenant_id\":nul}", "not a row's JSON object (byte 13)"),
        ("{\"a\":\"\\ud800\"}", "not a row's JSON object (byte 12)"),
        ("{\"a\":\"\\x\"}", "not a row's JSON object (byte 8)"),
        ("{\"a\" 1}", "not a row's JSON object (byte 5)"), ("{\"a\":\"\n\"}", "not a row's JSON object (byte 6)"),
    ])
    func whatIsNoMessageIsAnError(_ json: String, _ message: String) {
        #expect {
            try WadoAccessLogRow(json: Array(json.utf8))
        } throws: { error in
            (error as? RowDecodingError)?.description == message
        }
    }

    @Test func deepAndBrokenMessagesEndInAnError() {
        let deep = "{\"a\":" + String(repeating: "[", count: 100_000)
        #expect(throws: RowDecodingError.self) { try WadoAccessLogRow(json: Array(deep.utf8)) }
        #expect(throws: RowDecodingError.self) {
            try WadoAccessLogRow(json: Array("{\"a\":\"".utf8) + [0xFF, 0x22, 0x7D])
        }
        var bytes: [UInt8] = []
        RowSamples.access.encodeJSON(into: &bytes)
        for length in 0..<bytes.count {
            #expect(throws: RowDecodingError.self) { try WadoAccessLogRow(json: Array(bytes[..<length])) }
        }
    }

    @Test func copyTuplesAreWhatPostgresReads() {
        let row = DicomJsonMetaRow(
            tenantID: "t", studyUID: "1.2", seriesUID: "1.3", studyUIDHash: "00000000000000000001",
            seriesUIDHash: "00000000000000000002", studyDateOrigin: nil,
            flagTime: Timestamp(microsecondsSince1970: 946_684_800_000_001),
            createdTime: Timestamp(microsecondsSince1970: 946_684_799_999_999), jsonStatus: 1, retryTimes: -1)
        var bytes: [UInt8] = []
        row.encodeCopy(into: &bytes)
        var expected: [UInt8] = [0, 10]
        for text in ["t", "1.2", "1.3", "00000000000000000001", "00000000000000000002"] {
            expected += [0, 0, 0, UInt8(text.utf8.count)] + Array(text.utf8)
        }
        expected += [255, 255, 255, 255]
        expected += [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]
        expected += [0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255]
        expected += [0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 255, 255, 255, 255]
        #expect(bytes == expected)
        #expect(CopyFormat.header.count == 19 && CopyFormat.trailer == [255, 255])
    }

    @Test func tuplesHaveAsManyFieldsAsTheirTablesColumns() {
        var random = SplitMix(seed: 3)
        for (table, tuple) in RowSamples.tuples(&random) {
            #expect(Int(tuple[0]) << 8 | Int(tuple[1]) == table.columns.filter(\.isInPostgres).count)
            #expect(table.columnList.split(separator: ", ").count == Int(tuple[1]))
        }
    }
}
