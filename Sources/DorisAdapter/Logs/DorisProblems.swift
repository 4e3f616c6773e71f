public import Archive
public import ArchiveSchema

/// `dicom_problem_meta` in Doris, for people.
public final class DorisProblems: ProblemStore {
    private let configuration: DorisConfiguration
    private static let table = DicomProblemMetaRow.table

    /// - Parameter configuration: its database is there, with the tables.
    public init(_ configuration: DorisConfiguration) { self.configuration = configuration }

    /// Refused instances without SOP Instance UID count as one.
    public func counts(_ filter: ProblemFilter) throws -> [ProblemCount] {
        let result = try run(
            """
            SELECT rule, severity, state, COUNT(*) AS problems, COUNT(DISTINCT sop_uid) AS instances,
                MAX(updated_time) AS last_time
            FROM \(Self.table.name) WHERE \(Self.condition(filter)) GROUP BY rule, severity, state
            ORDER BY problems DESC, rule, severity, state
            """)
        return result.rows.indices.map { row in
            ProblemCount(
                rule: result.value(row, "rule") ?? "", severity: result.value(row, "severity") ?? "",
                state: result.value(row, "state") ?? "", problems: Self.number(result.value(row, "problems")),
                instances: Self.number(result.value(row, "instances")),
                last: Self.time(result.value(row, "last_time")))
        }
    }

    public func latest(_ filter: ProblemFilter, limit: Int) throws -> [DicomProblemMetaRow] {
        try rows("WHERE \(Self.condition(filter)) ORDER BY updated_time DESC, \(Self.key) LIMIT \(max(0, limit))")
    }

    public func page(
        _ filter: ProblemFilter, after: DicomProblemMetaRow?, limit: Int
    ) throws -> [DicomProblemMetaRow] {
        var condition = Self.condition(filter)
        if let after { condition += " AND (\(Self.isBehind(after)))" }
        return try rows("WHERE \(condition) ORDER BY \(Self.key) LIMIT \(max(0, limit))")
    }

    private static let key = table.key.joined(separator: ", ")

    private static func condition(_ filter: ProblemFilter) -> String {
        var parts: [String] = []
        func add(_ comparison: String, _ value: String?) {
            if let value { parts.append("\(comparison) \(DorisText.string(value))") }
        }
        add("tenant_id =", filter.tenantID)
        add("rule =", filter.rule)
        add("severity =", filter.severity?.rawValue)
        add("study_uid =", filter.studyUID)
        add("updated_time >=", filter.since?.description)
        if !filter.includesCleared { add("state =", ProblemState.open.rawValue) }
        if filter.isStored {
            add("severity <>", ProblemSeverity.refused.rawValue)
            add("study_uid <>", "")
            add("sop_uid <>", "")
        }
        return parts.isEmpty ? "TRUE" : parts.joined(separator: " AND ")
    }

    /// In the order of the key: the first column that differs is greater.
    private static func isBehind(_ row: DicomProblemMetaRow) -> String {
        let values = [
            row.tenantID, row.studyUID, row.seriesUID, row.sopUID, row.occasion, row.rule, row.tagPath, row.tableName,
            row.columnName,
        ].map { DorisText.string($0) }
        let columns = Array(zip(table.key, values))
        return columns.indices.map { place in
            let equal = columns[..<place].map { "\($0) = \($1)" }
            return "(" + (equal + ["\(columns[place].0) > \(columns[place].1)"]).joined(separator: " AND ") + ")"
        }.joined(separator: " OR ")
    }

    private func rows(_ clause: String) throws -> [DicomProblemMetaRow] {
        let columns = Self.table.columns.map(\.name).joined(separator: ", ")
        let result = try run("SELECT \(columns) FROM \(Self.table.name) \(clause)")
        return result.rows.indices.map { row in
            func text(_ column: String) -> String { result.value(row, column) ?? "" }
            return DicomProblemMetaRow(
                tenantID: text("tenant_id"), studyUID: text("study_uid"), seriesUID: text("series_uid"),
                sopUID: text("sop_uid"), occasion: text("occasion"), rule: text("rule"), tagPath: text("tag_path"),
                tableName: text("table_name"), columnName: text("column_name"), severity: text("severity"),
                state: text("state"), occurrences: Int64(Self.number(result.value(row, "occurrences"))),
                detail: result.value(row, "detail"), program: text("program"),
                programVersion: text("program_version"), traceID: text("trace_id"),
                sourceIP: result.value(row, "source_ip"), sourceAE: result.value(row, "source_ae"),
                workerNodeID: text("worker_node_id"), createdTime: Self.time(result.value(row, "created_time")),
                updatedTime: Self.time(result.value(row, "updated_time")))
        }
    }

    private func run(_ sql: String) throws -> DorisResult {
        let session = try DorisSession(configuration)
        guard try session.useDatabase() else {
            throw DorisError(
                code: DorisError.unexpectedAnswer, operation: "look for problems",
                message: "there is no database \(configuration.database)")
        }
        return try session.connection.run(sql, operation: "look for problems")
    }

    private static func number(_ text: String?) -> Int { text.flatMap { Int($0) } ?? 0 }

    /// Doris' moments have no zone: they are UTC, as they were sent.
    private static func time(_ text: String?) -> Timestamp {
        text.flatMap { Timestamp($0) } ?? Timestamp(microsecondsSince1970: 0)
    }
}
