/// A spec as it could be written, and rows for its tables.
struct RandomSpec {
    struct Column {
        var name: String
        /// As the spec writes it: `text(16)`. Of an attribute's column it is what follows from its source.
        var type: String
        var isRequired: Bool
        var defaultValue: String?
        var comment = ""
        var renamedFrom: String?
        /// What fills it.
        var source: Source = .service
        var isSearched = false
        /// Nobody fills it any more.
        var isRetired = false

        enum Source {
            case service
            case attribute(Attribute)
        }

        var isArray: Bool { type.hasSuffix("[]") }
        var isText: Bool { type.hasPrefix("text") || type.hasPrefix("uid") }

        /// An expression of SQL for row `g`; the same row has the same value whatever the name.
        func value(_ g: String) -> String {
            let one =
                switch type.replacing("[]", with: "") {
                case "int", "bigint": "\(g)::int"
                case "double": "\(g)::int + 0.5"
                case "date": "date '2024-02-20' + \(g)::int"
                case "time": "time '01:02:03' + \(g)::int * interval '1 second'"
                case "timestamp": "timestamptz '2026-01-01 00:00+00' + \(g)::int * interval '1 day'"
                default: "'v' || \(g)"
                }
            return isArray ? "ARRAY[\(one), NULL]" : one
        }

        var yaml: String {
            var text = "      - {name: \(name), "
            switch source {
            case .service: text += "from: service, type: \(type)"
            case .attribute(let attribute): text += attribute.yaml
            }
            if isRequired { text += ", required: true" }
            if isSearched { text += ", level: series, search: true" }
            if let defaultValue { text += ", default: \(defaultValue)" }
            if let renamedFrom { text += ", renamed_from: \(renamedFrom)" }
            if isRetired { text += ", status: retired" }
            if !comment.isEmpty { text += ", comment: \"\(comment)\"" }
            return text + "}\n"
        }
    }

    /// A way into data sets, and how it is written in the spec.
    struct Attribute {
        var yaml: String
        var type: String
        var canBeSearched = false

        /// Others that the same column could have in another version.
        static let all: [[Attribute]] = [
            [
                .init(yaml: "tag: PatientID", type: "text(64)", canBeSearched: true),
                .init(yaml: "tag: PatientID, type: text(16)", type: "text(16)", canBeSearched: true),
                .init(yaml: "tag: PatientID, type: text(200)", type: "text(200)", canBeSearched: true),
            ],
            [
                .init(yaml: "tag: SeriesNumber", type: "int", canBeSearched: true),
                .init(yaml: "tag: SeriesNumber, type: bigint", type: "bigint", canBeSearched: true),
                .init(yaml: "tag: SeriesNumber, type: text(16)", type: "text(16)", canBeSearched: true),
            ],
            [
                .init(yaml: "tag: StudyDate", type: "date", canBeSearched: true),
                .init(yaml: "tag: StudyDate, type: text(16)", type: "text(16)"),
            ],
            [
                .init(yaml: "tag: StudyTime", type: "time", canBeSearched: true),
                .init(yaml: "tag: StudyTime, type: text(16)", type: "text(16)"),
            ],
            [.init(yaml: "tag: PatientWeight", type: "double")],
            [.init(yaml: "tag: AcquisitionDateTime", type: "timestamp")],
            [
                .init(yaml: "tag: ImageType, index: 0", type: "text(16)"),
                .init(yaml: "tag: ImageType, values: all", type: "text(16)[]", canBeSearched: true),
                .init(yaml: "tag: ImageType, values: all, type: text(64)", type: "text(64)[]"),
                .init(yaml: "tag: ImageType, join: true, type: text(128)", type: "text(128)"),
            ],
            [
                .init(yaml: "tag: ImagePositionPatient, values: all", type: "double[]"),
                .init(yaml: "tag: ImagePositionPatient, index: 2", type: "double"),
            ],
            [
                .init(yaml: "tag: \"ProcedureCodeSequence[*].CodeValue\"", type: "text(16)[]", canBeSearched: true),
                .init(yaml: "tag: \"ProcedureCodeSequence[0].CodeValue\"", type: "text(16)"),
            ],
            [
                .init(
                    yaml: "tag: \"RequestAttributesSequence[0].ScheduledProtocolCodeSequence[1].CodeMeaning\"",
                    type: "text(64)", canBeSearched: true),
                .init(
                    yaml: "tag: \"RequestAttributesSequence[*].ScheduledProtocolCodeSequence[*].CodeMeaning\"",
                    type: "text(64)[]"),
            ],
            [
                .init(yaml: "tag: '(0029,\"WADO TEST\",08)', vr: CS", type: "text(16)"),
                .init(yaml: "tag: '(0029,\"WADO TEST\",08)', vr: LO", type: "text(64)"),
                .init(yaml: "tag: '(0029,\"WADO TEST\",08)', vr: DS", type: "double"),
            ],
        ]

