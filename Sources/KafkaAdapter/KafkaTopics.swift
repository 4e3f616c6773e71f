internal import Archive
internal import CRdKafka
internal import ServiceKit
internal import Synchronization

/// The archive's topics: made when they are missing and that is allowed.
final class KafkaTopics: Sendable {
    let configuration: KafkaConfiguration
    let logger: Logger
    private let isPrepared = Atomic(false)
    private let lock = Mutex(())

    private static let answerMilliseconds = 10_000

    init(_ configuration: KafkaConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Returns when all topics are there, and have leaders; costs nothing from the second time on.
    func prepare(timeoutMilliseconds: Int = answerMilliseconds) throws(KafkaError) {
        if isPrepared.load(ordering: .acquiring) { return }
        try lock.withLock { _ throws(KafkaError) in
            if isPrepared.load(ordering: .acquiring) { return }
            let client = try KafkaClient(.producer, configuration.common, logger: logger)
            let cluster = try client.cluster(timeoutMilliseconds: timeoutMilliseconds)
            let missing = Topic.allCases.filter { cluster.topics[configuration.name(of: $0)] == nil }
            noteFewPartitions(cluster)
            if !missing.isEmpty {
                guard configuration.createsTopics else {
                    throw KafkaError(
                        code: .unknownTopic, operation: "look for topics", message: instructions(missing))
                }
                try create(missing, client, brokers: cluster.brokers)
            }
            isPrepared.store(true, ordering: .releasing)
        }
    }

    /// Somebody has taken a topic away: the next `prepare` looks anew.
    func lookAgain(after error: KafkaError) {
        if error.isUnknownTopic { isPrepared.store(false, ordering: .releasing) }
    }

    /// Topics that are there are left as they are: with other partitions, studies would change theirs.
    private func noteFewPartitions(_ cluster: KafkaClient.Cluster) {
        let few = Topic.allCases.map(configuration.name).filter { name in
            cluster.topics[name].map { $0.count < configuration.partitions } ?? false
        }
        guard !few.isEmpty else { return }
        let found = few.map { "\($0) (\(cluster.topics[$0]?.count ?? 0))" }.joined(separator: ", ")
        logger.info(
            "Kafka topics have fewer partitions than kafka.partitions and are left so",
            ["topics": .string(found), "wanted": .int(configuration.partitions)])
    }

    // MARK: Making

    /// What a topic of ours needs, beside partitions and replicas. Without the optional ones it works too, on brokers
    /// that do not know them.
    func properties(of topic: Topic, all: Bool = true) -> [(name: String, value: String)] {
        var properties = [("max.message.bytes", String(KafkaConfiguration.maximumRequestBytes))]
        if topic == .storage {
            let hours = configuration.storageRetentionHours
            properties.append(("retention.ms", hours == 0 ? "-1" : String(hours * 3_600_000)))
            properties.append(("cleanup.policy", "delete"))
        }
        guard all else { return properties }
        if configuration.replicas > 1 {
            properties.append(("min.insync.replicas", String(configuration.replicas - 1)))
        } else if topic != .access {
            // With one copy, what is acknowledged has to be on the disk.
            properties.append(("flush.messages", "1"))
        }
        return properties
    }

    private func create(_ topics: [Topic], _ client: KafkaClient, brokers: Int) throws(KafkaError) {
        var failed = try request(topics, client, allProperties: true)
        let unknown = failed.filter { $0.code == RD_KAFKA_RESP_ERR_INVALID_CONFIG }.map(\.topic)
        if !unknown.isEmpty {
            failed.removeAll { unknown.contains($0.topic) }
            failed += try request(unknown, client, allProperties: false)
        }
        if let first = failed.first {
            let advice = advice(about: first.code, brokers: brokers)
            throw KafkaError(
                code: KafkaError.Code(first.code), operation: "make topics",
                message: "\(first.text)\(advice)\n\(instructions(failed.map(\.topic)))")
        }
        logger.info(
            "Kafka topics made", ["topics": .string(topics.map(configuration.name).joined(separator: ", "))])
        // Others hear of them a moment later.
        let deadline = ContinuousClock.now + .milliseconds(Self.answerMilliseconds)
        while true {
            let cluster = try client.cluster(timeoutMilliseconds: Self.answerMilliseconds)
            let isComplete = topics.allSatisfy { topic in
                cluster.topics[configuration.name(of: topic)]?.allSatisfy { $0.leader >= 0 } ?? false
            }
            if isComplete { return }
            guard ContinuousClock.now < deadline else {
                throw KafkaError(
                    code: .timedOut, operation: "make topics",
                    message: "their partitions have no leaders yet, or may not be seen (operation Describe)")
            }
            StopToken().wait(milliseconds: 20)
        }
    }

    private typealias Refusal = (topic: Topic, code: rd_kafka_resp_err_t, text: String)

    /// - Returns: those that were not made, with why; one that another program has just made counts as made.
    private func request(
        _ topics: [Topic], _ client: KafkaClient, allProperties: Bool
    ) throws(KafkaError) -> [Refusal] {
        var new: [OpaquePointer?] = []
        defer { for topic in new { rd_kafka_NewTopic_destroy(topic) } }
        var text = [CChar](repeating: 0, count: 512)
        for topic in topics {
            guard
                let one = rd_kafka_NewTopic_new(
                    configuration.name(of: topic), Int32(clamping: configuration.partitions),
                    Int32(clamping: configuration.replicas), &text, text.count)
            else { throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, "make topics") }
            new.append(one)
            for (name, value) in properties(of: topic, all: allProperties) {
                _ = rd_kafka_NewTopic_set_config(one, name, value)
            }
        }
        let options = rd_kafka_AdminOptions_new(client.pointer, RD_KAFKA_ADMIN_OP_CREATETOPICS)
        defer { rd_kafka_AdminOptions_destroy(options) }
        _ = rd_kafka_AdminOptions_set_request_timeout(
            options, Int32(Self.answerMilliseconds), &text, text.count)
        _ = rd_kafka_AdminOptions_set_operation_timeout(
            options, Int32(Self.answerMilliseconds), &text, text.count)
        let queue = rd_kafka_queue_new(client.pointer)
        defer { rd_kafka_queue_destroy(queue) }
        rd_kafka_CreateTopics(client.pointer, &new, new.count, options, queue)
        guard let event = rd_kafka_queue_poll(queue, Int32(Self.answerMilliseconds * 2)) else {
            throw client.error(RD_KAFKA_RESP_ERR__TIMED_OUT, "make topics")
        }
        defer { rd_kafka_event_destroy(event) }
        let code = rd_kafka_event_error(event)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw client.error(code, "make topics") }
        var count = 0
        guard let result = rd_kafka_event_CreateTopics_result(event),
            let results = rd_kafka_CreateTopics_result_topics(result, &count)
        else { throw KafkaError(RD_KAFKA_RESP_ERR__FAIL, "make topics") }
        var refusals: [Refusal] = []
        for result in UnsafeBufferPointer(start: results, count: count) {
            let code = rd_kafka_topic_result_error(result)
            guard code != RD_KAFKA_RESP_ERR_NO_ERROR, code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS,
                let name = rd_kafka_topic_result_name(result).map({ String(cString: $0) }),
                let topic = topics.first(where: { configuration.name(of: $0) == name })
            else { continue }
            let why = rd_kafka_topic_result_error_string(result).map { String(cString: $0) }
            refusals.append((topic, code, why ?? String(cString: rd_kafka_err2str(code))))
        }
        return refusals
    }

    // MARK: Instructions

    /// What to do when a broker does not make topics.
    private func advice(about code: rd_kafka_resp_err_t, brokers: Int) -> String {
        switch code {
        case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
            """
             (kafka.replicas is \(configuration.replicas), and there are \(brokers) brokers: start the others, or set \
            kafka.replicas to what they can keep; RedPanda takes odd numbers only)
            """
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
            " (\(principal) may not make topics: somebody who may has to)"
        default: ""
        }
    }

    /// Who we are to the brokers, as far as we know.
    private var principal: String {
        configuration.security.username.isEmpty ? "this program" : "User:\(configuration.security.username)"
    }

    /// What to run to make topics by hand.
    func instructions(_ topics: [Topic]) -> String {
        let brokers = configuration.brokers.joined(separator: ",")
        let isSecured = configuration.security.protocol != "plaintext"
        var lines = [
            "topics are missing\(isSecured ? ", or \(principal) may not see them (operation Describe)" : ""); "
                + "make them, with RedPanda by:"
        ]
        for topic in topics {
            // It syncs what it acknowledges to a majority of copies anyway.
            let settings = properties(of: topic, all: false).map { " -c \($0.name)=\($0.value)" }.joined()
            lines.append(
                "  rpk topic create \(configuration.name(of: topic)) --brokers \(brokers) "
                    + "-p \(configuration.partitions) -r \(configuration.replicas)\(settings)")
        }
        lines.append("or with Apache Kafka by:")
        for topic in topics {
            let settings = properties(of: topic).map { " --config \($0.name)=\($0.value)" }.joined()
            lines.append(
                "  kafka-topics.sh --bootstrap-server \(brokers) --create --if-not-exists "
                    + "--topic \(configuration.name(of: topic)) --partitions \(configuration.partitions) "
                    + "--replication-factor \(configuration.replicas)\(settings)")
        }
        if isSecured { lines += rights }
        return lines.joined(separator: "\n")
    }

    /// What to run to let us use the topics, and every consumer group of ours.
    private var rights: [String] {
        let names = Topic.allCases.map(configuration.name)
        let who = configuration.security.username.isEmpty ? "User:NAME" : principal
        return [
            "what \(who) may, with RedPanda by:",
            "  rpk security acl create --allow-principal \(who) --operation read,write,describe "
                + "--topic \(names.joined(separator: ",")) --group '*'",
            "or with Apache Kafka by:",
            "  kafka-acls.sh --bootstrap-server \(configuration.brokers.joined(separator: ",")) --add "
                + "--allow-principal \(who) --operation Read --operation Write --operation Describe "
                + names.map { "--topic \($0)" }.joined(separator: " "),
            "  kafka-acls.sh --bootstrap-server \(configuration.brokers.joined(separator: ",")) --add "
                + "--allow-principal \(who) --operation Read --operation Describe --group '*'",
        ]
    }
}
