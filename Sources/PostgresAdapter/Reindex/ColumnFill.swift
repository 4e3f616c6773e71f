public import Archive
public import ArchiveSchema

/// Fills columns of rows that are there, while others write.
///
/// Who writes to a series flags it first, in the same transaction (`dicom_json_meta`), and the time of a flag always
/// grows. So a series whose flag is locked, and has the time that it had before its metadata was read, has nothing that
/// the metadata read lacks: values are written to such series only, and the others are read again.
public final class ColumnFill: Sendable {
    private let pool: PostgresPool
    private let columns: ColumnSelection

    public init(pool: PostgresPool, columns: ColumnSelection) {
        self.pool = pool
        self.columns = columns
    }

    /// Series in the order of their keys.
    public struct Filter: Sendable {
        /// nil: of all tenants.
        public var tenantID: String?
        /// Only those that were written to then or later.
        public var since: Timestamp?

        public init(tenantID: String? = nil, since: Timestamp? = nil) {
            self.tenantID = tenantID
            self.since = since
        }

        fileprivate var sql: String {
            "(s.tenant_id = $1 OR $1::text IS NULL) AND (s.updated_time >= $2 OR $2::timestamptz IS NULL)"
        }
        fileprivate var values: [PostgresValue] {
            [tenantID.map { .text($0) } ?? .null, since.map { .moment($0) } ?? .null]
        }
    }

    /// Series, and their instances as last counted, that come behind a series.
    public func count(_ filter: Filter, after: SeriesIdentity?) throws -> (series: Int, instances: Int) {
        try pool.retryingOnce { connection throws(PostgresError) in
            let result = try connection.queryOnce(
                """
                SELECT count(*), coalesce(sum(s.series_related_instances), 0)::bigint FROM dicom_state_meta s
                WHERE \(filter.sql) AND (s.tenant_id, s.study_uid, s.series_uid) > ($3, $4, $5)
                """, filter.values + PostgresValue.key(of: after), operation: "count series")
            return (Int(result.integer(0, 0) ?? 0), Int(result.integer(0, 1) ?? 0))
        }
    }

    /// The next series, at most `limit`.
    public func series(_ filter: Filter, after: SeriesIdentity?, limit: Int) throws -> [FillSeries] {
        try pool.retryingOnce { connection throws(PostgresError) in
            Self.series(
                try connection.queryOnce(
                    """
                    SELECT \(Self.seriesColumns)
                    WHERE \(filter.sql) AND (s.tenant_id, s.study_uid, s.series_uid) > ($3, $4, $5)
                    ORDER BY s.tenant_id, s.study_uid, s.series_uid LIMIT $6
                    """, filter.values + PostgresValue.key(of: after) + [.int8(Int64(limit))], operation: "read series")
            )
        }
    }

    /// These series, as they are now. Those that have no flag get one.
    public func series(_ identities: [SeriesIdentity]) throws -> [FillSeries] {
        try pool.retryingOnce { connection throws(PostgresError) in
            try Self.flag(identities, connection)
            return Self.series(
                try connection.query(
                    """
                    SELECT \(Self.seriesColumns)
                    JOIN unnest($1::text[], $2::text[], $3::text[]) AS u(t, s, e)
                        ON s.tenant_id = u.t AND s.study_uid = u.s AND s.series_uid = u.e
                    ORDER BY s.tenant_id, s.study_uid, s.series_uid
                    """, PostgresValue.keys(of: identities), operation: "read series"))
        }
    }

    /// The rows of these series as they are now.
    public func rows(of series: [SeriesIdentity]) throws -> [DicomStateMetaRow] {
        try pool.retryingOnce { connection throws(PostgresError) in
            try StateRows.read(connection, StateRows.several, PostgresValue.keys(of: series))
        }
    }

    /// Writes the values of series that are as they were.
    /// - Returns: how many rows were changed, and the series that were written to meanwhile.
    public func write(_ batch: FillBatch) throws -> (changed: Int, again: [SeriesIdentity]) {
        try transaction { connection throws(PostgresError) in
            let current = try Self.lock(batch.parts.map(\.series.identity), connection)
            var again: [SeriesIdentity] = []
            var parts: [FillBatch.Part] = []
            for part in batch.parts {
                if let time = current[part.series.identity], time == part.series.flagTime {
                    parts.append(part)
                } else {
                    again.append(part.series.identity)
                }
            }
            var changed = 0
            for (table, columns) in columns.tables where try Self.stage(table, parts, connection) {
                changed += try connection.query(table.update(columns), operation: "fill columns").affectedRows
            }
            try Self.replaceVariants(parts, connection)
            return (changed, again)
        }
    }

    /// How many rows `write` would change, as they are now; nothing of ours is written or locked.
    public func countChanges(_ batch: FillBatch) throws -> Int {
        try transaction { connection throws(PostgresError) in
            var changed = 0
            for (table, columns) in columns.tables where try Self.stage(table, batch.parts, connection) {
                let found = try connection.query(table.count(columns), operation: "count changes")
                changed += Int(found.integer(0, 0) ?? 0)
            }
            return changed
        }
    }

