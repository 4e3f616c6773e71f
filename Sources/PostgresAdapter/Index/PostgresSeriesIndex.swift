public import Archive
public import DICOMWeb

/// The index of series in `dicom_state_meta`, one row a series.
public final class PostgresSeriesIndex: SeriesIndex {
    public struct Configuration: Sendable {
        /// A search that takes longer is given up, in milliseconds: it keeps a session from others.
        public var timeoutMilliseconds = 20_000
        /// So much later it is given up here, should PostgreSQL not do so: it may have been stopped, or its machine.
        public var graceMilliseconds = 5_000

        public init() {}
    }

    private let pool: PostgresPool
    private let configuration: Configuration
    private let incomplete = IncompleteColumns()

    /// - Parameter pool: of its own, since its sessions keep the limit.
    public init(pool: PostgresPool, configuration: Configuration = Configuration()) {
        self.pool = pool
        self.configuration = configuration
    }

    public func search(_ query: QIDOQuery, tenantID: String, retrieveRoot: String?) throws -> IndexAnswer {
        guard query.level != .instances else {
            throw PostgresError(
                code: .init(rawValue: "0A000"), operation: "search", message: "instances are not in this index")
        }
        let limit = min(query.limit ?? .max, Int(Int32.max))
        let plan = AnswerPlan(query, retrieveRoot: retrieveRoot)
        let statement = Statement(query, plan, tenantID: tenantID, limit: limit)
        let rows = try ask { connection throws(PostgresError) in
            let result =
                statement.isPlain
                ? try connection.query(statement.sql, statement.parameters, operation: "search")
                : try connection.queryOnce(statement.sql, statement.parameters, operation: "search")
            return (0..<result.rowCount).map {
                (plan.object(result, $0), plan.representative(result, $0, tenantID: tenantID))
            }
        }
        return IndexAnswer(
            objects: rows.prefix(limit).map(\.0), representatives: rows.prefix(limit).map(\.1),
            isPartial: rows.count > limit,
            warnings: query.warnings + statement.warnings)
    }

    private func ask<R>(_ body: (PostgresConnection) throws(PostgresError) -> R) throws(PostgresError) -> R {
        try pool.retryingOnce { connection throws(PostgresError) in
            let limit = max(0, configuration.timeoutMilliseconds)
            connection.answerLimit = limit > 0 ? limit + configuration.graceMilliseconds : nil
            try connection.once("SET statement_timeout = \(limit)", operation: "search")
            return try body(connection)
        }
    }

    /// One search as PostgreSQL gets it.
    package struct Statement {
        package let sql: String
        package let parameters: [PostgresValue]
        /// True when one plan for all values will do.
        package let isPlain: Bool
        let warnings: [String]

        init(_ query: QIDOQuery, _ plan: AnswerPlan, tenantID: String, limit: Int) {
            var predicates = SearchPredicates(tenantID: tenantID, query: query, warnsOfInstanceKeys: true)
            // One more than asked for shows whether there is more.
            let limit = predicates.bind(.int8(Int64(limit) + 1))
            let offset = predicates.bind(.int8(Int64(query.offset)))
            sql = PostgresSeriesIndex.sql(query.level, plan, predicates, page: "LIMIT \(limit) OFFSET \(offset)")
            parameters = predicates.parameters
            isPlain = predicates.isPlain
            warnings = predicates.warnings
        }

        /// For looking at its plan.
        package init(_ query: QIDOQuery, tenantID: String) {
            self.init(query, AnswerPlan(query, retrieveRoot: nil), tenantID: tenantID, limit: query.limit ?? 100)
        }
    }

