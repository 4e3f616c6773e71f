internal import Archive
internal import PostgresAdapter
internal import ServiceKit
internal import Wiring

/// `wado reindex`: brings what is indexed in line with the files, or with a new column.
enum ReindexCommand {
    private static let flags: Set<String> = ["--from-files", "--dry-run"]
    private static let options: Set<String> = ["--columns", "--tenant", "--since", "--rate"]

    static func run(_ arguments: [String]) throws -> Int32 {
        let command = try CommandOptions(arguments, flags: flags, options: options)
        let settings = try Main.settings(command.rest)
        guard ["--columns", "--from-files"].filter(command.has).count == 1 else {
            throw SettingsError(problems: ["say what: wado reindex --columns NAME[,NAME..], or --from-files"])
        }
        var options = ReindexOptions()
        options.isDryRun = command.has("--dry-run")
        options.since = try command.time("--since")
        options.rate = try command.number("--rate")
        options.tenant = try command.tenant()
        let database = try RunningArchive.database(settings)
        if !options.isDryRun { try SchemaMigrator().migrate(PostgresConnection(database)) }
        let display = ReindexDisplay(options)
        let outcome: ReindexProgress
        if let names = command["--columns"] {
            let columns = names.split(separator: ",").map(String.init)
            outcome = try ColumnReindex(columns, settings, connection: database, options: options).run(
                progress: display.show, failure: display.note)
        } else {
            outcome = try FileReindex(settings, connection: database, options: options).run(
                progress: display.show, failure: display.note)
        }
        display.finish(outcome)
        return outcome.failed > 0 ? 1 : 0
    }
}

extension RunningArchive {
    /// The database that was named, or else that of the running archive.
    static func database(_ settings: Settings) throws -> String {
        if settings.isSet(WadoSettings.database) { return settings[WadoSettings.database] }
        guard let connection = try endpoints(settings).database else {
            throw SettingsError(problems: [
                "the running archive does not use a PostgreSQL of its own: name the one it uses by --database"
            ])
        }
        return connection
    }
}
