internal import Archive
internal import KafkaAdapter
public import ServiceKit

/// Settings of the event bus, and of where logs go.
extension WadoSettings {
    public static let bus = Setting.choice(
        "bus", ["postgres", "kafka"], default: "postgres",
        "What carries events between the services: the database, or Kafka (also RedPanda).")
    public static let logs = Setting.choice(
        "logs", ["postgres", "doris"], default: "postgres",
        "Where rows of the log tables go: into the database, or by Kafka's topics to Doris.")

    // MARK: Brokers

    public static let kafkaBrokers = Setting.list(
        "kafka.brokers", default: ["127.0.0.1:9092"], "Some brokers as host:port; they name the others."
    ) { brokers in
        if brokers.isEmpty { return "at least one broker is needed" }
        let wrong = brokers.first { broker in
            let port = broker.lastIndex(of: ":").flatMap { Int(broker[broker.index(after: $0)...]) }
            return port.map { !(1...65_535).contains($0) } ?? true
        }
        return wrong.map { "'\($0)' is no host:port" }
    }
    public static let kafkaSecurityProtocol = Setting.choice(
        "kafka.security_protocol", ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], default: "plaintext",
        "How connections to brokers are secured.")
    public static let kafkaMechanism = Setting.choice(
        "kafka.sasl_mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"], default: "SCRAM-SHA-512",
        "How brokers check who we are, with a sasl_ protocol.")
    public static let kafkaUsername = Setting.text(
        "kafka.sasl_username", default: "", "User at the brokers, with a sasl_ protocol.")
    public static let kafkaPassword = Setting.text(
        "kafka.sasl_password", default: "", isSecret: true, "Password of that user.")
    public static let kafkaAuthorities = Setting.path(
        "kafka.ssl_ca", default: "",
        "File of certificates (PEM) that the brokers' are checked with; the system's when not set.")
    public static let kafkaCertificate = Setting.path(
        "kafka.ssl_certificate", default: "", "File of our certificate (PEM), where brokers ask for one.")
    public static let kafkaKey = Setting.path("kafka.ssl_key", default: "", "File of its key (PEM).")
    public static let kafkaKeyPassword = Setting.text(
        "kafka.ssl_key_password", default: "", isSecret: true, "Password of that key.")
    public static let kafkaProperties = Setting.map(
        "kafka.properties", default: [:], "Further properties of librdkafka, by their names there. No secrets."
    ) { properties in
        let secret = properties.keys.first { KafkaProperty.isSecret($0) }
        return secret.map { "'\($0)' is a secret, and settings of this kind are shown: use the setting made for it" }
    }

    // MARK: Topics

    public static let kafkaCreatesTopics = Setting.flag(
        "kafka.create_topics", default: true,
        "Whether topics that are missing are made at the start; if not, the commands for it are shown.")
    public static let kafkaPartitions = Setting.integer(
        "kafka.partitions", in: 1...1_000, default: 8,
        "Partitions of topics that are made: as many consumers can share the work.")
    public static let kafkaReplicas = Setting.integer(
        "kafka.replicas", in: 1...9, default: 1,
        "Copies of each partition of topics that are made; 3 where there are as many brokers.")
    public static let kafkaStorageRetention = Setting.integer(
        "kafka.storage_retention_hours", in: 0...876_000, default: 720, unit: "hours",
        "How long the storage queue keeps instances for a consumer that is away, when it is made; 0 for ever.")

    // MARK: Producers and consumers

    public static let kafkaCompression = Setting.choice(
        "kafka.compression", ["none", "gzip", "snappy", "lz4", "zstd"], default: "lz4",
        "How messages are compressed.")
    public static let kafkaLinger = Setting.integer(
        "kafka.linger_ms", in: 0...1_000, default: 5, unit: "milliseconds",
        "How long a message waits for others to be sent with.")
    public static let kafkaBatch = Setting.integer(
        "kafka.batch_bytes", in: 1_024...1_048_576, default: 1_000_000, unit: "bytes",
        "Messages that are sent together at most.")
    public static let kafkaDelivery = Setting.integer(
        "kafka.delivery_seconds", in: 1...3_600, default: 30, unit: "seconds",
        "How long brokers may take to acknowledge a message; then it is published anew.")
    public static let kafkaSession = Setting.integer(
        "kafka.session_seconds", in: 1...1_800, default: 30, unit: "seconds",
        "A consumer that is silent for so long loses its partitions to the others.")
    public static let kafkaBuffer = Setting.integer(
        "kafka.buffer_kib", in: 2_048...1_048_576, default: 16_384, unit: "KiB",
        "Messages that each consumer thread holds in advance.")

    static let kafkaSection = SettingsCatalogue.Section(
        "kafka", "Kafka",
        [
            AnySetting(kafkaBrokers), AnySetting(kafkaSecurityProtocol), AnySetting(kafkaMechanism),
            AnySetting(kafkaUsername), AnySetting(kafkaPassword), AnySetting(kafkaAuthorities),
            AnySetting(kafkaCertificate), AnySetting(kafkaKey), AnySetting(kafkaKeyPassword),
            AnySetting(kafkaCreatesTopics), AnySetting(kafkaPartitions), AnySetting(kafkaReplicas),
            AnySetting(kafkaStorageRetention), AnySetting(kafkaCompression), AnySetting(kafkaLinger),
            AnySetting(kafkaBatch), AnySetting(kafkaDelivery), AnySetting(kafkaSession), AnySetting(kafkaBuffer),
            AnySetting(kafkaProperties),
        ])
}

extension KafkaConfiguration {
    /// - Parameter program: as brokers see it in their logs.
    init(_ settings: Settings, program: String) {
        self.init(brokers: settings[WadoSettings.kafkaBrokers])
        clientID = program
        security.protocol = settings[WadoSettings.kafkaSecurityProtocol]
        if security.protocol.hasPrefix("sasl_") {
            security.mechanism = settings[WadoSettings.kafkaMechanism]
            security.username = settings[WadoSettings.kafkaUsername]
            security.password = settings[WadoSettings.kafkaPassword]
        }
        security.certificateAuthorities = settings[WadoSettings.kafkaAuthorities]
        security.certificate = settings[WadoSettings.kafkaCertificate]
        security.key = settings[WadoSettings.kafkaKey]
        security.keyPassword = settings[WadoSettings.kafkaKeyPassword]
        properties = settings[WadoSettings.kafkaProperties]
        createsTopics = settings[WadoSettings.kafkaCreatesTopics]
        partitions = settings[WadoSettings.kafkaPartitions]
        replicas = settings[WadoSettings.kafkaReplicas]
        storageRetentionHours = settings[WadoSettings.kafkaStorageRetention]
        compression = settings[WadoSettings.kafkaCompression]
        lingerMilliseconds = settings[WadoSettings.kafkaLinger]
        batchBytes = settings[WadoSettings.kafkaBatch]
        deliveryMilliseconds = settings[WadoSettings.kafkaDelivery] * 1_000
        sessionMilliseconds = settings[WadoSettings.kafkaSession] * 1_000
        bufferKiB = settings[WadoSettings.kafkaBuffer]
    }
}
