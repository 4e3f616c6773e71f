public import Archive
public import ArchiveSchema

/// `dicom_json_meta` as a queue. A worker holds an advisory lock for each series it has taken, in the session that it
/// keeps meanwhile, and no row: so the consumer can flag the series anew at any time without waiting for it.
public final class PostgresCompactionQueue: CompactionQueue {
    private let pool: PostgresPool
    private let publish: (@Sendable ([DicomStateMetaRow]) throws -> Void)?

    /// - Parameter publish: where another store keeps the rows of series too: gets each that was counted, before it
    ///   leaves the queue.
    public init(pool: PostgresPool, publish: (@Sendable ([DicomStateMetaRow]) throws -> Void)? = nil) {
        self.pool = pool
        self.publish = publish
    }

    public func waiting() throws -> Int {
        try pool.retryingOnce { connection throws(PostgresError) in
            let result = try connection.query(
                "SELECT count(*) FROM dicom_json_meta WHERE json_status = 0", operation: "count waiting series")
            return Int(result.integer(0, 0) ?? 0)
        }
    }

    public func take(
        limit: Int, idleMicroseconds: Int64, _ body: ([CompactionTask]) throws -> [CompactionOutcome]
    ) throws -> Int {
        var failure: (any Error)?
        let count = try pool.withConnection { connection throws(PostgresError) -> Int in
            // The locks are the session's: when they cannot be given free one by one, it ends, and they with it.
            var isSettled = false
            defer { if !isSettled { connection.retire() } }
            let tasks = try lock(connection, limit: limit, idleMicroseconds: idleMicroseconds)
            if tasks.isEmpty {
                isSettled = true
                return 0
            }
            var outcomes: [CompactionOutcome] = []
            do {
                outcomes = try body(tasks)
            } catch {
                failure = error
            }
            // What was not reported counts as failed.
            while outcomes.count < tasks.count { outcomes.append(.failed) }
            let unpublished = try settle(connection, tasks, outcomes)
            failure = failure ?? unpublished
            isSettled = true
            return tasks.count
        }
        if let failure { throw failure }
        return count
    }

    public func setSearchedValues(_ rows: [DicomStateMetaRow], of task: CompactionTask) throws {
        let key = PostgresValue.key(of: task.series)
        try pool.withConnection { connection throws(PostgresError) in
            try connection.once(RowStage.states.create, operation: "write variants")
            try connection.transaction { connection throws(PostgresError) in
                // As long as the flag is held, the consumer is not at this series.
                let flag = try connection.query(
                    """
                    SELECT FROM dicom_json_meta WHERE tenant_id = $1 AND study_uid = $2 AND series_uid = $3
                        AND flag_time = $4 FOR UPDATE
                    """, key + [.moment(Timestamp(microsecondsSince1970: task.flagTime))],
                    operation: "lock series")
                guard flag.rowCount == 1 else { return }
                let stored = try connection.query(SeriesVariants.stored, key, operation: "write variants")
                guard stored.rowCount == 1 else { return }
                let variants = SeriesVariants(rows, beside: stored)
                try connection.query(
                    SeriesVariants.prune, key + [.textArray(variants.hashes)], operation: "write variants")
                if variants.tuples.isEmpty { return }
                try connection.copyIn(SeriesVariants.copy, tuples: variants.tuples, operation: "write variants")
                try connection.query(SeriesVariants.insert, operation: "write variants")
            }
        }
    }

