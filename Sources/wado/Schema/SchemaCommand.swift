internal import Archive
internal import ArchiveSchema
internal import Glibc
internal import PostgresAdapter
internal import ServiceKit
internal import Wiring

/// `wado schema`: the tables in the databases, beside what the spec says.
enum SchemaCommand {
    /// Exit status when there is something to do, or to see.
    private static let somethingToDo: Int32 = 2
    private static let subcommands = ["plan", "apply", "status", "diff", "sql", "explain"]

    private static let flags = [
        CommandOption("--store", takes: "NAME", "only this database: postgresql, doris"),
        CommandOption("--allow-destructive", "with apply: does what could lose data too, after a confirmation"),
        CommandOption("--yes", "that confirmation"),
    ]

    static let options: [(flag: String, meaning: String)] =
        [
            ("plan", "what would be done, for each database; exit status 2 when there is something"),
            ("apply", "does what loses nothing, also what takes long"),
            ("status", "how the databases stand, and the last changes"),
            ("diff", "what was changed by hand; exit status 2 when something was"),
            ("sql", "the DDL of new databases, as services with these settings would run it"),
            ("explain COLUMN", "tag, VR, types, index, search key and load job of a column; also by keyword or tag"),
        ] + flags.map(\.help)

    static func run(_ arguments: [String]) throws -> Int32 {
        let options = try CommandOptions(arguments, flags)
        let named = options["--store"]?.lowercased()
        let store = named == "postgres" ? "postgresql" : named
        var settings = try Main.settings(options.rest, maximumArguments: 2)
        guard let what = settings.arguments.first, subcommands.contains(what) else {
            let hint = settings.arguments.first.flatMap { Nearest.name(to: $0, among: subcommands) }
            throw SettingsError(problems: [
                hint.map { "did you mean wado schema \($0)?" }
                    ?? "say what: wado schema \(subcommands.joined(separator: ", "))"
            ])
        }
        let rest = settings.arguments.dropFirst()
        if what != "explain", let extra = rest.first {
            throw SettingsError(problems: ["'\(extra)' is not expected here"])
        }
        switch what {
        case "sql":
            Terminal.write(try SchemaText.sql(store: store, try RunningArchive.settingsOfItsBus(settings)))
            return 0
        case "explain":
            guard let name = rest.first else {
                throw SettingsError(problems: ["name a column: wado schema explain patient_name"])
            }
            Terminal.write(try SchemaText.explain(name))
            return 0
        default: break
        }
        settings = try RunningArchive.settingsOfItsBus(settings)
        let all = try SchemaStores.all(database: RunningArchive.database(settings), settings: settings)
        let stores = all.filter { store == nil || $0.name.lowercased() == store }
        guard !stores.isEmpty else {
            throw SettingsError(problems: [
                "there is no store '\(store ?? "")' here: \(all.map { $0.name.lowercased() }.joined(separator: ", "))"
            ])
        }
        switch what {
        case "plan": return try plan(stores)
        case "apply":
            return try apply(
                stores, allowsDestructive: options.has("--allow-destructive"), isConfirmed: options.has("--yes"))
        case "diff": return try differences(stores)
        default: return try status(stores)
        }
    }

    private static func plan(_ stores: [any SchemaStore]) throws -> Int32 {
        var isEmpty = true
        for store in stores {
            let plan = try store.plan()
            isEmpty = isEmpty && plan.isEmpty
            Terminal.write(SchemaText.plan(plan))
        }
        return isEmpty ? 0 : somethingToDo
    }

    private static func apply(
        _ stores: [any SchemaStore], allowsDestructive: Bool, isConfirmed: Bool
    ) throws -> Int32 {
        if allowsDestructive, !isConfirmed {
            let destructive = try stores.flatMap { try $0.plan().steps.filter(\.isDestructive) }
            if !destructive.isEmpty { try confirm(destructive) }
        }
        for store in stores {
            do {
                try store.apply(allowDestructive: allowsDestructive) { line in
                    Terminal.write("\(store.name): \(line)\n")
                }
            } catch SchemaFailure.needsPerson(let steps) {
                // The others are done by now.
                Terminal.complain("\(store.name): \(SchemaFailure.needsPerson(steps))")
                return somethingToDo
            }
            Terminal.write("\(store.name): nothing is left to do\n")
        }
        return 0
    }

    /// Somebody has to have read what is lost.
    private static func confirm(_ steps: [SchemaStep]) throws {
        Terminal.write("This could lose data, and cannot be taken back:\n\n")
        for step in steps { Terminal.write("  \(step.object): \(step.reason)\n") }
        guard isatty(0) == 1 else {
            throw CommandError("nobody is there to confirm it: say --yes as well")
        }
        Terminal.write("\nIs there a backup? Type 'destroy' to go on: ")
        guard readLine() == "destroy" else { throw CommandError("nothing was changed") }
    }

    private static func differences(_ stores: [any SchemaStore]) throws -> Int32 {
        var isEmpty = true
        for store in stores {
            let differences = try store.differences()
            isEmpty = isEmpty && differences.isEmpty
            Terminal.write("\(store.name): \(differences.isEmpty ? "as the spec has it" : "differs from the spec")\n")
            for difference in differences { Terminal.write("  \(difference)\n") }
        }
        return isEmpty ? 0 : somethingToDo
    }

    private static func status(_ stores: [any SchemaStore]) throws -> Int32 {
        for store in stores {
            Terminal.write("\(store.name)\n")
            for line in try store.status() { Terminal.write("  \(line)\n") }
        }
        return 0
    }
}
