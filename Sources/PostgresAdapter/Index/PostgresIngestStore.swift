public import Archive
import ArchiveSchema
import Synchronization

/// Writes index and logs into one PostgreSQL: a batch is one transaction.
public final class PostgresIngestStore: IngestStore, SeriesWriter, LogStore {
    private let pool: PostgresPool
    /// The day on which partitions were last looked at.
    private let partitionsDay = Mutex<CalendarDate?>(nil)

    public init(pool: PostgresPool) { self.pool = pool }

    @discardableResult
    public func write(_ batch: IngestBatch) throws -> Int {
        var rows = batch.logs
        rows.problems += batch.receivedProblems
        let logs = Self.encode(rows)
        return try pool.withConnection { connection throws(PostgresError) in
            try Self.prepare(connection, logs)
            try ProblemClearing.prepare(connection, rows)
            return try Self.write(batch, connection) { connection throws(PostgresError) in
                let changed = try Self.insert(connection, logs)
                try ProblemClearing.run(connection, after: rows)
                return changed
            }
        }
    }

    public func writeSeries(_ batch: IngestBatch) throws -> WrittenSeries {
        var problems = LogRows()
        problems.problems = batch.logs.problems + batch.receivedProblems
        let tuples = Self.encode(problems)
        return try pool.withConnection { connection throws(PostgresError) in
            try Self.prepare(connection, tuples)
            try ProblemClearing.prepare(connection, batch.logs)
            var written = WrittenSeries()
            let changed = try Self.write(batch, connection) { connection throws(PostgresError) in
                if !batch.series.isEmpty { written.rows = try StateRows.read(connection, StateRows.staged) }
                try Self.insert(connection, tuples)
                // For the clearing only, which looks for them in their stage.
                var concerned = LogRows()
                concerned.objects = try ProblemClearing.concerned(connection, batch.logs.objects)
                for (stage, tuples) in Self.encode(concerned) {
                    try connection.copyIn(stage.copy, tuples: tuples, operation: "clear problems")
                }
                try ProblemClearing.run(connection, after: concerned)
                written.clearedProblems = try ProblemClearing.cleared(connection, after: concerned)
                return 0
            }
            written.changed = changed
            return written
        }
    }

    /// Writes series and dead letters, then what `body` writes, in one transaction.
    /// - Returns: rows of series that were added or changed, and what `body` returns.
    private static func write(
        _ batch: IngestBatch, _ connection: PostgresConnection,
        _ body: (PostgresConnection) throws(PostgresError) -> Int
    ) throws(PostgresError) -> Int {
        var states: [UInt8] = []
        for update in batch.series {
            var row = update.state
            row.seriesRelatedInstances = Int32(clamping: update.instanceCount)
            row.encodeCopy(into: &states)
        }
        let disagreeing = batch.series.filter { !$0.variants.isEmpty }
        if !states.isEmpty { try connection.once(RowStage.states.create, operation: "write batch") }
        return try connection.transaction { connection throws(PostgresError) in
            var changed = 0
            if !states.isEmpty {
                try connection.copyIn(RowStage.states.copy, tuples: states, operation: "write series")
                // The flag first, as the webworker has it (`PostgresCompactionQueue`): who locks the two rows of a
                // series in one order never waits in a circle.
                try connection.query(flagMetadata, operation: "flag metadata")
                // With the flag set, no other writer is at these series: the rows seen here are those replaced.
                let variants = SeriesVariants(
                    disagreeing, stored: try connection.query(SeriesVariants.differing, operation: "write series"))
                changed += try connection.query(mergeSeries, operation: "write series").affectedRows
                if !variants.tuples.isEmpty {
                    try connection.copyIn(SeriesVariants.copy, tuples: variants.tuples, operation: "write variants")
                    changed += try connection.query(SeriesVariants.insert, operation: "write variants").affectedRows
                }
            }
            for letter in batch.deadLetters { try PostgresDeadLetters.insert(letter, connection) }
            return changed + (try body(connection))
        }
    }

    public func append(_ rows: LogRows) throws {
        if rows.isEmpty { return }
        let logs = Self.encode(rows)
        try pool.retryingOnce { connection throws(PostgresError) in
            let today = Timestamp.now.date
            if partitionsDay.withLock({ $0 != today }) {
                try SchemaMigrator().extendPartitions(connection)
                partitionsDay.withLock { $0 = today }
            }
            try Self.prepare(connection, logs)
            _ = try connection.transaction { connection throws(PostgresError) in try Self.insert(connection, logs) }
        }
    }

