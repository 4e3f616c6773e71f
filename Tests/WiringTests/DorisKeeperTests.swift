import DorisAdapter
import DorisTestSupport
import Foundation
import PostgresTestSupport
import ServiceKit
import Synchronization
import TestSupport
import Testing
import Wiring

@Suite(
    .enabled(
        if: TestPostgres.isInstalled && TestDoris.isAvailable && !TestDoris.isReal,
        "PostgreSQL or what the stand-in for Doris needs is missing"))
struct DorisKeeperTests {
    /// The context of a service with these settings.
    private func context(_ flags: [String]) throws -> ServiceContext {
        let settings = try WadoSettings.catalogue.read(
            arguments: flags + ["--database=\(try TestPostgres.makeDatabase())"], environment: [:])
        return ServiceContext(
            settings: settings, folder: DataFolder("/nonexistent"), logger: .silent, metrics: MetricsRegistry())
    }

    @Test func withoutDorisThereIsNone() throws {
        #expect(try DorisKeeper(context([])) == nil)
        #expect(try DorisSchema.store(context([]).settings, database: "") == nil)
    }

    @Test func itMakesWhatIsMissing() throws {
        try TestDoris.withDatabase { doris in
            let context = try context([
                "--doris-host=127.0.0.1", "--doris-port=\(doris.port)", "--doris-database=\(doris.database)",
            ])
            let keeper = try #require(try DorisKeeper(context))
            let store = try #require(try DorisSchema.store(context.settings, database: ""))
            try eventually {
                try store.tables.allSatisfy { try status(store).contains("\($0.name): as it should be") }
            }
            try eventually { try !status(store).contains { $0.hasSuffix(": missing") } }
            // The jobs find no Kafka, which Doris says of them.
            keeper.stop()
        }
    }

    /// Somebody has to decide about one table; the jobs of the others are looked after meanwhile.
    @Test func oneTableThatCannotBeChangedHoldsNoJobUp() throws {
        try TestDoris.withDatabase { doris in
            let connection = try DorisConnection(doris)
            for statement in [
                "CREATE DATABASE IF NOT EXISTS `\(doris.database)`", "USE `\(doris.database)`",
                """
                CREATE TABLE wado_access_log (k VARCHAR(8) NOT NULL) UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2
                PROPERTIES ("replication_num" = "1")
                """,
            ] { try connection.run(statement, operation: "test") }
            let context = try context([
                "--doris-host=127.0.0.1", "--doris-port=\(doris.port)", "--doris-database=\(doris.database)",
            ])
            let keeper = try #require(try DorisKeeper(context))
            defer { keeper.stop() }
            try eventually {
                let problem = keeper.problem ?? ""
                return problem.contains("--allow-destructive")
                    && problem.contains("load job wado_access_load is missing")
            }
            let jobs = try connection.run("SHOW ALL ROUTINE LOAD", operation: "test")
            let store = try #require(try DorisSchema.store(context.settings, database: ""))
            #expect(jobs.rows.count == store.loads.count - 1)
        }
    }

    private func status(_ store: DorisSchemaStore) throws -> [String] { try store.status() }

    @Test func aDorisThatIsAwayIsSaidAndHoldsNothingUp() throws {
        let context = try context(["--doris-host=127.0.0.1", "--doris-port=1", "--doris-password=secret-one"])
        let keeper = try #require(try DorisKeeper(context))
        try eventually { keeper.problem?.hasPrefix("Doris: connect: ") == true }
        #expect(keeper.problem?.contains("secret-one") == false)
        #expect(String(decoding: context.metrics.text(), as: UTF8.self).contains("wado_doris_in_order 0"))
        keeper.stop()
    }

    @Test func programsTakeTurns() throws {
        try TestDoris.withDatabase { doris in
            let context = try context([
                "--doris-host=127.0.0.1", "--doris-port=\(doris.port)", "--doris-database=\(doris.database)",
            ])
            let database = context.settings[WadoSettings.database]
            let failures = Mutex<[String]>([])
            let threads = try (0..<4).map { number in
                try ServiceThread(name: "program \(number)") { _ in
                    do {
                        try DorisSchema.store(context.settings, database: database)?
                            .apply(allowDestructive: false) { _ in }
                    } catch { failures.withLock { $0.append("\(error)") } }
                }
            }
            for thread in threads { thread.join() }
            #expect(failures.withLock { $0 } == [])
            let connection = try DorisConnection(doris)
            try connection.run("USE `\(doris.database)`", operation: "test")
            // Of each job one.
            let jobs = try connection.run("SHOW ALL ROUTINE LOAD", operation: "test")
            let store = try #require(try DorisSchema.store(context.settings, database: database))
            #expect(jobs.rows.count == store.loads.count)
        }
    }

    @Test func itsKafkaIsThatOfTheServices() throws {
        let flags = [
            "--doris-host=127.0.0.1", "--bus=kafka", "--kafka-brokers=k1:9092,k2:9092",
            "--kafka-security-protocol=sasl_ssl", "--kafka-sasl-username=wado", "--kafka-sasl-password=secret-two",
        ]
        let store = try #require(try DorisSchema.store(context(flags).settings, database: ""))
        let load = try #require(store.statements.last)
        for line in [
            #""kafka_broker_list" = "k1:9092,k2:9092""#, #""property.security.protocol" = "sasl_ssl""#,
            #""property.sasl.username" = "wado""#, #""property.sasl.password" = "******""#,
        ] { #expect(load.contains(line)) }
        #expect(!load.contains("secret-two"))
        let other = try #require(
            try DorisSchema.store(context(flags + ["--doris-kafka-brokers=inside:9092"]).settings, database: ""))
        #expect(other.statements.last?.contains(#""kafka_broker_list" = "inside:9092""#) == true)
    }

    @Test(arguments: [
        "--doris-database=9x", "--doris-load-properties=max_batch=1", "--doris-kafka-properties=sasl.password=x",
        "--doris-kafka-properties=sasl.OAuthBearer.config=x",
        "--doris-tls=perhaps", "--doris-port=0",
    ])
    func whatIsWrongIsSaid(_ flag: String) {
        #expect(throws: SettingsError.self) {
            try WadoSettings.catalogue.read(arguments: [flag], environment: [:])
        }
    }
}
