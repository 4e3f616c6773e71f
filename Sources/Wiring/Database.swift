internal import Archive
internal import PostgresAdapter
internal import ServiceKit

/// The PostgreSQL of a service.
enum Database {
    /// A pool of sessions with a database that has the schema of this program. Waits for a server that is starting.
    /// - Returns: also whether nothing of a migration is left to be done.
    static func open(
        _ context: ServiceContext, sessions: Int, name: String
    ) throws -> (pool: PostgresPool, isMigrated: Bool) {
        let connection = context.settings[WadoSettings.database]
        guard !connection.isEmpty else {
            throw SettingsError(problems: [
                "database is not set: give libpq's connection string by --database or WADO_DATABASE, or let "
                    + "`wado up` bring a PostgreSQL of its own"
            ])
        }
        let deadline = ContinuousClock.now + .seconds(context.settings[WadoSettings.databaseWait])
        var hasSaid = false
        while true {
            do throws(SchemaFailure) {
                let isMigrated = try SchemaMigrator().prepare(connect(connection, name)) { report($0, context.logger) }
                return (PostgresPool(connection, limit: sessions, applicationName: name), isMigrated)
            } catch {
                guard error.isRetriable, ContinuousClock.now < deadline else {
                    // Each step on a line of its own: texts of the log are cut.
                    for line in "\(error)".split(separator: "\n").dropFirst() {
                        context.logger.error("database schema", ["what": .string(String(line))])
                    }
                    throw error
                }
                if !hasSaid { context.logger.warning("waiting for the database", ["reason": .string("\(error)")]) }
                hasSaid = true
                StopToken().wait(milliseconds: 250)
            }
        }
    }

    static func report(_ line: String, _ logger: Logger) {
        if line.hasPrefix("waits for somebody") {
            logger.warning("database schema", ["what": .string(line)])
        } else {
            logger.info("database schema", ["what": .string(line)])
        }
    }

    static func connect(_ connection: String, _ name: String) throws(SchemaFailure) -> PostgresConnection {
        do { return try PostgresConnection(connection, applicationName: name) } catch { throw .database(error) }
    }
}
