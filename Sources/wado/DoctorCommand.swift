internal import Archive
internal import DorisAdapter
internal import Foundation
internal import KafkaAdapter
internal import PostgresAdapter
internal import ServiceKit
internal import Wiring

/// `wado doctor`: looks for what is wrong, and says what to do.
enum DoctorCommand {
    private enum Result {
        case good
        /// Works, but someone should look.
        case doubtful(String)
        case bad(String)
    }

    private struct Finding {
        let subject: String
        let detail: String
        let result: Result
    }

    static func run(_ arguments: [String]) throws -> Int32 {
        var settings = try Main.settings(arguments)
        let folder = DataFolder(settings[WadoSettings.data])
        var findings = [programs(), storage(folder, settings)]
        if !settings.isSet(WadoSettings.database) { findings.append(postgres()) }
        var running: Endpoints?
        do {
            running = try RunningArchive.find(settings)
        } catch {
            findings.append(
                Finding(
                    subject: "archive", detail: "\(error)",
                    result: .bad("what follows knows neither its ports nor its database")))
        }
        if let running {
            settings = try RunningArchive.settings(settings, running)
            findings += services(running)
        } else {
            findings.append(
                Finding(
                    subject: "archive", detail: "none runs in \(folder.path)",
                    result: .doubtful("start it with `wado up --data \(folder.path)`")))
            findings += ports(settings)
        }
        findings += try database(settings, running: running) + kafka(settings)
        findings += doris(settings)
        findings += [openFiles(), clock(), tool("storescu", package: "dcmtk"), tool("curl", package: "curl")]
        var isWell = true
        for finding in findings {
            let (mark, advice): (String, String?) =
                switch finding.result {
                case .good: ("ok  ", nil)
                case .doubtful(let advice): ("note", advice)
                case .bad(let advice): ("BAD ", advice)
                }
            if case .bad = finding.result { isWell = false }
            Terminal.write("\(mark)  \(finding.subject): \(finding.detail)\n")
            if let advice { Terminal.write("      -> \(advice)\n") }
        }
        Terminal.write(isWell ? "nothing stands in the way\n" : "what is marked BAD needs someone\n")
        return isWell ? 0 : 1
    }

    private static func programs() -> Finding {
        do {
            let folder = try ProgramFolder.find()
            return Finding(subject: "programs", detail: "all in \(folder), version \(Program.version)", result: .good)
        } catch {
            return Finding(subject: "programs", detail: "incomplete", result: .bad("\(error)"))
        }
    }

    private static func postgres() -> Finding {
        let advice = "apt-get install postgresql, or set `database` to a server elsewhere"
        do {
            let programs = try PostgresPrograms.find()
            let isKnown = Int(programs.majorVersion).map { $0 >= 14 } ?? false
            return Finding(
                subject: "PostgreSQL", detail: "version \(programs.majorVersion), \(programs.folder)",
                result: isKnown ? .good : .bad("version 14 or later is needed: \(advice)"))
        } catch {
            return Finding(
                subject: "PostgreSQL", detail: "neither in /usr/lib/postgresql nor in PATH", result: .bad(advice))
        }
    }

