import Archive
package import ArchiveSchema

/// A routine load job, as the spec wants it.
package struct LoadDefinition: Sendable {
    package struct Column: Hashable, Sendable {
        package let name: String
        /// What Doris computes when it loads; nil for a field of the message.
        package let expression: String?

        package init(name: String, expression: String? = nil) {
            self.name = name
            self.expression = expression
        }
    }

    package var job: String
    package var table: String
    package var columns: [Column]
    package var properties: [(name: String, value: String)]
    package var brokers: String
    package var topic: String
    /// The cluster of brokers that the topic is in, as far as we know; the job's comment remembers it.
    package var cluster: String?
    /// Properties of Kafka's client, with `property.` before them.
    package var clientProperties: [(name: String, value: String)]

    package init(
        job: String, table: String, columns: [Column], properties: [(name: String, value: String)], brokers: String,
        topic: String
    ) {
        self.job = job
        self.table = table
        self.columns = columns
        self.properties = properties
        self.brokers = brokers
        self.topic = topic
        clientProperties = [("property.kafka_default_offsets", LoadDefinition.Offset.beginning.description)]
    }

    /// The job of the spec.
    package init(_ load: RoutineLoad) {
        self.init(
            job: load.job, table: load.table,
            columns: load.columns.map { Column(name: $0) }
                + load.computed.map { Column(name: $0.column, expression: $0.expression) },
            properties: load.properties, brokers: load.brokers, topic: load.topic)
    }

    /// Where a job begins: the next offset of each partition.
    package typealias Offsets = [Int: Offset]

    package enum Offset: Hashable, Sendable, CustomStringConvertible {
        case next(Int64)
        case beginning
        case end

        package var description: String {
            switch self {
            case .next(let offset): String(offset)
            case .beginning: "OFFSET_BEGINNING"
            case .end: "OFFSET_END"
            }
        }
    }

    /// With the properties of the settings.
    package func adapted(to configuration: DorisConfiguration) -> LoadDefinition {
        var load = self
        for (name, value) in configuration.loadProperties.sorted(by: { $0.key < $1.key }) {
            Self.set(name, value, in: &load.properties)
        }
        for (name, value) in configuration.kafkaProperties.sorted(by: { $0.key < $1.key }) {
            Self.set("property.\(name)", value, in: &load.clientProperties)
        }
        if let brokers = configuration.brokers { load.brokers = brokers }
        return load
    }

    private static func set(_ name: String, _ value: String, in pairs: inout [(name: String, value: String)]) {
        pairs.removeAll { $0.name == name }
        pairs.append((name, value))
    }

    /// The statement that creates it.
    /// - Parameter offsets: where it begins, and the only partitions that it will read; nil for all partitions there are
    ///   and will be, from their beginning.
    package func createStatement(from offsets: Offsets?) -> String {
        let list = columns.map { column in
            "    " + DorisText.name(column.name) + (column.expression.map { " = \($0)" } ?? "")
        }
        var source = [("kafka_broker_list", brokers), ("kafka_topic", topic)]
        if let offsets {
            let partitions = offsets.keys.sorted()
            source.append(("kafka_partitions", partitions.map(String.init).joined(separator: ",")))
            source.append(("kafka_offsets", partitions.compactMap { offsets[$0]?.description }.joined(separator: ",")))
        }
        return """
            CREATE ROUTINE LOAD \(DorisText.name(job)) ON \(DorisText.name(table))
            COLUMNS (
            \(list.joined(separator: ",\n"))
            )
            PROPERTIES (
            \(DorisText.properties(properties.map { ($0.name, $0.value) }))
            )
            FROM KAFKA (
            \(DorisText.properties(source + clientProperties.map { ($0.name, $0.value) }))
            )
            COMMENT \(DorisText.string(mark(isPinned: offsets != nil).text))
            """
    }

    /// What the job's comment says.
    package func mark(isPinned: Bool) -> LoadMark {
        LoadMark(version: ArchiveSchema.version, fingerprint: fingerprint, isPinned: isPinned, cluster: cluster)
    }

    /// The same for equal jobs; without secrets, for everybody can read it.
    private var fingerprint: String {
        var lines = columns.map { "\($0.name)=\($0.expression ?? "")" }
        lines += properties.map { "\($0.name)=\($0.value)" }.sorted()
        lines += ["kafka_broker_list=\(brokers)", "kafka_topic=\(topic)"]
        lines += clientProperties.map { KafkaProperty.isSecret($0.name) ? $0.name : "\($0.name)=\($0.value)" }
            .sorted()
        return SeaHash.decimal(lines.joined(separator: "\n"))
    }
}

/// The comment of a job that we made. It says what the job was made from, since Doris shows only some of that, and that
/// in words of its own.
package struct LoadMark: Hashable, Sendable {
    /// Of the spec.
    package let version: Int
    package let fingerprint: String
    /// Whether the job reads only the partitions it was made for.
    package let isPinned: Bool
    /// The cluster of brokers that its offsets belong to; nil when nobody knew.
    package let cluster: String?

    private static let clusterWord = "kafka="

    package var text: String {
        "wado \(version) \(fingerprint)\(isPinned ? " pinned" : "")\(cluster.map { " \(Self.clusterWord)\($0)" } ?? "")"
    }

    package init(version: Int, fingerprint: String, isPinned: Bool, cluster: String? = nil) {
        self.version = version
        self.fingerprint = fingerprint
        self.isPinned = isPinned
        self.cluster = cluster.map { $0.filter { !$0.isWhitespace } }
    }

    /// Nil when the comment is not ours.
    package init?(_ comment: String) {
        let words = comment.split(separator: " ")
        guard words.count >= 3, words[0] == "wado", let version = Int(words[1]) else { return nil }
        let rest = words.dropFirst(3)
        self.init(
            version: version, fingerprint: String(words[2]), isPinned: rest.contains("pinned"),
            cluster: rest.first { $0.hasPrefix(Self.clusterWord) }.map { String($0.dropFirst(Self.clusterWord.count)) })
    }
}
