public import DICOMDictionary

/// The levels of the query information model (PS3.4 C.6, PS3.18 10.6).
public enum QueryLevel: String, Hashable, Sendable, CaseIterable, Comparable {
    case patient, study, series, instance

    public static func < (a: Self, b: Self) -> Bool { a.order < b.order }

    private var order: Int {
        switch self {
        case .patient: 0
        case .study: 1
        case .series: 2
        case .instance: 3
        }
    }
}

/// How a search key matches (PS3.4 C.2.2.2).
public enum SearchKind: String, Hashable, Sendable, CaseIterable {
    /// Single value matching, case-sensitive.
    case exact
    /// Single value or list of UIDs.
    case uid
    /// A day or a range of days.
    case date
    /// A time or a range of times.
    case time
    /// Single value, or `*` and `?`.
    case wildcard
    /// A person's name: as `wildcard`, letter case not counted (the index is on `lower(column)`), and fuzzy matching.
    case fuzzy
    /// Single value of a number.
    case number
}

/// The type of a column, the same in both databases.
public enum ColumnType: Hashable, Sendable {
    /// Up to so many characters (Unicode scalars), byte order. `varchar(n) COLLATE "C"`, `VARCHAR(4n)`.
    case text(Int)
    /// ASCII of at most so many characters. `varchar(n) COLLATE "C"`, `VARCHAR(n)`.
    case ascii(Int)
    /// 32 bits, signed.
    case int
    /// 64 bits, signed.
    case bigint
    case double
    case date
    /// `time`; in Doris, which has none, `VARCHAR(15)` that reads `HH:MM:SS[.ffffff]`.
    case time
    /// UTC, microseconds. `timestamp with time zone`, `DATETIME(6)`.
    case timestamp

    /// The object identifier of the type in PostgreSQL, for binary parameters.
    public var postgresOID: UInt32 {
        switch self {
        case .text, .ascii: 1043
        case .int: 23
        case .bigint: 20
        case .double: 701
        case .date: 1082
        case .time: 1083
        case .timestamp: 1184
        }
    }

    /// The name of the type in PostgreSQL, without collation.
    public var postgresName: String {
        switch self {
        case .text(let length), .ascii(let length): "varchar(\(length))"
        case .int: "integer"
        case .bigint: "bigint"
        case .double: "double precision"
        case .date: "date"
        case .time: "time"
        case .timestamp: "timestamp with time zone"
        }
    }

    /// The name of the type in Doris, which counts the bytes of a text and has no time of a day.
    public var dorisName: String {
        switch self {
        case .text(let length): "VARCHAR(\(length * 4))"
        case .ascii(let length): "VARCHAR(\(length))"
        case .int: "INT"
        case .bigint: "BIGINT"
        case .double: "DOUBLE"
        case .date: "DATE"
        case .time: "VARCHAR(15)"
        case .timestamp: "DATETIME(6)"
        }
    }
}

/// A column as the spec has it.
public struct ColumnSchema: Sendable {
    public let name: String
    public let type: ColumnType
    public let isNullable: Bool
    /// The attribute that fills it, sequences it stands in first (their first item is meant); empty when none does.
    public let path: [Tag]
    /// The VR of the attribute by the dictionary; nil when none fills it.
    public let vr: VR?
    /// The level of the attribute in the query model; nil when it is no answer of QIDO-RS.
    public let level: QueryLevel?
    /// How it is searched; nil when it is no search key.
    public let search: SearchKind?
    /// Whether PostgreSQL's table has it, if there is one.
    public let isInPostgres: Bool
    /// Whether Doris' table has it, if there is one.
    public let isInDoris: Bool
    /// Its default as a constant of SQL; nil when it has none.
    public let defaultValue: String?
    /// The version of the spec that it came with.
    public let since: Int
    /// What it was called before.
    public let renamedFrom: String?
    public let comment: String

    init(
        _ name: String, _ type: ColumnType, nullable: Bool, only store: Store? = nil, path: [UInt32] = [],
        vr: VR? = nil,
        level: QueryLevel? = nil, search: SearchKind? = nil, defaultValue: String? = nil, since: Int = 1,
        renamedFrom: String? = nil, comment: String = ""
    ) {
        self.name = name
        self.type = type
        isNullable = nullable
        self.path = path.map { Tag($0) }
        self.vr = vr
        self.level = level
        self.search = search
        isInPostgres = store != .doris
        isInDoris = store != .postgres
        self.defaultValue = defaultValue
        self.since = since
        self.renamedFrom = renamedFrom
        self.comment = comment
    }

