public import Archive
import Foundation
import Synchronization

/// What every event bus has to keep to, whatever it stands on. A check throws `Violation` when it is broken.
public struct EventBusContract: Sendable {
    public struct Violation: Error, CustomStringConvertible {
        public var description: String
    }

    /// Connects to the bus as another process would; each check gets topics without messages.
    public var bus: any EventBus
    /// Ends a member as a crash of its process would: nothing is committed, its connection is cut.
    public var kill: @Sendable (any EventConsumer) throws -> Void
    /// Whether messages may come again when their partition changes hands while they are being committed.
    public var mayRedeliver: Bool

    public init(
        bus: any EventBus, mayRedeliver: Bool = false, kill: @escaping @Sendable (any EventConsumer) throws -> Void
    ) {
        self.bus = bus
        self.mayRedeliver = mayRedeliver
        self.kill = kill
    }

    static let group = "contract-group"
    /// Seconds until what has not come is taken for lost. A group of Kafka may need several rounds to settle.
    var patience: Double { mayRedeliver ? 120 : 20 }

    func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws {
        if !condition { throw Violation(description: text()) }
    }

    /// Takes the next number of a key: none is skipped.
    /// - Returns: false for one that came before.
    func take(_ number: Int, of key: Int, _ last: inout [Int: Int]) throws -> Bool {
        let before = last[key, default: -1]
        if mayRedeliver, number <= before { return false }
        try expect(number == before + 1, "\(number) after \(before)")
        last[key] = number
        return true
    }

    static func message(_ key: Int, _ number: Int) -> Message {
        Message(key: "key-\(key)", value: Array("\(key):\(number)".utf8))
    }

    static func parse(_ message: Message) -> (key: Int, number: Int) {
        let parts = String(decoding: message.value, as: UTF8.self).split(separator: ":").compactMap { Int($0) }
        return parts.count == 2 ? (parts[0], parts[1]) : (-1, -1)
    }

    /// Polls until `isDone`, or fails after the patience is over. A lost session is taken up again.
    func drain(
        _ consumer: any EventConsumer, limit: Int = 100, commit: Bool = true,
        until isDone: ([ReceivedMessage]) -> Bool
    ) throws -> [ReceivedMessage] {
        var all: [ReceivedMessage] = []
        let deadline = Date().addingTimeInterval(patience)
        while !isDone(all) {
            try expect(Date() < deadline, "only \(all.count) messages came")
            do {
                all += try consumer.poll(limit: limit, timeoutMilliseconds: 200)
                if commit { try consumer.commit() }
            } catch let error as any RetriableError where error.isRetriable {
                Thread.sleep(forTimeInterval: 0.05)
            }
        }
        return all
    }

    /// Messages of one key arrive in the order of publishing, in one partition, with ascending offsets.
    public func keepsOrderOfKeys() throws {
        let producer = try bus.makeProducer()
        for batch in 0..<20 {
            let messages = (0..<50).map { Self.message($0 % 10, batch * 5 + $0 / 10) }
            try producer.publish(messages, to: .storage)
        }
        let consumer = try bus.makeConsumer(group: Self.group, topics: [.storage])
        defer { consumer.close() }
        let all = try drain(consumer, limit: 33) { $0.count >= 1_000 }
        try expect(all.count == 1_000, "\(all.count) messages instead of 1000")
        var last: [Int: Int] = [:]
        var partition: [Int: Int] = [:]
        var offsets: [Int: Int64] = [:]
        for received in all {
            let (key, number) = Self.parse(received.message)
            try expect(number == last[key, default: -1] + 1, "key \(key): \(number) after \(last[key, default: -1])")
            last[key] = number
            try expect(partition[key, default: received.partition] == received.partition, "key in two partitions")
            partition[key] = received.partition
            try expect(received.offset > offsets[received.partition, default: -1], "offsets do not ascend")
            offsets[received.partition] = received.offset
            try expect(received.message.key == "key-\(key)", "key changed")
        }
        try expect(Set(partition.values).count > 1, "all keys in one partition")
        try expect(try bus.lag(group: Self.group, topic: .storage) == 0, "lag after everything is committed")
    }

