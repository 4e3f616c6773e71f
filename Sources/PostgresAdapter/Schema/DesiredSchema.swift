import Archive
import ArchiveSchema

/// The schema that a program was built with.
package struct DesiredSchema: Sendable {
    /// The version of the spec.
    let version: Int
    /// Statements that make everything in an empty schema, as it is now: there are no others for older databases, those
    /// follow from the difference. `serial` and schemas' names have no place here.
    package let statements: [(name: String, sql: String)]
    /// What columns were called before: tables to new names to old ones.
    let renames: [String: [String: String]]
    /// Rows that have to be there.
    var rows: [RequiredRows] = []

    /// Rows that belong to the schema.
    struct RequiredRows: Sendable {
        /// For people: `topic storage_queue`.
        var name: String
        var table: String
        /// Answers with a row when they are there.
        var check: String
        var insert: String
    }

    package init(
        version: Int, statements: [(name: String, sql: String)], renames: [String: [String: String]] = [:]
    ) {
        self.version = version
        self.statements = statements
        self.renames = renames
    }

    /// That of this program.
    static func archive(busPartitions: Int) -> DesiredSchema {
        // First, since columns that are added to the others are noted there.
        var statements = [(name: "reindexing", sql: ReindexSchema.tables)]
        var renames: [String: [String: String]] = [:]
        for table in ArchiveSchema.tables {
            guard let sql = table.postgresDDL else { continue }
            statements.append((table.name, sql))
            for column in table.columns {
                guard let old = column.renamedFrom else { continue }
                for name in [table.name, table.variants].compactMap(\.self) {
                    renames[name, default: [:]][column.name] = old
                }
            }
        }
        // Rows that are updated as instances come find room beside themselves.
        statements.append(
            (
                "storage parameters",
                "ALTER TABLE dicom_state_meta SET (fillfactor = 80); ALTER TABLE dicom_json_meta SET (fillfactor = 70);\n"
            ))
        statements.append(("the event bus", BusSchema.tables))
        statements.append(("dead letters", PostgresDeadLetters.table))
        var schema = DesiredSchema(version: ArchiveSchema.version, statements: statements, renames: renames)
        schema.rows = Topic.allCases.map { topic in
            RequiredRows(
                name: "topic \(topic.rawValue)", table: "bus_partition",
                check: "SELECT FROM bus_partition WHERE topic = '\(topic.rawValue)' LIMIT 1",
                insert: BusSchema.partitions(of: topic, count: busPartitions))
        }
        return schema
    }

    /// Changes with everything above: a release whose statements are those of an earlier one is another one still.
    var fingerprint: String {
        let all =
            ["version \(version)"] + statements.map { $0.name + "\n" + $0.sql }
            + renames.sorted { $0.key < $1.key }.flatMap { table, columns in
                columns.sorted { $0.key < $1.key }.map { "\(table).\($0.key) was \($0.value)" }
            } + rows.map { $0.name + "\n" + $0.insert }
        return SeaHash.decimal(all.joined(separator: "\n"))
    }
}