    private static func sql(
        _ level: QIDOLevel, _ plan: AnswerPlan, _ predicates: SearchPredicates, page: String
    ) -> String {
        let source = level == .studies ? "f" : "h"
        let columns = plan.columns.map { "\(source).\"\($0)\"" }.joined(separator: ", ")
        let study = """
            CROSS JOIN LATERAL (
                SELECT string_agg(DISTINCT nullif(c.modality, ''), '\\') AS modalities, count(*) AS series,
                    coalesce(sum(c.series_related_instances), 0)::bigint AS instances
                FROM dicom_state_meta c WHERE c.tenant_id = $1 AND c.study_uid = h.study_uid
            ) AS a
            """
        let counts = plan.needsStudy ? "a.modalities, a.series, a.instances" : "NULL::text, 0::bigint, 0::bigint"
        switch level {
        case .studies:
            // First the studies, one page of them; then, for these alone, values and counts.
            return """
                SELECT \(columns), \(counts), 0::bigint
                FROM (
                    SELECT DISTINCT u.study_uid FROM (\(predicates.selection("s.study_uid"))) AS u
                    ORDER BY u.study_uid \(page)
                ) AS h
                CROSS JOIN LATERAL (
                    SELECT * FROM dicom_state_meta r WHERE r.tenant_id = $1 AND r.study_uid = h.study_uid
                    ORDER BY r.series_uid LIMIT 1
                ) AS f
                \(plan.needsStudy ? study : "")
                ORDER BY h.study_uid
                """
        default:
            return """
                SELECT \(columns), \(counts), coalesce(h.series_related_instances, 0)::bigint
                FROM (\(predicates.rows("s.*", page: page))) AS h
                \(plan.needsStudy ? study : "")
                ORDER BY h.study_uid, h.series_uid
                """
        }
    }

    public func seriesMatching(
        _ query: QIDOQuery, tenantID: String, after: SeriesIdentity?, limit: Int
    ) throws -> [SeriesEntry] {
        var predicates = SearchPredicates(tenantID: tenantID, query: query, warnsOfInstanceKeys: false)
        let isPlain = predicates.isPlain
        if let after {
            let study = predicates.bind(.text(after.studyUID))
            let series = predicates.bind(.text(after.seriesUID))
            predicates.add("(s.study_uid, s.series_uid) > (\(study), \(series))")
        }
        let bound = predicates.bind(.int8(Int64(max(0, limit))))
        let sql = predicates.rows(
            """
            \(Self.entryColumns), EXISTS (SELECT 1 FROM \(SeriesVariants.name) v WHERE v.tenant_id = $1
                AND v.study_uid = s.study_uid AND v.series_uid = s.series_uid)
            """, page: "LIMIT \(bound)")
        let parameters = predicates.parameters
        return try ask { connection throws(PostgresError) in
            return Self.entries(
                isPlain
                    ? try connection.query(sql, parameters, operation: "search")
                    : try connection.queryOnce(sql, parameters, operation: "search"))
        }
    }

    public func warnings(for query: QIDOQuery, tenantID: String) -> [String] {
        incomplete.warnings(for: query, tenantID: tenantID, ask: ask)
    }

    public func series(ofStudy studyUID: String, tenantID: String) throws -> [SeriesEntry] {
        try ask { connection throws(PostgresError) in
            Self.entries(
                try connection.query(
                    """
                    SELECT \(Self.entryColumns), false FROM dicom_state_meta s
                    WHERE s.tenant_id = $1 AND s.study_uid = $2 ORDER BY s.series_uid
                    """, [.text(tenantID), .text(studyUID)], operation: "series of a study"))
        }
    }

    public func counts(tenantID: String?) throws -> IndexCounts {
        try ask { connection throws(PostgresError) in
            let result = try connection.query(
                """
                SELECT count(*)::bigint, coalesce(sum(series), 0)::bigint, coalesce(sum(instances), 0)::bigint FROM (
                    SELECT count(*) AS series, sum(series_related_instances) AS instances FROM dicom_state_meta
                    WHERE tenant_id = $1::text OR $1::text IS NULL GROUP BY tenant_id, study_uid
                ) AS s
                """, [tenantID.map { .text($0) } ?? .null], operation: "count")
            return IndexCounts(
                studies: Int(result.integer(0, 0) ?? 0), series: Int(result.integer(0, 1) ?? 0),
                instances: Int(result.integer(0, 2) ?? 0))
        }
    }

    private static let entryColumns = "s.tenant_id, s.study_uid, s.series_uid, s.modality, s.series_related_instances"

    private static func entries(_ result: PostgresResult) -> [SeriesEntry] {
        (0..<result.rowCount).map { row in
            SeriesEntry(
                series: result.series(row), modality: result.string(row, 3),
                instanceCount: Int(result.integer(row, 4) ?? 0),
                hasVariants: result.bool(row, 5) == true)
        }
    }
}