    private static func encode(_ rows: LogRows) -> [(RowStage, [UInt8])] {
        var logs = RowStage.logs.map { ($0, [UInt8]()) }
        for row in rows.objects { row.encodeCopy(into: &logs[0].1) }
        for row in rows.images { row.encodeCopy(into: &logs[1].1) }
        for row in rows.access { row.encodeCopy(into: &logs[2].1) }
        for row in rows.problems { row.encodeCopy(into: &logs[3].1) }
        return logs.filter { !$0.1.isEmpty }
    }

    private static func prepare(
        _ connection: PostgresConnection, _ logs: [(RowStage, [UInt8])]
    ) throws(PostgresError) {
        for (stage, _) in logs { try connection.once(stage.create, operation: "write logs") }
    }

    /// - Returns: rows of instances that were added or changed.
    @discardableResult
    private static func insert(
        _ connection: PostgresConnection, _ logs: [(RowStage, [UInt8])]
    ) throws(PostgresError) -> Int {
        var changed = 0
        for (stage, tuples) in logs {
            try connection.copyIn(stage.copy, tuples: tuples, operation: "write logs")
            let inserted = try connection.query(stage.insert, operation: "write logs").affectedRows
            if stage.table.name != RowStage.problems.table.name { changed += inserted }
        }
        return changed
    }

    /// The attributes are those of the representative, the instance with the lowest SOP Instance UID: a row of a lower
    /// or the same one replaces them. The count never falls here (`PostgresCompactionQueue` sets it), the first
    /// reception stays the first, the time of writing grows with every change. Rows are written in the order of their
    /// keys, so that two writers never wait for each other; and not at all when nothing changes.
    static let mergeSeries: String = {
        let table = DicomStateMetaRow.table
        let computed = ["series_related_instances", "created_time", "updated_time"]
        let attributes = table.postgresColumns.filter { !table.key.contains($0.name) && !computed.contains($0.name) }
        let key = RowStage.list(table.postgresColumns.filter { table.key.contains($0.name) })
        let wins = "EXCLUDED.representative_sop_uid <= t.representative_sop_uid"
        let sets = attributes.map { column in
            let name = column.sqlName
            return "\(name) = CASE WHEN \(wins) THEN EXCLUDED.\(name) ELSE t.\(name) END"
        }
        let count = "GREATEST(t.series_related_instances, EXCLUDED.series_related_instances)"
        return """
            INSERT INTO \(table.name) AS t (\(table.columnList))
            SELECT DISTINCT ON (\(key)) \(table.columnList) FROM \(RowStage.states.stageName)
            ORDER BY \(key), representative_sop_uid
            ON CONFLICT (\(key)) DO UPDATE SET \(sets.joined(separator: ", ")),
                series_related_instances = \(count),
                created_time = LEAST(t.created_time, EXCLUDED.created_time),
                updated_time = GREATEST(t.updated_time + interval '1 microsecond', EXCLUDED.updated_time)
            WHERE \(wins) AND (\(RowStage.list(attributes, "t.")))
                    IS DISTINCT FROM (\(RowStage.list(attributes, "EXCLUDED.")))
                OR t.series_related_instances IS DISTINCT FROM \(count) OR EXCLUDED.created_time < t.created_time
            """
    }()

    /// The time of a flag always grows: that is how the webworker sees that a series changed while it worked on it.
    static let flagMetadata = """
        INSERT INTO dicom_json_meta AS t (tenant_id, study_uid, series_uid, study_uid_hash, series_uid_hash,
            study_date_origin, flag_time, created_time, json_status, retry_times)
        SELECT DISTINCT ON (tenant_id, study_uid, series_uid) tenant_id, study_uid, series_uid, study_uid_hash,
            series_uid_hash, study_date_origin, clock_timestamp(), clock_timestamp(), 0, 0
        FROM \(RowStage.states.stageName) ORDER BY tenant_id, study_uid, series_uid
        ON CONFLICT (tenant_id, study_uid, series_uid) DO UPDATE SET json_status = 0, retry_times = 0,
            flag_time = GREATEST(EXCLUDED.flag_time, t.flag_time + interval '1 microsecond')
        """
}
