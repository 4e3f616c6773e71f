internal import Archive
internal import ServiceKit
internal import Wiring

/// `wado reconcile`: whether files, index and metadata agree; exit status 2 when they do not.
enum ReconcileCommand {
    static let options: [CommandOption] = [
        CommandOption("--repair", "makes rows, metadata and counts anew from the files, where they are wrong"),
        CommandOption("--verify", "reads every file and compares it with the CRC-32 of what was received"), .tenant,
    ]

    private static let listed = 1_000

    static func run(_ arguments: [String]) throws -> Int32 {
        let command = try CommandOptions(arguments, options)
        let settings = try RunningArchive.settingsOfItsBus(try Main.settings(command.rest))
        let tenant = try command.tenant()
        let repairs = command.has("--repair")
        let database = try RunningArchive.database(settings)
        try OldData.prepare(database, writes: repairs)
        var counts: [Difference.Kind: Int] = [:]
        var left = 0
        let reconciliation = Reconciliation(
            settings, connection: database, tenant: tenant, repairs: repairs, verifies: command.has("--verify"))
        let outcome = try reconciliation.run(
            progress: { progress in
                guard Terminal.isInteractive else { return }
                Terminal.status("\(progress.series) series, \(progress.instances) instances")
            },
            found: { difference in
                left += 1
                counts[difference.kind, default: 0] += difference.count
                if left <= listed { Terminal.write(difference.description + "\n") }
            })
        if Terminal.isInteractive { Terminal.status("") }
        if left > listed { Terminal.write("and \(left - listed) more\n") }
        var text = "\(outcome.series) series, \(outcome.instances) instances compared"
        if repairs { text += ", \(outcome.repaired) differences mended" }
        text += left == 0 ? ": no differences\n" : ", \(left) differences\(repairs ? " left" : ""):\n"
        for kind in Difference.Kind.allCases {
            if let count = counts[kind] { text += "  \(count) \(kind.rawValue)\n" }
        }
        if !repairs, counts.keys.contains(where: \.isRepairable) {
            text += "`wado reconcile --repair` makes rows, metadata and counts anew from the files\n"
        }
        if counts[.fileDamaged] != nil {
            text += "damaged files are not served; send these instances again, or restore them from a backup\n"
        }
        Terminal.write(text)
        return left == 0 ? 0 : 2
    }
}
