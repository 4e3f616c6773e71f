/// Reads catalogues: of the tables there are, and of those that statements would make.
struct CatalogueReader {
    let connection: PostgresConnection

    /// The schema that has our tables, or would get them.
    struct Home: Sendable {
        var oid: Int64
        /// In quotes where they are needed.
        var name: String
    }

    /// - Throws: `PostgresError` when the search path names no schema.
    func home() throws(PostgresError) -> Home {
        let found = try connection.query(
            """
            SELECT n.oid::bigint, quote_ident(n.nspname)
            FROM unnest(ARRAY[
                (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('schema_history')),
                (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('dicom_state_meta')),
                (SELECT oid FROM pg_namespace WHERE nspname = current_schema())]) WITH ORDINALITY AS u(oid, place)
            JOIN pg_namespace n ON n.oid = u.oid ORDER BY u.place LIMIT 1
            """, operation: "look for our schema")
        guard let oid = found.integer(0, 0), let name = found.string(0, 1) else {
            throw PostgresError(
                code: .init(rawValue: "3F000"), operation: "look for our schema",
                message: "the search path names no schema that there is")
        }
        return Home(oid: oid, name: name)
    }

    /// The catalogue that these statements make: they run as temporary tables, in a transaction that is rolled back.
    func read(made statements: [String]) throws(PostgresError) -> Catalogue {
        do {
            // Also where sessions only read if nothing is said.
            try connection.run("BEGIN READ WRITE", operation: "begin")
        } catch {
            // A standby knows no other transactions.
            guard error.code == .notSupported else { throw error }
            throw PostgresError(code: .readOnly, operation: "read the spec", message: error.message)
        }
        defer { _ = try? connection.run("ROLLBACK", operation: "rollback") }
        try connection.run("SET LOCAL search_path = pg_temp", operation: "read the spec")
        for statement in statements { try connection.run(statement, operation: "read the spec") }
        let schema = try connection.run("SELECT pg_my_temp_schema()::bigint::text", operation: "read the spec")
        return try read(schema: Int64(schema.string(0, 0) ?? "") ?? 0, only: nil)
    }

    /// The catalogue of these tables, as far as they are there, and of their partitions.
    /// - Parameters:
    ///   - functions: names of functions.
    func read(
        _ home: Home, tables: [String], functions: [String]
    ) throws(PostgresError) -> Catalogue {
        try read(schema: home.oid, only: (tables, functions))
    }

    /// Adds what stands in the way of changes: what uses the tables and their columns, and whose names are taken.
    func addHindrances(
        to catalogue: inout Catalogue, _ home: Home, tables: [String], indexes: [String]
    ) throws(PostgresError) {
        let users = try query(Self.users, home.oid, tables)
        for row in 0..<users.rowCount {
            guard let place = catalogue.tables.firstIndex(where: { $0.name == users.string(row, 0) }) else { continue }
            catalogue.tables[place].users.append(
                Catalogue.User(
                    name: users.string(row, 2) ?? "", column: users.string(row, 1),
                    isForeignKey: users.bool(row, 3) ?? false))
        }
        let taken = try connection.query(
            """
            SELECT c.relname::text, CASE c.relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view'
                WHEN 'f' THEN 'a foreign table' WHEN 'S' THEN 'a sequence' WHEN 'c' THEN 'a type'
                WHEN 'i' THEN 'an index of ' || x.indrelid::regclass WHEN 'I' THEN 'an index of ' || x.indrelid::regclass
                ELSE 'a table' END
            FROM pg_class c LEFT JOIN pg_index x ON x.indexrelid = c.oid
            WHERE c.relnamespace = $1::bigint::oid AND c.relname = ANY ($2)
            """, [.int8(home.oid), .textArray(tables + indexes)], operation: "read the catalogue")
        for row in 0..<taken.rowCount { catalogue.namesTaken[taken.string(row, 0) ?? ""] = taken.string(row, 1) }
    }

