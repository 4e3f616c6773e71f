import Archive
public import ServiceKit

/// Where Doris is, and what its tables and load jobs are made with.
public struct DorisConfiguration: Sendable {
    /// How the connection to a frontend is protected.
    public enum TLS: Hashable, Sendable {
        case off
        /// Encrypted; who answers is not checked.
        case required
        /// Encrypted, with a certificate for the host's name from an authority of the file, or of the system's when nil.
        case verified(authorities: String?)
    }

    /// A frontend's name or address.
    public var host: String
    /// Of the MySQL protocol.
    public var port: Int
    public var user: String
    /// Never printed.
    public var password: String
    public var database: String
    public var tls = TLS.off
    /// Seconds that connecting may take.
    public var connectSeconds = 5
    /// Seconds that a statement's answer may take: Doris asks Kafka before it makes some load jobs.
    public var statementSeconds = 120
    /// Seconds that a change of a large table may take before we go on without it; Doris itself goes on.
    public var schemaChangeSeconds = 24 * 3600

    /// Copies of each tablet of new tables; nil as the spec says.
    public var replicas: Int?
    /// Buckets of new tables or of each of their partitions; nil as the spec says.
    public var buckets: Int?
    /// Full months of a log table that are kept beside the running one; nil keeps all.
    public var logMonths: Int?

    /// Job properties that replace those of the spec, such as `max_batch_interval`.
    public var loadProperties: [String: String] = [:]
    /// `host:port,...` of Kafka as Doris' backends reach it; nil as the spec says.
    public var brokers: String?
    /// Properties of Doris' Kafka client, without `property.` before them, such as `security.protocol`.
    public var kafkaProperties: [String: String] = [:]

    /// Ends waits, and what is done between two statements.
    public var stop = StopToken()

    /// Is shown each statement before it is run, and keeps it from that by throwing.
    package var willRun: @Sendable (_ statement: String) throws(DorisError) -> Void = { _ in }

    public init(host: String, port: Int = 9030, user: String = "root", password: String = "", database: String) {
        self.host = host
        self.port = port
        self.user = user
        self.password = password
        self.database = database
    }

    /// What `loadProperties` may set.
    public static let loadPropertyNames = [
        "desired_concurrent_number", "max_batch_interval", "max_batch_rows", "max_batch_size", "max_error_number",
        "max_filter_ratio", "exec_mem_limit", "send_batch_parallelism", "load_to_single_tablet", "workload_group",
    ]

    /// Texts that no plan, log or error may show.
    var secrets: [String] {
        ([password] + kafkaProperties.filter { KafkaProperty.isSecret($0.key) }.map(\.value)).filter { !$0.isEmpty }
    }

    /// A text of Doris, with what to do where a right is missing.
    package func advised(_ text: String) -> String {
        guard text.contains("denied") else { return text }
        return text.contains("using password")
            ? text + " (see doris.user and doris.password)"
            : text + " (somebody who may: GRANT SELECT_PRIV, LOAD_PRIV, ALTER_PRIV, CREATE_PRIV, DROP_PRIV ON "
                + "internal.\(DorisText.name(database)).* TO \(DorisText.string(user)))"
    }

    /// The text without secrets.
    package func redacted(_ text: String) -> String {
        secrets.sorted { $0.count > $1.count }.reduce(text) { text, secret in
            // As it stands in a statement, too.
            [secret, String(DorisText.string(secret).dropFirst().dropLast())].reduce(text) {
                $0.replacing($1, with: "******")
            }
        }
    }
}
