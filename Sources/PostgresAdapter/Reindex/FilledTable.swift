public import Archive
import ArchiveSchema
import DICOMCore

/// The tables whose columns are filled from attributes of instances.
enum FilledTable: CaseIterable, Sendable {
    case state, object, image

    var schema: TableSchema {
        switch self {
        case .state: DicomStateMetaRow.table
        case .object: DicomObjectMetaRow.table
        case .image: DicomImageMetaRow.table
        }
    }

    /// The columns that can be filled: those of an attribute, but for the key and for what says which instance it is.
    var fillable: [ColumnSchema] {
        schema.postgresColumns.filter {
            !$0.path.isEmpty && !schema.key.contains($0.name) && $0.name != "representative_sop_uid"
        }
    }

    /// The row as a tuple of binary COPY.
    func tuple(
        _ dataSet: DataSet, _ context: InstanceContext, problems: inout [ColumnProblem], into tuples: inout [UInt8]
    ) throws(ExtractionError) {
        switch self {
        case .state:
            try DicomStateMetaRow(extracting: dataSet, from: context, problems: &problems).encodeCopy(into: &tuples)
        case .object:
            try DicomObjectMetaRow(extracting: dataSet, from: context, problems: &problems).encodeCopy(into: &tuples)
        case .image:
            try DicomImageMetaRow(extracting: dataSet, from: context, problems: &problems).encodeCopy(into: &tuples)
        }
    }

    // MARK: Statements

    private var stage: String { "fill_\(schema.name)" }

    /// For `PostgresConnection.once`.
    var createStage: String { RowStage.create(stage, of: schema) }

    var copy: String { "COPY \(stage) (\(schema.columnList)) FROM STDIN (FORMAT binary)" }

    /// Brings the columns from the stage into the rows, where they differ. A series' row takes them from the instance
    /// that it shows, and from no other.
    func update(_ columns: [ColumnSchema]) -> String {
        var sets = columns.map { "\($0.sqlName) = s.\($0.sqlName)" }
        if self == .state {
            // Of two states of a row the one of the later time counts, wherever they were published to. Rows of instances
            // keep theirs: a later one would keep off what the consumer has read and not yet written.
            sets.append(SQL.laterTime("t"))
        }
        return """
            UPDATE \(schema.name) t SET \(sets.joined(separator: ", "))
            FROM \(stage) s WHERE \(differs(columns))
            """
    }

    /// Counts the rows that `update` would change.
    func count(_ columns: [ColumnSchema]) -> String {
        "SELECT count(*) FROM \(schema.name) t, \(stage) s WHERE \(differs(columns))"
    }

    private func differs(_ columns: [ColumnSchema]) -> String {
        let same = schema.key + (self == .state ? ["representative_sop_uid"] : [])
        return """
            \(same.map { "t.\"\($0)\" = s.\"\($0)\"" }.joined(separator: " AND "))
                AND (\(RowStage.list(columns, "t."))) IS DISTINCT FROM (\(RowStage.list(columns, "s.")))
            """
    }
}

/// Columns to fill, by table.
public struct ColumnSelection: Sendable {
    let tables: [(table: FilledTable, columns: [ColumnSchema])]

    /// `table.column`, ascending.
    public var names: [String] {
        tables.flatMap { entry in entry.columns.map { "\(entry.table.schema.name).\($0.name)" } }.sorted()
    }

    /// Where rows of instances that have some of them are published.
    public var instanceTopics: Set<Topic> {
        Set(tables.filter { $0.table != .state }.compactMap { $0.table.schema.topic.flatMap(Topic.init(rawValue:)) })
    }

    /// Those of rows of series; nil when there are none.
    public var ofSeries: ColumnSelection? {
        let own = tables.filter { $0.table == .state }
        return own.isEmpty ? nil : ColumnSelection(tables: own)
    }

    private init(tables: [(table: FilledTable, columns: [ColumnSchema])]) { self.tables = tables }

    /// - Parameter names: of columns, with their table (`dicom_image_meta.rescale_type`) or without, which means every
    ///   table that has it.
    /// - Throws: `ColumnSelectionError` when one cannot be filled.
    public init(_ names: [String]) throws(ColumnSelectionError) {
        var chosen: [FilledTable: [ColumnSchema]] = [:]
        for name in names {
            let parts = name.split(separator: ".").map(String.init)
            guard let column = parts.last, parts.count <= 2 else { throw ColumnSelectionError(name, .unknown) }
            var isKnown = false
            var isFound = false
            for table in FilledTable.allCases where parts.count == 1 || table.schema.name == parts[0] {
                if table.schema.column(column) != nil { isKnown = true }
                guard let fillable = table.fillable.first(where: { $0.name == column }) else { continue }
                isFound = true
                if chosen[table]?.contains(where: { $0.name == column }) != true {
                    chosen[table, default: []].append(fillable)
                }
            }
            guard isFound else { throw ColumnSelectionError(name, isKnown ? .noAttribute : .unknown) }
        }
        tables = FilledTable.allCases.compactMap { table in chosen[table].map { (table, $0) } }
    }

    func columns(of table: FilledTable) -> [ColumnSchema] { tables.first { $0.table == table }?.columns ?? [] }
}

/// A column that cannot be filled from metadata.
public struct ColumnSelectionError: Error, CustomStringConvertible {
    enum Reason {
        case unknown
        case noAttribute
    }

    let name: String
    let reason: Reason

    init(_ name: String, _ reason: Reason) {
        self.name = name
        self.reason = reason
    }

    public var description: String {
        switch reason {
        case .unknown:
            "no table of instances or series has a column '\(name)'; dictionary/fields.yaml lists them"
        case .noAttribute:
            "'\(name)' is a key, or not made of an attribute: wado reindex --from-files makes it anew"
        }
    }
}
