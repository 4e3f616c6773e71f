internal import Archive

/// How Kafka, or RedPanda, is reached and used.
public struct KafkaConfiguration: Sendable {
    /// `host:port` of some brokers; they tell the others.
    public var brokers: [String]
    /// What brokers call this program in their logs.
    public var clientID = "wado"
    public var security = Security()

    // MARK: Topics

    /// Whether topics that are missing are made.
    public var createsTopics = true
    /// Of topics that are made; those that are there keep theirs.
    public var partitions = 8
    /// Copies of each partition. One copy is synced to the disk before it is acknowledged; of more, all but one.
    public var replicas = 1
    /// How long received instances wait for a consumer at most, in hours; 0 for ever. Other topics keep to the broker's
    /// default.
    public var storageRetentionHours = 720

    // MARK: Producer

    /// none, gzip, snappy, lz4 or zstd.
    public var compression = "lz4"
    /// How long a message waits for others to go with, in milliseconds.
    public var lingerMilliseconds = 5
    /// Messages sent together at most, in bytes.
    public var batchBytes = 1_000_000
    /// When a message is not acknowledged after so many milliseconds, `publish` throws.
    public var deliveryMilliseconds = 30_000

    // MARK: Consumer

    /// A member that was silent for so many milliseconds loses its partitions to the others.
    public var sessionMilliseconds = 30_000
    /// Messages of one member that were received and not asked for yet, in KiB.
    public var bufferKiB = 16_384
    /// Messages of one `poll` together, in bytes, about; one message always comes.
    public var pollBytes = 16 << 20

    /// Further properties of librdkafka by their names; ours win. They are shown: none is a `KafkaProperty.isSecret`.
    public var properties: [String: String] = [:]
    /// What the names of topics begin with: tests share a broker.
    package var topicPrefix = ""

    public init(brokers: [String]) { self.brokers = brokers }

    /// How a connection is secured. Empty texts are not passed on.
    public struct Security: Sendable {
        /// plaintext, ssl, sasl_plaintext or sasl_ssl.
        public var `protocol` = "plaintext"
        /// PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or GSSAPI.
        public var mechanism = ""
        public var username = ""
        /// Secret.
        public var password = ""
        /// File of the certificates that brokers are checked with; the system's when empty.
        public var certificateAuthorities = ""
        /// File of our certificate.
        public var certificate = ""
        /// File of its key.
        public var key = ""
        /// Secret.
        public var keyPassword = ""

        public init() {}
    }

    /// A message is at most 1 MiB; with its key and what else a batch needs it stays below.
    static let maximumRequestBytes = 2 << 20

    /// What producers and consumers have in common.
    var common: [(name: String, value: String)] {
        var all = properties.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        all += [
            ("bootstrap.servers", brokers.joined(separator: ",")), ("client.id", clientID),
            ("message.max.bytes", String(Self.maximumRequestBytes)), ("log.connection.close", "false"),
            ("socket.keepalive.enable", "true"), ("security.protocol", security.protocol),
        ]
        if properties["reconnect.backoff.max.ms"] == nil { all.append(("reconnect.backoff.max.ms", "2000")) }
        if properties["socket.timeout.ms"] == nil { all.append(("socket.timeout.ms", "15000")) }
        for (name, value) in [
            ("sasl.mechanism", security.mechanism), ("sasl.username", security.username),
            ("sasl.password", security.password), ("ssl.ca.location", security.certificateAuthorities),
            ("ssl.certificate.location", security.certificate), ("ssl.key.location", security.key),
            ("ssl.key.password", security.keyPassword),
        ] where !value.isEmpty { all.append((name, value)) }
        return all
    }

    var producer: [(name: String, value: String)] {
        common + [
            // Acknowledged by all replicas in sync, in order, once, however often it is sent.
            ("enable.idempotence", "true"), ("acks", "all"),
            ("compression.type", compression), ("linger.ms", String(lingerMilliseconds)),
            ("batch.size", String(batchBytes)), ("message.timeout.ms", String(deliveryMilliseconds)),
            ("queue.buffering.max.kbytes", "65536"), ("queue.buffering.max.messages", "100000"),
            // As Kafka's own clients do it.
            ("partitioner", "murmur2_random"),
        ]
    }

    func consumer(group: String) -> [(name: String, value: String)] {
        common + [
            ("group.id", group), ("partition.assignment.strategy", "cooperative-sticky"),
            ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"), ("allow.auto.create.topics", "false"),
            ("session.timeout.ms", String(sessionMilliseconds)),
            ("heartbeat.interval.ms", String(max(100, min(3_000, sessionMilliseconds / 4)))),
            ("max.poll.interval.ms", String(max(300_000, sessionMilliseconds))),
            ("queued.max.messages.kbytes", String(bufferKiB)), ("queued.min.messages", "1000"),
            ("fetch.max.bytes", String(max(Self.maximumRequestBytes, min(bufferKiB << 10, 8 << 20)))),
            ("fetch.error.backoff.ms", "100"),
        ]
    }

    func name(of topic: Topic) -> String { topicPrefix + topic.rawValue }
}
