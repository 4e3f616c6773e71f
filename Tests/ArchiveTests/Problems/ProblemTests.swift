import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import Testing

struct ProblemTests {
    private static let subject = InstanceProblems.Subject(
        tenantID: "t1", studyUID: "1.2", seriesUID: "1.2.3", sopUID: "1.2.3.4", traceID: "trace", sourceIP: "::1",
        sourceAE: "CT1", workerNodeID: "n", createdTime: Timestamp(microsecondsSince1970: 1))

    @Test func oneRowAPlaceAndOneForTheRest() {
        var problems = InstanceProblems()
        for number in 0..<100_000 { problems.add("odd-length", .info, tagPath: "(0009,\(number))") }
        problems.add("no-such-thing", .error)
        problems.add("odd-length", .warning, tagPath: "(0009,7)", occurrences: 5)
        let rows = problems.rows(of: Self.subject, by: "test", seen: Timestamp(microsecondsSince1970: 9))
        #expect(rows.count == InstanceProblems.limit + 1)
        #expect(rows[7].tagPath == "(0009,7)" && rows[7].occurrences == 6 && rows[7].severity == "warning")
        let rest = rows[InstanceProblems.limit]
        #expect(rest.rule == InstanceProblems.furtherRule && rest.severity == "error")
        #expect(rest.occurrences == 100_001 - Int64(InstanceProblems.limit))
        #expect(rows.allSatisfy { $0.occasion == "" && $0.sopUID == "1.2.3.4" && $0.updatedTime > $0.createdTime })
    }

    @Test func whatIsNoIdentityStandsNowhere() {
        let subject = InstanceProblems.Subject(
            tenantID: "Doe^Jane", studyUID: "Doe", seriesUID: "1..2", sopUID: "1.2.x", traceID: "trace",
            workerNodeID: "n", createdTime: .now)
        var problems = InstanceProblems()
        problems.add("key-invalid", .refused, tagPath: String(repeating: "(0040,A730)[0]", count: 50))
        let row = problems.rows(of: subject, by: "test", seen: .now)[0]
        #expect(row.tenantID == "" && row.studyUID == "" && row.seriesUID == "" && row.sopUID == "")
        #expect(row.occasion == "trace")
        #expect(row.tagPath.utf8.count <= 256 && row.tagPath.contains(".."))
    }

    @Test func clearingIsTheSameKeyAtALaterTime() {
        var problems = InstanceProblems()
        problems.add("not-a-date", .error)
        let row = problems.rows(of: Self.subject, by: "test", seen: Timestamp(microsecondsSince1970: 5))[0]
        let cleared = row.cleared(by: "wado reindex", version: "2", at: .now)
        #expect(
            cleared.state == "cleared" && cleared.updatedTime >= row.updatedTime && cleared.program == "wado reindex")
        var back = cleared
        (back.state, back.program, back.programVersion, back.updatedTime) =
            (row.state, row.program, row.programVersion, row.updatedTime)
        #expect(back == row)
    }

    @Test func columnProblemsAndWarnings() throws {
        var problems = InstanceProblems()
        problems.add(
            ColumnProblem(
                table: "dicom_state_meta", column: "patient_size", path: [Tag(0x0010_1020)], rule: .notANumber,
                outcome: .null))
        problems.add(
            ColumnProblem(
                table: "dicom_state_meta", column: "study_id", path: [Tag(0x0020_0010)], rule: .tooLong,
                outcome: .shortened))
        // (0008,0060) CS, three bytes.
        let dataSet = try DataSet(
            bytes: [8, 0, 0x60, 0, 0x43, 0x53, 3, 0, 0x43, 0x54, 0x20], transferSyntax: .explicitVRLittleEndian)
        problems.add(warningsOf: dataSet)
        let rows = problems.rows(of: Self.subject, by: "test", seen: .now)
        #expect(rows.map(\.severity) == ["error", "warning", "info"])
        #expect(rows.map(\.rule) == ["not-a-number", "too-long", "odd-length"])
        #expect(rows.map(\.tagPath) == ["(0010,1020)", "(0020,0010)", "(0008,0060)"])
        #expect(rows[2].detail == "at byte 0" && rows[2].columnName == "" && rows[0].columnName == "patient_size")
    }

    /// Two items with the same odd element are one row, an instance's odd elements are not more rows than elements.
    @Test func itemsOfASequenceShareARow() throws {
        let item: [UInt8] = [0xFE, 0xFF, 0, 0xE0, 9, 0, 0, 0, 0x40, 0, 7, 0, 0x4C, 0x4F, 1, 0, 0x41]
        let bytes: [UInt8] = [0x40, 0, 0x75, 2, 0x53, 0x51, 0, 0, 34, 0, 0, 0] + item + item
        let dataSet = try DataSet(bytes: bytes, transferSyntax: .explicitVRLittleEndian)
        var problems = InstanceProblems()
        problems.add(warningsOf: dataSet)
        let rows = problems.rows(of: Self.subject, by: "test", seen: .now)
        #expect(rows.map(\.tagPath) == ["(0040,0275)[0](0040,0007)"] && rows.map(\.occurrences) == [2])
    }
}
