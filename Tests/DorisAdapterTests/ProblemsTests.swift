import Archive
import ArchiveSchema
import DorisAdapter
import DorisTestSupport
import Testing

@Suite(.enabled(if: TestDoris.isAvailable, "neither DORIS_HOST nor what the stand-in needs"))
struct ProblemsTests {
    private static func rows() -> [DicomProblemMetaRow] {
        (0..<9).flatMap { number in
            let time = Timestamp(microsecondsSince1970: 1_700_000_000_000_000 + Int64(number) * 1_000_001)
            let subject = InstanceProblems.Subject(
                tenantID: number == 8 ? "t2" : "t1", studyUID: "1.2", seriesUID: "1.2.3", sopUID: "1.2.3.\(number)",
                traceID: "trace-\(number)", sourceIP: "::1", sourceAE: "CT '\"1\\\"", workerNodeID: "n",
                createdTime: time)
            var problems = InstanceProblems()
            problems.add("not-a-date", .error, tagPath: "(0008,0020)", table: "dicom_state_meta", column: "study_date")
            if number > 5 { problems.add("odd-length", .info, detail: "at byte 1", occurrences: 3) }
            if number == 7 { problems.add("disk-full", .refused) }
            return problems.rows(of: subject, by: "test", seen: time)
        }
    }

    private static func insert(_ rows: [DicomProblemMetaRow], _ connection: DorisConnection) throws {
        let values = rows.map { row in
            [
                row.tenantID, row.studyUID, row.seriesUID, row.sopUID, row.occasion, row.rule, row.tagPath,
                row.tableName, row.columnName, row.severity, row.state, "\(row.occurrences)", row.detail, row.program,
                row.programVersion, row.traceID, row.sourceIP, row.sourceAE, row.workerNodeID,
                row.createdTime.description, row.updatedTime.description,
            ].map { $0.map { DorisText.string($0) } ?? "NULL" }.joined(separator: ", ")
        }
        try connection.run(
            "INSERT INTO dicom_problem_meta VALUES (\(values.joined(separator: "), (")))", operation: "test")
    }

    @Test func countsListsAndPages() throws {
        try TestDoris.withDatabase { configuration in
            let connection = try DorisConnection(configuration)
            try connection.run("CREATE DATABASE `\(configuration.database)`", operation: "test")
            try connection.run("USE `\(configuration.database)`", operation: "test")
            try connection.run(try #require(DicomProblemMetaRow.table.dorisDDL), operation: "test")
            let all = Self.rows()
            try Self.insert(all, connection)
            try Self.insert([all[0].cleared(by: "again", version: "2", at: .now)], connection)

            let problems = DorisProblems(configuration)
            let counts = try problems.counts(ProblemFilter())
            #expect(counts.map(\.rule) == ["not-a-date", "odd-length", "disk-full"])
            #expect(counts.map(\.problems) == [8, 3, 1] && counts.map(\.instances) == [8, 3, 1])
            #expect(counts[0].last == all.last?.updatedTime)
            var filter = ProblemFilter()
            filter.includesCleared = true
            #expect(try problems.counts(filter).map(\.problems).reduce(0, +) == 13)
            filter = ProblemFilter()
            filter.tenantID = "t2"
            #expect(try Set(problems.latest(filter, limit: 10)) == Set(all.suffix(2)))
            filter = ProblemFilter()
            filter.rule = "not-a-date"
            filter.since = all[4].updatedTime
            #expect(try problems.latest(filter, limit: 2).map(\.sopUID) == ["1.2.3.8", "1.2.3.7"])
            #expect(try problems.latest(filter, limit: 100).count == 5)
            filter = ProblemFilter()
            filter.isStored = true
            var paged: [DicomProblemMetaRow] = []
            while true {
                let page = try problems.page(filter, after: paged.last, limit: 4)
                if page.isEmpty { break }
                paged += page
            }
            #expect(Set(paged) == Set(all.dropFirst().filter { $0.severity != "refused" }) && paged.count == 11)
            filter.rule = "it's \\ none"
            #expect(try problems.counts(filter) == [])
        }
    }
}
