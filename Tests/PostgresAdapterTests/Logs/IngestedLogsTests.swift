import Archive
import ArchiveSchema
import PostgresAdapter
import PostgresTestSupport
import Testing

/// What is written beside the series of a batch.
@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct IngestedLogsTests {
    @Test func deadLettersAreKeptAndReplayed() throws {
        let fixture = try PostgresSeriesIndexTests.Fixture()
        let bus = PostgresEventBus(pool: fixture.pool)
        let letters = PostgresDeadLetters(pool: fixture.pool)
        var batch = IngestBatch()
        for number in 0..<3 {
            let message = ReceivedMessage(
                topic: .storage, partition: 1, offset: Int64(number), message: Message(key: "k", value: [UInt8(number)])
            )
            batch.deadLetters.append(DeadLetter(message: message, reason: number == 0 ? "a" : "b", detail: "d"))
        }
        try fixture.store.write(batch)
        try fixture.store.write(batch)
        #expect(try letters.count() == 3)
        #expect(try letters.counts() == ["a": 1, "b": 2])
        #expect(try letters.list(limit: 2).map(\.message.message.value) == [[0], [1]])
        #expect(try letters.replay(reason: "b", limit: 10) == 2)
        #expect(try letters.count() == 1)
        let consumer = try bus.makeConsumer(group: "g", topics: [.storage])
        defer { consumer.close() }
        #expect(try consumer.poll(limit: 10, timeoutMilliseconds: 5_000).map(\.message.value) == [[1], [2]])
    }

    @Test func problemsAreOneRowAKeyAndTheLatestCounts() throws {
        let fixture = try PostgresSeriesIndexTests.Fixture()
        var row = DicomProblemMetaRow(
            tenantID: "t1", studyUID: "1.2", seriesUID: "1.2.3", sopUID: "1.2.3.4", occasion: "", rule: "not-a-date",
            tagPath: "(0008,0020)", tableName: "dicom_state_meta", columnName: "study_date", severity: "error",
            program: "wado-consumer", programVersion: "1", traceID: "trace", workerNodeID: "n",
            createdTime: Timestamp(microsecondsSince1970: 1), updatedTime: Timestamp(microsecondsSince1970: 10))
        var rows = LogRows()
        rows.problems = [row, row]
        try fixture.store.append(rows)
        // Cleared by the same key written again; what comes again from before does not open it.
        row.state = "cleared"
        row.updatedTime = Timestamp(microsecondsSince1970: 20)
        var cleared = LogRows()
        cleared.problems = [row]
        try fixture.store.append(cleared)
        try fixture.store.append(rows)
        // Without UIDs the trace tells one from the other.
        for occasion in ["a", "b"] {
            (row.studyUID, row.seriesUID, row.sopUID, row.occasion) = ("", "", "", occasion)
            rows.problems.append(row)
        }
        try fixture.store.append(rows)
        try fixture.pool.withConnection { connection throws(PostgresError) in
            let result = try connection.query(
                "SELECT sop_uid, occasion, state FROM dicom_problem_meta ORDER BY sop_uid, occasion", operation: "test")
            #expect(result.rowCount == 3)
            #expect(result.string(2, 0) == "1.2.3.4" && result.string(2, 2) == "cleared")
            #expect(result.string(0, 1) == "a" && result.string(1, 1) == "b")
        }
    }

    @Test func accessRowsGoIntoPartitions() throws {
        let fixture = try PostgresSeriesIndexTests.Fixture()
        var rows = LogRows()
        for (number, time) in [Timestamp.now, Timestamp(microsecondsSince1970: 0)].enumerated() {
            rows.access.append(
                WadoAccessLogRow(
                    tenantID: "t1", requestTime: time, traceID: "trace-\(number)", workerNodeID: "n", method: "GET",
                    operation: "metadata", status: 200, bytesSent: 1, durationUs: 1))
        }
        try fixture.store.append(rows)
        try fixture.store.append(rows)
        try fixture.pool.withConnection { connection throws(PostgresError) in
            let result = try connection.query(
                "SELECT tableoid::regclass::text FROM wado_access_log ORDER BY request_time", operation: "test")
            #expect(result.rowCount == 2)
            #expect(result.string(0, 0) == "wado_access_log_default")
            #expect(result.string(1, 0) != "wado_access_log_default")
            try SchemaMigrator().extendPartitions(connection)
        }
    }
}
