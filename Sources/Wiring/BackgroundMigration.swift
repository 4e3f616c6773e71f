internal import PostgresAdapter
package import ServiceKit

/// Does beside the work of a service what of a migration that did not have to wait for: builds indexes of large tables.
package final class BackgroundMigration: Sendable {
    private let thread: ServiceThread

    /// - Parameter connection: libpq's connection string.
    package init(_ connection: String, name: String, logger: Logger) throws {
        thread = try ServiceThread(name: "migration") { stop in Self.run(connection, name, logger, stop) }
    }

    /// Breaks off what is being built.
    package func stop() {
        thread.stop()
        thread.join()
    }

    private static func run(_ connection: String, _ name: String, _ logger: Logger, _ stop: StopToken) {
        var backOff = BackOff(first: 2_000, maximum: 600_000)
        while !stop.isStopped {
            do throws(SchemaFailure) {
                let isDone = try SchemaMigrator().finish(
                    Database.connect(connection, name), report: { Database.report($0, logger) },
                    isStopped: { stop.isStopped })
                if isDone { return }
                // Another program is at it, and may end before it is done.
                backOff.reset()
                stop.wait(milliseconds: 30_000)
            } catch {
                if stop.isStopped { return }
                // The start has said it.
                if case .newerDatabase = error { return }
                logger.warning("database schema", ["what": .string("\(error)"), "next": .string("trying again")])
                stop.wait(milliseconds: backOff.next())
            }
        }
    }
}
