import Archive
import Foundation
import KafkaAdapter
import KafkaTestSupport
import ServiceKit
import Synchronization
import Testing

/// Topics that are made or missed, and settings that are wrong.
@Suite(
    .serialized,
    .enabled(if: TestKafka.isAvailable, "no KAFKA_BROKERS, and no Apache Kafka and Java beside the project"))
struct KafkaSetupTests {
    @Test func missingTopicsAreNamedWithTheCommandsThatMakeThem() throws {
        var configuration = try TestKafka.configuration()
        configuration.createsTopics = false
        let bus = KafkaEventBus(configuration, logger: .silent)
        let failure = #expect(throws: KafkaError.self) { try bus.prepare() }
        #expect(failure?.code == .unknownTopic)
        #expect(failure?.isRetriable == false)
        let text = failure?.description ?? ""
        for topic in Topic.allCases {
            let name = configuration.topicPrefix + topic.rawValue
            #expect(text.contains("rpk topic create \(name) --brokers "))
            #expect(text.contains("--create --if-not-exists --topic \(name) --partitions 6 --replication-factor 1"))
        }
        #expect(text.contains("max.message.bytes=2097152"))
        #expect(text.contains("retention.ms=2592000000"))
        let message = Message(key: "k", value: [1])
        let producer = try bus.makeProducer()
        #expect(throws: KafkaError.self) { try producer.publish([message], to: .storage) }
        #expect(throws: KafkaError.self) {
            try bus.makeConsumer(group: "g", topics: [.storage]).poll(limit: 1, timeoutMilliseconds: 0)
        }
        #expect(try bus.status().instructions?.contains("rpk topic create") == true)
        // Somebody makes them, and it goes on.
        configuration.createsTopics = true
        try KafkaEventBus(configuration, logger: .silent).prepare()
        try producer.publish([message], to: .storage)
        #expect(try bus.lag(group: "g", topic: .storage) == 1)
    }

    /// Services that start at the same time.
    @Test func manyMakeTheTopicsTogether() throws {
        let configuration = try TestKafka.configuration()
        let failures = Mutex<[String]>([])
        let threads = try (0..<5).map { number in
            try ServiceThread(name: "start-\(number)") { _ in
                do { try KafkaEventBus(configuration, logger: .silent).prepare() } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(failures.withLock { $0 } == [])
        let status = try KafkaEventBus(configuration, logger: .silent).status()
        #expect(status.brokers >= 1)
        #expect(status.topics.map(\.name) == Topic.allCases.map { configuration.topicPrefix + $0.rawValue })
        #expect(status.topics.allSatisfy { $0.partitions == 6 && $0.leaderless == 0 && $0.replicas >= 1 })
        #expect(status.instructions == nil)
    }

    /// More copies than there are brokers.
    @Test func tooManyCopiesAreSaid() throws {
        var configuration = try TestKafka.configuration()
        configuration.replicas = 9
        let failure = try #require(throws: KafkaError.self) {
            try KafkaEventBus(configuration, logger: .silent).prepare()
        }
        #expect(!failure.isRetriable)
        #expect(failure.description.contains("kafka.replicas is 9, and there are "), "\(failure)")
        #expect(failure.description.contains("--replication-factor 9"))
    }

    /// Topics with fewer partitions than the settings want are used as they are, which is said.
    @Test func topicsThatAreThereAreLeftAsTheyAre() throws {
        var configuration = try TestKafka.configuration()
        configuration.partitions = 2
        try KafkaEventBus(configuration, logger: .silent).prepare()
        configuration.partitions = 5
        let lines = Mutex<[String]>([])
        let logger = Logger(service: "test", level: .info) { line in
            lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
        }
        let bus = KafkaEventBus(configuration, logger: logger)
        try bus.prepare()
        #expect(lines.withLock { $0.contains { $0.contains("\(configuration.topicPrefix)storage_queue (2)") } })
        #expect(try bus.status().topics.allSatisfy { $0.partitions == 2 })
        let extent = try #require(try bus.extent(ofTopic: configuration.topicPrefix + "storage_queue"))
        try bus.makeProducer().publish((0..<7).map { Message(key: "\($0)", value: [1]) }, to: .storage)
        #expect(extent.cluster != nil && extent.partitions == [0..<0, 0..<0])
        let after = try #require(try bus.extent(ofTopic: configuration.topicPrefix + "storage_queue"))
        #expect(after.cluster == extent.cluster)
        #expect(after.partitions.map(\.count).reduce(0, +) == 7)
        #expect(try bus.extent(ofTopic: configuration.topicPrefix + "no-such") == nil)
    }

    @Test(arguments: [
        ("sasl.mechanism", "NONSENSE"), ("no.such.property", "1"), ("compression.level", "much"),
    ])
    func wrongPropertiesAreNamed(_ name: String, _ value: String) throws {
        var configuration = try TestKafka.configuration()
        configuration.properties[name] = value
        if name == "sasl.mechanism" {
            configuration.security.protocol = "sasl_plaintext"
            configuration.security.mechanism = value
        }
        let failure = #expect(throws: KafkaError.self) { try KafkaEventBus(configuration, logger: .silent).prepare() }
        #expect(failure?.code == .configuration)
        #expect(failure?.isRetriable == false)
        #expect(failure?.message.contains(name == "sasl.mechanism" ? "NONSENSE" : name) == true)
    }

    @Test func aCertificateThatIsMissingIsNamed() throws {
        var configuration = try TestKafka.configuration()
        configuration.security.protocol = "ssl"
        configuration.security.certificateAuthorities = "/nonexistent/ca.pem"
        let failure = #expect(throws: KafkaError.self) { try KafkaEventBus(configuration, logger: .silent).prepare() }
        #expect(failure?.code == .configuration)
        #expect(failure?.message.contains("ssl.ca.location") == true)
    }

    @Test func aMessageThatIsTooLongIsRefusedForWhatItIs() throws {
        let producer = try KafkaEventBus(try TestKafka.configuration(), logger: .silent).makeProducer()
        let long = Message(key: "k", value: Array(repeating: 7, count: Message.maximumBytes + 1))
        let failure = #expect(throws: KafkaError.self) { try producer.publish([long], to: .image) }
        #expect(failure?.code == .messageTooLong)
        #expect(failure?.isRetriable == false)
        #expect(failure?.isDueToInput == true)
    }
}

struct KafkaConfigurationTests {
    @Test func secretsAreKnownByTheirNames() {
        for name in [
            "sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem",
            "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config", "sasl.JAAS.config", "sasl.OAuthBearer.token",
        ] { #expect(KafkaProperty.isSecret(name), "\(name)") }
        for name in ["sasl.username", "ssl.ca.location", "client.rack", "ssl.key.location"] {
            #expect(!KafkaProperty.isSecret(name), "\(name)")
        }
    }
}
