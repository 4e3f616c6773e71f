import Archive
import ArchiveSchema
import PostgresAdapter
import PostgresTestSupport
import ServiceKit
import Synchronization
import Testing

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct PostgresLogKeeperTests {
    private static let now = Timestamp.now
    private static let day: Int64 = 86_400_000_000

    private static func request(_ trace: String, daysAgo: Int64, tenant: String = "t1") -> WadoAccessLogRow {
        WadoAccessLogRow(
            tenantID: tenant, requestTime: Timestamp(microsecondsSince1970: now.microsecondsSince1970 - daysAgo * day),
            traceID: trace, workerNodeID: "n", method: "GET", operation: "frames", studyUID: "1.2.\(daysAgo)",
            status: 200, bytesSent: 100, durationUs: 5, remoteAddress: "::1", userAgent: "u")
    }

    private static func partition(daysAgo: Int64) -> String {
        let date = Timestamp(microsecondsSince1970: now.microsecondsSince1970 - daysAgo * day).date
        return "wado_access_log_" + date.dicomValue.prefix(6)
    }

    private static func traces(_ pool: PostgresPool) throws -> [String: String] {
        try pool.withConnection { connection throws(PostgresError) in
            let result = try connection.query(
                "SELECT trace_id, tableoid::regclass::text FROM wado_access_log", operation: "test")
            var found: [String: String] = [:]
            for row in 0..<result.rowCount { found[result.string(row, 0) ?? ""] = result.string(row, 1) ?? "" }
            return found
        }
    }

    @Test func monthsAreMadeFilledAndDropped() throws {
        let pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 3)
        let store = PostgresIngestStore(pool: pool)
        var rows = LogRows()
        // Only this month and the next have partitions: the others lie in the default one.
        let ages: [(String, Int64)] = [("today", 0), ("half", 180), ("old", 500), ("older", 900), ("ahead", -700)]
        rows.access = ages.map { Self.request($0.0, daysAgo: $0.1) }
        try store.append(rows)
        #expect(try Self.traces(pool).values.filter { $0.hasSuffix("default") }.count == 4)

        let keeper = PostgresLogKeeper(pool: pool)
        var retention = LogRetention()
        retention.accessMonths = 0
        var done = try #require(try keeper.keep(retention, now: Self.now))
        #expect(
            Set(done.filledPartitions)
                == Set([180, 500, 900].map { Self.partition(daysAgo: $0) }))
        #expect(done.droppedPartitions == [] && done.deletedRows == 0 && done.postponed == [])
        var traces = try Self.traces(pool)
        for (trace, age) in ages where age >= 0 { #expect(traces[trace] == Self.partition(daysAgo: age)) }
        #expect(traces["ahead"] == "wado_access_log_default")
        // A partition that was made by hand has the index and the key of the others.
        try store.append(rows)
        #expect(try Self.traces(pool) == traces)

        retention.accessMonths = 24
        done = try #require(try keeper.keep(retention, now: Self.now))
        #expect(done.droppedPartitions == [Self.partition(daysAgo: 900)] && done.filledPartitions == [])
        retention.accessMonths = 3
        // One that comes late goes at once.
        rows.access = [Self.request("late", daysAgo: 901)]
        try store.append(rows)
        done = try #require(try keeper.keep(retention, now: Self.now))
        #expect(Set(done.droppedPartitions) == Set([180, 500].map { Self.partition(daysAgo: $0) }))
        #expect(done.deletedRows == 1)
        traces = try Self.traces(pool)
        #expect(Set(traces.keys) == ["today", "ahead"])
        #expect(try keeper.keep(retention, now: Self.now) == LogHousekeeping())
    }

    @Test func problemsGoWhenTheyAreClearedOrWereRefused() throws {
        let pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 2)
        let store = PostgresIngestStore(pool: pool)
        func row(_ rule: String, _ severity: ProblemSeverity, daysAgo: Int64) -> DicomProblemMetaRow {
            let time = Timestamp(microsecondsSince1970: Self.now.microsecondsSince1970 - daysAgo * Self.day)
            let subject = InstanceProblems.Subject(
                tenantID: "t1", studyUID: "1.2", seriesUID: "1.2.3", sopUID: "1.2.3.4", traceID: "t",
                workerNodeID: "n", createdTime: time)
            var problems = InstanceProblems()
            problems.add(rule, severity)
            return problems.rows(of: subject, by: "test", seen: time)[0]
        }
        let old = Timestamp(microsecondsSince1970: Self.now.microsecondsSince1970 - 800 * Self.day)
        var rows = LogRows()
        rows.problems = [
            row("old-open", .error, daysAgo: 900), row("old-refused", .refused, daysAgo: 900),
            row("old-cleared", .error, daysAgo: 900).cleared(by: "x", version: "1", at: old),
            row("new-refused", .refused, daysAgo: 9), row("new-cleared", .info, daysAgo: 900),
        ]
        rows.problems[4] = rows.problems[4].cleared(by: "x", version: "1", at: Self.now)
        try store.append(rows)
        let keeper = PostgresLogKeeper(pool: pool)
        #expect(try keeper.keep(LogRetention(), now: Self.now)?.deletedRows == 2)
        var filter = ProblemFilter()
        filter.includesCleared = true
        let left = try PostgresProblems(pool: pool).latest(filter, limit: 10).map(\.rule)
        #expect(Set(left) == ["old-open", "new-refused", "new-cleared"])
    }

    /// Who writes, or reads for long, is not held up by a month that is to go, and it goes later.
    @Test func aMonthInUseIsLeftForLater() throws {
        let pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 3)
        let store = PostgresIngestStore(pool: pool)
        var rows = LogRows()
        rows.access = [Self.request("old", daysAgo: 500)]
        try store.append(rows)
        let keeper = PostgresLogKeeper(pool: pool, lockMilliseconds: 20, attempts: 2)
        var retention = LogRetention()
        retention.accessMonths = 0
        #expect(try keeper.keep(retention, now: Self.now)?.filledPartitions.count == 1)
        retention.accessMonths = 3
        let reader = try PostgresConnection(pool.connectionString)
        try reader.run("BEGIN", operation: "test")
        try reader.run("SELECT count(*) FROM wado_access_log", operation: "test")
        #expect(try keeper.keep(retention, now: Self.now)?.postponed == [Self.partition(daysAgo: 500)])
        rows.access = [Self.request("new", daysAgo: 0)]
        try store.append(rows)
        try reader.run("COMMIT", operation: "test")
        #expect(try keeper.keep(retention, now: Self.now)?.droppedPartitions == [Self.partition(daysAgo: 500)])
        #expect(try Set(Self.traces(pool).keys) == ["new"])
    }

    @Test func oneOfSeveralDoesIt() throws {
        let pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 2)
        let other = try PostgresConnection(pool.connectionString)
        // Who changes Doris' schema is not in its way.
        try other.run("SELECT pg_advisory_lock(\(AdvisoryLock.dorisMigrations))", operation: "test")
        try other.run("SELECT pg_advisory_lock(\(0x7761_646F_0002))", operation: "test")
        let keeper = PostgresLogKeeper(pool: pool)
        #expect(try keeper.keep(LogRetention(), now: Self.now) == nil)
        try other.run("SELECT pg_advisory_unlock(\(0x7761_646F_0002))", operation: "test")
        #expect(try keeper.keep(LogRetention(), now: Self.now) == LogHousekeeping())
    }

    /// Months go by, and nobody came who may make tables.
    @Test func aRoleThatMayMakeNoTablesKeepsItsRows() throws {
        let connection = try TestPostgres.makeArchiveDatabase()
        let owner = try PostgresConnection(connection)
        let found = try owner.run(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'wado_access_log'::regclass",
            operation: "test")
        let months = (0..<found.rowCount).compactMap { found.string($0, 0) }.filter { !$0.hasSuffix("_default") }
        #expect(months.count == 3)
        for month in months { try owner.run("DROP TABLE \(month)", operation: "test") }
        try owner.run(
            """
            DROP ROLE IF EXISTS wado_writer; CREATE ROLE wado_writer;
            GRANT ALL ON ALL TABLES IN SCHEMA public TO wado_writer; REVOKE CREATE ON SCHEMA public FROM PUBLIC
            """, operation: "test")
        var rows = LogRows()
        rows.access.append(Self.request("trace", daysAgo: 0))
        let pool = PostgresPool(connection + " options='-c role=wado_writer'", limit: 1)
        try PostgresIngestStore(pool: pool).append(rows)
        let result = try owner.run("SELECT tableoid::regclass::text FROM wado_access_log", operation: "test")
        #expect(result.rowCount == 1 && result.string(0, 0) == "wado_access_log_default")
        // Starting is not hindered either.
        try SchemaMigrator().migrate(PostgresConnection(pool.connectionString))
        try owner.run("DROP OWNED BY wado_writer; DROP ROLE wado_writer", operation: "test")
    }
}
