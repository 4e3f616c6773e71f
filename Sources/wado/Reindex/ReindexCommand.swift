internal import Archive
internal import PostgresAdapter
internal import ServiceKit
internal import Wiring

/// `wado reindex`: brings what is indexed in line with the files, or with a new column.
enum ReindexCommand {
    static let options: [CommandOption] = [
        CommandOption("--columns", takes: "C,..", "fills these columns of old rows from stored metadata"),
        CommandOption("--from-files", "makes index, metadata and logs anew from the DICOM files"),
        CommandOption("--problems", "tries stored instances with open problems again"),
        CommandOption("--rule", takes: "R", "only problems of this rule"), .tenant, .since,
        CommandOption("--rate", takes: "N", "at most so many instances a second"),
        CommandOption("--dry-run", "counts, lists what has errors, and writes nothing"),
    ]

    private static let kinds = ["--columns", "--from-files", "--problems"]

    static func run(_ arguments: [String]) throws -> Int32 {
        let command = try CommandOptions(arguments, options)
        let settings = try RunningArchive.settingsOfItsBus(try Main.settings(command.rest))
        guard kinds.filter(command.has).count == 1 else {
            throw SettingsError(problems: ["say what: --columns NAME[,NAME..], --from-files, or --problems"])
        }
        if let names = command["--columns"], names.allSatisfy({ $0 == "," }) {
            throw SettingsError(problems: ["--columns names no column"])
        }
        let rule = try command.rule()
        if rule != nil, !command.has("--problems") {
            throw SettingsError(problems: ["--rule goes with --problems"])
        }
        var options = ReindexOptions()
        options.isDryRun = command.has("--dry-run")
        options.since = try command.since()
        options.isSinceRelative = command.isSinceRelative
        options.rate = try command.number("--rate")
        options.tenant = try command.tenant()
        let database = try RunningArchive.database(settings)
        try OldData.prepare(database, writes: !options.isDryRun)
        let display = ReindexDisplay(
            options, isOfColumns: command.has("--columns"), isPublished: settings[WadoSettings.logs] == "doris")
        let outcome: ReindexProgress
        if let names = command["--columns"] {
            let columns = names.split(separator: ",").map(String.init)
            outcome = try ColumnReindex(columns, settings, connection: database, options: options).run(
                progress: display.show, failure: display.note)
        } else if command.has("--problems") {
            outcome = try ProblemReindex(settings, connection: database, options: options, rule: rule)
                .run(progress: display.show, failure: display.note)
        } else {
            outcome = try FileReindex(settings, connection: database, options: options).run(
                progress: display.show, failure: display.note)
        }
        display.finish(outcome)
        return outcome.failed > 0 ? 1 : 0
    }
}
