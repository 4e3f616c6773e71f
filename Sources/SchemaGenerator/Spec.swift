/// The spec as it was written, its keys known and its values of the right kind; nothing checked against the dictionary.
struct Spec: Sendable {
    var version = 1
    var doris = DorisDefaults()
    var tables: [TableSpec] = []
}

/// What holds for all tables of Doris unless they say otherwise.
struct DorisDefaults: Sendable {
    var replicas = 1
    var brokers = "127.0.0.1:9092"
    var jobProperties: [(name: String, value: String)] = []
}

struct TableSpec: Sendable {
    var name: Marked<String>
    var about = ""
    var level: Marked<String>?
    var stores: [Marked<String>] = []
    var key: [Marked<String>] = []
    var indexes: [[Marked<String>]] = []
    var variants: Marked<String>?
    var partition: PartitionSpec?
    var doris: DorisSpec?
    var load: LoadSpec?
    var since = 1
    var columns: [ColumnSpec] = []
}

struct PartitionSpec: Sendable {
    var by: Marked<String>
    var every: Marked<String>
}

struct DorisSpec: Sendable {
    var mark: Mark
    var distributeBy: [Marked<String>] = []
    var buckets: Marked<Int>?
    var replicas: Int?
    var sequence: Marked<String>?
    var model: Marked<String>?
}

struct LoadSpec: Sendable {
    var mark: Mark
    var job: Marked<String>?
    var topic: Marked<String>?
    var columns: [Marked<String>]?
    var properties: [(name: String, value: String)] = []
}

struct ColumnSpec: Sendable {
    var mark: Mark
    var name: Marked<String>
    /// A key was not understood; it may have been what seems to be missing.
    var hasUnknownKeys = false
    var tag: Marked<String>?
    var from: Marked<String>?
    var load: Marked<String>?
    var otherwise: Marked<String>?
    var type: Marked<String>?
    var index: Marked<Int>?
    var join: Marked<Bool>?
    var values: Marked<String>?
    var vr: Marked<String>?
    var vm: Marked<String>?
    var required: Marked<Bool>?
    var defaultValue: Marked<String>?
    var level: Marked<String>?
    var search: Marked<Bool>?
    var also: [(keyword: Marked<String>, level: Marked<String>)] = []
    var stores: [Marked<String>]?
    var comment = ""
    var since = 1
    var status: Marked<String>?
    var renamedFrom: Marked<String>?
}
