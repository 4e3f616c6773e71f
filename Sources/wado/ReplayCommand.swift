internal import Archive
internal import KafkaAdapter
internal import PostgresAdapter
internal import ServiceKit
internal import Wiring

/// `wado replay`: shows the messages that could not be processed, and puts them into the queue again.
enum ReplayCommand {
    private static let listed = 1_000
    private static let batch = 500

    static func run(_ arguments: [String]) throws -> Int32 {
        let given = try Main.settings(arguments, maximumArguments: 1)
        guard let what = given.arguments.first else {
            throw SettingsError(problems: [
                "say what: wado replay count, wado replay list, wado replay all, or wado replay REASON"
            ])
        }
        let running = try RunningArchive.find(given)
        let settings = try running.map { try RunningArchive.settings(given, $0) } ?? given
        let pool = PostgresPool(try RunningArchive.database(settings), limit: 1, applicationName: "wado replay")
        defer { pool.close() }
        let producer = try ArchiveBus.kafka(settings, program: "wado")?.makeProducer()
        defer { producer?.close() }
        let letters = PostgresDeadLetters(pool: pool, producer: producer)
        let counts = try letters.counts()
        switch what {
        case "count": Terminal.write(summary(counts))
        case "list": Terminal.write(try list(letters, of: counts))
        case "all":
            try checkBus(given, running)
            try replay(letters, reason: nil, of: counts)
        default:
            try checkBus(given, running)
            guard counts[what] != nil else {
                Terminal.write(summary(counts))
                throw CommandError("no dead letter has the reason '\(what)'")
            }
            try replay(letters, reason: what, of: counts)
        }
        return 0
    }

    /// Messages that go to a bus that nobody reads are lost, so it is not guessed.
    private static func checkBus(_ settings: Settings, _ running: Endpoints?) throws(SettingsError) {
        if settings.isSet(WadoSettings.bus) { return }
        let isOfOther =
            settings.isSet(WadoSettings.database)
            && running?.database.map { $0 != settings[WadoSettings.database] } ?? false
        guard running?.bus != nil, !isOfOther else {
            throw SettingsError(problems: [
                "no running archive tells which event bus its services read: say --bus postgres, or --bus kafka with"
                    + " --kafka-brokers"
            ])
        }
    }

    private static func summary(_ counts: [String: Int]) -> String {
        if counts.isEmpty { return "no dead letters\n" }
        return counts.sorted { $0.key < $1.key }.map { "\($0.value)  \($0.key)\n" }.joined()
    }

    private static func list(_ letters: PostgresDeadLetters, of counts: [String: Int]) throws -> String {
        let found = try letters.list(limit: listed)
        var text = ""
        for letter in found {
            let message = letter.message
            text += "\(message.topic.rawValue)/\(message.partition)/\(message.offset)  \(letter.reason)"
            text += letter.detail.isEmpty ? "\n" : "  \(letter.detail)\n"
        }
        let all = counts.values.reduce(0, +)
        if all > found.count { text += "and \(all - found.count) more\n" }
        return text.isEmpty ? summary(counts) : text
    }

    /// Those that are there now, and no more: what fails again is not replayed for ever.
    private static func replay(_ letters: PostgresDeadLetters, reason: String?, of counts: [String: Int]) throws {
        let total = reason.map { counts[$0] ?? 0 } ?? counts.values.reduce(0, +)
        var done = 0
        while done < total {
            let count = try letters.replay(reason: reason, limit: min(batch, total - done))
            if count == 0 { break }
            done += count
        }
        Terminal.write("\(done) messages are in the queue again\n")
    }
}
