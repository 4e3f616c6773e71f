internal import Foundation
internal import ServiceKit
internal import Wiring

/// `wado import`: files and folders into the running archive, by C-STORE.
enum ImportCommand {
    private static let associations = 2
    private static let batchSize = 100

    static func run(_ arguments: [String]) throws -> Int32 {
        let settings = try Main.settings(arguments, maximumArguments: .max)
        let paths = settings.arguments
        guard !paths.isEmpty else {
            throw SettingsError(problems: ["name the files or folders to import: wado import FOLDER"])
        }
        let endpoints = try RunningArchive.endpoints(settings)
        var missing: [String] = []
        let files = FileWalk.files(paths, missing: &missing)
        guard missing.isEmpty else { throw CommandError("no such file or folder: \(missing.joined(separator: ", "))") }

        let report = ImportReport(total: files.count)
        let queue = BoundedQueue<[String]>(capacity: associations * 2)
        let threads = try (0..<associations).map { index in
            try ServiceThread(name: "import \(index)") { _ in
                let importer = Importer(endpoints: endpoints, report: report)
                while let batch = queue.take(), !report.isGivenUp { importer.send(batch) }
                importer.close()
            }
        }
        let progress = Terminal.isInteractive ? try ServiceThread(name: "progress", showProgress(report)) : nil
        var rest = files[...]
        while !rest.isEmpty, !report.isGivenUp {
            let batch = Array(rest.prefix(batchSize))
            while !queue.put(batch, timeoutMilliseconds: 200), !report.isGivenUp {}
            rest = rest.dropFirst(batch.count)
        }
        queue.close()
        for thread in threads { thread.join() }
        progress?.stop()
        progress?.join()
        Terminal.write(report.summary)
        return report.isClean ? 0 : 1
    }

    private static func showProgress(_ report: ImportReport) -> @Sendable (StopToken) -> Void {
        { stop in
            repeat { Terminal.status(report.bar) } while !stop.wait(milliseconds: 200)
            Terminal.status(report.bar)
            Terminal.complain("")
        }
    }
}
