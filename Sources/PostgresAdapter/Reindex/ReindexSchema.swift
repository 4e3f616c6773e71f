import ArchiveSchema

/// The tables of reindexing: what was begun and how far it came, and which columns are not filled in everywhere.
enum ReindexSchema {
    static let tables = """
        CREATE TABLE IF NOT EXISTS reindex_job (
            job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            kind text NOT NULL,
            columns text[] NOT NULL DEFAULT '{}',
            tenant_id text NOT NULL DEFAULT '',
            since_time timestamp with time zone,
            at_tenant text COLLATE "C" NOT NULL DEFAULT '',
            at_study text COLLATE "C" NOT NULL DEFAULT '',
            at_series text COLLATE "C" NOT NULL DEFAULT '',
            done bigint NOT NULL DEFAULT 0,
            changed bigint NOT NULL DEFAULT 0,
            failed bigint NOT NULL DEFAULT 0,
            started_time timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
            updated_time timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
            finished_time timestamp with time zone
        );
        CREATE TABLE IF NOT EXISTS incomplete_column (
            table_name text NOT NULL,
            column_name text NOT NULL,
            tenant_id text NOT NULL DEFAULT '',
            since_time timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (table_name, column_name, tenant_id)
        );
        """

    /// Marks a column that is added to a table, if that has rows: incomplete until `wado reindex` has filled it. Nothing
    /// when no search matches it or shows it.
    static func mark(_ column: String, addedTo table: String) -> [String] {
        guard table == DicomStateMetaRow.table.name, let column = DicomStateMetaRow.table.column(column),
            column.level != nil, !column.path.isEmpty
        else { return [] }
        return [
            """
            DO $body$ BEGIN
                IF EXISTS (SELECT FROM \(table)) THEN
                    INSERT INTO incomplete_column (table_name, column_name) VALUES ('\(table)', '\(column.name)')
                    ON CONFLICT (table_name, column_name, tenant_id) DO UPDATE SET since_time = clock_timestamp();
                END IF;
            END $body$
            """
        ]
    }
}
