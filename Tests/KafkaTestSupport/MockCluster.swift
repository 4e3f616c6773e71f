import Archive
import CRdKafka
public import KafkaAdapter

/// librdkafka's own imitation of a cluster, in this process: for machines without a broker. It is not Kafka: what
/// passes here has still to pass there.
public final class MockCluster: @unchecked Sendable {
    private let client: OpaquePointer
    private let cluster: OpaquePointer

    public struct Failure: Error {}

    public init() throws {
        var text = [CChar](repeating: 0, count: 256)
        guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), &text, text.count) else {
            throw Failure()
        }
        guard let cluster = rd_kafka_mock_cluster_new(client, 3) else {
            rd_kafka_destroy(client)
            throw Failure()
        }
        self.client = client
        self.cluster = cluster
    }

    deinit {
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(client)
    }

    /// With topics of its own, which are there.
    public func configuration() -> KafkaConfiguration {
        let brokers = rd_kafka_mock_cluster_bootstraps(cluster).map { String(cString: $0) } ?? ""
        var configuration = TestKafka.configuration(brokers: brokers)
        configuration.createsTopics = false
        // It lets the first member of a group wait for 3 s, and forgets whoever waits for longer than a session.
        configuration.sessionMilliseconds = 6_000
        for topic in Topic.allCases {
            rd_kafka_mock_topic_create(
                cluster, configuration.topicPrefix + topic.rawValue, Int32(configuration.partitions), 1)
        }
        return configuration
    }
}
