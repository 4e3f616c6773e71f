public import Archive
internal import CRdKafka
public import ServiceKit
internal import Synchronization

/// The event bus in Apache Kafka, or in anything that speaks its protocol, such as RedPanda.
///
/// Nothing here connects before it is used: a broker that is down is met by `publish`, `poll` and `lag`, which throw, and
/// go on once it is back.
public final class KafkaEventBus: EventBus {
    private let topics: KafkaTopics
    private let observers = Mutex<[String: KafkaClient]>([:])

    /// Who asks for the lag, or the status, waits.
    private static let answerMilliseconds = 3_000

    /// - Parameter logger: gets what librdkafka has to tell.
    public init(_ configuration: KafkaConfiguration, logger: Logger) {
        topics = KafkaTopics(configuration, logger: logger)
    }

    public func makeProducer() throws -> any EventProducer { KafkaEventProducer(topics: topics) }

    public func makeConsumer(group: String, topics: [Topic]) throws -> any EventConsumer {
        KafkaEventConsumer(group: group, topics: topics, cluster: self.topics)
    }

    /// Makes the topics that are missing, if that is allowed. Producers and consumers do so by themselves; a program
    /// that wants to hear of it at its start asks here.
    /// - Throws: `KafkaError`; of missing topics it says by which commands they are made.
    /// It does not wait for long for brokers that do not answer.
    public func prepare() throws { try topics.prepare(timeoutMilliseconds: Self.answerMilliseconds) }

    public func lag(group: String, topic: Topic) throws -> Int64 {
        let client = try observer(group)
        return try Self.askingLeaders { () throws(KafkaError) in try lag(group: group, topic: topic, client) }
    }

    /// Leaders that have just changed are known a moment later.
    private static func askingLeaders<Answer>(
        _ question: () throws(KafkaError) -> Answer
    ) throws(KafkaError) -> Answer {
        for _ in 0..<10 {
            do throws(KafkaError) { return try question() } catch {
                guard error.isMoving else { throw error }
                StopToken().wait(milliseconds: 100)
            }
        }
        return try question()
    }

    private func lag(group: String, topic: Topic, _ client: KafkaClient) throws(KafkaError) -> Int64 {
        let name = topics.configuration.name(of: topic)
        let cluster = try client.cluster(timeoutMilliseconds: Self.answerMilliseconds)
        guard let partitions = cluster.topics[name] else {
            throw KafkaError(code: .unknownTopic, operation: "lag", message: "there is no topic \(name)")
        }
        guard let list = rd_kafka_topic_partition_list_new(Int32(partitions.count)) else { return 0 }
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in partitions.indices { rd_kafka_topic_partition_list_add(list, name, Int32(partition)) }
        let code = rd_kafka_committed(client.pointer, list, Int32(Self.answerMilliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw client.error(code, "lag") }
        var lag: Int64 = 0
        for element in UnsafeBufferPointer(start: list.pointee.elems, count: Int(list.pointee.cnt)) {
            guard element.err == RD_KAFKA_RESP_ERR_NO_ERROR else { throw client.error(element.err, "lag") }
            let ends = try client.ends(
                name, Int(element.partition), timeoutMilliseconds: Self.answerMilliseconds)
            // What retention has deleted waits for nobody. A group that has committed nothing yet begins at the start.
            lag += max(0, ends.upperBound - max(ends.lowerBound, element.offset))
        }
        return lag
    }

    private func observer(_ group: String) throws(KafkaError) -> KafkaClient {
        try observers.withLock { observers throws(KafkaError) in
            if let client = observers[group] { return client }
            let client = try KafkaClient(
                .observer, topics.configuration.consumer(group: group), logger: topics.logger)
            observers[group] = client
            return client
        }
    }
}

/// What a cluster looks like, for people.
public struct KafkaStatus: Sendable, Equatable {
    public struct TopicStatus: Sendable, Equatable {
        public var name: String
        /// 0 when there is no such topic.
        public var partitions: Int
        /// Copies of each partition, the fewest.
        public var replicas: Int
        /// Partitions that nothing can be written to now.
        public var leaderless: Int
        /// Partitions of which not all copies are up to date.
        public var behind: Int
    }

    public var brokers: Int
    /// The archive's topics.
    public var topics: [TopicStatus]
    /// How missing topics are made by hand; nil when none is missing.
    public var instructions: String?
}

extension KafkaEventBus {
    /// Asks the cluster about the archive's topics.
    public func status() throws -> KafkaStatus {
        let client = try KafkaClient(.producer, topics.configuration.common, logger: topics.logger)
        let cluster = try client.cluster(timeoutMilliseconds: Self.answerMilliseconds)
        let all = Topic.allCases.map { topic in
            let name = topics.configuration.name(of: topic)
            let partitions = cluster.topics[name] ?? []
            return KafkaStatus.TopicStatus(
                name: name, partitions: partitions.count, replicas: partitions.map(\.replicas).min() ?? 0,
                leaderless: partitions.filter { $0.leader < 0 }.count,
                behind: partitions.filter { $0.inSync < $0.replicas }.count)
        }
        let missing = Topic.allCases.filter { cluster.topics[topics.configuration.name(of: $0)] == nil }
        return KafkaStatus(
            brokers: cluster.brokers, topics: all,
            instructions: missing.isEmpty ? nil : topics.instructions(missing))
    }

    /// Where a topic is and what is in it now; nil when there is no such topic.
    public func extent(ofTopic name: String) throws -> KafkaTopicExtent? {
        let client = try KafkaClient(.producer, topics.configuration.common, logger: topics.logger)
        return try Self.askingLeaders { () throws(KafkaError) -> KafkaTopicExtent? in
            let cluster = try client.cluster(timeoutMilliseconds: Self.answerMilliseconds)
            guard let partitions = cluster.topics[name] else { return nil }
            var ends: [Range<Int64>] = []
            for partition in partitions.indices {
                ends.append(try client.ends(name, partition, timeoutMilliseconds: Self.answerMilliseconds))
            }
            return KafkaTopicExtent(cluster: cluster.id, partitions: ends)
        }
    }
}

/// A topic of any name.
public struct KafkaTopicExtent: Sendable, Equatable {
    /// What the brokers call their cluster; nil when they do not say.
    public var cluster: String?
    /// Of each partition, from the offset of its first message to behind its last one.
    public var partitions: [Range<Int64>]
}
