/// A table of Doris, in parts: what the spec decides, and what depends on the cluster.
public struct DorisTable: Sendable {
    /// Columns, key, comment and partitions: the statement up to the distribution.
    let head: String
    /// The columns whose hash picks a row's bucket, as Doris reads them.
    public let distributedBy: [String]
    /// By the spec, meant for a cluster of a few nodes.
    public let buckets: Int
    /// By the spec, meant for one node.
    public let replicas: Int
    /// Of rows with one key the one with the highest value here stays; nil when the last one loaded does.
    public let sequenceColumn: String?

    init(head: String, distributedBy: [String], buckets: Int, replicas: Int, sequence: String?) {
        self.head = head
        self.distributedBy = distributedBy
        self.buckets = buckets
        self.replicas = replicas
        sequenceColumn = sequence
    }

    /// The statement that creates it, and does nothing when it is there.
    /// - Parameters:
    ///   - replicas: copies of each bucket, at most the nodes of the cluster; nil for the spec's.
    ///   - buckets: parts of the table, or of each partition; nil for the spec's.
    public func ddl(replicas: Int? = nil, buckets: Int? = nil) -> String {
        var properties = [
            ("replication_num", String(replicas ?? self.replicas)), ("enable_unique_key_merge_on_write", "true"),
            ("light_schema_change", "true"),
        ]
        if let sequenceColumn { properties.append(("function_column.sequence_col", sequenceColumn)) }
        return """
            \(head)
            DISTRIBUTED BY HASH(\(distributedBy.joined(separator: ", "))) BUCKETS \(buckets ?? self.buckets)
            PROPERTIES (
            \(DorisText.properties(properties))
            );

            """
    }
}

/// The job that loads a table of Doris from its topic, in parts: brokers, credentials and limits are settings.
public struct RoutineLoad: Sendable {
    /// A column that Doris computes when it loads a row.
    public struct Computed: Hashable, Sendable {
        public let column: String
        public let expression: String

        init(_ column: String, _ expression: String) {
            self.column = column
            self.expression = expression
        }
    }

    public let job: String
    public let table: String
    public let topic: String
    /// The fields of a message that fill the columns of their names, in the order of the list.
    public let columns: [String]
    /// The columns that no message has.
    public let computed: [Computed]
    /// Limits and format; `jsonpaths` among them, whose n-th path feeds the n-th of `columns`.
    public let properties: [(name: String, value: String)]
    /// `host:port` of the brokers by the spec, with commas between.
    public let brokers: String
    /// `ON table COLUMNS (...)`, names in quotes where Doris reserves them.
    let target: String

    init(
        job: String, table: String, topic: String, columns: [String], computed: [Computed] = [],
        properties: [(name: String, value: String)], brokers: String, target: String
    ) {
        self.job = job
        self.table = table
        self.topic = topic
        self.columns = columns
        self.computed = computed
        self.properties = properties
        self.brokers = brokers
        self.target = target
    }

    /// The statement that creates the job.
    /// - Parameters:
    ///   - job: its name; nil for the spec's.
    ///   - properties: limits by name that win over the spec's, or come on top of them.
    ///   - source: what stands beside the topic in `FROM KAFKA`, in this order: brokers, partitions and offsets,
    ///     `property.` entries with credentials. Nil for the spec's brokers and all partitions from their beginning.
    public func statement(
        job: String? = nil, properties overrides: [String: String] = [:],
        source: [(name: String, value: String)]? = nil
    ) -> String {
        var all = properties.map { ($0.name, overrides[$0.name] ?? $0.value) }
        all += overrides.filter { entry in !properties.contains { $0.name == entry.key } }.sorted { $0.key < $1.key }
            .map { ($0.key, $0.value) }
        let rest =
            source ?? [("kafka_broker_list", brokers), ("property.kafka_default_offsets", "OFFSET_BEGINNING")]
        var entries = rest.map { ($0.name, $0.value) }
        entries.insert(("kafka_topic", topic), at: min(1, entries.count))
        return """
            CREATE ROUTINE LOAD \(job ?? self.job) \(target)
            PROPERTIES (
            \(DorisText.properties(all))
            )
            FROM KAFKA (
            \(DorisText.properties(entries))
            );

            """
    }
}

/// Pieces of Doris' SQL.
public enum DorisText {
    /// A string in double quotes, with backslash escapes.
    public static func string(_ text: String) -> String {
        // By scalars: a quote with an accent upon it is still a quote for Doris.
        var result: String.UnicodeScalarView = "\"".unicodeScalars
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result.append(contentsOf: ["\\", scalar])
            case "\n": result.append(contentsOf: ["\\", "n"])
            default: result.append(scalar)
            }
        }
        result.append("\"")
        return String(result)
    }

    /// A name in backticks, reserved or not.
    public static func name(_ name: String) -> String {
        var result: String.UnicodeScalarView = "`".unicodeScalars
        for scalar in name.unicodeScalars { result.append(contentsOf: scalar == "`" ? ["`", "`"] : [scalar]) }
        result.append("`")
        return String(result)
    }

    /// Names with commas between them.
    public static func names(_ names: [String]) -> String { names.map(name).joined(separator: ", ") }

    /// `"name" = "value"` with commas between them, on lines of their own.
    public static func properties(_ entries: [(String, String)]) -> String {
        entries.map { "    \(string($0.0)) = \(string($0.1))" }.joined(separator: ",\n")
    }
}