    enum Store { case postgres, doris }
}

/// An index of a table in PostgreSQL.
public struct IndexSchema: Hashable, Sendable {
    public let name: String
    /// Columns, or expressions such as `lower(patient_name)`, as PostgreSQL reads them.
    public let parts: [String]

    init(_ name: String, _ parts: [String]) {
        self.name = name
        self.parts = parts
    }
}

/// A table as the spec has it.
public struct TableSchema: Sendable {
    public let name: String
    public let about: String
    /// What one row stands for; nil for rows that are no DICOM entity.
    public let level: QueryLevel?
    /// In the order of the DDL.
    public let columns: [ColumnSchema]
    /// The columns of the primary key.
    public let key: [String]
    /// In PostgreSQL, beside the key's.
    public let indexes: [IndexSchema]
    /// PostgreSQL's second table of the same columns and `variant_hash`, created by `postgresDDL` too: values that are
    /// searched for and that instances have but their row has not; nil when there is none.
    public let variants: String?
    /// In PostgreSQL partitioned by month of this column; nil when it is not partitioned.
    public let partitionColumn: String?
    /// The statements that create it, its indexes and comments; nil when PostgreSQL has no such table.
    public let postgresDDL: String?
    /// The table in Doris; nil when it has none.
    public let doris: DorisTable?
    /// The job that loads it; nil when nothing is loaded.
    public let load: RoutineLoad?

    /// The topic whose messages Doris loads into it.
    public var topic: String? { load?.topic }
    /// The statement that creates it in Doris, with replicas and buckets as the spec has them.
    public var dorisDDL: String? { doris?.ddl() }
    /// The statement that creates its load job, as the spec has it.
    public var routineLoad: String? { load?.statement() }

    /// The columns of PostgreSQL in the order of `encodeCopy`, in quotes: for `COPY table (...)`.
    public var columnList: String {
        columns.filter(\.isInPostgres).map { "\"\($0.name)\"" }.joined(separator: ", ")
    }

    public func column(_ name: String) -> ColumnSchema? { columns.first { $0.name == name } }

    /// The statement that creates the partition of a month, and does nothing when it is there; nil when the table is
    /// not partitioned or there is no such month. Rows of the month that lie in the default partition hinder it.
    public func partitionDDL(year: Int, month: Int) -> String? {
        guard partitionColumn != nil, let start = CalendarDate(year: year, month: month, day: 1),
            let end = CalendarDate(
                year: month == 12 ? year + 1 : year, month: month == 12 ? 1 : month + 1, day: 1)
        else { return nil }
        let suffix = start.dicomValue.prefix(6)
        return """
            CREATE TABLE IF NOT EXISTS \(name)_\(suffix) PARTITION OF \(name)
                FOR VALUES FROM ('\(start) 00:00:00+00') TO ('\(end) 00:00:00+00');
            """
    }
}

/// An attribute that QIDO-RS can be asked for, and the column that knows.
public struct SearchKey: Sendable {
    /// The attribute, sequences it stands in first.
    public let path: [Tag]
    /// The keyword of each element of the path.
    public let keywords: [String]
    public let level: QueryLevel
    public let kind: SearchKind
    public let table: String
    public let column: String

    init(
        _ path: [UInt32], _ keywords: [String], _ level: QueryLevel, _ kind: SearchKind, _ table: String,
        _ column: String
    ) {
        self.path = path.map { Tag($0) }
        self.keywords = keywords
        self.level = level
        self.kind = kind
        self.table = table
        self.column = column
    }
}

/// Everything generated from `dictionary/fields.yaml`; the tables are in `ArchiveSchema+Tables.swift`.
public enum ArchiveSchema {
    /// The table of this name.
    public static func table(_ name: String) -> TableSchema? { tables.first { $0.name == name } }

    /// The search key of an attribute; nil when it cannot be searched.
    public static func searchKey(_ path: [Tag]) -> SearchKey? { searchKeys.first { $0.path == path } }
}