    private func read(
        schema: Int64, only names: (tables: [String], functions: [String])?
    ) throws(PostgresError) -> Catalogue {
        var catalogue = Catalogue()
        let tables = try query(Self.tables, schema, names?.tables)
        for row in 0..<tables.rowCount {
            var options: [String: String] = [:]
            for option in (tables.string(row, 6) ?? "").split(separator: "\n") {
                let parts = option.split(separator: "=", maxSplits: 1)
                options[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
            }
            catalogue.tables.append(
                Catalogue.Table(
                    name: tables.string(row, 0) ?? "", sqlName: tables.string(row, 1) ?? "",
                    partitionKey: tables.string(row, 2), parent: tables.string(row, 3),
                    bound: tables.string(row, 4) ?? "", options: options, comment: tables.string(row, 5) ?? "",
                    rows: tables.integer(row, 7) ?? -1, isUnlogged: tables.bool(row, 8) ?? false))
        }
        var places: [String: Int] = [:]
        for (place, table) in catalogue.tables.enumerated() { places[table.name] = place }
        let columns = try query(Self.columns, schema, names?.tables)
        for row in 0..<columns.rowCount {
            guard let place = places[columns.string(row, 0) ?? ""] else { continue }
            catalogue.tables[place].columns.append(
                Catalogue.Column(
                    name: columns.string(row, 1) ?? "", sqlName: columns.string(row, 2) ?? "",
                    type: columns.string(row, 3) ?? "", collation: columns.string(row, 4) ?? "",
                    isNotNull: columns.bool(row, 5) ?? false, defaultValue: columns.string(row, 6),
                    identity: columns.string(row, 7) ?? "", comment: columns.string(row, 8) ?? ""))
        }
        if names != nil {
            let additions = try query(Self.additions, schema, names?.tables)
            for row in 0..<additions.rowCount {
                guard let place = places[additions.string(row, 0) ?? ""] else { continue }
                catalogue.tables[place].additions[additions.string(row, 1) ?? ""] = additions.string(row, 2) ?? ""
            }
        }
        let indexes = try query(Self.indexes, schema, names?.tables)
        for row in 0..<indexes.rowCount {
            guard let place = places[indexes.string(row, 0) ?? ""] else { continue }
            let name = indexes.string(row, 1) ?? ""
            let sqlName = indexes.string(row, 2) ?? ""
            if let key = indexes.string(row, 3) {
                catalogue.tables[place].key = Catalogue.Key(name: name, sqlName: sqlName, definition: key)
                continue
            }
            let whole = indexes.string(row, 4) ?? ""
            let definition = whole.firstRange(of: " USING ").map { String(whole[$0.upperBound...]) } ?? whole
            catalogue.tables[place].indexes.append(
                Catalogue.Index(
                    name: name, sqlName: sqlName, isUnique: indexes.bool(row, 5) ?? false,
                    isValid: indexes.bool(row, 6) ?? false, definition: definition, parent: indexes.string(row, 7),
                    isOfConstraint: indexes.bool(row, 8) ?? false))
        }
        let functions = try query(Self.functions, schema, names?.functions)
        for row in 0..<functions.rowCount {
            // CREATE OR REPLACE FUNCTION schema.name(...
            let rest = (functions.string(row, 1) ?? "").drop { $0 != "(" }
            let definition = "CREATE OR REPLACE FUNCTION \(functions.string(row, 2) ?? "")\(rest)"
            catalogue.functions.append(
                Catalogue.Function(signature: functions.string(row, 0) ?? "", definition: definition))
        }
        return catalogue
    }

    /// Definitions of indexes leave out schemas of the search path, so both are read with one that has theirs.
    private func query(_ sql: String, _ schema: Int64, _ names: [String]?) throws(PostgresError) -> PostgresResult {
        try connection.queryOnce(
            sql, [.int8(schema), .textArray(names ?? []), .bool(names == nil)], operation: "read the catalogue")
    }

    /// With their partitions.
    private static let ours = """
        c.relnamespace = $1::bigint::oid AND c.relkind IN ('r', 'p') AND ($3 OR c.relname = ANY ($2)
            OR EXISTS (SELECT FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
                WHERE i.inhrelid = c.oid AND p.relnamespace = c.relnamespace AND p.relname = ANY ($2)))
        """

    private static let tables = """
        SELECT c.relname::text, quote_ident(c.relname), pg_get_partkeydef(c.oid), p.relname::text,
            pg_get_expr(c.relpartbound, c.oid), obj_description(c.oid, 'pg_class'),
            array_to_string(c.reloptions, E'\\n'), c.reltuples::bigint, c.relpersistence = 'u'
        FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
        WHERE \(ours) ORDER BY p.relname IS NOT NULL, c.oid
        """

    private static let columns = """
        SELECT c.relname::text, a.attname::text, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
            (SELECT quote_ident(o.collname) FROM pg_collation o WHERE o.oid = a.attcollation AND o.oid <> 100),
            a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, col_description(c.oid, a.attnum)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE \(ours) ORDER BY c.oid, a.attnum
        """

    /// What no table of ours has: constraints that are not of its key, and what changes or hides its rows.
    private static let additions = """
        SELECT c.relname::text, concat(o.object, o.preposition, c.relname), o.definition
        FROM pg_class c CROSS JOIN LATERAL (
            SELECT concat(CASE contype WHEN 'c' THEN 'check ' ELSE 'foreign key ' END, conname), ' on ',
                pg_get_constraintdef(oid, true)
            FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('c', 'f')
            UNION ALL
            SELECT 'trigger ' || tgname, ' on ', concat(
                regexp_replace(pg_get_triggerdef(oid, true), '^CREATE (CONSTRAINT )?TRIGGER ("([^"]|"")*"|\\S+) ', '\\1'),
                CASE tgenabled WHEN 'D' THEN ', disabled' END)
            FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal
            UNION ALL
            SELECT 'rule ' || rulename, ' on ', rtrim(regexp_replace(regexp_replace(
                pg_get_ruledef(oid, true), '\\s+', ' ', 'g'), '^CREATE RULE ("([^"]|"")*"|\\S+) AS ', ''), ';')
            FROM pg_rewrite WHERE ev_class = c.oid
            UNION ALL
            SELECT 'policy ' || polname, ' on ', concat(
                CASE polcmd WHEN '*' THEN 'ALL' WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                    ELSE 'DELETE' END,
                ' USING (' || pg_get_expr(polqual, polrelid) || ')',
                ' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')')
            FROM pg_policy WHERE polrelid = c.oid
            UNION ALL
            SELECT 'row level security', ' of ', CASE WHEN c.relforcerowsecurity THEN 'forced' ELSE 'enabled' END
            WHERE c.relrowsecurity) AS o (object, preposition, definition)
        WHERE \(ours)
        """

    private static let indexes = """
        SELECT c.relname::text, r.relname::text, quote_ident(r.relname),
            (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.conindid = r.oid AND k.contype = 'p'),
            pg_get_indexdef(r.oid, 0, true), x.indisunique, x.indisvalid, p.relname::text,
            EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = r.oid)
        FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class r ON r.oid = x.indexrelid
        LEFT JOIN pg_inherits i ON i.inhrelid = r.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
        WHERE \(ours) ORDER BY r.oid
        """

    /// What would break: views and rules, and of single columns also triggers, policies, generated columns, functions,
    /// publications; foreign keys of other tables.
    private static let users = """
        SELECT DISTINCT c.relname::text, a.attname::text, COALESCE((
                SELECT CASE v.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'a rule of ' END
                    || v.oid::regclass
                FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class
                WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid),
            pg_describe_object(d.classid, d.objid, d.objsubid)), d.classid = 'pg_constraint'::regclass
        FROM pg_class c JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid AND d.refobjsubid > 0
        WHERE \(ours) AND CASE d.classid
            WHEN 'pg_rewrite'::regclass THEN true
            WHEN 'pg_constraint'::regclass THEN EXISTS (SELECT FROM pg_constraint k
                WHERE k.oid = d.objid AND k.contype = 'f' AND k.confrelid = c.oid AND k.conrelid <> c.oid)
            WHEN 'pg_trigger'::regclass THEN d.refobjsubid > 0 AND d.deptype = 'n'
            WHEN 'pg_attrdef'::regclass THEN d.refobjsubid > 0 AND NOT EXISTS (SELECT FROM pg_attrdef g
                WHERE g.oid = d.objid AND g.adrelid = c.oid AND g.adnum = d.refobjsubid)
            ELSE d.refobjsubid > 0 AND d.classid IN ('pg_policy'::regclass, 'pg_proc'::regclass,
                'pg_publication_rel'::regclass) END
        ORDER BY 1, 3, 2
        """

    private static let functions = """
        SELECT f.proname || '(' || pg_get_function_arguments(f.oid) || ')', pg_get_functiondef(f.oid),
            quote_ident(f.proname)
        FROM pg_proc f
        WHERE f.pronamespace = $1::bigint::oid AND f.prokind = 'f' AND ($3 OR f.proname = ANY ($2)) ORDER BY f.oid
        """
}
