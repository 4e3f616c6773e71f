import Archive
import Foundation
import KafkaAdapter
import KafkaTestSupport
import ServiceKit
import Testing

/// What happens to offsets and messages when members of a group come, go, and wait.
@Suite(
    .serialized,
    .enabled(if: TestKafka.isAvailable, "no KAFKA_BROKERS, and no Apache Kafka and Java beside the project"))
struct KafkaGroupTests {
    private let bus: KafkaEventBus
    private static let patience = 30.0

    init() throws { bus = KafkaEventBus(try TestKafka.configuration(), logger: .silent) }

    private func publish(_ range: Range<Int>) throws {
        try bus.makeProducer().publish(
            range.map { Message(key: "key-\($0 % 30)", value: Array(String($0).utf8)) }, to: .storage)
    }

    private func number(_ message: ReceivedMessage) -> Int {
        Int(String(decoding: message.message.value, as: UTF8.self)) ?? -1
    }

    /// Polls all in turn until it is done.
    private func poll(
        _ members: [KafkaEventConsumer], _ take: (Int, [ReceivedMessage]) throws -> Void, until isDone: () -> Bool
    ) throws {
        let deadline = Date().addingTimeInterval(Self.patience)
        while !isDone() {
            guard Date() < deadline else { throw OwnKafka.Failure(description: "it did not come to an end") }
            for (index, member) in members.enumerated() {
                try take(index, try member.poll(limit: 50, timeoutMilliseconds: 20))
            }
        }
    }

    private func member() throws -> KafkaEventConsumer {
        try #require(try bus.makeConsumer(group: "group", topics: [.storage]) as? KafkaEventConsumer)
    }

    /// Some versions of librdkafka end the process when a member goes between joining and its first partitions.
    @Test func mayGoAtAnyMomentOfJoining() throws {
        try publish(0..<10)
        for milliseconds in 0..<25 {
            let member = try #require(
                try bus.makeConsumer(group: "brief-\(milliseconds)", topics: [.storage]) as? KafkaEventConsumer)
            _ = try member.poll(limit: 1, timeoutMilliseconds: milliseconds * 4)
            if milliseconds % 2 == 0 { member.close() } else { member.kill() }
        }
        // More members than the six partitions: two have none.
        let members = try (0..<8).map { _ in try member() }
        var seen = 0
        try poll(members) {
            seen += $1.count
        } until: {
            seen >= 10
        }
        for member in members { member.close() }
    }

    /// A newcomer takes partitions over whose messages were delivered and not committed: it gets them all again, and the
    /// commit of the old owner leaves them alone.
    @Test func whatIsTakenAwayIsNotCommitted() throws {
        try publish(0..<300)
        let old = try member()
        defer { old.close() }
        var delivered: [ReceivedMessage] = []
        try poll([old]) {
            delivered += $1
        } until: {
            delivered.count == 300
        }
        #expect(try bus.lag(group: "group", topic: .storage) == 300)
        let new = try member()
        defer { new.close() }
        var again: [ReceivedMessage] = []
        try poll([old, new]) {
            again += $0 == 1 ? $1 : []
        } until: {
            !again.isEmpty && new.ownedPartitions.count == old.ownedPartitions.count
        }
        try old.commit()
        let moved = Set(new.ownedPartitions.compactMap { $0.split(separator: "/").last.flatMap { Int($0) } })
        let expected = delivered.filter { moved.contains($0.partition) }.map(number).sorted()
        try poll([new]) {
            again += $1
        } until: {
            again.count >= expected.count
        }
        #expect(again.map(number).sorted() == expected)
        #expect(try bus.lag(group: "group", topic: .storage) == Int64(expected.count))
        try new.commit()
        #expect(try bus.lag(group: "group", topic: .storage) == 0)
    }

    /// Of two members one leaves with work undone: the other one gets just that.
    @Test func whoLeavesLosesNothing() throws {
        let members = [try member(), try member()]
        try poll(members) { _, _ in
        } until: {
            members.allSatisfy { $0.ownedPartitions.count == 3 }
        }
        try publish(0..<300)
        var taken: [[ReceivedMessage]] = [[], []]
        try poll(members) {
            taken[$0] += $1
        } until: {
            taken[0].count + taken[1].count == 300
        }
        #expect(taken.allSatisfy { !$0.isEmpty })
        try members[0].commit()
        members[1].close()
        defer { members[0].close() }
        #expect(try bus.lag(group: "group", topic: .storage) == Int64(taken[1].count))
        var rest: [ReceivedMessage] = []
        try poll([members[0]]) {
            rest += $1
        } until: {
            rest.count >= taken[1].count
        }
        #expect(rest.map(number).sorted() == taken[1].map(number).sorted())
        #expect(try members[0].poll(limit: 10, timeoutMilliseconds: 200).isEmpty)
        try members[0].commit()
        #expect(try bus.lag(group: "group", topic: .storage) == 0)
    }

    /// A member that waits for something else takes nothing in meanwhile, and goes on where it was.
    @Test func whoIsKeptAliveGoesOnWhereItWas() throws {
        try publish(0..<200)
        let consumer = try member()
        defer { consumer.close() }
        var all: [ReceivedMessage] = []
        try poll([consumer]) {
            all += $1
        } until: {
            !all.isEmpty
        }
        for round in 0..<5 {
            consumer.keepAlive()
            try publish(200 + round * 20..<220 + round * 20)
            consumer.keepAlive()
            Thread.sleep(forTimeInterval: 0.02)
        }
        #expect(consumer.ownedPartitions.count == 6)
        try poll([consumer]) {
            all += $1
        } until: {
            all.count >= 300
        }
        try consumer.commit()
        #expect(all.map(number).sorted() == Array(0..<300))
        for partition in Set(all.map(\.partition)) {
            let offsets = all.filter { $0.partition == partition }.map(\.offset)
            #expect(offsets == offsets.sorted())
        }
        #expect(try bus.lag(group: "group", topic: .storage) == 0)
    }

    /// Partitions that go while their member waits, and come back when it does no longer, are not left waiting.
    @Test func whatWasPausedComesBackToLife() throws {
        let old = try member()
        defer { old.close() }
        try poll([old]) { _, _ in
        } until: {
            old.ownedPartitions.count == 6
        }
        let new = try member()
        try poll([new]) { _, _ in
            old.keepAlive()
        } until: {
            old.ownedPartitions.count == 3 && new.ownedPartitions.count == 3
        }
        // Its first poll ends the wait, before the others' partitions come back.
        _ = try old.poll(limit: 1, timeoutMilliseconds: 0)
        nonisolated(unsafe) let leaving = new
        let closing = Thread { leaving.close() }
        closing.start()
        try poll([old]) { _, _ in
        } until: {
            old.ownedPartitions.count == 6
        }
        try publish(0..<300)
        var numbers: Set<Int> = []
        try poll([old]) {
            numbers.formUnion($1.map(number))
        } until: {
            numbers.count == 300
        }
    }
}
