public import Archive
import ArchiveSchema

/// Another run works on the same now.
public struct ReindexBusy: Error, CustomStringConvertible {
    /// `table.column`, `files` or `problems`.
    public let subject: String
    public var description: String {
        "another run is at \(subject) now; it goes on by itself, and so does this one if it is begun again after it"
    }
}

/// The rows of `reindex_job` and `incomplete_column`. Holds a session, whose advisory locks keep a second run of the same
/// work away; they go when the session does, however that ends. Used by one thread.
public final class ReindexJournal {
    private let connection: PostgresConnection

    /// - Throws: `PostgresError`; the schema must be there (`SchemaMigrator`).
    public init(_ connectionString: String) throws(PostgresError) {
        connection = try PostgresConnection(connectionString, applicationName: "wado reindex")
    }

    /// Begins a job, or takes up the one of this scope that was not finished, and marks what is incomplete meanwhile. One
    /// that began before a column was added has no values of it in its first part, so it begins anew.
    /// - Throws: `ReindexBusy`, `PostgresError`.
    public func begin(_ scope: ReindexJob.Scope) throws -> ReindexJob {
        try lock(scope)
        return try connection.transaction { connection throws(PostgresError) in
            let job = try take(scope)
            for column in Self.incomplete(scope) {
                try connection.query(
                    """
                    INSERT INTO incomplete_column (table_name, column_name, tenant_id, since_time)
                    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
                    """,
                    [
                        .text(column.table), .text(column.column), .text(scope.tenantID ?? ""),
                        .moment(job.startedTime),
                    ], operation: "begin a job")
            }
            return job
        }
    }

    /// The job to go on with: the unfinished one, or a new one.
    private func take(_ scope: ReindexJob.Scope) throws(PostgresError) -> ReindexJob {
        guard let job = try unfinished(scope) else {
            let result = try connection.query(
                """
                INSERT INTO reindex_job (kind, columns, tenant_id, since_time) VALUES ($1, $2, $3, $4)
                RETURNING \(Self.columns)
                """, Self.values(scope), operation: "begin a job")
            return Self.job(result, scope)
        }
        let result = try connection.query(
            """
            UPDATE reindex_job SET at_tenant = '', at_study = '', at_series = '', done = 0, changed = 0, failed = 0,
                since_time = $6, started_time = clock_timestamp()
            WHERE job_id = $1 AND EXISTS (
                SELECT FROM incomplete_column WHERE since_time > $2 AND tenant_id IN ('', $3)
                    AND column_name <> '' AND ($4 OR table_name || '.' || column_name = ANY ($5)))
            RETURNING \(Self.columns)
            """,
            [
                .int8(job.id), .moment(job.startedTime), .text(scope.tenantID ?? ""), .bool(scope.kind == .files),
                .textArray(scope.columns), Self.since(scope),
            ], operation: "begin a job")
        return result.rowCount > 0 ? Self.job(result, scope) : job
    }

    /// The job of this scope that was begun and not finished; nil when there is none.
    public func unfinished(_ scope: ReindexJob.Scope) throws(PostgresError) -> ReindexJob? {
        let result = try connection.query(
            """
            SELECT \(Self.columns) FROM reindex_job
            WHERE kind = $1 AND columns = $2 AND tenant_id = $3 AND finished_time IS NULL
                AND (since_time IS NOT DISTINCT FROM $4::timestamptz OR $5 AND abs(extract(
                    epoch FROM (started_time - since_time) - (clock_timestamp() - $4::timestamptz))) < \(Self.sameSpanSeconds))
            ORDER BY job_id DESC LIMIT 1
            """, Self.values(scope) + [.bool(scope.isSinceRelative)], operation: "look for a job")
        return result.rowCount > 0 ? Self.job(result, scope) : nil
    }

    /// Notes how far it came; after a kill it is taken up there.
    public func advance(_ job: ReindexJob) throws(PostgresError) {
        try connection.query(
            """
            UPDATE reindex_job SET at_tenant = $2, at_study = $3, at_series = $4, done = $5, changed = $6, failed = $7,
                updated_time = clock_timestamp()
            WHERE job_id = $1
            """,
            [
                .int8(job.id), .text(job.position?.tenantID ?? ""), .text(job.position?.studyUID ?? ""),
                .text(job.position?.seriesUID ?? ""), .int8(Int64(job.done)), .int8(Int64(job.changed)),
                .int8(Int64(job.failed)),
            ], operation: "note how far a job came")
    }