    /// What was delivered and not committed comes again to the next member; what was committed does not.
    public func deliversAgainAfterCrash() throws {
        try bus.makeProducer().publish((0..<100).map { Self.message(1, $0) }, to: .storage)
        let first = try bus.makeConsumer(group: Self.group, topics: [.storage])
        let committed = try drain(first, limit: 40) { $0.count >= 40 }
        let lost = try drain(first, limit: 30, commit: false) { $0.count >= 30 }
        try expect(!lost.isEmpty, "nothing delivered")
        try kill(first)
        let second = try bus.makeConsumer(group: Self.group, topics: [.storage])
        defer { second.close() }
        let rest = try drain(second) { $0.count >= 100 - committed.count }
        try expect(
            rest.map { Self.parse($0.message).number } == Array(committed.count..<100),
            "after \(committed.count) committed messages came \(rest.count)")
        first.close()
    }

    /// Two members own different partitions, and each its share; a member that leaves gives them back.
    public func sharesPartitions() throws {
        let producer = try bus.makeProducer()
        let first = try bus.makeConsumer(group: Self.group, topics: [.storage])
        let second = try bus.makeConsumer(group: Self.group, topics: [.storage])
        defer { first.close() }
        let deadline = Date().addingTimeInterval(patience)
        // New messages of many keys until, in one round, both had some.
        var number = 0
        var isShared = false
        var numbers: [Int: Int] = [:]
        while !isShared {
            try expect(Date() < deadline, "one member never got a share")
            let sent = (0..<64).map { Self.message($0, number) }
            number += 1
            try producer.publish(sent, to: .storage)
            var counts = [0, 0]
            var owners: [Int: Int] = [:]
            while counts[0] + counts[1] < 64 {
                try expect(Date() < deadline, "messages are missing: \(counts)")
                for (index, member) in [first, second].enumerated() {
                    for received in try member.poll(limit: 100, timeoutMilliseconds: 20) {
                        let parsed = Self.parse(received.message)
                        if try take(parsed.number, of: parsed.key, &numbers) { counts[index] += 1 }
                        owners[received.partition] = index
                    }
                    try member.commit()
                }
            }
            let share = owners.values.filter { $0 == 0 }.count
            isShared = owners.count > 1 && abs(share * 2 - owners.count) <= 1
        }
        // A group may settle only when all of its members poll, also while one leaves.
        nonisolated(unsafe) let leaving = second
        let closing = Self.thread { leaving.close() }
        defer { closing.join() }
        try producer.publish((0..<64).map { Self.message($0, number) }, to: .storage)
        let all = try drain(first) { all in
            Set(all.map { Self.parse($0.message) }.filter { $0.number == number }.map(\.key)).count == 64
        }
        try expect(mayRedeliver || all.count == 64, "\(all.count) messages instead of 64")
    }

    /// A member dies: the other one takes over its partitions, and gets what was not committed.
    public func takesOverFromTheDead() throws {
        let producer = try bus.makeProducer()
        let first = try bus.makeConsumer(group: Self.group, topics: [.storage])
        let second = try bus.makeConsumer(group: Self.group, topics: [.storage])
        defer { second.close() }
        try producer.publish((0..<200).map { Self.message($0 % 40, $0 / 40) }, to: .storage)
        var seen: Set<[Int]> = []
        for received in try drain(first, limit: 50, commit: false, until: { !$0.isEmpty }) {
            _ = received  // delivered to one who dies
        }
        try kill(first)
        let deadline = Date().addingTimeInterval(patience)
        while seen.count < 200 {
            try expect(Date() < deadline, "\(200 - seen.count) messages were lost")
            for received in try second.poll(limit: 100, timeoutMilliseconds: 100) {
                let parsed = Self.parse(received.message)
                seen.insert([parsed.key, parsed.number])
            }
            try second.commit()
        }
        first.close()
    }

    /// Many producers at once, members that come and go: nothing is lost, nothing skipped, the order of keys holds.
    public func losesNothingWithManyProducers() throws {
        let producers = 6
        let batches = 40
        let failure = Mutex<(any Error)?>(nil)
        let bus = self.bus
        let threads = (0..<producers).map { key in
            Self.thread {
                do {
                    let producer = try bus.makeProducer()
                    for batch in 0..<batches {
                        // Own key, and a key that all share, in one batch over several partitions.
                        var messages = (0..<10).map { Self.message(key, batch * 10 + $0) }
                        messages.append(Self.message(100 + batch % 8, key * batches + batch))
                        try producer.publish(messages, to: .storage)
                    }
                } catch { failure.withLock { $0 = error } }
            }
        }
        var last: [Int: Int] = [:]
        var others: Set<[Int]> = []
        let deadline = Date().addingTimeInterval(patience * 2)
        let members = try (0..<2).map { _ in try bus.makeConsumer(group: Self.group, topics: [.storage]) }
        defer { for member in members { member.close() } }
        let own = producers * batches * 10
        var count = 0
        while count < own || others.count < producers * batches {
            try expect(Date() < deadline, "\(count) of \(own) and \(others.count) of \(producers * batches) came")
            for member in members {
                for received in try member.poll(limit: 70, timeoutMilliseconds: 5) {
                    let (key, number) = Self.parse(received.message)
                    if key >= 100 {
                        others.insert([key, number])
                    } else {
                        if try take(number, of: key, &last) { count += 1 }
                    }
                }
                try member.commit()
            }
        }
        for thread in threads { thread.join() }
        if let error = failure.withLock({ $0 }) { throw error }
    }

