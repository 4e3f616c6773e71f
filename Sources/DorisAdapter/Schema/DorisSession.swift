/// A connection to Doris with what a schema store asks of it.
struct DorisSession {
    let configuration: DorisConfiguration
    let connection: DorisConnection

    init(_ configuration: DorisConfiguration) throws(DorisError) {
        self.configuration = configuration
        connection = try DorisConnection(configuration)
    }

    var changes: SchemaChangeJobs { SchemaChangeJobs(connection: connection, configuration: configuration) }
    var jobs: LoadJobs { LoadJobs(connection: connection, configuration: configuration) }

    /// What Doris calls itself.
    func version() throws(DorisError) -> String {
        let result = try connection.run("SELECT @@version_comment", operation: "ask for the version")
        return result.rows.first?.first.flatMap { $0 } ?? "an unknown version"
    }

    /// Chooses the database; false when it is not there.
    func useDatabase() throws(DorisError) -> Bool {
        let result = try connection.run("SHOW DATABASES", operation: "look for the database")
        guard result.rows.contains(where: { $0.first == configuration.database }) else { return false }
        try connection.run("USE \(DorisText.name(configuration.database))", operation: "choose the database")
        return true
    }

    var createDatabase: String { "CREATE DATABASE IF NOT EXISTS \(DorisText.name(configuration.database))" }

    /// Names of the tables of the database that was chosen.
    func tables() throws(DorisError) -> Set<String> {
        let result = try connection.run("SHOW TABLES", operation: "look for the tables")
        return Set(result.rows.compactMap { $0.first.flatMap { $0 } })
    }

    /// A table as it is.
    func definition(of table: String) throws -> TableDefinition {
        let result = try connection.run(
            "SHOW CREATE TABLE \(DorisText.name(table))", operation: "look at table \(table)")
        do {
            return try TableDefinition(reading: result.value(0, "Create Table") ?? "")
        } catch {
            throw DorisSchemaError.unreadable(table: table, error)
        }
    }
}
