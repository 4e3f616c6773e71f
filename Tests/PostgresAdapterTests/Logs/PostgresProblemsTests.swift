import Archive
import ArchiveSchema
import PostgresAdapter
import PostgresTestSupport
import Testing

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct PostgresProblemsTests {
    private static func rows(
        sop: String, _ rules: [(String, ProblemSeverity)], tenant: String = "t1", at time: Int64
    ) -> [DicomProblemMetaRow] {
        let subject = InstanceProblems.Subject(
            tenantID: tenant, studyUID: sop.isEmpty ? nil : "1.2", seriesUID: sop.isEmpty ? nil : "1.2.3",
            sopUID: sop, traceID: "trace-\(time)", sourceIP: "::1", sourceAE: "CT \"1\"", workerNodeID: "n",
            createdTime: Timestamp(microsecondsSince1970: time))
        var problems = InstanceProblems()
        for (rule, severity) in rules { problems.add(rule, severity, tagPath: "(0008,0020)", detail: "at byte 1") }
        return problems.rows(of: subject, by: "test", seen: Timestamp(microsecondsSince1970: time))
    }

    @Test func countsListsAndPages() throws {
        let pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 2)
        let store = PostgresIngestStore(pool: pool)
        let problems = PostgresProblems(pool: pool)
        var rows = LogRows()
        for number in 0..<20 {
            rows.problems += Self.rows(
                sop: "1.2.3.\(number)", [("not-a-date", .error), ("odd-length", .info)], at: Int64(1_000 + number))
        }
        rows.problems += Self.rows(sop: "", [("disk-full", .refused)], tenant: "t2", at: 5_000)
        try store.append(rows)
        var cleared = LogRows()
        cleared.problems = [rows.problems[0].cleared(by: "again", version: "2", at: .now)]
        try store.append(cleared)

        let counts = try problems.counts(ProblemFilter())
        #expect(counts.map(\.rule) == ["odd-length", "not-a-date", "disk-full"])
        #expect(counts.map(\.problems) == [20, 19, 1] && counts.map(\.instances) == [20, 19, 1])
        #expect(counts[2].last == Timestamp(microsecondsSince1970: 5_000))
        var filter = ProblemFilter()
        filter.includesCleared = true
        #expect(try problems.counts(filter).map(\.problems).reduce(0, +) == 41)
        filter.tenantID = "t2"
        #expect(try problems.latest(filter, limit: 10) == Array(rows.problems.suffix(1)))
        filter = ProblemFilter()
        filter.rule = "not-a-date"
        filter.since = Timestamp(microsecondsSince1970: 1_010)
        #expect(try problems.latest(filter, limit: 3).map(\.sopUID) == ["1.2.3.19", "1.2.3.18", "1.2.3.17"])
        filter = ProblemFilter()
        filter.severity = .refused
        #expect(try problems.counts(filter).map(\.rule) == ["disk-full"])

        filter = ProblemFilter()
        filter.isStored = true
        var paged: [DicomProblemMetaRow] = []
        while true {
            let page = try problems.page(filter, after: paged.last, limit: 7)
            if page.isEmpty { break }
            paged += page
        }
        #expect(Set(paged) == Set(rows.problems[1..<40]) && paged.count == 39)
        let order = paged.map(\.sopUID)
        #expect(zip(order, order.dropFirst()).allSatisfy { $0.utf8.lexicographicallyPrecedes($1.utf8) || $0 == $1 })
    }
}