    private static func storage(_ folder: DataFolder, _ settings: Settings) -> Finding {
        var path = folder.path
        while access(path, F_OK) != 0, let slash = path.lastIndex(of: "/") {
            path = slash > path.startIndex ? String(path[..<slash]) : "/"
        }
        let subject = "data folder \(folder.path)"
        do {
            try folder.tryOut()
            if access(folder.path, F_OK) == 0 { _ = try folder.isOurs() }
        } catch {
            return Finding(subject: subject, detail: "cannot be used", result: .bad("\(error)"))
        }
        var status = statvfs()
        guard statvfs(path, &status) == 0, status.f_blocks > 0 else {
            return Finding(
                subject: subject, detail: "its disk tells nothing", result: .doubtful("check that it is mounted"))
        }
        let free = Double(status.f_bavail) * Double(status.f_frsize)
        let part = Double(status.f_bavail) / Double(status.f_blocks)
        let detail = String(format: "%.1f GB free (%.0f %%)", free / 1e9, part * 100)
        let minimum = settings[WadoSettings.minimumFree]
        if free < Double(minimum) * 1_048_576 {
            return Finding(
                subject: subject, detail: detail,
                result: .bad(
                    "make room: below \(minimum) MiB (\(WadoSettings.minimumFree.name)) all instances are refused"))
        }
        if status.f_favail < 10_000, status.f_files > 0 {
            return Finding(
                subject: subject, detail: "\(detail), \(status.f_favail) inodes free",
                result: .bad("make room for files: every instance is one"))
        }
        let isLow = free < 5e9 || part < 0.05
        return Finding(
            subject: subject, detail: detail, result: isLow ? .doubtful("that is not much for images") : .good)
    }