    /// Notes the end. What it filled is complete now, unless only what came since some day was asked for, values of some
    /// instance could not be filled, or the column is younger than the job.
    public func finish(_ job: ReindexJob) throws(PostgresError) {
        try connection.transaction { connection throws(PostgresError) in
            try advance(job)
            try connection.query(
                "UPDATE reindex_job SET finished_time = clock_timestamp() WHERE job_id = $1", [.int8(job.id)],
                operation: "finish a job")
            if job.scope.since != nil || job.scope.kind == .problems { return }
            if job.scope.isOfColumns && job.failed > 0 { return }
            // What is made anew from the files has all its columns.
            let columns: PostgresValue = job.scope.isOfColumns ? .textArray(job.scope.columns) : .null
            // What is complete for all is so for each; what was incomplete for all, and is complete for one, is so for the
            // others that are there.
            try connection.query(
                """
                WITH done AS (
                    DELETE FROM incomplete_column
                    WHERE (tenant_id IN ('', $1) OR $1 = '') AND since_time <= $2
                        AND ($3::text[] IS NULL OR table_name || '.' || column_name = ANY ($3))
                    RETURNING *)
                INSERT INTO incomplete_column (table_name, column_name, tenant_id, since_time)
                SELECT d.table_name, d.column_name, t.tenant_id, d.since_time
                FROM done d CROSS JOIN (SELECT DISTINCT tenant_id FROM dicom_state_meta) t
                WHERE $1 <> '' AND d.tenant_id = '' AND t.tenant_id <> $1
                ON CONFLICT DO NOTHING
                """, [.text(job.scope.tenantID ?? ""), .moment(job.startedTime), columns],
                operation: "finish a job")
        }
    }

    // MARK: Parts

    /// One lock for each column, so that runs of different ones do not hinder each other.
    private func lock(_ scope: ReindexJob.Scope) throws {
        for subject in scope.isOfColumns ? scope.columns : [scope.kind.rawValue] {
            // The session of a run that was killed a moment ago may not have ended yet.
            for attempt in 0... {
                let result = try connection.query(
                    "SELECT pg_try_advisory_lock(\(AdvisoryLock.reindex("$1")))", [.text(subject)],
                    operation: "begin a job")
                if result.bool(0, 0) == true { break }
                guard attempt < 10 else {
                    try connection.query("SELECT pg_advisory_unlock_all()", operation: "begin a job")
                    throw ReindexBusy(subject: subject)
                }
                try connection.query("SELECT pg_sleep(0.1)", operation: "begin a job")
            }
        }
    }

    /// Empty names stand for everything. Only part of the files makes nothing incomplete that was not so before.
    private static func incomplete(_ scope: ReindexJob.Scope) -> [(table: String, column: String)] {
        if !scope.isOfColumns { return scope.kind == .files && scope.since == nil ? [("", "")] : [] }
        return scope.columns.compactMap { name in
            let parts = name.split(separator: ".", maxSplits: 1)
            return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
        }
    }

    private static let columns =
        "job_id, at_tenant, at_study, at_series, done, changed, failed, started_time, since_time"
    /// By how much two spans may differ, and be the same.
    private static let sameSpanSeconds = 60

    private static func values(_ scope: ReindexJob.Scope) -> [PostgresValue] {
        [.text(scope.kind.rawValue), .textArray(scope.columns), .text(scope.tenantID ?? ""), since(scope)]
    }

    private static func since(_ scope: ReindexJob.Scope) -> PostgresValue { scope.since.map { .moment($0) } ?? .null }

    private static func job(_ result: PostgresResult, _ scope: ReindexJob.Scope) -> ReindexJob {
        func text(_ column: Int) -> String { result.string(0, column) ?? "" }
        func number(_ column: Int) -> Int { Int(result.integer(0, column) ?? 0) }
        var scope = scope
        scope.since = result.timestamp(0, 8)
        let position = SeriesIdentity(tenantID: text(1), studyUID: text(2), seriesUID: text(3))
        return ReindexJob(
            scope: scope, id: result.integer(0, 0) ?? 0, position: position.seriesUID.isEmpty ? nil : position,
            done: number(4), changed: number(5), failed: number(6),
            startedTime: result.timestamp(0, 7) ?? .now)
    }
}
