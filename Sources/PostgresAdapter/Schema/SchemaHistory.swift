import Archive
import ServiceKit

/// The table `schema_history`: every change that was made, and every schema that was reached.
struct SchemaHistory {
    let connection: PostgresConnection

    /// A schema that the database was brought to.
    struct Reached: Sendable {
        var fingerprint: String
        var digest: String
        /// 0 in rows of programs that did not say.
        var specVersion: Int
        var programVersion: String
        /// Something remained that could not be done by itself.
        var isPending: Bool

        var program: String {
            programVersion.isEmpty ? "an earlier Wado" : "Wado \(programVersion) (spec version \(specVersion))"
        }
    }

    /// Makes the table, or extends that of an earlier program: its rows stay, and such a program can still write its own.
    func prepare() throws(PostgresError) {
        let found = try connection.query(
            """
            SELECT count(*) FILTER (WHERE attname = 'objects') FROM pg_attribute
            WHERE attrelid = to_regclass('schema_history') AND NOT attisdropped
            """, operation: "look at the history")
        if found.integer(0, 0) == 1 { return }
        try connection.transaction { connection throws(PostgresError) in
            _ = try connection.run(
                """
                CREATE TABLE IF NOT EXISTS schema_history (
                    fingerprint text NOT NULL,
                    applied_time timestamp with time zone NOT NULL DEFAULT clock_timestamp()
                );
                ALTER TABLE schema_history DROP CONSTRAINT IF EXISTS schema_history_pkey;
                ALTER TABLE schema_history
                    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                    ADD COLUMN kind text NOT NULL DEFAULT 'reached',
                    ADD COLUMN object text,
                    ADD COLUMN reason text,
                    ADD COLUMN statements text,
                    ADD COLUMN duration_ms bigint,
                    ADD COLUMN program_version text,
                    ADD COLUMN spec_version integer,
                    ADD COLUMN digest text,
                    ADD COLUMN is_pending boolean NOT NULL DEFAULT false,
                    ADD COLUMN objects text;
                COMMENT ON TABLE schema_history IS 'Every change of the schema, and every schema that was reached.';
                COMMENT ON COLUMN schema_history.fingerprint IS 'Of the schema that the program was built with';
                COMMENT ON COLUMN schema_history.kind IS 'change: one step; reached: all that could be done was done';
                COMMENT ON COLUMN schema_history.digest IS 'Of the catalogue that was reached: another one shows a change by hand';
                COMMENT ON COLUMN schema_history.is_pending IS 'Something waits for a decision, or for values';
                COMMENT ON COLUMN schema_history.objects IS 'Tables, columns and indexes of the schema that was reached';
                """, operation: "prepare schema_history")
        }
    }

    /// Newest first; none when the table is missing.
    func reached() throws(PostgresError) -> [Reached] {
        let columns = try connection.query(
            """
            SELECT count(*) FILTER (WHERE attname IN ('fingerprint', 'objects')) FROM pg_attribute
            WHERE attrelid = to_regclass('schema_history') AND NOT attisdropped
            """, operation: "look at the history")
        guard let count = columns.integer(0, 0), count > 0 else { return [] }
        // The table as the first program made it has neither ids nor versions.
        let sql =
            count == 2
            ? """
            SELECT fingerprint, digest, spec_version, program_version, is_pending FROM schema_history
            WHERE kind = 'reached' ORDER BY id DESC
            """
            : """
            SELECT fingerprint, ''::text, 0, ''::text, false FROM schema_history ORDER BY applied_time DESC
            """
        let found = try connection.queryOnce(sql, [], operation: "look at the history")
        return (0..<found.rowCount).map { row in
            Reached(
                fingerprint: found.string(row, 0) ?? "", digest: found.string(row, 1) ?? "",
                specVersion: Int(found.integer(row, 2) ?? 0), programVersion: found.string(row, 3) ?? "",
                isPending: found.bool(row, 4) ?? false)
        }
    }

    /// What any schema that was reached had: `dicom_state_meta`, `dicom_state_meta.patient_id`, `index name`.
    func knownObjects() throws(PostgresError) -> Set<String> {
        let columns = try connection.query(
            """
            SELECT FROM pg_attribute WHERE attrelid = to_regclass('schema_history') AND attname = 'objects'
            """, operation: "look at the history")
        if columns.rowCount == 0 { return [] }
        let found = try connection.query(
            "SELECT DISTINCT unnest(string_to_array(objects, E'\\n')) FROM schema_history WHERE kind = 'reached'",
            operation: "look at the history")
        return Set((0..<found.rowCount).compactMap { found.string($0, 0) })
    }

    func record(
        _ steps: [SchemaStep], of schema: DesiredSchema, milliseconds: Int
    ) throws(PostgresError) {
        for step in steps {
            try connection.query(
                """
                INSERT INTO schema_history (fingerprint, kind, object, reason, statements, duration_ms, program_version,
                    spec_version)
                VALUES ($1, 'change', $2, $3, $4, $5, $6, $7)
                """,
                [
                    .text(schema.fingerprint), .text(step.object), .text(step.reason),
                    .text(step.statements.map { $0 + ";" }.joined(separator: "\n")),
                    .int8(Int64(clamping: milliseconds)), .text(Program.version),
                    .int4(Int32(clamping: schema.version)),
                ], operation: "record the migration")
        }
    }

    func record(
        reached schema: DesiredSchema, digest: String, isPending: Bool, objects: [String]
    ) throws(PostgresError) {
        try connection.query(
            """
            INSERT INTO schema_history (fingerprint, kind, digest, is_pending, objects, program_version, spec_version)
            VALUES ($1, 'reached', $2, $3, $4, $5, $6)
            """,
            [
                .text(schema.fingerprint), .text(digest), .bool(isPending),
                .text(objects.sorted().joined(separator: "\n")), .text(Program.version),
                .int4(Int32(clamping: schema.version)),
            ], operation: "record the migration")
    }
}

extension SchemaHistory {
    /// The last changes, newest first, in lines for people.
    func recent(limit: Int) throws(PostgresError) -> [String] {
        let isThere = try connection.query(
            "SELECT FROM pg_attribute WHERE attrelid = to_regclass('schema_history') AND attname = 'objects'",
            operation: "look at the history")
        if isThere.rowCount == 0 { return [] }
        let found = try connection.query(
            """
            SELECT to_char(applied_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS"Z"'), object, reason, duration_ms,
                program_version, count(*) OVER ()
            FROM schema_history WHERE kind = 'change' ORDER BY id DESC LIMIT $1
            """, [.int8(Int64(limit))], operation: "look at the history")
        if found.rowCount == 0 { return [] }
        var lines = ["the last of \(found.integer(0, 5) ?? 0) changes:"]
        for row in 0..<found.rowCount {
            lines.append(
                "  \(found.string(row, 0) ?? "")  \(found.string(row, 1) ?? ""): \(found.string(row, 2) ?? "") "
                    + "(\(found.integer(row, 3) ?? 0) ms, Wado \(found.string(row, 4) ?? "?"))")
        }
        return lines
    }
}
