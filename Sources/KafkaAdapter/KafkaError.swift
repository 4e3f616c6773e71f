public import Archive
internal import CRdKafka

/// An error of Kafka or of the way to it.
///
/// `description` shows the protocol's name of the error, our own name of the operation, and librdkafka's text, in which
/// hosts and topics may stand: never a message, never a secret.
public struct KafkaError: RetriableError, Equatable, CustomStringConvertible {
    /// What the error is, for code to decide on: the protocol's number, or librdkafka's own, which is negative.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public var rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// A message is longer than the topic or the bus takes.
        public static let messageTooLong = Code(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        /// No broker answers.
        public static let unreachable = Code(RD_KAFKA_RESP_ERR__TRANSPORT)
        /// The broker refused user, password or mechanism.
        public static let authentication = Code(RD_KAFKA_RESP_ERR__AUTHENTICATION)
        /// The broker's certificate is not trusted, or TLS does not come about.
        public static let untrusted = Code(RD_KAFKA_RESP_ERR__SSL)
        /// A setting that librdkafka does not know or take.
        public static let configuration = Code(RD_KAFKA_RESP_ERR__INVALID_ARG)
        /// Topics are missing and may not be made.
        public static let unknownTopic = Code(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        /// Producer or consumer was closed.
        public static let closed = Code(RD_KAFKA_RESP_ERR__DESTROY)
        /// Nothing came in time.
        public static let timedOut = Code(RD_KAFKA_RESP_ERR__TIMED_OUT)

        init(_ code: rd_kafka_resp_err_t) { rawValue = code.rawValue }

        var isSuccess: Bool { rawValue == RD_KAFKA_RESP_ERR_NO_ERROR.rawValue }
    }

    public var code: Code
    /// What we were doing: a constant of ours, such as `publish`.
    public var operation: String
    /// What happened, and what to do where we know; may be empty.
    public var message: String

    public init(code: Code, operation: String, message: String) {
        self.code = code
        self.operation = operation
        self.message = message
    }

    init(_ code: rd_kafka_resp_err_t, _ operation: String, _ message: String? = nil) {
        var message = message ?? String(cString: rd_kafka_err2str(code))
        switch code {
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
            message += " (needed are the operations Read, Write and Describe on the archive's topics)"
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
            message +=
                " (needed are the operations Read, Write and Describe on the archive's topics, and for brokers before 2.8 "
                + "IdempotentWrite on the cluster)"
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
            message += " (needed are the operations Read and Describe on the consumer group)"
        default: break
        }
        self.init(code: Code(code), operation: operation, message: message)
    }

    /// True unless somebody has to change something: credentials, rights, settings, topics, the message.
    public var isRetriable: Bool { !Self.lasting.contains(code) }

    /// Asked of a broker that leads the partition, or the group, no more or not yet.
    var isMoving: Bool {
        [
            RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        ].contains { code == Code($0) }
    }

    var isUnknownTopic: Bool {
        code == .unknownTopic || code == Code(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            || code == Code(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
    }

    /// A message too long for every topic of ours. One that a topic's `max.message.bytes` keeps out waits for somebody
    /// to raise that.
    public var isDueToInput: Bool { code == .messageTooLong && operation == Self.checking }

    /// The operation of errors that were found before anything was sent.
    static let checking = "check message"

    private static let lasting: Set<Code> = Set(
        [
            RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR__SSL, RD_KAFKA_RESP_ERR__INVALID_ARG,
            RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RD_KAFKA_RESP_ERR__DESTROY, RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
            RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
            RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM,
            RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE, RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION,
            RD_KAFKA_RESP_ERR_INVALID_CONFIG, RD_KAFKA_RESP_ERR_INVALID_REQUEST, RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
            RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,
        ].map { Code($0) })

    public var description: String {
        let name = String(cString: rd_kafka_err2name(rd_kafka_resp_err_t(code.rawValue)))
        return message.isEmpty ? "Kafka: \(operation): \(name)" : "Kafka: \(operation): \(name): \(message)"
    }
}
