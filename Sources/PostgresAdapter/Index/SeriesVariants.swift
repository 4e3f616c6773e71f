import Archive
import ArchiveSchema

/// Sets of searched values that instances of a series have and its row has not, as rows of `dicom_state_variant`.
///
/// A set is known by its hash, which is made of the values as PostgreSQL has them in binary: the same bytes whether they
/// go there by COPY or come from there.
struct SeriesVariants {
    /// For `copy`; empty as long as all agree.
    private(set) var tuples: [UInt8] = []
    private(set) var hashes: [String] = []
    private var seen: Set<[UInt8]> = []

    private typealias Fields = [[UInt8]?]

    static let table = DicomStateMetaRow.table
    /// The name of the table.
    static let name = table.variants ?? ""
    private static let columns = table.postgresColumns
    private static let key = columns.filter { table.key.contains($0.name) }
    private static let keyPlaces = columns.indices.filter { table.key.contains(columns[$0].name) }
    private static let searchedPlaces = columns.indices.filter { columns[$0].isSearched }

    /// Stored rows that the staged ones differ from in what is searched for: whether the staged one wins, the stored
    /// one's columns, the staged one's. Of a series' only instance that comes again with other values, the old ones are
    /// nobody's any more.
    static let differing: String = {
        let searched = columns.filter { $0.isSearched && !table.key.contains($0.name) }
        let isOfRow = key.map { "r.\($0.sqlName) = s.\($0.sqlName)" }.joined(separator: " AND ")
        return """
            SELECT s.representative_sop_uid <= t.representative_sop_uid, \(RowStage.list(columns, "t.")),
                \(RowStage.list(columns, "s."))
            FROM \(RowStage.states.stageName) s
            CROSS JOIN LATERAL (SELECT * FROM \(table.name) r WHERE \(isOfRow) LIMIT 1) t
            WHERE (\(RowStage.list(searched, "t."))) IS DISTINCT FROM (\(RowStage.list(searched, "s.")))
                AND NOT (t.representative_sop_uid = s.representative_sop_uid
                    AND coalesce(t.series_related_instances, 0) <= 1)
            """
    }()

    /// Through the stage of the rows, once these are merged.
    static let copy = """
        COPY \(RowStage.states.stageName) (\(table.columnList), variant_hash) FROM STDIN (FORMAT binary)
        """

    static let insert = """
        INSERT INTO \(name) (\(table.columnList), variant_hash) SELECT \(table.columnList), variant_hash
        FROM \(RowStage.states.stageName) WHERE variant_hash IS NOT NULL
        ORDER BY \(RowStage.list(key)), variant_hash ON CONFLICT DO NOTHING
        """

    /// - Parameter stored: the result of `differing`.
    init(_ updates: [SeriesUpdate], stored: PostgresResult) {
        if updates.isEmpty && stored.rowCount == 0 { return }
        // What the rows will have is no variant.
        for row in 0..<stored.rowCount where stored.bool(row, 0) != true {
            seen.insert(Self.identity(Self.fields(stored, row, from: 1)))
        }
        for update in updates { seen.insert(Self.identity(Self.fields(update.state))) }
        for row in 0..<stored.rowCount {
            let old = Self.fields(stored, row, from: 1)
            let new = Self.fields(stored, row, from: 1 + Self.columns.count)
            if stored.bool(row, 0) == true {
                add(old)
            } else {
                // A batch's row that does not win is a variant itself.
                seen.remove(Self.identity(new))
                add(new)
            }
        }
        for update in updates { for row in update.variants { add(Self.fields(row)) } }
    }

    /// Those of a series whose instances were all read anew.
    /// - Parameter row: of the instance that the series' row shows.
    init(beside row: DicomStateMetaRow, _ others: [DicomStateMetaRow]) {
        seen.insert(Self.identity(Self.fields(row)))
        for other in others { add(Self.fields(other)) }
    }

    /// The same, beside the row as the table has it.
    /// - Parameter stored: the row of the series, as `stored` selects it.
    init(_ rows: [DicomStateMetaRow], beside stored: PostgresResult) {
        for row in 0..<stored.rowCount { seen.insert(Self.identity(Self.fields(stored, row, from: 0))) }
        for row in rows { add(Self.fields(row)) }
    }

    /// The row of a series by its key.
    static let stored = """
        SELECT \(RowStage.list(columns)) FROM \(table.name)
        WHERE tenant_id = $1 AND study_uid = $2 AND series_uid = $3
        """

    /// Of a series, all but those with these hashes.
    static let prune = """
        DELETE FROM \(name) WHERE tenant_id = $1 AND study_uid = $2 AND series_uid = $3
            AND NOT (variant_hash = ANY($4))
        """

    private mutating func add(_ fields: Fields) {
        let identity = Self.identity(fields)
        guard seen.insert(identity).inserted else { return }
        let hash = SeaHash.decimal(identity)
        hashes.append(hash)
        let all = fields + [Array(hash.utf8)]
        tuples.append(UInt8(truncatingIfNeeded: all.count >> 8))
        tuples.append(UInt8(truncatingIfNeeded: all.count))
        for field in all { Self.append(field, &tuples) }
    }

    /// The key and the searched values, each behind its length.
    private static func identity(_ fields: Fields) -> [UInt8] {
        var bytes: [UInt8] = []
        for place in keyPlaces + searchedPlaces { append(fields[place], &bytes) }
        return bytes
    }

    /// As a tuple of binary COPY has it: four bytes of length, -1 for NULL.
    private static func append(_ field: [UInt8]?, _ bytes: inout [UInt8]) {
        let length = field.map { UInt32(truncatingIfNeeded: $0.count) } ?? .max
        for shift in [UInt32(24), 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
        if let field { bytes += field }
    }

    private static func fields(_ result: PostgresResult, _ row: Int, from first: Int) -> Fields {
        columns.indices.map { result.bytes(row, first + $0) }
    }

    /// The values of the tuple that the row is in COPY.
    private static func fields(_ row: DicomStateMetaRow) -> Fields {
        var tuple: [UInt8] = []
        row.encodeCopy(into: &tuple)
        var fields: Fields = []
        var index = 2
        while fields.count < columns.count {
            let length = tuple[index..<index + 4].reduce(0) { $0 << 8 | UInt32($1) }
            index += 4
            if length == .max {
                fields.append(nil)
            } else {
                fields.append(Array(tuple[index..<index + Int(length)]))
                index += Int(length)
            }
        }
        return fields
    }
}
