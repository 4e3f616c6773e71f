public import ArchiveSchema

/// A log table as people look at it: columns that tell nothing of a patient.
public enum LogTable: String, CaseIterable, Sendable {
    case access, objects, images

    /// Its name in the database.
    public var table: String {
        switch self {
        case .access: "wado_access_log"
        case .objects: "dicom_object_meta"
        case .images: "dicom_image_meta"
        }
    }

    public var columns: [String] {
        switch self {
        case .access:
            [
                "request_time", "tenant_id", "status", "method", "operation", "duration_us", "bytes_sent", "study_uid",
                "series_uid", "sop_uid", "remote_address", "user_agent", "worker_node_id", "trace_id",
            ]
        case .objects:
            [
                "created_time", "tenant_id", "study_uid", "series_uid", "sop_uid", "file_size", "transfer_syntax_uid",
                "number_of_frames", "source_ae", "source_ip", "worker_node_id", "trace_id",
            ]
        case .images:
            [
                "created_time", "tenant_id", "study_uid", "series_uid", "sop_uid", "sop_class_uid",
                "transfer_syntax_uid", "width", "columns", "bits_allocated", "samples_per_pixel", "number_of_frames",
                "space_size",
            ]
        }
    }

    fileprivate var timeColumn: String { self == .access ? "request_time" : "created_time" }
}

/// Which rows of a log are meant.
public struct LogFilter: Sendable {
    public var tenantID: String?
    public var studyUID: String?
    public var traceID: String?
    public var since: Timestamp?

    public init() {}
}

/// The log tables in PostgreSQL, for people.
public final class PostgresLogs: Sendable {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    /// The last rows, the oldest of them first; the values in the order of `LogTable.columns`, as text.
    public func last(_ limit: Int, of log: LogTable, _ filter: LogFilter) throws -> [[String?]] {
        // Images are found by their objects, which have the index on time, and the trace.
        let table = log == .images ? LogTable.objects.table : log.table
        var condition = Condition()
        if let tenant = filter.tenantID { condition.add("tenant_id =", .text(tenant)) }
        if let study = filter.studyUID { condition.add("study_uid =", .text(study)) }
        if let since = filter.since { condition.add("\(log.timeColumn) >=", .moment(since)) }
        if let trace = filter.traceID {
            condition.add("trace_id =", .text(trace))
            if log == .access, let time = Self.time(of: trace) {
                condition.add("request_time >=", .moment(time))
                condition.add(
                    "request_time <", .moment(Timestamp(microsecondsSince1970: time.microsecondsSince1970 + 1_000)))
            }
        }
        let image = log == .images ? "JOIN \(log.table) i USING (tenant_id, study_uid, series_uid, sop_uid)" : ""
        let columns = log.columns.map { column in
            let name =
                log == .images && !["tenant_id", "study_uid", "series_uid", "sop_uid"].contains(column)
                ? "i.\"\(column)\"" : "\"\(column)\""
            return column.hasSuffix("_time")
                ? "to_char(\(name) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')" : "\(name)::text"
        }
        // From tenant to tenant, since every index begins with the tenant.
        let sql = """
            WITH RECURSIVE tenant(id) AS (
                SELECT min(tenant_id) FROM \(table)
                UNION ALL
                SELECT (SELECT min(t.tenant_id) FROM \(table) t WHERE t.tenant_id > tenant.id) FROM tenant
                WHERE tenant.id IS NOT NULL)
            SELECT \(columns.joined(separator: ", ")) FROM (
                SELECT r.* FROM tenant, LATERAL (
                    SELECT * FROM \(table) WHERE tenant_id = tenant.id AND \(condition.sql)
                    ORDER BY \(log.timeColumn) DESC LIMIT \(max(0, limit))) r
                ORDER BY r.\(log.timeColumn) DESC LIMIT \(max(0, limit))) o
            \(image) ORDER BY o.\(log.timeColumn)
            """
        return try pool.retryingOnce { connection throws(PostgresError) in
            let result = try connection.queryOnce(sql, condition.values, operation: "read a log")
            return (0..<result.rowCount).map { row in
                (0..<result.columnCount).map { result.string(row, $0) }
            }
        }
    }

    /// When a trace id was made, to the millisecond: it is a UUID of version 7.
    private static func time(of trace: String) -> Timestamp? {
        let digits = trace.filter { $0 != "-" }
        guard digits.utf8.count == 32, digits.dropFirst(12).first == "7",
            let milliseconds = Int64(digits.prefix(12), radix: 16)
        else { return nil }
        return Timestamp(microsecondsSince1970: milliseconds * 1_000)
    }
}