    private func lock(
        _ connection: PostgresConnection, limit: Int, idleMicroseconds: Int64
    ) throws(PostgresError) -> [CompactionTask] {
        // Candidates first, so that no lock is taken of a row that the limit cuts off; then, with the lock held, the
        // row is looked at again, since another worker may just have finished it.
        let result = try connection.query(
            """
            WITH candidate AS MATERIALIZED (
                SELECT tenant_id, study_uid, series_uid FROM dicom_json_meta
                WHERE json_status = 0 AND flag_time <= clock_timestamp() - $2::bigint * interval '1 microsecond'
                ORDER BY flag_time LIMIT $1
            )
            SELECT tenant_id, study_uid, series_uid, pg_try_advisory_lock(\(AdvisoryLock.series)) FROM candidate
            """, [.int8(Int64(max(1, limit))), .int8(max(0, idleMicroseconds))], operation: "take series")
        let locked = (0..<result.rowCount).filter { result.bool($0, 3) == true }.map { result.series($0) }
        if locked.isEmpty { return [] }
        let again = try connection.query(
            """
            SELECT tenant_id, study_uid, series_uid, flag_time, retry_times, json_status
            FROM unnest($1::text[], $2::text[], $3::text[]) AS u(t, s, e)
            JOIN dicom_json_meta ON tenant_id = u.t AND study_uid = u.s AND series_uid = u.e
            """, PostgresValue.keys(of: locked), operation: "take series")
        var tasks: [CompactionTask] = []
        var held = Set(locked)
        for row in 0..<again.rowCount where again.integer(row, 5) == 0 {
            let series = again.series(row)
            held.remove(series)
            tasks.append(
                CompactionTask(
                    series: series, flagTime: (again.integer(row, 3) ?? 0) + CopyFormat.epochMicroseconds,
                    retries: Int(again.integer(row, 4) ?? 0)))
        }
        try unlock(connection, Array(held))
        return tasks
    }

    /// - Returns: why a row could not be published; its series stays in the queue.
    private func settle(
        _ connection: PostgresConnection, _ tasks: [CompactionTask], _ outcomes: [CompactionOutcome]
    ) throws(PostgresError) -> (any Error)? {
        var failure: (any Error)?
        for (task, outcome) in zip(tasks, outcomes) {
            let series = PostgresValue.key(of: task.series)
            let key = series + [.moment(Timestamp(microsecondsSince1970: task.flagTime))]
            var outcome = outcome
            if case .done(let count) = outcome, let publish {
                try connection.query(
                    "WITH due AS (\(Self.due)) \(Self.setCount)", key + [.int4(Int32(clamping: count))],
                    operation: "count series")
                do {
                    try publish(try StateRows.read(connection, StateRows.one, series))
                } catch {
                    failure = error
                    outcome = .failed
                }
            }
            switch outcome {
            case .untouched: break
            case .done(let count):
                // Flag and count come in one transaction from the consumer: a flag that still stands means that no
                // later count was written.
                try connection.query(
                    """
                    WITH due AS (
                        UPDATE dicom_json_meta SET json_status = 1, retry_times = 0
                        WHERE tenant_id = $1 AND study_uid = $2 AND series_uid = $3 AND flag_time = $4
                        RETURNING tenant_id, study_uid, series_uid
                    )
                    \(Self.setCount)
                    """, key + [.int4(Int32(clamping: count))], operation: "finish series")
            case .failed:
                // Comes again after a while that doubles from two seconds up to about four minutes.
                try connection.query(
                    """
                    UPDATE dicom_json_meta SET retry_times = retry_times + 1,
                        flag_time = clock_timestamp() + interval '1 second' * (2 ^ least(retry_times + 1, 8))
                    WHERE tenant_id = $1 AND study_uid = $2 AND series_uid = $3 AND flag_time = $4
                    """, key, operation: "finish series")
            }
        }
        try unlock(connection, tasks.map(\.series))
        return failure
    }

    private static let due = """
        SELECT tenant_id, study_uid, series_uid FROM dicom_json_meta
        WHERE tenant_id = $1 AND study_uid = $2 AND series_uid = $3 AND flag_time = $4 FOR UPDATE
        """

    /// Of the series that is due. The time of writing grows, as with every change of a row.
    private static let setCount = """
        UPDATE dicom_state_meta s SET series_related_instances = $5,
            \(SQL.laterTime("s")) FROM due d
        WHERE s.tenant_id = d.tenant_id AND s.study_uid = d.study_uid AND s.series_uid = d.series_uid
            AND s.series_related_instances IS DISTINCT FROM $5
        """

    private func unlock(_ connection: PostgresConnection, _ series: [SeriesIdentity]) throws(PostgresError) {
        if series.isEmpty { return }
        try connection.query(
            """
            SELECT pg_advisory_unlock(\(AdvisoryLock.series))
            FROM unnest($1::text[], $2::text[], $3::text[]) AS u(tenant_id, study_uid, series_uid)
            """,
            PostgresValue.keys(of: series), operation: "finish series")
    }
}
