import Archive
import ArchiveSchema

/// An instance that was processed has the problems that were found just now, and no others: what was open of it before,
/// and stands not in the batch, is cleared in the batch's transaction.
enum ProblemClearing {
    /// Makes the temporary tables that `run` looks into.
    static func prepare(_ connection: PostgresConnection, _ logs: LogRows) throws(PostgresError) {
        if logs.objects.isEmpty { return }
        for stage in [RowStage.objects, .problems] { try connection.once(stage.create, operation: "write logs") }
    }

    /// Those of a batch's instances that have problems, or had: nearly none. To be run when its own were inserted.
    static func concerned(
        _ connection: PostgresConnection, _ objects: [DicomObjectMetaRow]
    ) throws(PostgresError) -> [DicomObjectMetaRow] {
        if objects.isEmpty { return [] }
        let result = try connection.query(
            "SELECT sop_uid FROM dicom_problem_meta WHERE tenant_id = ANY ($1) AND sop_uid = ANY ($2)",
            [.textArray(Array(Set(objects.map(\.tenantID)))), .textArray(objects.map(\.sopUID))],
            operation: "clear problems")
        let found = Set((0..<result.rowCount).compactMap { result.string($0, 0) })
        return found.isEmpty ? [] : objects.filter { found.contains($0.sopUID) }
    }

    /// To be run when the batch's logs were inserted, and are still in the temporary tables.
    static func run(_ connection: PostgresConnection, after logs: LogRows) throws(PostgresError) {
        if !logs.objects.isEmpty { try connection.query(clearFormer, operation: "clear problems") }
    }

    /// To be run after `run`, for other stores that have to hear of it.
    /// - Returns: the problems of the batch's instances that are cleared, by this batch or before: a batch that is written
    ///   again, because they could not be told, finds them cleared already.
    static func cleared(
        _ connection: PostgresConnection, after logs: LogRows
    ) throws(PostgresError) -> [DicomProblemMetaRow] {
        if logs.objects.isEmpty { return [] }
        return try connection.query(
            """
            SELECT \(DicomProblemMetaRow.table.jsonExpression) FROM (
                SELECT DISTINCT p.* FROM dicom_problem_meta p
                JOIN \(RowStage.objects.stageName) o ON \(isOfInstance)
                WHERE p.state = '\(ProblemState.cleared.rawValue)') cleared
            """, operation: "clear problems"
        ).problems
    }

    /// Of the instance, whether it was refused or stored; not what happened after its reception.
    private static let isOfInstance = """
        p.tenant_id = o.tenant_id AND p.sop_uid = o.sop_uid AND p.study_uid IN (o.study_uid, '')
            AND p.series_uid IN (o.series_uid, '') AND p.created_time <= o.created_time
        """

    /// (NOT IN makes one hash table, however many rows the batch has.)
    private static let clearFormer = """
        UPDATE dicom_problem_meta p SET state = '\(ProblemState.cleared.rawValue)', \(SQL.laterTime("p"))
        FROM \(RowStage.objects.stageName) o
        WHERE \(isOfInstance) AND p.state = '\(ProblemState.open.rawValue)'
            AND (\(key("p"))) NOT IN (SELECT \(key("s")) FROM \(RowStage.problems.stageName) s)
        """

    private static func key(_ alias: String) -> String {
        DicomProblemMetaRow.table.key.map { "\(alias).\($0)" }.joined(separator: ", ")
    }
}
