import Dictionary

/// The spec, checked: everything in it can be rendered without another question.
struct SchemaModel: Sendable {
    var version: Int
    var brokers: String
    var tables: [TableModel]
}

package enum Store: String, CaseIterable, Sendable {
    case postgres, doris
}

package enum Level: String, CaseIterable, Sendable {
    case patient, study, series, instance

    /// How far below the patient.
    var depth: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

struct TableModel: Sendable {
    var name: String
    /// `DicomStateMetaRow`.
    var rowName: String
    var about: String
    var level: Level?
    var stores: Set<Store>
    var key: [String]
    var indexes: [IndexModel]
    /// PostgreSQL's second table of other values of the same rows.
    var variants: String?
    /// Partitioned by month of this column.
    var partition: String?
    var doris: DorisModel?
    var load: LoadModel?
    var since: Int
    var columns: [ColumnModel]
    /// Still in the databases, and nothing more: the first step of taking a column out.
    var retired: [ColumnModel] = []

    /// Rows are made from data sets, not by services alone.
    var isExtracted: Bool {
        columns.contains { if case .attribute = $0.source { true } else { false } }
    }

    func columns(in store: Store) -> [ColumnModel] {
        columns.filter { $0.stores.contains(store) && !(store == .postgres && $0.isComputedOnLoad) }
    }

    /// With the retired ones, behind the others: what the database has.
    func allColumns(in store: Store) -> [ColumnModel] {
        columns(in: store) + retired.filter { $0.stores.contains(store) }
    }

    /// The table of `variants`: the same columns and indexes, and a hash of the searched values in the key.
    var variantTable: TableModel? {
        guard let variants else { return nil }
        var table = self
        table.name = variants
        table.about =
            "Searched values of instances that disagree with their row of \(name): one row a set of values. Usually empty."
        table.columns = columns(in: .postgres)
        table.columns.append(
            ColumnModel(
                name: Self.variantHash, swiftName: ColumnNames.swiftIdentifier(Self.variantHash), type: .ascii(20),
                source: .service, otherwise: nil, isNullable: false, defaultValue: nil, level: nil, isSearched: false,
                also: [], stores: [.postgres], comment: "SeaHash of the searched values in 20 digits", since: since,
                renamedFrom: nil))
        table.key.append(Self.variantHash)
        table.indexes = indexes.map { index in
            var index = index
            index.name = variants + index.name.dropFirst(name.count)
            return index
        }
        table.variants = nil
        return table
    }

    static let variantHash = "variant_hash"

    /// The columns of the row's struct and messages.
    var rowColumns: [ColumnModel] { columns.filter { !$0.isComputedOnLoad } }
}

struct IndexModel: Sendable {
    enum Part: Sendable, Equatable {
        case column(String)
        case lower(String)

        var column: String {
            switch self {
            case .column(let name), .lower(let name): name
            }
        }
    }
    var name: String
    var parts: [Part]
    /// Of the elements of an array (GIN), not of the column's order.
    var isOfElements = false
}

struct DorisModel: Sendable {
    var distributeBy: [String]
    var buckets: Int
    var replicas: Int
    var sequence: String?
}

struct LoadModel: Sendable {
    var job: String
    var topic: String
    /// In the order of the message's list.
    var columns: [String]
    var properties: [(name: String, value: String)]
}

struct ColumnModel: Sendable {
    var name: String
    var swiftName: String
    var type: TypeModel
    var source: Source
    /// A context value that stands in where the attribute has none.
    var otherwise: ContextValue?
    var isNullable: Bool
    /// Checked against the type.
    var defaultValue: String?
    var level: Level?
    var isSearched: Bool
    var also: [AlsoSearched]
    var stores: Set<Store>
    var comment: String
    var since: Int
    var isRetired = false
    var renamedFrom: String?

    enum Source: Sendable {
        case attribute(AttributePath)
        /// The SeaHash of another column, in decimal.
        case hash(of: String)
        case context(ContextValue)
        case service
        case computedOnLoad(String)
    }

    struct AlsoSearched: Sendable {
        var element: ElementEntry
        var level: Level
    }

    var isComputedOnLoad: Bool {
        if case .computedOnLoad = source { true } else { false }
    }

    var attribute: AttributePath? {
        if case .attribute(let path) = source { path } else { nil }
    }
}

/// From the root to an attribute, through items of sequences.
struct AttributePath: Sendable {
    enum Item: Sendable, Hashable {
        case number(Int)
        case all
    }
    /// What reserves a block of private elements; in a data set any block of the group may be its.
    struct Creator: Sendable, Hashable {
        var name: String
        /// (gggg,00bb), of the block that answers and searches call its own.
        var tag: UInt32
    }
    struct Step: Sendable {
        var sequence: ElementEntry
        var creator: Creator?
        var item: Item
    }
    enum Choice: Sendable, Equatable {
        case single
        case index(Int)
        /// All, as one text.
        case joined
        /// All, as an array.
        case all
    }
    var steps: [Step]
    var element: ElementEntry
    var creator: Creator?
    var vr: ValueRepresentation
    var choice: Choice

    /// One value of each item, or all values: the column is an array.
    var isArray: Bool { choice == .all || takesAllItems }
    var takesAllItems: Bool { steps.contains { $0.item == .all } }

    var tags: [UInt32] { steps.map(\.sequence.tag) + [element.tag] }
    /// Of private elements their tags.
    var keywords: [String] {
        (steps.map { ($0.sequence, $0.creator) } + [(element, creator)]).map { element, creator in
            creator == nil ? element.keyword : SQLText.hexadecimal(element.tag)
        }
    }
    var creators: [Creator?] { steps.map(\.creator) + [creator] }
    var isPrivate: Bool { creators.contains { $0 != nil } }
    /// `RequestAttributesSequence[0].RequestedProcedureID`.
    var text: String {
        let steps = steps.map { step in
            let item = if case .number(let number) = step.item { String(number) } else { "*" }
            return "\(step.sequence.keyword)[\(item)]"
        }
        return (steps + [element.keyword]).joined(separator: ".")
    }
}

/// What the archive knows of an instance beside its data set, by its name in the spec.
package enum ContextValue: String, CaseIterable, Sendable {
    case tenant
    case traceID = "trace_id"
    case workerNodeID = "worker_node_id"
    case transferSyntaxUID = "transfer_syntax_uid"
    case sopClassUID = "sop_class_uid"
    case filePath = "file_path"
    case fileSize = "file_size"
    case sourceIP = "source_ip"
    case sourceAE = "source_ae"
    case receivedTime = "received_time"
    case processedTime = "processed_time"

    var type: TypeModel {
        switch self {
        case .tenant, .workerNodeID, .sourceAE: .text(64)
        case .traceID: .text(36)
        case .transferSyntaxUID, .sopClassUID: .ascii(64)
        case .filePath: .text(1024)
        case .fileSize: .bigint
        case .sourceIP: .text(45)
        case .receivedTime, .processedTime: .timestamp
        }
    }

    var isNullable: Bool { self == .sourceIP || self == .sourceAE }

    /// Its property of `InstanceContext`.
    var swiftName: String {
        switch self {
        case .tenant: "tenantID"
        case .traceID: "traceID"
        case .workerNodeID: "workerNodeID"
        case .transferSyntaxUID: "transferSyntaxUID"
        case .sopClassUID: "sopClassUID"
        case .filePath: "filePath"
        case .fileSize: "fileSize"
        case .sourceIP: "sourceIP"
        case .sourceAE: "sourceAE"
        case .receivedTime: "receivedTime"
        case .processedTime: "processedTime"
        }
    }
}
