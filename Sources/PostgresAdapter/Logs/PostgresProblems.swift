public import Archive
public import ArchiveSchema

/// Where problems are looked up: `dicom_problem_meta` in PostgreSQL. They are written, and cleared, with their instances.
public final class PostgresProblems: Sendable {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    /// The most first.
    public func counts(_ filter: ProblemFilter) throws -> [ProblemCount] {
        let condition = Condition(filter)
        return try pool.retryingOnce { connection throws(PostgresError) in
            let result = try connection.queryOnce(
                """
                SELECT rule, severity, state, sum(problems)::bigint, count(*), max(last) FROM (
                    SELECT rule, severity, state, count(*) AS problems, max(updated_time) AS last
                    FROM dicom_problem_meta WHERE \(condition.sql)
                    GROUP BY rule, severity, state, tenant_id, study_uid, series_uid, sop_uid, occasion) instance
                GROUP BY rule, severity, state ORDER BY 4 DESC, 1, 2, 3
                """, condition.values, operation: "count problems")
            return (0..<result.rowCount).map { row in
                ProblemCount(
                    rule: result.string(row, 0) ?? "", severity: result.string(row, 1) ?? "",
                    state: result.string(row, 2) ?? "", problems: Int(result.integer(row, 3) ?? 0),
                    instances: Int(result.integer(row, 4) ?? 0), last: result.timestamp(row, 5) ?? .now)
            }
        }
    }

    /// How many instances have such problems.
    public func instanceCount(_ filter: ProblemFilter) throws -> Int {
        let condition = Condition(filter)
        return try pool.retryingOnce { connection throws(PostgresError) in
            let result = try connection.queryOnce(
                """
                SELECT count(*) FROM (SELECT DISTINCT tenant_id, study_uid, series_uid, sop_uid, occasion
                    FROM dicom_problem_meta WHERE \(condition.sql)) instance
                """, condition.values, operation: "count problems")
            return Int(result.integer(0, 0) ?? 0)
        }
    }

    /// The last ones first.
    public func latest(_ filter: ProblemFilter, limit: Int) throws -> [DicomProblemMetaRow] {
        let condition = Condition(filter)
        return try rows(
            "WHERE \(condition.sql) ORDER BY updated_time DESC, \(Self.key) LIMIT \(max(0, limit))", condition.values)
    }

    /// All, in the order of their keys, so that those of one instance are together; behind `after`.
    public func page(
        _ filter: ProblemFilter, after: DicomProblemMetaRow?, limit: Int
    ) throws -> [DicomProblemMetaRow] {
        var condition = Condition(filter)
        if let after {
            let key = [
                after.tenantID, after.studyUID, after.seriesUID, after.sopUID, after.occasion, after.rule,
                after.tagPath, after.tableName, after.columnName,
            ]
            condition.add("(\(Self.key)) >", "(", key.map { .text($0) }, ")")
        }
        return try rows("WHERE \(condition.sql) ORDER BY \(Self.key) LIMIT \(max(0, limit))", condition.values)
    }

    private static let key = DicomProblemMetaRow.table.key.joined(separator: ", ")

    private func rows(_ clause: String, _ values: [PostgresValue]) throws -> [DicomProblemMetaRow] {
        try pool.retryingOnce { connection throws(PostgresError) in
            try connection.queryOnce(
                "SELECT \(DicomProblemMetaRow.table.jsonExpression) FROM dicom_problem_meta \(clause)", values,
                operation: "list problems"
            ).problems
        }
    }
}

/// A WHERE clause that grows, with its parameters.
struct Condition {
    private(set) var sql = "true"
    private(set) var values: [PostgresValue] = []

    init() {}

    init(_ filter: ProblemFilter) {
        if let tenant = filter.tenantID { add("tenant_id =", .text(tenant)) }
        if let rule = filter.rule { add("rule =", .text(rule)) }
        if let severity = filter.severity { add("severity =", .text(severity.rawValue)) }
        if let study = filter.studyUID { add("study_uid =", .text(study)) }
        if let after = filter.after {
            add("(tenant_id, study_uid, series_uid) >", "(", PostgresValue.key(of: after), ")")
        }
        if let since = filter.since { add("updated_time >=", .moment(since)) }
        if !filter.includesCleared { add("state =", .text(ProblemState.open.rawValue)) }
        if filter.isOfSeries {
            add("severity <>", .text(ProblemSeverity.refused.rawValue), " AND series_uid <> '' AND sop_uid = ''")
        }
        if filter.isStored {
            add("severity <>", .text(ProblemSeverity.refused.rawValue), " AND study_uid <> '' AND sop_uid <> ''")
        }
    }

    mutating func add(_ comparison: String, _ value: PostgresValue, _ more: String = "") {
        add(comparison, "", [value], more)
    }

    mutating func add(_ comparison: String, _ open: String, _ values: [PostgresValue], _ close: String) {
        let places = values.indices.map { "$\(self.values.count + $0 + 1)" }.joined(separator: ", ")
        sql += " AND \(comparison) \(open)\(places)\(close)"
        self.values += values
    }
}

extension TableSchema {
    /// A row as the JSON that its struct reads (`encodeJSON`).
    var jsonExpression: String {
        let fields = postgresColumns.map { column in
            let name = column.sqlName
            let value =
                column.type == .timestamp
                ? "to_char(\(name) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')" : name
            return "'\(column.name)', \(value)"
        }
        // A function takes at most 100 arguments.
        let parts = stride(from: 0, to: fields.count, by: 40).map { start in
            "jsonb_build_object(\(fields[start..<min(start + 40, fields.count)].joined(separator: ", ")))"
        }
        return "(\(parts.joined(separator: " || ")))::text"
    }
}

extension PostgresValue {
    static func moment(_ value: Timestamp) -> PostgresValue {
        .timestamp(microseconds: value.microsecondsSince1970 - CopyFormat.epochMicroseconds)
    }
}

extension PostgresResult {
    /// Of the first column, which is a `jsonExpression`: made by the very columns that it reads.
    var problems: [DicomProblemMetaRow] {
        (0..<rowCount).compactMap { row in bytes(row, 0).flatMap { try? DicomProblemMetaRow(json: $0) } }
    }

    /// The value of a `timestamp with time zone` column; nil for NULL.
    func timestamp(_ row: Int, _ column: Int) -> Timestamp? {
        integer(row, column).map {
            Timestamp(microsecondsSince1970: $0.addingReportingOverflow(CopyFormat.epochMicroseconds).partialValue)
        }
    }
}
