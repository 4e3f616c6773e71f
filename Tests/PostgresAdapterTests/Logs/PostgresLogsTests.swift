import Archive
import ArchiveSchema
import PostgresAdapter
import PostgresTestSupport
import Testing

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct PostgresLogsTests {
    private static let start: Int64 = 1_700_000_000_000_000

    private static func archive() throws -> PostgresLogs {
        let pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 2)
        var rows = LogRows()
        for number in 0..<30 {
            let tenant = number % 3 == 0 ? "t2" : "t1"
            let (study, time) = (
                "1.2.\(number % 2)", Timestamp(microsecondsSince1970: start + Int64(number) * 1_000_000)
            )
            rows.access.append(
                WadoAccessLogRow(
                    tenantID: tenant, requestTime: time,
                    traceID: TraceID.make(microseconds: time.microsecondsSince1970), workerNodeID: "n", method: "GET",
                    operation: "frames", studyUID: study, status: 200, bytesSent: Int64(number), durationUs: 5))
            rows.objects.append(
                DicomObjectMetaRow(
                    tenantID: tenant, studyUID: study, seriesUID: "1.2.3", sopUID: "1.2.3.\(number)",
                    patientID: "SECRET", fileSize: Int64(number), filePath: "p", transferSyntaxUID: "1.2.840.10008.1.2",
                    createdTime: time, seriesUIDHash: "0", studyUIDHash: "0", accessionNumber: "SECRET",
                    traceID: "trace-\(number)", workerNodeID: "n"))
            rows.images.append(
                DicomImageMetaRow(
                    tenantID: tenant, studyUID: study, seriesUID: "1.2.3", sopUID: "1.2.3.\(number)",
                    patientID: "SECRET", studyUIDHash: "0", seriesUIDHash: "0", imageType: "SECRET",
                    width: Int32(number), transferSyntaxUID: "1.2.840.10008.1.2", sopClassUID: "1.2.840",
                    spaceSize: Int64(number), createdTime: time, updatedTime: time))
        }
        try PostgresIngestStore(pool: pool).append(rows)
        return PostgresLogs(pool: pool)
    }

    @Test(arguments: LogTable.allCases)
    func theLastOnesOfAllTenants(_ log: LogTable) throws {
        let logs = try Self.archive()
        let size = try #require(
            log.columns.firstIndex(of: log == .access ? "bytes_sent" : log == .objects ? "file_size" : "space_size"))
        func sizes(_ limit: Int = 100, _ change: (inout LogFilter) -> Void = { _ in }) throws -> [Int] {
            var filter = LogFilter()
            change(&filter)
            let rows = try logs.last(limit, of: log, filter)
            #expect(!rows.flatMap { $0 }.contains("SECRET"))
            #expect(rows.allSatisfy { $0.count == log.columns.count })
            return rows.map { Int($0[size] ?? "") ?? -1 }
        }
        #expect(try sizes(4) == [26, 27, 28, 29])
        #expect(try sizes() == Array(0..<30))
        #expect(try sizes { $0.tenantID = "t2" } == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27])
        #expect(try sizes { $0.studyUID = "1.2.1" } == Array(stride(from: 1, to: 30, by: 2)))
        #expect(try sizes { $0.since = Timestamp(microsecondsSince1970: Self.start + 27_500_000) } == [28, 29])
        #expect(try sizes { $0.tenantID = "nobody" } == [])
    }

    @Test func byTrace() throws {
        let logs = try Self.archive()
        let all = try logs.last(100, of: .access, LogFilter())
        var filter = LogFilter()
        filter.traceID = all[7].last ?? nil
        #expect(try logs.last(100, of: .access, filter) == [all[7]])
        filter.traceID = "trace-7"
        #expect(try logs.last(100, of: .access, filter) == [])
        for log in [LogTable.objects, .images] {
            #expect(try logs.last(100, of: log, filter).map { $0[4] } == ["1.2.3.7"])
        }
    }
}
