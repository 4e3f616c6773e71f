import Archive
import Foundation
import KafkaAdapter
import KafkaTestSupport
import ServiceKit
import Synchronization
import Testing

/// A broker that goes away, and comes back.
@Suite(.serialized, .enabled(if: OwnKafka.isAvailable, "no Apache Kafka and Java beside the project"))
struct KafkaOutageTests {
    @Test func whatWasAcknowledgedOutlivesABrokerThatIsKilled() throws {
        let broker = try OwnKafka()
        var configuration = TestKafka.configuration(brokers: broker.address)
        configuration.deliveryMilliseconds = 2_000
        let bus = KafkaEventBus(configuration, logger: .silent)
        let producer = try bus.makeProducer()
        let consumer = try bus.makeConsumer(group: "g", topics: [.storage])
        defer { consumer.close() }
        func message(_ number: Int) -> Message { Message(key: "k", value: Array(String(number).utf8)) }
        try producer.publish((0..<10).map(message), to: .storage)
        var received: [Int] = []
        func receive(until isDone: () -> Bool) throws {
            let deadline = Date().addingTimeInterval(60)
            while !isDone() {
                guard Date() < deadline else { throw OwnKafka.Failure(description: "only \(received) came") }
                do {
                    let messages = try consumer.poll(limit: 100, timeoutMilliseconds: 200)
                    received += messages.compactMap { Int(String(decoding: $0.message.value, as: UTF8.self)) }
                    try consumer.commit()
                } catch let error as KafkaError where error.isRetriable {}
            }
        }
        try receive { received.count == 10 }

        broker.stop(kill: true)
        let failure = #expect(throws: KafkaError.self) { try producer.publish([message(10)], to: .storage) }
        #expect(failure?.isRetriable == true)
        #expect(failure?.isDueToInput == false)
        // The consumer says that nobody answers, instead of that nothing is there.
        var problem: KafkaError?
        for _ in 0..<100 where problem == nil {
            do {
                _ = try consumer.poll(limit: 10, timeoutMilliseconds: 100)
            } catch let error as KafkaError { problem = error }
        }
        #expect(problem?.isRetriable == true)
        let silence = #expect(throws: KafkaError.self) { try bus.lag(group: "g", topic: .storage) }
        #expect(silence?.isRetriable == true)

        try broker.start()
        // What was not acknowledged is published again, as by who keeps it until it is.
        let deadline = Date().addingTimeInterval(60)
        while true {
            do {
                try producer.publish((10..<20).map(message), to: .storage)
                break
            } catch let error as KafkaError where error.isRetriable && Date() < deadline {}
        }
        try receive { Set(received).count == 20 }
        #expect(Set(received) == Set(0..<20))
        #expect(try bus.lag(group: "g", topic: .storage) == 0)
        producer.close()
        #expect(throws: KafkaError.self) { try producer.publish([message(1)], to: .storage) }
        withExtendedLifetime(broker) {}
    }

    /// The brokers are made anew, at the same address and with topics of the same names: nothing of what the former ones
    /// knew is applied to them, neither by a member that lived on nor by a new one.
    @Test func aRebuiltClusterIsReadFromItsBeginning() throws {
        let broker = try OwnKafka()
        let configuration = TestKafka.configuration(brokers: broker.address)
        func publish(_ range: Range<Int>) throws {
            try KafkaEventBus(configuration, logger: .silent).makeProducer().publish(
                range.map { Message(key: "k", value: Array(String($0).utf8)) }, to: .storage)
        }
        let bus = KafkaEventBus(configuration, logger: .silent)
        let consumer = try bus.makeConsumer(group: "g", topics: [.storage])
        defer { consumer.close() }
        func receive(_ consumer: any EventConsumer, _ count: Int) throws -> Set<Int> {
            var numbers: Set<Int> = []
            let deadline = Date().addingTimeInterval(60)
            while numbers.count < count, Date() < deadline {
                do {
                    numbers.formUnion(
                        try consumer.poll(limit: 100, timeoutMilliseconds: 200).compactMap {
                            Int(String(decoding: $0.message.value, as: UTF8.self))
                        })
                    try consumer.commit()
                } catch let error as KafkaError where error.isRetriable || error.code == .unknownTopic {}
            }
            return numbers
        }
        try publish(0..<20)
        #expect(try receive(consumer, 20) == Set(0..<20))
        let topic = configuration.topicPrefix + Topic.storage.rawValue
        let before = try bus.extent(ofTopic: topic)?.cluster
        try broker.rebuild()
        #expect(try KafkaEventBus(configuration, logger: .silent).extent(ofTopic: topic)?.cluster != before)
        // More than the former cluster had.
        try publish(100..<150)
        #expect(try receive(consumer, 50) == Set(100..<150))
        #expect(try bus.lag(group: "g", topic: .storage) == 0)
        let other = try bus.makeConsumer(group: "other", topics: [.storage])
        defer { other.close() }
        #expect(try receive(other, 50) == Set(100..<150))
        withExtendedLifetime(broker) {}
    }

    @Test func aTopicThatTakesShortMessagesOnlySaysSo() throws {
        let broker = try OwnKafka()
        var configuration = TestKafka.configuration(brokers: broker.address)
        configuration.compression = "none"
        try broker.makeTopic(configuration.topicPrefix + "storage_queue", partitions: 2, ["max.message.bytes=50000"])
        let producer = try KafkaEventBus(configuration, logger: .silent).makeProducer()
        let failure = #expect(throws: KafkaError.self) {
            try producer.publish([Message(key: "k", value: Array(repeating: 7, count: 100_000))], to: .storage)
        }
        #expect(failure?.code == .messageTooLong)
        #expect(failure?.isRetriable == false)
        // Somebody can raise the topic's limit: no reason to give the message up.
        #expect(failure?.isDueToInput == false)
        try producer.publish([Message(key: "k", value: [1])], to: .storage)
        withExtendedLifetime(broker) {}
    }
}
