public import Archive
public import ArchiveSchema

/// What index and log tables say of series: for comparing it with what is stored.
public final class IndexInventory: Sendable {
    /// What the tables have of one series.
    public struct Entry: Sendable {
        /// As last counted; nil when the series has no row.
        public var instanceCount: Int?
        /// SOP Instance UIDs, by the name of the table.
        public var instances: [String: Set<String>] = [:]

        public init() {}
    }

    private let pool: PostgresPool
    /// Tables of one row an instance.
    public let instanceTables: [String]

    /// - Parameter hasLogs: false when the rows of instances are not in this database.
    public init(pool: PostgresPool, hasLogs: Bool = true) {
        self.pool = pool
        instanceTables = hasLogs ? [FilledTable.object, .image].map(\.schema.name) : []
    }

    /// Of each of these series that any table knows.
    public func entries(of series: [SeriesIdentity]) throws -> [SeriesIdentity: Entry] {
        try pool.retryingOnce { connection throws(PostgresError) in
            var entries: [SeriesIdentity: Entry] = [:]
            let counts = try connection.query(
                Self.join("dicom_state_meta", "coalesce(t.series_related_instances, 0)"),
                PostgresValue.keys(of: series),
                operation: "take stock")
            for row in 0..<counts.rowCount {
                entries[counts.series(row), default: Entry()].instanceCount = Int(
                    counts.integer(row, 3) ?? 0)
            }
            for table in instanceTables {
                let rows = try connection.query(
                    Self.join(table, "t.sop_uid"), PostgresValue.keys(of: series), operation: "take stock")
                for row in 0..<rows.rowCount {
                    guard let uid = rows.string(row, 3) else { continue }
                    entries[rows.series(row), default: Entry()].instances[table, default: []].insert(uid)
                }
            }
            return entries
        }
    }

    private static func join(_ table: String, _ value: String) -> String {
        """
        SELECT t.tenant_id, t.study_uid, t.series_uid, \(value) FROM \(table) t
        JOIN unnest($1::text[], $2::text[], $3::text[]) AS u(t, s, e)
            ON t.tenant_id = u.t AND t.study_uid = u.s AND t.series_uid = u.e
        """
    }

    /// The next series that any table knows, in the order of their keys; at most `limit`.
    public func series(tenantID: String?, after: SeriesIdentity?, limit: Int) throws -> [SeriesIdentity] {
        let key = "tenant_id, study_uid, series_uid"
        let parts = (["dicom_state_meta"] + instanceTables).map { table in
            """
            (SELECT DISTINCT \(key) FROM \(table)
            WHERE (\(key)) > ($1, $2, $3) AND (tenant_id = $4 OR $4::text IS NULL) ORDER BY \(key) LIMIT $5)
            """
        }
        return try pool.retryingOnce { connection throws(PostgresError) in
            let result = try connection.queryOnce(
                """
                SELECT DISTINCT \(key) FROM (\(parts.joined(separator: " UNION ALL "))) AS u
                ORDER BY \(key) LIMIT $5
                """,
                PostgresValue.key(of: after) + [tenantID.map { .text($0) } ?? .null, .int8(Int64(limit))],
                operation: "take stock")
            return (0..<result.rowCount).map { result.series($0) }
        }
    }

    /// Sets the count of a series to what `count` says while nobody adds to it.
    /// - Returns: the row of the series as it then is, for stores that follow the index; none when it has no row.
    public func setCount(of series: SeriesIdentity, _ count: () throws -> Int) throws -> [DicomStateMetaRow] {
        var failure: (any Error)?
        let rows = try pool.withConnection { connection throws(PostgresError) in
            try connection.transaction { connection throws(PostgresError) -> [DicomStateMetaRow] in
                _ = try ColumnFill.lock([series], connection)
                let number: Int
                do { number = try count() } catch {
                    failure = error
                    return []
                }
                try connection.query(
                    """
                    UPDATE dicom_state_meta t SET series_related_instances = $4, \(SQL.laterTime("t"))
                    WHERE tenant_id = $1 AND study_uid = $2 AND series_uid = $3
                        AND series_related_instances IS DISTINCT FROM $4
                    """, PostgresValue.key(of: series) + [.int4(Int32(clamping: number))], operation: "set a count")
                return try StateRows.read(connection, StateRows.one, PostgresValue.key(of: series))
            }
        }
        if let failure { throw failure }
        return rows
    }
}