        /// The ways into data sets that this one is of.
        var others: [Attribute] { Self.all.first { $0.contains { $0.yaml == yaml } } ?? [self] }
    }

    struct Table {
        var name: String
        var columns: [Column]
        var key: [String]
        var indexes: [[String]]
        /// By the month of `at`, which is then part of the key.
        var isPartitioned: Bool
        /// Whether there is a second table for what disagrees with the rows.
        var wantsVariants: Bool
        var about = "Things."

        func column(_ name: String) -> Column? { columns.first { $0.name == name } }

        var wholeKey: [String] { key + (isPartitioned && !key.contains("at") ? ["at"] : []) }
        var hasVariants: Bool {
            wantsVariants && !isPartitioned
                && columns.contains { $0.isSearched && !$0.isRetired && !wholeKey.contains($0.name) }
        }
        /// The names of its tables.
        var tableNames: [String] { [name] + (hasVariants ? ["\(name)_variant"] : []) }

        func rows(_ count: Int) -> String {
            tableNames.map { table in
                let columns = columns.filter { !$0.isRetired }
                var names = columns.map(\.name)
                var values = columns.map { column in
                    if column.name == "tenant_id" { return "'t'" }
                    if column.name == "part" { return "'v' || g % 5" }
                    return column.isRequired ? column.value("g") : "CASE WHEN g % 3 > 0 THEN \(column.value("g")) END"
                }
                if table != name {
                    names.append("variant_hash")
                    values.append("'h' || g")
                }
                return """
                    INSERT INTO \(table) (\(names.joined(separator: ", ")))
                    SELECT \(values.joined(separator: ", ")) FROM generate_series(1, \(count)) AS g
                    """
            }.joined(separator: ";")
        }

        /// How many of its 24 rows differ in the key.
        func differentRows(of table: String) -> Int {
            table != name || wholeKey.contains("id") || wholeKey.contains("at") ? 24 : 5
        }

        /// A query for a digest of what the columns have that are in `new` and in `old`, by the names that this table has
        /// for them. Only whole numbers, and values that become arrays, change their type without a decision; their texts
        /// stay.
        func values(in new: Table, of old: Table, table: String) -> String {
            let texts = new.columns.compactMap { column -> String? in
                let before =
                    column.renamedFrom.flatMap { old.column($0) == nil || new.column($0) != nil ? nil : $0 }
                    ?? column.name
                guard let was = old.column(before) else { return nil }
                let name = self.column(column.name) == nil ? before : column.name
                let isOne = self.column(name)?.isArray == false && column.isArray && !was.isArray
                return isOne ? "CASE WHEN \(name) IS NOT NULL THEN ARRAY[\(name)] END" : name
            }
            let row = texts.map { "COALESCE((\($0))::text, '-')" }.joined(separator: " || ',' || ")
            return "SELECT md5(string_agg(\(row), ';' ORDER BY \(row))) FROM \(table)"
        }

        var yaml: String {
            var text = "  \(name):\n    about: \(about)\n    level: series\n    stores: [postgres]\n"
            text += "    key: [\(wholeKey.joined(separator: ", "))]\n"
            if isPartitioned { text += "    partition: {by: at, every: month}\n" }
            if hasVariants { text += "    variants: \(name)_variant\n" }
            let indexes = indexes.filter { !wholeKey.starts(with: $0) }
            if !indexes.isEmpty {
                text += "    indexes:\n" + indexes.map { "      - [\($0.joined(separator: ", "))]\n" }.joined()
            }
            return text + "    columns:\n" + columns.map(\.yaml).joined()
        }
    }

    var tables: [Table]

    func table(_ name: String) -> Table? { tables.first { $0.name == name } }

    var renames: [String: [String: String]] {
        var renames: [String: [String: String]] = [:]
        for table in tables {
            for column in table.columns {
                guard let old = column.renamedFrom else { continue }
                for name in table.tableNames { renames[name, default: [:]][column.name] = old }
            }
        }
        return renames
    }

    var yaml: String { "version: 2\ntables:\n" + tables.map(\.yaml).joined() }
}
