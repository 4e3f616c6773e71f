internal import Glibc
internal import ServiceKit
internal import Wiring

/// The tool for people.
@main enum Main {
    private struct Command: Sendable {
        let name: String
        let usage: String
        let about: String
        /// Its flags that are no settings, with what they mean.
        var options: [(flag: String, meaning: String)] = []
        let run: @Sendable (_ arguments: [String]) throws -> Int32
    }

    private static let commands = [
        Command(
            name: "up", usage: "up [--data DIR] [--sample] [settings]",
            about: "runs the archive: PostgreSQL and all services, until Ctrl-C",
            options: UpCommand.options.map(\.help),
            run: UpCommand.run),
        Command(
            name: "status", usage: "status [--data DIR]", about: "shows where the archive is and what it holds",
            run: StatusCommand.run),
        Command(
            name: "sample", usage: "sample [--data DIR | --out FOLDER]",
            about: "computes a head phantom, a CT series of 64 slices, and stores it",
            options: SampleCommand.options.map(\.help), run: SampleCommand.run),
        Command(
            name: "import", usage: "import FILE|FOLDER.. [--data DIR]",
            about: "stores DICOM files in the running archive", run: ImportCommand.run),
        Command(
            name: "replay", usage: "replay count|list|all|REASON [--data DIR]",
            about: "shows what could not be processed, and tries it again", run: ReplayCommand.run),
        Command(
            name: "problems", usage: "problems [--rule R] [--since D] ..",
            about: "counts and lists what was odd with instances", options: ProblemsCommand.options.map(\.help),
            run: ProblemsCommand.run),
        Command(
            name: "logs", usage: "logs [access|objects|images] ..",
            about: "shows the last requests, or received instances", options: LogsCommand.options.map(\.help),
            run: LogsCommand.run),
        Command(
            name: "reindex", usage: "reindex --columns C,..|--from-files|--problems ..",
            about: "brings old instances into new columns, or everything anew from the files",
            options: ReindexCommand.options.map(\.help), run: ReindexCommand.run),
        Command(
            name: "reconcile", usage: "reconcile [--repair] [--tenant T]",
            about: "compares files, index and metadata, and mends what it can",
            options: ReconcileCommand.options.map(\.help),
            run: ReconcileCommand.run),
        Command(
            name: "schema", usage: "schema plan|apply|status|diff|sql|explain ..",
            about: "compares the databases' tables with the spec, and brings them forward",
            options: SchemaCommand.options, run: SchemaCommand.run),
        Command(
            name: "doctor", usage: "doctor [--data DIR] [settings]",
            about: "looks for what is wrong, and says what to do",
            run: DoctorCommand.run),
    ]

    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard let name = arguments.first, !["help", "--help", "-h"].contains(name) else {
            if arguments.count > 1 { exit(help(arguments[1])) }
            Terminal.write(overview)
            exit(arguments.isEmpty ? 64 : 0)
        }
        if name == "version" || name == "--version" {
            Terminal.write("wado \(Program.version)\n")
            exit(0)
        }
        guard let command = commands.first(where: { $0.name == name }) else {
            let nearest = Nearest.name(to: name, among: commands.map(\.name) + ["version", "help"])
            Terminal.complain(
                "wado: there is no '\(name)'\(nearest.map { "; did you mean \($0)?" } ?? "; see wado help")")
            exit(64)
        }
        let rest = Array(arguments.dropFirst())
        if rest.contains("--help") || rest.contains("-h") { exit(help(command)) }
        do {
            exit(try command.run(rest))
        } catch let error as SettingsError {
            for problem in error.problems { Terminal.complain("wado \(name): \(problem)") }
            exit(ServiceMain.configurationStatus)
        } catch {
            Terminal.complain("wado \(name): \(error)")
            exit(1)
        }
    }

    private static var overview: String {
        var text = "wado \(Program.version): a DICOM archive\n\nusage:\n"
        for command in commands {
            let usage = "  wado " + command.usage
            text += usage + String(repeating: " ", count: max(1, 44 - usage.count)) + command.about + "\n"
        }
        return text + "  wado version\n  wado COMMAND --help                       how it is used, and its settings\n"
            + "  wado help settings                        all settings, as docs/settings.md\n"
    }

    /// Help about a command, or about all settings.
    private static func help(_ topic: String) -> Int32 {
        if let command = commands.first(where: { $0.name == topic }) { return help(command) }
        if topic == "settings" {
            Terminal.write(WadoSettings.document)
            return 0
        }
        let topics = commands.map(\.name) + ["settings"]
        let nearest = Nearest.name(to: topic, among: topics).map { "; did you mean \($0)?" } ?? ""
        Terminal.complain(
            "wado: there is no help about '\(topic)'\(nearest)\nthere is about \(topics.joined(separator: ", "))")
        return 64
    }

    private static func help(_ command: Command) -> Int32 {
        Terminal.write("wado \(command.name): \(command.about)\n\nusage: wado \(command.usage)\n")
        for option in command.options {
            let padding = String(repeating: " ", count: max(1, 18 - option.flag.count))
            Terminal.write("  \(option.flag)\(padding)\(option.meaning)\n")
        }
        let sections = command.name == "up" || command.name == "doctor" ? nil : [""]
        Terminal.write(WadoSettings.catalogue.help(sections: sections))
        return 0
    }

    /// The settings of a command line of ours, with its other arguments.
    static func settings(_ arguments: [String], maximumArguments: Int = 0) throws(SettingsError) -> Settings {
        let settings = try WadoSettings.catalogue.read(arguments: arguments, environment: Environment.all)
        if settings.arguments.count > maximumArguments {
            throw SettingsError(problems: ["'\(settings.arguments[maximumArguments])' is not expected here"])
        }
        return settings
    }
}
