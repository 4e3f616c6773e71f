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

/// Finds files.
enum FileWalk {
    /// The regular files below these paths, sorted within their folder, so that series come in order.
    static func files(_ paths: [String], missing: inout [String]) -> [String] {
        var files: [String] = []
        for path in paths {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
                missing.append(path)
                continue
            }
            if isFolder.boolValue { walk(path, depth: 0, into: &files) } else { files.append(path) }
        }
        return files
    }

    private static func walk(_ folder: String, depth: Int, into files: inout [String]) {
        // Links to folders are not followed, so there are no cycles; deeper than this is no folder of images.
        guard depth < 64 else { return }
        for name in DataFolder.list(folder).sorted() {
            let path = "\(folder)/\(name)"
            var status = stat()
            guard lstat(path, &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: walk(path, depth: depth + 1, into: &files)
            case S_IFREG: files.append(path)
            case S_IFLNK:
                if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG { files.append(path) }
            default: break
            }
        }
    }
}

/// The archive that runs in a data folder.
enum RunningArchive {
    static func endpoints(_ settings: Settings) throws -> Endpoints {
        guard let endpoints = try find(settings) else {
            let path = DataFolder(settings[WadoSettings.data]).path
            throw CommandError("no archive runs in \(path): start it with `wado up --data \(path)`")
        }
        return endpoints
    }

    /// Nil when none runs.
    static func find(_ settings: Settings) throws -> Endpoints? {
        guard let endpoints = try Endpoints.read(from: DataFolder(settings[WadoSettings.data])),
            kill(endpoints.supervisor, 0) == 0 || errno == EPERM
        else { return nil }
        return endpoints
    }

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

    /// The settings, with those of the running archive's bus where nothing else is said.
    static func settings(_ settings: Settings, _ endpoints: Endpoints) throws -> Settings {
        var settings = settings
        try settings.setMissing(endpoints.bus ?? [])
        return settings
    }
}
