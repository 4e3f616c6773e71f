import Archive
import DorisAdapter
import DorisTestSupport
import Foundation
import KafkaTestSupport
import Synchronization
import Testing

/// Load jobs that load from a real Kafka.
@Suite(
    .enabled(if: TestDoris.isAvailable && TestKafka.isAvailable, "no Doris or stand-in, or no Kafka"), .serialized)
struct LoadTests {
    static let table = """
        CREATE TABLE t (
            k INT NOT NULL,
            name VARCHAR(64) NULL
        ) UNIQUE KEY(k)
        DISTRIBUTED BY HASH(k) BUCKETS 2
        PROPERTIES ("replication_num" = "1")
        """

    /// What a test works with: a database and a topic of its own.
    struct Place {
        let configuration: DorisConfiguration
        let topic: TestTopic
        let brokers: String
        var job = "l"

        func store(
            _ table: String = LoadTests.table, columns: [String] = ["k", "name"],
            properties: [(name: String, value: String)] = [], renames: [String: String] = [:],
            configuration other: DorisConfiguration? = nil, partitions: Int? = nil, cluster: String? = nil
        ) throws -> DorisSchemaStore {
            let load = LoadDefinition(
                job: "l", table: "t", fields: columns,
                properties: [("max_batch_interval", "1"), ("max_error_number", "0")] + properties, brokers: brokers,
                topic: topic.name)
            return DorisSchemaStore(
                other ?? configuration, tables: [try TableDefinition(reading: table)], loads: [load],
                renames: ["t": renames],
                topicState: { _ in
                    partitions.map { TopicState(cluster: cluster, partitions: Array(repeating: 0..<1_000, count: $0)) }
                })
        }

        func rows(_ statement: String) throws -> [[String?]] {
            try SchemaTests.run(configuration, statement)
        }

        func jobs() throws -> [LoadJob] {
            let connection = try DorisConnection(configuration)
            let result = try connection.run(
                "SHOW ALL ROUTINE LOAD FOR `\(configuration.database)`.\(job)", operation: "test")
            return result.rows.indices.compactMap { LoadJob(result, row: $0) }.sorted { $0.id < $1.id }
        }

        /// Waits until so many rows were loaded, by all jobs together; each message counts as often as it was loaded.
        func awaitLoaded(_ count: Int64) throws {
            try eventually {
                let jobs = try jobs()
                guard jobs.last?.state != .paused else { return false }
                return jobs.map(\.loadedRows).reduce(0, +) >= count
            }
            #expect(try jobs().map(\.loadedRows).reduce(0, +) == count)
            #expect(try jobs().map(\.errorRows).reduce(0, +) == 0)
        }

        func eventually(_ condition: () throws -> Bool) throws {
            let deadline = ContinuousClock.now + .seconds(TestDoris.isReal ? 300 : 60)
            while try !condition() {
                guard ContinuousClock.now < deadline else { throw Overdue(jobs: "\(try jobs())") }
                Thread.sleep(forTimeInterval: 0.05)
            }
        }
    }

    struct Overdue: Error { let jobs: String }

    static func withPlace(partitions: Int = 1, _ body: (Place) throws -> Void) throws {
        try TestDoris.withDatabase { configuration in
            let brokers = try TestKafka.brokers()
            try body(
                Place(
                    configuration: configuration, topic: try TestTopic(brokers: brokers, partitions: partitions),
                    brokers: brokers))
        }
    }

    static func messages(_ numbers: Range<Int>, _ template: String = #"{"k":#,"name":"n#"}"#) -> [String] {
        numbers.map { template.replacingOccurrences(of: "#", with: String($0)) }
    }

