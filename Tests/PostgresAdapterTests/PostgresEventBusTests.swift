import Archive
import EventBusContract
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Synchronization
import Testing

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct PostgresEventBusTests {
    /// A bus in a database of its own.
    private func contract(deleteBatch: Int = 50) throws -> EventBusContract {
        let string = try TestPostgres.makeArchiveDatabase()
        var configuration = PostgresEventBus.Configuration()
        configuration.membershipMilliseconds = 50
        configuration.deleteBatch = deleteBatch
        let bus = PostgresEventBus(pool: PostgresPool(string, limit: 8), configuration: configuration)
        return EventBusContract(bus: bus) { consumer in
            let process = (consumer as? PostgresEventConsumer)?.backendProcess ?? 0
            let killer = try PostgresConnection(string)
            try killer.query("SELECT pg_terminate_backend($1)", [.int4(process)], operation: "kill")
        }
    }

    @Test func keepsOrderOfKeys() throws { try contract().keepsOrderOfKeys() }
    @Test func deliversAgainAfterCrash() throws { try contract().deliversAgainAfterCrash() }
    @Test func sharesPartitions() throws { try contract().sharesPartitions() }
    @Test func takesOverFromTheDead() throws { try contract().takesOverFromTheDead() }
    @Test func losesNothingWithManyProducers() throws { try contract().losesNothingWithManyProducers() }
    @Test func carriesLargeMessages() throws { try contract().carriesLargeMessages() }
    @Test func keepsGroupsApart() throws { try contract().keepsGroupsApart() }
    @Test func wakesWhenPublished() throws { try contract().wakesWhenPublished() }

    /// An offset that is taken and not yet committed holds the later ones of its partition back, and no others; one
    /// that is taken back is given to the next.
    @Test func readersNeverSkipWhatCommitsLater() throws {
        let string = try TestPostgres.makeArchiveDatabase()
        let bus = PostgresEventBus(pool: PostgresPool(string, limit: 4))
        let consumer = try bus.makeConsumer(group: "g", topics: [.storage])
        defer { consumer.close() }
        #expect(try consumer.poll(limit: 10, timeoutMilliseconds: 0).isEmpty)
        for ending in ["COMMIT", "ROLLBACK"] {
            let slow = try PostgresConnection(string)
            try slow.run("BEGIN", operation: "test")
            for partition in [0, 1] {
                try slow.run(
                    "SELECT bus_publish('storage_queue', '{\(partition)}', '{slow}', '{x}')", operation: "test")
            }
            let isDone = Mutex(false)
            let thread = Thread {
                for partition in [2, 1] {
                    _ = try? PostgresConnection(string).run(
                        "SELECT bus_publish('storage_queue', '{\(partition)}', '{fast}', '{x}')", operation: "test")
                }
                isDone.withLock { $0 = true }
            }
            thread.start()
            // The other partition is not held back.
            var messages: [ReceivedMessage] = []
            let deadline = Date().addingTimeInterval(20)
            while messages.isEmpty && Date() < deadline {
                messages += try consumer.poll(limit: 10, timeoutMilliseconds: 100)
            }
            messages += try consumer.poll(limit: 10, timeoutMilliseconds: 300)
            #expect(messages.map(\.partition) == [2])
            #expect(!isDone.withLock { $0 })
            try slow.run(ending, operation: "test")
            let expected = ending == "COMMIT" ? 4 : 2
            while messages.count < expected && Date() < deadline {
                messages += try consumer.poll(limit: 10, timeoutMilliseconds: 100)
            }
            try consumer.commit()
            let keys = messages.filter { $0.partition == 1 }.map(\.message.key)
            #expect(keys == (ending == "COMMIT" ? ["slow", "fast"] : ["fast"]))
            while !isDone.withLock({ $0 }) && Date() < deadline { Thread.sleep(forTimeInterval: 0.01) }
        }
        let connection = try PostgresConnection(string)
        let next = try connection.query(
            "SELECT next_offset FROM bus_partition WHERE topic = 'storage_queue' AND partition = 1", operation: "test")
        #expect(next.integer(0, 0) == 3)
    }

    @Test func whatAllGroupsHaveCommittedIsDeleted() throws {
        let string = try TestPostgres.makeArchiveDatabase()
        var configuration = PostgresEventBus.Configuration()
        configuration.deleteBatch = 10
        let bus = PostgresEventBus(pool: PostgresPool(string, limit: 4), configuration: configuration)
        let connection = try PostgresConnection(string)
        func kept() throws -> Int64? {
            try connection.query("SELECT count(*) FROM bus_message", operation: "test").integer(0, 0)
        }
        let members = try ["a", "b"].map { try bus.makeConsumer(group: $0, topics: [.storage]) }
        for member in members { #expect(try member.poll(limit: 1, timeoutMilliseconds: 0).isEmpty) }
        try bus.makeProducer().publish((0..<100).map { Message(key: "k", value: [UInt8($0)]) }, to: .storage)
        for (index, member) in members.enumerated() {
            var count = 0
            while count < 100 {
                count += try member.poll(limit: 20, timeoutMilliseconds: 1_000).count
                try member.commit()
            }
            if index == 0 { #expect(try kept() == 100) }
        }
        for _ in 0..<20 { #expect(try members[1].poll(limit: 1, timeoutMilliseconds: 0).isEmpty) }
        #expect(try kept() == 0)
        for member in members { member.close() }
    }

    /// Messages wait for a group that is away, but not for ever.
    @Test func aGroupThatIsGoneForLongIsForgotten() throws {
        let string = try TestPostgres.makeArchiveDatabase()
        var configuration = PostgresEventBus.Configuration()
        configuration.deleteBatch = 10
        let bus = PostgresEventBus(pool: PostgresPool(string, limit: 4), configuration: configuration)
        let connection = try PostgresConnection(string)
        func kept() throws -> Int64? {
            try connection.query("SELECT count(*) FROM bus_message", operation: "test").integer(0, 0)
        }
        let renamed = try bus.makeConsumer(group: "old", topics: [.storage])
        #expect(try renamed.poll(limit: 1, timeoutMilliseconds: 0).isEmpty)
        renamed.close()
        let member = try bus.makeConsumer(group: "new", topics: [.storage])
        defer { member.close() }
        func consume() throws {
            try bus.makeProducer().publish((0..<100).map { Message(key: "k", value: [UInt8($0)]) }, to: .storage)
            var count = 0
            while count < 100 {
                count += try member.poll(limit: 20, timeoutMilliseconds: 1_000).count
                try member.commit()
            }
        }
        try connection.run(
            "UPDATE bus_offset SET last_seen = last_seen - interval '29 days' WHERE group_name = 'old'",
            operation: "test")
        try consume()
        #expect(try kept() == 100)
        try connection.run(
            "UPDATE bus_offset SET last_seen = last_seen - interval '2 days' WHERE group_name = 'old'",
            operation: "test")
        try consume()
        for _ in 0..<40 { #expect(try member.poll(limit: 1, timeoutMilliseconds: 0).isEmpty) }
        #expect(try kept() == 0)
        // It comes back: what is gone is gone, what comes now is its own.
        let back = try bus.makeConsumer(group: "old", topics: [.storage])
        defer { back.close() }
        try bus.makeProducer().publish([Message(key: "k", value: [7])], to: .storage)
        #expect(try back.poll(limit: 10, timeoutMilliseconds: 5_000).map(\.message.value) == [[7]])
    }
}
