import Archive
import ArchiveSchema

/// An instance that was processed has the problems that were found just now, and no others: what was open of it before,
/// and stands not in the batch, is cleared in the batch's transaction.
enum ProblemClearing {
    /// Makes the temporary tables that `run` looks into.
    static func prepare(_ connection: PostgresConnection, _ logs: LogRows) throws(PostgresError) {
        if logs.objects.isEmpty && logs.problems.isEmpty { return }
        for stage in [RowStage.objects, .problems] { try connection.once(stage.create, operation: "write logs") }
    }

    /// To be run when the batch's logs were inserted, and are still in the temporary tables.
    /// - Returns: the rows that were cleared.
    @discardableResult
    static func run(
        _ connection: PostgresConnection, after logs: LogRows
    ) throws(PostgresError) -> [DicomProblemMetaRow] {
        var cleared: [DicomProblemMetaRow] = []
        if !logs.objects.isEmpty { cleared += try clear(connection, clearFormer) }
        if logs.problems.contains(where: { $0.severity == ProblemSeverity.refused.rawValue }) {
            cleared += try clear(connection, clearOvertaken)
        }
        return cleared
    }

    private static func clear(
        _ connection: PostgresConnection, _ update: String
    ) throws(PostgresError) -> [DicomProblemMetaRow] {
        let result = try connection.query(
            """
            WITH cleared AS (\(update) RETURNING p.*)
            SELECT \(DicomProblemMetaRow.table.jsonExpression) FROM cleared
            """, operation: "clear problems")
        // Made by the very columns that it reads.
        return (0..<result.rowCount).compactMap { row in
            result.bytes(row, 0).flatMap { try? DicomProblemMetaRow(json: $0) }
        }
    }

    private static let clear = """
        UPDATE dicom_problem_meta p SET state = '\(ProblemState.cleared.rawValue)',
            updated_time = GREATEST(clock_timestamp(), p.updated_time)
        """
    private static let isOpen = "p.state = '\(ProblemState.open.rawValue)'"

    /// Of the batch's instances, also that they were refused before; not what happened after their reception. (NOT IN
    /// makes one hash table, however many rows the batch has.)
    private static let clearFormer = """
        \(clear)
        FROM \(RowStage.objects.stageName) o
        WHERE p.tenant_id = o.tenant_id AND p.sop_uid = o.sop_uid AND \(isOpen)
            AND p.study_uid IN (o.study_uid, '') AND p.series_uid IN (o.series_uid, '')
            AND p.created_time <= o.created_time
            AND (\(key("p"))) NOT IN (SELECT \(key("s")) FROM \(RowStage.problems.stageName) s)
        """

    /// Refusals that come after the instance was received all the same: the two have different roads.
    private static let clearOvertaken = """
        \(clear)
        FROM \(RowStage.problems.stageName) s
        JOIN dicom_image_meta i ON i.tenant_id = s.tenant_id AND i.sop_uid = s.sop_uid
        WHERE (\(key("p"))) = (\(key("s"))) AND \(isOpen) AND p.severity = '\(ProblemSeverity.refused.rawValue)'
            AND s.study_uid IN (i.study_uid, '') AND s.series_uid IN (i.series_uid, '')
            AND i.created_time > s.created_time
        """

    private static func key(_ alias: String) -> String {
        DicomProblemMetaRow.table.key.map { "\(alias).\($0)" }.joined(separator: ", ")
    }
}
