import EventBusContract
import KafkaAdapter
import KafkaTestSupport
import ServiceKit
import Testing

/// The contract of the event bus, on a real broker.
@Suite(
    .serialized,
    .enabled(if: TestKafka.isAvailable, "no KAFKA_BROKERS, and no Apache Kafka and Java beside the project"))
struct KafkaEventBusTests {
    /// - Parameter sessionMilliseconds: short where a member dies; else no busy machine is to take one for dead.
    private func contract(sessionMilliseconds: Int = 2_000) throws -> EventBusContract {
        var configuration = try TestKafka.configuration()
        configuration.sessionMilliseconds = sessionMilliseconds
        return contractOfBus(configuration)
    }

    @Test func keepsOrderOfKeys() throws { try contract().keepsOrderOfKeys() }
    @Test func deliversAgainAfterCrash() throws { try contract().deliversAgainAfterCrash() }
    @Test func sharesPartitions() throws { try contract(sessionMilliseconds: 10_000).sharesPartitions() }
    @Test func takesOverFromTheDead() throws { try contract().takesOverFromTheDead() }
    @Test func losesNothingWithManyProducers() throws {
        try contract(sessionMilliseconds: 10_000).losesNothingWithManyProducers()
    }
    @Test func carriesLargeMessages() throws { try contract().carriesLargeMessages() }
    @Test func keepsGroupsApart() throws { try contract().keepsGroupsApart() }
    @Test func wakesWhenPublished() throws { try contract().wakesWhenPublished() }
}

/// The contract on librdkafka's imitation of a cluster, where there is no broker. It serves all of it.
@Suite(.serialized, .enabled(if: !TestKafka.isAvailable, "a real broker is tested instead of a mock cluster"))
struct MockClusterTests {
    private func check(_ body: (EventBusContract) throws -> Void) throws {
        let cluster = try MockCluster()
        try body(contractOfBus(cluster.configuration()))
        withExtendedLifetime(cluster) {}
    }

    @Test func keepsOrderOfKeys() throws { try check { try $0.keepsOrderOfKeys() } }
    @Test func deliversAgainAfterCrash() throws { try check { try $0.deliversAgainAfterCrash() } }
    @Test func sharesPartitions() throws { try check { try $0.sharesPartitions() } }
    @Test func takesOverFromTheDead() throws { try check { try $0.takesOverFromTheDead() } }
    @Test func losesNothingWithManyProducers() throws { try check { try $0.losesNothingWithManyProducers() } }
    @Test func carriesLargeMessages() throws { try check { try $0.carriesLargeMessages() } }
    @Test func keepsGroupsApart() throws { try check { try $0.keepsGroupsApart() } }
    @Test func wakesWhenPublished() throws { try check { try $0.wakesWhenPublished() } }
}

private func contractOfBus(_ configuration: KafkaConfiguration) -> EventBusContract {
    EventBusContract(bus: KafkaEventBus(configuration, logger: .silent), mayRedeliver: true) { consumer in
        (consumer as? KafkaEventConsumer)?.kill()
    }
}