    @Test func aJobBeginsWithTheFirstMessage() throws {
        try Self.withPlace { place in
            try place.topic.send(Self.messages(0..<10))
            let store = try place.store()
            #expect(try store.plan().steps.map(\.object) == [place.configuration.database, "t", "load job l"])
            _ = try SchemaTests.apply(store)
            try place.awaitLoaded(10)
            #expect(try place.rows("SELECT COUNT(*) FROM t") == [["10"]])
            #expect(try store.plan().isEmpty)
            #expect(try store.differences() == [])
            #expect(try SchemaTests.apply(store) == [])
            #expect(
                try store.status().contains(
                    "load job l: RUNNING, 10 rows loaded, 0 not loaded because of errors, 0 messages behind"))
            // A replay is not counted twice by the table.
            try place.topic.send(Self.messages(0..<10))
            try place.awaitLoaded(20)
            #expect(try place.rows("SELECT COUNT(*) FROM t") == [["10"]])
        }
    }

    /// A column comes while messages flow: each is loaded once, and from the change on with the new column.
    @Test func aColumnIsAddedWhileMessagesArrive() throws {
        try Self.withPlace(partitions: 3) { place in
            let count = 1_500
            _ = try SchemaTests.apply(place.store())
            let failure = Mutex<(any Error)?>(nil)
            let feeder = Thread {
                do {
                    try place.topic.flow(
                        #"{"k":#,"name":"n#","more":#}"#, count: count, partitions: 3, seconds: 4)
                } catch { failure.withLock { $0 = error } }
            }
            feeder.start()
            try place.eventually { try place.jobs().last.map { $0.loadedRows > 50 } ?? false }
            let more = try place.store(
                Self.table.replacing("name VARCHAR(64) NULL", with: "name VARCHAR(64) NULL,\n more BIGINT NULL"),
                columns: ["k", "name", "more"])
            #expect(try more.plan().steps.map(\.object) == ["t.more", "load job l"])
            let lines = try SchemaTests.apply(more)
            #expect(lines.contains("load job l: made anew from where it was, since it does not fill more"))
            #expect(try more.plan().isEmpty)
            try place.awaitLoaded(Int64(count))
            #expect(failure.withLock { $0 == nil })
            #expect(try place.rows("SELECT COUNT(*), MIN(k), MAX(k) FROM t") == [["\(count)", "0", "\(count - 1)"]])
            #expect(try place.rows("SELECT COUNT(*) FROM t WHERE name IS NULL") == [["0"]])
            // None before, all after, in each partition.
            let filled = try place.rows("SELECT k, more FROM t ORDER BY k")
            #expect(filled.allSatisfy { $0[1] == nil || $0[1] == $0[0] })
            for partition in 0..<3 {
                let flags = filled.enumerated().filter { $0.offset % 3 == partition }.map { $0.element[1] != nil }
                #expect(flags.firstIndex(of: true).map { first in flags[first...].allSatisfy { $0 } } ?? false)
                #expect(flags.first == false)
            }
        }
    }

    /// A column that is called otherwise is never loaded by its old name.
    @Test func aColumnIsRenamedWhileMessagesArrive() throws {
        try Self.withPlace(partitions: 2) { place in
            let count = 600
            _ = try SchemaTests.apply(place.store())
            let feeder = Thread {
                try? place.topic.flow(
                    #"{"k":#,"name":"n#","patient_name":"n#"}"#, count: count, partitions: 2, seconds: 2)
            }
            feeder.start()
            try place.eventually { try place.jobs().last.map { $0.loadedRows > 50 } ?? false }
            let renamed = try place.store(
                Self.table.replacing("name VARCHAR(64)", with: "patient_name VARCHAR(64)"),
                columns: ["k", "patient_name"], renames: ["patient_name": "name"])
            _ = try SchemaTests.apply(renamed)
            try place.awaitLoaded(Int64(count))
            #expect(try place.rows("SELECT COUNT(*) FROM t WHERE patient_name IS NOT NULL") == [["\(count)"]])
        }
    }

    /// The program ends at each of its statements, with messages coming before and after, and the next one goes on.
    @Test func anyStepOfAChangeCanBeTheLastOne() throws {
        try Self.withPlace(partitions: 2) { place in
            _ = try SchemaTests.apply(place.store())
            var sent = 0
            func send() throws {
                for partition in 0..<2 {
                    try place.topic.send(Self.messages(sent..<(sent + 5)), partition: partition)
                    sent += 5
                }
            }
            try send()
            var step = 0
            var isKilled = true
            while isKilled {
                // Another definition each time, so that there is a change to be killed in.
                let properties = [(name: "max_batch_rows", value: String(200_000 + step))]
                let left = Mutex(step)
                var mortal = place.configuration
                mortal.willRun = { _ throws(DorisError) in
                    let isOver = left.withLock { left in
                        left -= 1
                        return left < 0
                    }
                    if isOver { throw DorisError(code: 2013, operation: "test", message: "killed") }
                }
                isKilled = false
                do {
                    _ = try SchemaTests.apply(place.store(properties: properties, configuration: mortal))
                } catch let error as DorisError where error.message == "killed" {
                    isKilled = true
                }
                if step % 3 == 0 { try send() }
                _ = try SchemaTests.apply(place.store(properties: properties))
                #expect(try place.store(properties: properties).plan().isEmpty)
                step += 1
            }
            #expect(step > 12)
            try place.awaitLoaded(Int64(sent))
            #expect(try place.rows("SELECT COUNT(*) FROM t") == [["\(sent)"]])
            // Exactly one is left that runs.
            #expect(try place.jobs().filter { $0.state == .running || $0.state == .needSchedule }.count == 1)
        }
    }

    @Test func newPartitionsAreReadAfterAChangeToo() throws {
        try Self.withPlace(partitions: 2) { place in
            _ = try SchemaTests.apply(place.store())
            try place.topic.send(Self.messages(0..<5))
            try place.awaitLoaded(5)
            let changed = [(name: "max_batch_rows", value: "200001")]
            _ = try SchemaTests.apply(place.store(properties: changed, partitions: 2))
            try place.topic.setPartitions(4)
            try place.topic.send(Self.messages(5..<10), partition: 3)
            let store = try place.store(properties: changed, partitions: 4)
            #expect(
                try store.plan().steps.map(\.reason) == ["the topic has new partitions: made anew from where it is"])
            var lines: [String] = []
            #expect(try store.maintain { lines.append($0) } == [])
            #expect(lines == ["load job l: made anew from where it was, since the topic has new partitions"])
            try place.awaitLoaded(10)
            #expect(try store.plan().isEmpty)
        }
    }

    /// Brokers that are others, with a topic of the same name: all of it is loaded, by a service that runs as well.
    @Test func anotherClusterIsLoadedFromItsBeginning() throws {
        try Self.withPlace { place in
            _ = try SchemaTests.apply(place.store(partitions: 1, cluster: "first"))
            try place.topic.send(Self.messages(0..<10))
            try place.awaitLoaded(10)
            let moved = try place.store(partitions: 1, cluster: "second")
            #expect(
                try moved.plan().steps.map(\.reason) == [
                    "Kafka is another cluster than the one it was made for (second instead of first): made anew from "
                        + "the beginning of its topic"
                ])
            #expect(try moved.status().contains { $0.hasPrefix("    to be made anew: Kafka is another cluster") })
            var lines: [String] = []
            #expect(try moved.maintain { lines.append($0) } == [])
            #expect(lines.first?.hasPrefix("load job l: made anew from the beginning of its topic, since ") == true)
            // Each once more, by the new one.
            try place.awaitLoaded(20)
            #expect(try place.rows("SELECT COUNT(*) FROM t") == [["10"]])
            #expect(try moved.plan().isEmpty)
            // A definition that changes too does not bring the offsets back.
            _ = try SchemaTests.apply(
                place.store(properties: [(name: "max_batch_rows", value: "200001")], partitions: 1, cluster: "third"))
            try place.awaitLoaded(30)
        }
    }

    /// One job that cannot be looked after does not keep the others from it.
    @Test func aJobThatFailsHoldsUpNoOther() throws {
        try Self.withPlace { place in
            var store = try place.store(partitions: 1)
            let good = store.loads[0]
            var bad = good
            bad.job = "a"
            bad.properties.append(("no_such_property", "1"))
            store.loads = [bad, good]
            let error = try #require(throws: DorisError.self) { try SchemaTests.apply(store) }
            #expect(error.message.contains("no_such_property is invalid property"))
            #expect(try place.jobs().count == 1)
            // A job of the bad one's name that was stopped and has to be followed, and so has the good one.
            bad.properties.removeLast()
            store.loads = [bad, good]
            _ = try SchemaTests.apply(store)
            for job in ["a", "l"] { _ = try place.rows("STOP ROUTINE LOAD FOR \(job)") }
            bad.properties.append(("no_such_property", "1"))
            store.loads = [bad, good]
            var lines: [String] = []
            let problems = try store.maintain { lines.append($0) }
            #expect(problems.count == 1 && problems[0].contains("no_such_property"))
            #expect(lines.count == 1 && lines[0].hasPrefix("load job l: created"), "\(lines)")
        }
    }

    /// Doris asks Kafka before it makes a job: one that was stopped may be left without the one that was to follow it.
    @Test func aStoppedJobIsFollowedByARunningService() throws {
        try Self.withPlace(partitions: 2) { place in
            let store = try place.store(partitions: 2)
            _ = try SchemaTests.apply(store)
            try place.topic.send(Self.messages(0..<5))
            try place.awaitLoaded(5)
            _ = try place.rows("STOP ROUTINE LOAD FOR l")
            try place.topic.send(Self.messages(5..<9))
            var lines: [String] = []
            #expect(try store.maintain { lines.append($0) } == [])
            #expect(lines == ["load job l: created from where the former one was stopped"])
            try place.awaitLoaded(9)
            #expect(try store.plan().isEmpty)
        }
    }

    @Test func whyAJobPausedIsToldAndAPersonLetsItGoOn() throws {
        try Self.withPlace { place in
            _ = try SchemaTests.apply(place.store())
            try place.topic.send(Self.messages(0..<3) + [#"{"k":3,"name":"\#(String(repeating: "王", count: 22))"}"#])
            try place.eventually { try place.jobs().last?.state == .paused }
            var store = try place.store()
            let status = try store.status().joined(separator: "\n")
            #expect(status.contains("load job l: PAUSED, 3 rows loaded, 1 not loaded because of errors"))
            #expect(status.contains("current error rows is more than max_error_number"))
            #expect(status.contains("http://"))
            #expect(!status.contains("王"))
            // A service leaves it so, and says it.
            store.isAttended = false
            #expect(try store.maintain { _ in }.count == 1)
            #expect(try SchemaTests.apply(store) == [])
            store.isAttended = true
            #expect(try SchemaTests.apply(store).first?.hasPrefix("load job l: resumed") == true)
            try place.topic.send(Self.messages(4..<6))
            try place.eventually { try place.rows("SELECT COUNT(*) FROM t") == [["5"]] }
            // What a person paused stays so.
            _ = try place.rows("PAUSE ROUTINE LOAD FOR l")
            #expect(try SchemaTests.apply(store) == [])
            #expect(try place.jobs().last?.state == .paused)
            #expect(try store.plan().notes.first?.contains("paused by hand") == true)
        }
    }

    /// Kafka has deleted what comes next: the job goes on with what there is.
    @Test func messagesThatAreGone() throws {
        try Self.withPlace { place in
            _ = try SchemaTests.apply(place.store())
            try place.topic.send(Self.messages(0..<10))
            try place.awaitLoaded(10)
            _ = try place.rows("PAUSE ROUTINE LOAD FOR l")
            try place.topic.send(Self.messages(10..<20))
            try place.topic.deleteRecords(partition: 0, before: 15)
            _ = try place.rows("RESUME ROUTINE LOAD FOR l")
            try place.eventually { try place.jobs().last.map { $0.state == .paused && $0.hasLostItsPlace } ?? false }
            _ = try SchemaTests.apply(place.store())
            try place.eventually { try place.rows("SELECT COUNT(*) FROM t") == [["15"]] }
        }
    }

    /// A table that somebody dropped: Doris ends the job, and the new one loads all that Kafka has.
    @Test func aTableThatWasDropped() throws {
        try Self.withPlace { place in
            _ = try SchemaTests.apply(place.store())
            try place.topic.send(Self.messages(0..<10))
            try place.awaitLoaded(10)
            _ = try place.rows("DROP TABLE t")
            try place.eventually { try place.jobs().last?.state == .cancelled }
            _ = try SchemaTests.apply(place.store())
            try place.eventually { try place.rows("SELECT COUNT(*) FROM t") == [["10"]] }
        }
    }

    @Test func secretsAreNotShown() throws {
        try Self.withPlace { place in
            var configuration = place.configuration
            configuration.kafkaProperties = [
                "sasl.username": "wado", "sasl.password": "hunter\"2", "client.id": "wado-doris",
            ]
            let store = try place.store(configuration: configuration)
            func isClean(_ texts: [String]) -> Bool { !texts.contains { $0.contains("hunter") } }
            let plan = try store.plan()
            #expect(isClean(plan.steps.flatMap { $0.statements + [$0.reason] }))
            #expect(plan.steps.last?.statements.first?.contains("\"property.sasl.username\" = \"wado\"") == true)
            #expect(isClean(try SchemaTests.apply(store)))
            try place.topic.send(Self.messages(0..<3))
            try place.awaitLoaded(3)
            #expect(isClean(try store.status() + store.differences() + store.statements))
            // Another password is no other job; another client is.
            configuration.kafkaProperties["sasl.password"] = "hunter3"
            #expect(try place.store(configuration: configuration).plan().isEmpty)
            configuration.kafkaProperties["client.id"] = "other"
            #expect(try place.store(configuration: configuration).plan().steps.count == 1)
            // Something that Doris refuses, and quotes.
            configuration.loadProperties = ["hunter3": "1"]
            let error = try #require(throws: DorisError.self) {
                try SchemaTests.apply(place.store(configuration: configuration))
            }
            #expect(isClean(["\(error)"]) && error.message.contains("****** is invalid property"))
        }
    }

    /// A Kafka that asks for credentials: jobs have those of the settings, and are told new ones.
    @Test(.enabled(if: TestKafka.hasSecureListeners && !TestDoris.isReal, "no Kafka of our own that asks for them"))
    func jobsHaveCredentials() throws {
        let listeners = try TestKafka.secureListeners()
        try Self.withPlace { place in
            var configuration = place.configuration
            configuration.brokers = listeners.sasl
            configuration.kafkaProperties = [
                "security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "wado",
                "sasl.password": "wrong-4711",
            ]
            var store = try place.store(configuration: configuration)
            _ = try SchemaTests.apply(store)
            try place.topic.send(Self.messages(0..<10))
            var texts: [String] = []
            try place.eventually {
                texts = try store.status()
                return texts.contains { $0.hasPrefix("load job l: PAUSED") }
            }
            configuration.kafkaProperties["sasl.password"] = SecureListeners.password
            store = try place.store(configuration: configuration)
            try place.eventually {
                var lines: [String] = []
                texts += try store.maintain { lines.append($0) }
                texts += lines
                return try place.jobs().last?.loadedRows == 10
            }
            texts += try store.status() + store.differences() + store.statements
            texts += try store.plan().steps.flatMap { $0.statements + [$0.reason] }
            #expect(!texts.contains { $0.contains("wrong-4711") || $0.contains(SecureListeners.password) }, "\(texts)")
        }
    }

    /// A job of the original's script is taken over from where it is.
    @Test func aJobOfSomebodyElseIsFollowed() throws {
        try Self.withPlace { place in
            var bare = try place.store()
            bare.loads = []
            _ = try SchemaTests.apply(bare)
            try place.topic.send(Self.messages(0..<10))
            _ = try place.rows(
                """
                CREATE ROUTINE LOAD l ON t COLUMNS (k) PROPERTIES ("format" = "json", "max_batch_interval" = "1")
                FROM KAFKA ("kafka_broker_list" = "\(place.brokers)", "kafka_topic" = "\(place.topic.name)",
                    "property.kafka_default_offsets" = "OFFSET_BEGINNING")
                """)
            try place.awaitLoaded(10)
            let store = try place.store()
            #expect(
                try store.plan().steps.map(\.reason) == ["it was not made by this program: made anew from where it is"])
            _ = try SchemaTests.apply(store)
            try place.topic.send(Self.messages(10..<12))
            try place.awaitLoaded(12)
            #expect(try place.rows("SELECT COUNT(*) FROM t WHERE name IS NULL") == [["10"]])
        }
    }
}
