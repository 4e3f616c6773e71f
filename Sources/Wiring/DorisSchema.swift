internal import Archive
package import DorisAdapter
internal import KafkaAdapter
internal import PostgresAdapter
package import ServiceKit

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
        configuration.willRun = { _ throws(DorisError) in
            if stop?.isStopped == true {
                throw DorisError(code: 2013, operation: "go on", message: "the program ends")
            }
        }
        let never = StopToken()
        let kafka = try ArchiveBus.kafka(settings, program: "wado")
        return try DorisSchemaStore(
            configuration,
            partitionCount: { topic in
                try kafka?.status().topics.first { $0.name == topic && $0.partitions > 0 }?.partitions
            },
            exclusively: { work in
                let session = try PostgresConnection(database, applicationName: "wado schema of Doris")
                // The session's end gives the lock back.
                while try session.query(
                    "SELECT pg_try_advisory_lock($1)", [.int8(AdvisoryLock.dorisMigrations)],
                    operation: "wait for other migrations of Doris"
                ).bool(0, 0) != true {
                    guard (stop ?? never).wait(milliseconds: 500) == false else { return }
                }
                try work()
            })
    }
}
