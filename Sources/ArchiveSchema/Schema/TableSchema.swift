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

/// The type of a column, the same in both databases.
public indirect enum ColumnType: Hashable, Sendable {
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
    /// At most `longestArray` elements, in their order, NULL among them but not all: the n-th is the attribute's n-th
    /// value, or that of the n-th item. `type[]`, `ARRAY<type>`.
    case array(ColumnType)

    /// How many elements an array has at most.
    public static let longestArray = 256

    /// What an array is of; of a single value its type.
    public var element: ColumnType { if case .array(let element) = self { element } else { self } }
    public var isArray: Bool { self != element }
    public var isText: Bool {
        switch self {
        case .text, .ascii: true
        default: false
        }
    }

    /// The object identifier of the type in PostgreSQL, for binary parameters.
    public var postgresOID: UInt32 {
        switch element {
        case .text, .ascii: isArray ? 1015 : 1043
        case .int: isArray ? 1007 : 23
        case .bigint: isArray ? 1016 : 20
        case .double: isArray ? 1022 : 701
        case .date: isArray ? 1182 : 1082
        case .time: isArray ? 1183 : 1083
        case .timestamp, .array: isArray ? 1185 : 1184
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
        case .array(let element): element.postgresName + "[]"
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
        case .array(let element): "ARRAY<\(element.dorisName)>"
        }
    }
}

/// One level of the way from the root of a data set to an attribute.
public struct PathStep: Hashable, Sendable {
    public enum Item: Hashable, Sendable {
        /// From 0.
        case number(Int)
        case all
    }

    /// Of a private element the tag that searches and answers have; in a data set it is in any block of its creator.
    public let tag: Tag
    /// Which item of the sequence; nil for the attribute itself.
    public let item: Item?
    /// Who reserves its block, if it is a private element.
    public let creator: String?

    init(_ tag: UInt32, _ item: Item? = nil, creator: String? = nil) {
        self.tag = Tag(tag)
        self.item = item
        self.creator = creator
    }

    /// The attribute itself.
    public init(_ tag: Tag) {
        self.tag = tag
        item = nil
        creator = nil
    }

    /// The element (gggg,00bb) that says who reserves the block; nil when it is not private.
    public var creatorTag: Tag? {
        creator.map { _ in tag.privateCreator }
    }
}

/// A column as the spec has it.
public struct ColumnSchema: Sendable {
    public let name: String
    public let type: ColumnType
    public let isNullable: Bool
    /// The attribute that fills it, sequences it stands in first, with their items; empty when none does.
    public let steps: [PathStep]
    /// The VR of the attribute by the dictionary; nil when none fills it.
    public let vr: VR?
    /// The level of the attribute in the query model; nil when it is no answer of QIDO-RS.
    public let level: QueryLevel?
    /// Whether it is a search key.
    public let isSearched: Bool
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
        _ name: String, _ type: ColumnType, nullable: Bool, only store: Store? = nil, path: [PathStep] = [],
        vr: VR? = nil, level: QueryLevel? = nil, searched: Bool = false, defaultValue: String? = nil, since: Int = 1,
        renamedFrom: String? = nil, comment: String = ""
    ) {
        self.name = name
        self.type = type
        isNullable = nullable
        steps = path
        self.vr = vr
        self.level = level
        isSearched = searched
        isInPostgres = store != .doris
        isInDoris = store != .postgres
        self.defaultValue = defaultValue
        self.since = since
        self.renamedFrom = renamedFrom
        self.comment = comment
    }

    enum Store { case postgres, doris }

    /// The attribute that fills it, sequences it stands in first; empty when none does.
    public var path: [Tag] { steps.map(\.tag) }
}

/// An index of a table in PostgreSQL.
public struct IndexSchema: Hashable, Sendable {
    public enum Method: String, Hashable, Sendable {
        case btree
        /// Of the elements of the one array that is its only part.
        case gin
    }

    public let name: String
    /// Columns, or expressions such as `lower(patient_name)`, as PostgreSQL reads them.
    public let parts: [String]
    public let method: Method

    init(_ name: String, _ parts: [String], method: Method = .btree) {
        self.name = name
        self.parts = parts
        self.method = method
    }
}

/// A table as the spec has it.
public struct TableSchema: Sendable {
    public let name: String
    public let about: String
    /// What one row stands for; nil for rows that are no DICOM entity.
    public let level: QueryLevel?
    /// Those that are filled, in the order of the DDL.
    public let columns: [ColumnSchema]
    /// Those that are still in the databases, and may be NULL, but are filled, searched, shown and loaded no more. They are
    /// behind the others.
    public let retired: [ColumnSchema]
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
    /// The statement that creates it in Doris, with replicas and buckets as the spec has them; nil when Doris has no such
    /// table.
    public let dorisDDL: String?
    /// The job that loads it; nil when nothing is loaded.
    public let load: RoutineLoad?

    /// The topic whose messages Doris loads into it.
    public var topic: String? { load?.topic }
    /// The statement that creates its load job, as the spec has it.
    public var routineLoad: String? { load?.statement }

    /// The columns of PostgreSQL in the order of `encodeCopy`, in quotes: for `COPY table (...)`.
    public var columnList: String {
        columns.filter(\.isInPostgres).map { "\"\($0.name)\"" }.joined(separator: ", ")
    }

    public func column(_ name: String) -> ColumnSchema? { columns.first { $0.name == name } }

    /// The name of a month's partition.
    public func partition(of month: CalendarMonth) -> String { "\(name)_\(month.name)" }

    /// The statement that creates the partition of a month, and does nothing when it is there; nil when the table is not
    /// partitioned. Rows of the month that lie in the default partition hinder it.
    public func partitionDDL(of month: CalendarMonth) -> String? {
        if partitionColumn == nil { return nil }
        return """
            CREATE TABLE IF NOT EXISTS \(partition(of: month)) PARTITION OF \(name)
                FOR VALUES FROM (\(month.start)) TO (\(month.next.start));
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
    public let table: String
    public let column: String
    /// How values match (PS3.4 C.2.2.2), for people: it follows from the VR.
    public let matching: String

    init(
        _ path: [UInt32], _ keywords: [String], _ level: QueryLevel, _ table: String, _ column: String, matching: String
    ) {
        self.path = path.map { Tag($0) }
        self.keywords = keywords
        self.level = level
        self.table = table
        self.column = column
        self.matching = matching
    }
}

/// Everything generated from `dictionary/fields.yaml`; the tables are in `ArchiveSchema+Tables.swift`.
public enum ArchiveSchema {
    /// The table of this name.
    public static func table(_ name: String) -> TableSchema? { tables.first { $0.name == name } }

    /// Creators of the private elements that tables have columns of, by the tags that reserve their blocks in searches and
    /// answers.
    public static let privateCreators: [Tag: String] = {
        let steps = tables.flatMap(\.columns).flatMap(\.steps)
        let creators = steps.compactMap { step in step.creatorTag.flatMap { tag in step.creator.map { (tag, $0) } } }
        return Dictionary(creators) { first, _ in first }
    }()

    /// The search key of an attribute; nil when it cannot be searched.
    public static func searchKey(_ path: [Tag]) -> SearchKey? { searchKeys.first { $0.path == path } }
}
