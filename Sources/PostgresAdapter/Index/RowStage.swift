import ArchiveSchema

/// The way of rows into a table that may have some of them already: COPY into a temporary table of the session, then
/// one INSERT that settles conflicts.
struct RowStage {
    let table: TableSchema
    /// What happens to a row whose key is there.
    let conflict: Conflict

    enum Conflict {
        /// The row that is there stays.
        case keep
        /// The later one by this column stays; equal rows are not written again.
        case replaceOlder(by: String)
    }

    var stageName: String { "in_\(table.name)" }

    /// For `PostgresConnection.once`.
    var create: String {
        // Rows and variants come through the same one: variants have a hash.
        Self.create(
            stageName, of: table, adding: table.variants == nil ? [] : ["variant_hash varchar(20) COLLATE \"C\""])
    }

    /// A temporary table of a table's columns. Those that a newer program has added, and this one does not fill, have no
    /// place in it; and its types are this program's, whatever becomes of the table.
    static func create(_ name: String, of table: TableSchema, adding more: [String] = []) -> String {
        let columns = table.postgresColumns.map { column in
            "\(column.sqlName) \(column.type.postgresName)" + (column.type.element.isText ? " COLLATE \"C\"" : "")
        }
        return """
            CREATE TEMPORARY TABLE IF NOT EXISTS \(name) (\((columns + more).joined(separator: ", ")))
            ON COMMIT DELETE ROWS
            """
    }

    var copy: String { "COPY \(stageName) (\(table.columnList)) FROM STDIN (FORMAT binary)" }

    private var key: String { Self.list(table.postgresColumns.filter { table.key.contains($0.name) }) }

    var insert: String {
        let columns = table.columnList
        switch conflict {
        case .keep:
            return """
                INSERT INTO \(table.name) (\(columns)) SELECT \(columns) FROM \(stageName)
                ON CONFLICT (\(key)) DO NOTHING
                """
        case .replaceOlder(let column):
            let others = table.postgresColumns.filter { !table.key.contains($0.name) }
            let sets = others.map { "\($0.sqlName) = EXCLUDED.\($0.sqlName)" }.joined(separator: ", ")
            // `column` alone may differ when a message comes again: what is written is the same then.
            let compared = others.filter { $0.name != column }
            return """
                INSERT INTO \(table.name) AS t (\(columns))
                SELECT DISTINCT ON (\(key)) \(columns) FROM \(stageName) ORDER BY \(key), \(column) DESC
                ON CONFLICT (\(key)) DO UPDATE SET \(sets)
                WHERE EXCLUDED.\(column) >= t.\(column)
                    AND (\(Self.list(compared, "t."))) IS DISTINCT FROM (\(Self.list(compared, "EXCLUDED.")))
                """
        }
    }

    static func list(_ columns: [ColumnSchema], _ prefix: String = "") -> String {
        columns.map { prefix + $0.sqlName }.joined(separator: ", ")
    }

    static let objects = RowStage(table: DicomObjectMetaRow.table, conflict: .replaceOlder(by: "created_time"))
    static let images = RowStage(table: DicomImageMetaRow.table, conflict: .replaceOlder(by: "updated_time"))
    static let access = RowStage(table: WadoAccessLogRow.table, conflict: .keep)
    static let problems = RowStage(table: DicomProblemMetaRow.table, conflict: .replaceOlder(by: "updated_time"))
    static let states = RowStage(table: DicomStateMetaRow.table, conflict: .keep)
    static let logs = [objects, images, access, problems]
}

extension TableSchema {
    /// Those that PostgreSQL's table has.
    var postgresColumns: [ColumnSchema] { columns.filter(\.isInPostgres) }
}

extension ColumnSchema {
    /// In quotes, reserved or not.
    var sqlName: String { "\"\(name)\"" }
}
