import ArchiveSchema

/// Rows of `dicom_state_meta` as they stand.
enum StateRows {
    private static let table = DicomStateMetaRow.table

    private static func select(where condition: String, from others: String) -> String {
        """
        SELECT \(table.jsonExpression) FROM (
            SELECT t.* FROM \(others)
            CROSS JOIN LATERAL (SELECT * FROM \(table.name) r WHERE \(condition) LIMIT 1) t) q
        """
    }

    /// Those of the series in the stage.
    static let staged = select(
        where: table.key.map { "r.\($0) = s.\($0)" }.joined(separator: " AND "),
        from: "(SELECT DISTINCT \(table.key.joined(separator: ", ")) FROM \(RowStage.states.stageName)) s")

    /// One, by tenant, study and series.
    static let one = select(
        where: "r.tenant_id = s.t AND r.study_uid = s.s AND r.series_uid = s.e",
        from: "(SELECT $1::text AS t, $2::text AS s, $3::text AS e) s")

    /// Several, by arrays of tenants, studies and series.
    static let several = select(
        where: "r.tenant_id = s.t AND r.study_uid = s.s AND r.series_uid = s.e",
        from: "unnest($1::text[], $2::text[], $3::text[]) AS s(t, s, e)")

    static func read(
        _ connection: PostgresConnection, _ sql: String, _ parameters: [PostgresValue] = []
    ) throws(PostgresError) -> [DicomStateMetaRow] {
        let result = try connection.query(sql, parameters, operation: "read series")
        var rows: [DicomStateMetaRow] = []
        for index in 0..<result.rowCount {
            do {
                rows.append(try DicomStateMetaRow(json: result.bytes(index, 0) ?? []))
            } catch {
                throw PostgresError(code: .protocolViolation, operation: "read series", message: "\(error)")
            }
        }
        return rows
    }
}