    private func transaction<R>(
        _ body: (PostgresConnection) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        try pool.withConnection { connection throws(PostgresError) in
            for (table, _) in columns.tables { try connection.once(table.createStage, operation: "fill columns") }
            try connection.once(RowStage.states.create, operation: "fill columns")
            return try connection.transaction { connection throws(PostgresError) in
                // Rows are looked up by their keys: no plan that reads all of a table is a good one.
                try connection.run(
                    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off", operation: "fill columns")
                return try body(connection)
            }
        }
    }

    /// Brings the values of a table into its stage.
    /// - Returns: false when there are none.
    private static func stage(
        _ table: FilledTable, _ parts: [FillBatch.Part], _ connection: PostgresConnection
    ) throws(PostgresError) -> Bool {
        var tuples: [UInt8] = []
        for part in parts { tuples += part.tuples[table] ?? [] }
        if tuples.isEmpty { return false }
        try connection.copyIn(table.copy, tuples: tuples, operation: "fill columns")
        return true
    }

    private static func replaceVariants(
        _ parts: [FillBatch.Part], _ connection: PostgresConnection
    ) throws(PostgresError) {
        let renewed = parts.filter { $0.variants != nil }
        if renewed.isEmpty { return }
        try connection.query(
            """
            DELETE FROM \(SeriesVariants.name) v USING unnest($1::text[], $2::text[], $3::text[]) AS u(t, s, e)
            WHERE v.tenant_id = u.t AND v.study_uid = u.s AND v.series_uid = u.e
            """, PostgresValue.keys(of: renewed.map(\.series.identity)), operation: "fill variants")
        let tuples = renewed.flatMap { $0.variants ?? [] }
        if tuples.isEmpty { return }
        try connection.copyIn(SeriesVariants.copy, tuples: tuples, operation: "fill variants")
        try connection.query(SeriesVariants.insert, operation: "fill variants")
    }

    /// Holds the flags of the series until the end of the transaction, in the order in which all take them.
    static func lock(
        _ identities: [SeriesIdentity], _ connection: PostgresConnection
    ) throws(PostgresError) -> [SeriesIdentity: Int64] {
        let result = try connection.query(
            """
            SELECT j.tenant_id, j.study_uid, j.series_uid, j.flag_time FROM dicom_json_meta j
            JOIN unnest($1::text[], $2::text[], $3::text[]) AS u(t, s, e)
                ON j.tenant_id = u.t AND j.study_uid = u.s AND j.series_uid = u.e
            ORDER BY j.tenant_id, j.study_uid, j.series_uid FOR UPDATE OF j
            """, PostgresValue.keys(of: identities), operation: "lock series")
        var times: [SeriesIdentity: Int64] = [:]
        for row in 0..<result.rowCount {
            times[result.series(row)] = result.integer(row, 3)
        }
        return times
    }

    /// Series that nobody has flagged since the table was made get a flag.
    private static func flag(_ identities: [SeriesIdentity], _ connection: PostgresConnection) throws(PostgresError) {
        try connection.query(
            """
            INSERT INTO dicom_json_meta (tenant_id, study_uid, series_uid, study_uid_hash, series_uid_hash,
                study_date_origin, flag_time, created_time, json_status, retry_times)
            SELECT s.tenant_id, s.study_uid, s.series_uid, s.study_uid_hash, s.series_uid_hash, s.study_date_origin,
                clock_timestamp(), clock_timestamp(), 0, 0
            FROM dicom_state_meta s
            JOIN unnest($1::text[], $2::text[], $3::text[]) AS u(t, s, e)
                ON s.tenant_id = u.t AND s.study_uid = u.s AND s.series_uid = u.e
            ORDER BY s.tenant_id, s.study_uid, s.series_uid ON CONFLICT DO NOTHING
            """, PostgresValue.keys(of: identities), operation: "flag series")
    }

    // MARK: Parts

    private static let seriesColumns = """
        s.tenant_id, s.study_uid, s.series_uid, s.representative_sop_uid, coalesce(s.series_related_instances, 0),
            j.flag_time, EXISTS (SELECT 1 FROM \(SeriesVariants.name) v WHERE v.tenant_id = s.tenant_id
                AND v.study_uid = s.study_uid AND v.series_uid = s.series_uid), s.created_time
        FROM dicom_state_meta s LEFT JOIN dicom_json_meta j ON j.tenant_id = s.tenant_id
            AND j.study_uid = s.study_uid AND j.series_uid = s.series_uid
        """

    private static func series(_ result: PostgresResult) -> [FillSeries] {
        (0..<result.rowCount).map { row in
            FillSeries(
                identity: result.series(row), instanceCount: Int(result.integer(row, 4) ?? 0),
                representative: result.string(row, 3) ?? "", flagTime: result.integer(row, 5),
                hasVariants: result.bool(row, 6) == true, createdTime: result.timestamp(row, 7) ?? .now)
        }
    }
}