    /// Large batches and the largest message pass unchanged.
    public func carriesLargeMessages() throws {
        let producer = try bus.makeProducer()
        let value = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ ($0 >> 8)) }
        try producer.publish([Message(key: "large", value: value)], to: .image)
        try producer.publish((0..<5_000).map { Self.message($0 % 100, $0 / 100) }, to: .image)
        try producer.publish([Message(key: "", value: [])], to: .image)
        let consumer = try bus.makeConsumer(group: Self.group, topics: [.image])
        defer { consumer.close() }
        try expect(try bus.lag(group: Self.group, topic: .image) == 5_002, "lag before")
        let all = try drain(consumer, limit: 2_000) { $0.count >= 5_002 }
        try expect(all.first { $0.message.key == "large" }?.message.value == value, "the large value changed")
        try expect(all.contains { $0.message.key == "" && $0.message.value.isEmpty }, "the empty message is missing")
        try expect(Set(all.map { String(decoding: $0.message.value.prefix(20), as: UTF8.self) }).count == 5_002, "lost")
    }

    /// Groups do not know of each other; lag counts what a group has not committed.
    public func keepsGroupsApart() throws {
        // A bus may forget what all groups that it knows have committed, so both are there before.
        let consumers = try ["contract-a", "contract-b"].map { name in
            let consumer = try bus.makeConsumer(group: name, topics: [.state])
            try expect(try consumer.poll(limit: 1, timeoutMilliseconds: 10).isEmpty, "a message out of nothing")
            return (name, consumer)
        }
        try bus.makeProducer().publish((0..<30).map { Self.message(3, $0) }, to: .state)
        for (name, consumer) in consumers {
            let some = try drain(consumer, limit: 10, commit: false) { !$0.isEmpty }
            try expect(try bus.lag(group: name, topic: .state) == 30, "\(name): lag counts what was only delivered")
            try consumer.commit()
            try expect(try bus.lag(group: name, topic: .state) == Int64(30 - some.count), "\(name): lag")
            let rest = try drain(consumer) { $0.count >= 30 - some.count }
            try expect(some.count + rest.count == 30, "\(name): \(some.count + rest.count) messages")
            consumer.close()
        }
    }

    /// An empty topic: poll comes back without messages; and a message published meanwhile wakes it.
    public func wakesWhenPublished() throws {
        let consumer = try bus.makeConsumer(group: Self.group, topics: [.access])
        defer { consumer.close() }
        try expect(try consumer.poll(limit: 10, timeoutMilliseconds: 50).isEmpty, "a message out of nothing")
        let bus = self.bus
        let thread = Self.thread {
            Thread.sleep(forTimeInterval: 0.1)
            try? bus.makeProducer().publish([Self.message(1, 0)], to: .access)
        }
        // One long poll, far longer than anything but being woken would take.
        let messages = try consumer.poll(limit: 10, timeoutMilliseconds: 60_000)
        thread.join()
        try expect(messages.count == 1, "not woken")
    }

    private static func thread(_ body: @escaping @Sendable () -> Void) -> Joinable {
        let joinable = Joinable(body)
        joinable.start()
        return joinable
    }
}

/// A thread that can be waited for.
private final class Joinable: Sendable {
    private let body: @Sendable () -> Void
    private let isDone = Mutex(false)

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    func start() {
        Thread.detachNewThread {
            self.body()
            self.isDone.withLock { $0 = true }
        }
    }

    func join() {
        let deadline = Date().addingTimeInterval(120)
        while !isDone.withLock({ $0 }), Date() < deadline { Thread.sleep(forTimeInterval: 0.002) }
    }
}
