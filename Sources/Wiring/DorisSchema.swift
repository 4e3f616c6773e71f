internal import Archive
package import DorisAdapter
internal import KafkaAdapter
internal import PostgresAdapter
package import ServiceKit
internal import Synchronization

/// Doris of the settings as a store with a schema.
package enum DorisSchema {
    /// Nil when the settings name no Doris.
    /// - Parameters:
    ///   - database: libpq's connection string of the archive's PostgreSQL, which has the lock.
    ///   - stop: ends what waits, and what it does between two statements.
    package static func store(
        _ settings: Settings, database: String, stop: StopToken? = nil
    ) throws -> DorisSchemaStore? {
        guard var configuration = DorisConfiguration(settings) else { return nil }
        if let stop { configuration.stop = stop }
        let kafka = try ArchiveBus.kafka(settings, program: "wado")
        let silence = Mutex<(until: ContinuousClock.Instant, error: any Error)?>(nil)
        let pause = configuration.stop
        return try DorisSchemaStore(
            configuration,
            topicState: { topic in
                // One wait for brokers that do not answer is enough for all jobs.
                if let silence = silence.withLock({ $0 }), ContinuousClock.now < silence.until { throw silence.error }
                do {
                    guard let found = try kafka?.extent(ofTopic: topic) else { return nil }
                    return TopicState(cluster: found.cluster, partitions: found.partitions)
                } catch {
                    silence.withLock { $0 = (ContinuousClock.now + .seconds(30), error) }
                    throw error
                }
            },
            exclusively: { work in
                let session = try PostgresConnection(database, applicationName: "wado schema of Doris")
                // The session's end gives the lock back.
                while try session.query(
                    "SELECT pg_try_advisory_lock($1)", [.int8(AdvisoryLock.dorisMigrations)],
                    operation: "wait for other migrations of Doris"
                ).bool(0, 0) != true {
                    guard !pause.wait(milliseconds: 500) else { return }
                }
                try work()
            })
    }
}