    private static func services(_ endpoints: Endpoints) -> [Finding] {
        endpoints.admin.sorted { $0.key < $1.key }.map { name, root in
            let answer = LocalHTTP.get(root + "/readyz", timeoutMilliseconds: 2_000)
            guard let answer else {
                return Finding(
                    subject: name, detail: "\(root) does not answer",
                    result: .bad("see its log in the data folder; `wado up` starts it again when it has ended"))
            }
            let text = String(decoding: answer.body, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
            guard answer.status == 200 else {
                return Finding(
                    subject: name, detail: "not ready: \(text)", result: .bad("see its log in the data folder"))
            }
            return Finding(
                subject: name, detail: "\(text), \(root)",
                result: text == "ready" ? .good : .doubtful("see its log in the data folder"))
        }
    }

    private static func ports(_ settings: Settings) -> [Finding] {
        [
            (WadoSettings.dicomPort, settings[WadoSettings.dicomAddress]),
            (WadoSettings.httpPort, settings[WadoSettings.httpAddress]),
        ].map { setting, host in
            let port = settings[setting]
            let other = "choose another with \(setting.declaration.flag) N (0: any free one)"
            let subject = "port \(port) (\(setting.name))"
            return switch Sockets.probe(host: host, port: port) {
            case .free: Finding(subject: subject, detail: "free", result: .good)
            case .taken:
                Finding(
                    subject: subject, detail: "taken by another program",
                    result: .bad("`ss -ltnp` shows which; stop that one, or \(other)"))
            case .forbidden: Finding(subject: subject, detail: "needs more rights", result: .bad(other))
            case .noSuchAddress:
                Finding(
                    subject: subject, detail: "'\(host)' is no address of this machine",
                    result: .bad("change the address in the settings"))
            }
        }
    }

    private static func database(_ settings: Settings, running: Endpoints?) -> [Finding] {
        guard
            let connection = settings.isSet(WadoSettings.database)
                ? settings[WadoSettings.database] : running?.database
        else { return [] }
        do {
            let session = try PostgresConnection(connection)
            let version = session.serverVersion / 10_000
            guard version >= 14 else {
                return [
                    Finding(
                        subject: "database", detail: "PostgreSQL \(version)",
                        result: .bad("version 14 or later is needed"))
                ]
            }
            let counts = try ArchiveCounts.read(connection: connection, settings: settings)
            let detail =
                "PostgreSQL \(version), \(counts.series) series, "
                + "\(counts.queueLag.map(String.init) ?? "?") messages wait"
            let isStuck = counts.deadLetters > 0
            return [
                Finding(
                    subject: "database", detail: detail + (isStuck ? ", \(counts.deadLetters) dead letters" : ""),
                    result: isStuck
                        ? .doubtful(
                            "`wado replay list` says why they cannot be indexed; `wado replay all` tries them again")
                        : .good)
            ]
        } catch {
            return [
                Finding(
                    subject: "database", detail: "\(error)",
                    result: .bad("check that it runs, and the setting `database`"))
            ]
        }
    }

    private static func doris(_ settings: Settings) -> [Finding] {
        do {
            guard let store = try DorisSchema.store(settings, database: "") else { return [] }
            let detail = try store.status().first ?? ""
            let steps = try store.plan().steps
            guard let first = steps.first else { return [Finding(subject: "Doris", detail: detail, result: .good)] }
            return [
                Finding(
                    subject: "Doris",
                    detail: "\(detail), \(steps.count) things to do, such as: \(first.object) \(first.reason)",
                    result: .doubtful("`wado schema plan` shows them, `wado schema apply` does them; see docs/doris.md")
                )
            ]
        } catch {
            return [
                Finding(
                    subject: "Doris", detail: "\(error)",
                    result: .bad("check that a frontend runs there, and the settings `doris.*`"))
            ]
        }
    }

    private static func kafka(_ settings: Settings) throws(SettingsError) -> [Finding] {
        guard let bus = try ArchiveBus.kafka(settings, program: "wado") else { return [] }
        let subject = "Kafka at \(settings[WadoSettings.kafkaBrokers].joined(separator: ", "))"
        do {
            let status = try bus.status()
            let found = status.topics.filter { $0.partitions > 0 }
            let detail = "\(status.brokers) brokers, \(found.count) of \(status.topics.count) topics"
            if let instructions = status.instructions {
                let isMade = settings[WadoSettings.kafkaCreatesTopics]
                return [
                    Finding(
                        subject: subject, detail: detail,
                        result: isMade ? .doubtful("the services make those that are missing") : .bad(instructions))
                ]
            }
            if let silent = found.first(where: { $0.leaderless > 0 }) {
                return [
                    Finding(
                        subject: subject, detail: "\(silent.leaderless) partitions of \(silent.name) have no leader",
                        result: .bad("start the brokers that are down"))
                ]
            }
            if let behind = found.first(where: { $0.behind > 0 }) {
                return [
                    Finding(
                        subject: subject, detail: "\(behind.behind) partitions of \(behind.name) lack copies",
                        result: .doubtful("start the brokers that are down"))
                ]
            }
            let single = found.contains { $0.replicas < 2 } && status.brokers > 1
            return [
                Finding(
                    subject: subject, detail: detail,
                    result: single ? .doubtful("some topics have one copy only: a lost disk loses them") : .good)
            ]
        } catch {
            return [
                Finding(
                    subject: subject, detail: "\(error)",
                    result: .bad("check that it runs, and the settings of `kafka`"))
            ]
        }
    }

    private static func openFiles() -> Finding {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let isLow = limit.rlim_cur < 4096
        return Finding(
            subject: "open files", detail: "at most \(limit.rlim_cur) a process",
            result: isLow && limit.rlim_max < 4096
                ? .doubtful("raise it (ulimit -n 65536, LimitNOFILE=): each connection needs one or two") : .good)
    }

    private static func clock() -> Finding {
        let now = Date()
        let text = now.formatted(.iso8601)
        guard now.timeIntervalSince1970 > 1_735_689_600 else {
            return Finding(subject: "clock", detail: text, result: .bad("set it: times of receipt would be wrong"))
        }
        // Who keeps the time leaves a trace; in a container it is the host's business.
        let traces = ["/run/systemd/timesync/synchronized", "/run/chrony/chronyd.pid", "/run/ntpd.pid"]
        let isKept = traces.contains { access($0, F_OK) == 0 }
        return Finding(
            subject: "clock", detail: text + (isKept ? ", kept by NTP" : ", no NTP client seen on this system"),
            result: .good)
    }

    private static func tool(_ name: String, package: String) -> Finding {
        let folders = (Environment.all["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        let found = folders.map { "\($0)/\(name)" }.first { (path: String) in access(path, X_OK) == 0 }
        return Finding(
            subject: name, detail: found ?? "not installed",
            result: found == nil ? .doubtful("apt-get install \(package), if you want to try it by hand") : .good)
    }
}
