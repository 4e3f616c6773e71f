internal import Foundation
internal import ServiceKit
internal import Wiring

/// `wado status`: where the archive is and what it holds.
enum StatusCommand {
    static func run(_ arguments: [String]) throws -> Int32 {
        var settings = try Main.settings(arguments)
        let folder = DataFolder(settings[WadoSettings.data])
        let endpoints = try RunningArchive.endpoints(settings)
        settings = try RunningArchive.settings(settings, endpoints)
        var text = "data      \(folder.path)\n"
        text += "DICOM     \(endpoints.dicom.host):\(endpoints.dicom.port), AE title \(endpoints.dicom.aeTitle)\n"
        text += "DICOMweb  \(endpoints.web.root)\n"
        if settings[WadoSettings.bus] == "kafka" {
            text += "bus       Kafka at \(settings[WadoSettings.kafkaBrokers].joined(separator: ", "))\n"
        }
        var allReady = true
        for (name, root) in endpoints.admin.sorted(by: { $0.key < $1.key }) {
            let answer = LocalHTTP.get(root + "/readyz", timeoutMilliseconds: 2_000)
            allReady = allReady && answer?.status == 200
            let process = endpoints.processes[name].map { "process \($0)" } ?? "not running"
            let state = answer.map { String(decoding: $0.body, as: UTF8.self).trimmed } ?? "silent"
            text +=
                "\(name)\(String(repeating: " ", count: max(1, 16 - name.count)))\(state), \(process), \(root)/metrics\n"
        }
        if let connection = endpoints.database
            ?? (settings.isSet(WadoSettings.database) ? settings[WadoSettings.database] : nil)
        {
            do {
                let counts = try ArchiveCounts.read(connection: connection, settings: settings)
                text += "holds     \(counts.studies) studies, \(counts.series) series, \(counts.instances) instances\n"
                text +=
                    "waiting   \(counts.queueLag.map(String.init) ?? "?") instances to be indexed, \(pending(endpoints)) to be filed, "
                text += "\(counts.compactions) series to be compacted\n"
                text += "failed    \(counts.deadLetters) dead letters\n"
                text += "odd       \(counts.problems) problems of instances (wado problems)\n"
                if let problem = counts.busProblem {
                    allReady = false
                    text += "bus       \(problem)\n"
                }
            } catch {
                allReady = false
                text += "database  \(error)\n"
            }
        }
        Terminal.write(text)
        return allReady ? 0 : 1
    }
}

extension StatusCommand {
    /// Instances that are safe and not filed and published yet, as wado-storescp says.
    private static func pending(_ endpoints: Endpoints) -> String {
        guard let root = endpoints.admin["wado-storescp"], let answer = LocalHTTP.get(root + "/metrics") else {
            return "?"
        }
        let lines = String(decoding: answer.body, as: UTF8.self).split(separator: "\n")
        let line = lines.first { $0.hasPrefix("wado_storescp_pending_instances ") }
        return line?.split(separator: " ").last.map(String.init) ?? "?"
    }
}

extension String {
    /// Without white space at both ends.
    fileprivate var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
