internal import Foundation
internal import PostgresAdapter
internal import ServiceKit
internal import Wiring

/// `wado up`: the whole archive on this machine.
enum UpCommand {
    /// What PostgreSQL needs to start and to go on, in bytes. Instances are refused long before (`store.minimum_free_mib`),
    /// those that are there can be read until then.
    private static let minimumFreeBytes = 256 << 20

    static let options = [CommandOption("--sample", "stores a head phantom when it runs for the first time")]

    static func run(_ arguments: [String]) throws -> Int32 {
        let signals = SignalWaiter(watchesChildren: true)
        let lifeline = ServiceMain.watchSupervisor()
        defer { withExtendedLifetime(lifeline) {} }
        let options = try CommandOptions(arguments, options)
        var settings = try Main.settings(options.rest)
        let folder = DataFolder(settings[WadoSettings.data])
        try folder.prepare()
        let lock = try folder.lock()
        defer { withExtendedLifetime(lock) {} }
        unlink(folder.endpoints)
        try settings.set(WadoSettings.data, to: folder.path)

        guard folder.freeBytes >= minimumFreeBytes else {
            throw CommandError(
                "only \(folder.freeBytes >> 20) MiB are free on the disk of \(folder.path), \(minimumFreeBytes >> 20) are "
                    + "needed: make room, or take a folder on another disk with --data")
        }
        let programs = try ProgramFolder.find()
        try choosePorts(&settings)

        let terminal = Terminal()
        defer { terminal.finish() }
        terminal.show("wado \(Program.version), data in \(folder.path)")
        let minimum = settings[WadoSettings.minimumFree]
        if folder.freeBytes >> 20 < minimum {
            terminal.show(
                "only \(folder.freeBytes >> 20) MiB are free: instances are refused until there are \(minimum) "
                    + "(\(WadoSettings.minimumFree.name))")
        }
        if let problem = try ArchiveBus.prepare(settings) { terminal.show(problem) }
        let database = try startDatabase(&settings, folder: folder, terminal: terminal)
        defer {
            if let database {
                terminal.show("stopping PostgreSQL")
                database.stop()
            }
        }
        let services = services(settings)
        var environment = Environment.all.filter { !$0.key.hasPrefix("WADO_") }
        environment.merge(settings.secretVariables) { _, new in new }
        environment[ServiceMain.supervisedVariable] = "1"
        // A crash report shows where, and no memory: there may be a patient's data in it.
        let report = "color=no,interactive=no,threads=crashed,registers=none,images=none,sanitize=yes"
        environment["SWIFT_BACKTRACE"] = (environment["SWIFT_BACKTRACE"].map { $0 + "," } ?? "") + report
        let supervisor = Supervisor(
            services: services, programFolder: programs, logFolder: folder.log, environment: environment,
            say: { terminal.show($0) })
        defer {
            terminal.show("stopping the services")
            unlink(folder.endpoints)
            supervisor.stop()
        }
        terminal.show("starting the services")
        try supervisor.start()
        return try watch(
            supervisor, database: database, signals: signals, terminal: terminal,
            endpoints: { processes in
                endpoints(settings, services: services, processes: processes, database: database)
            }, folder: folder, withSample: options.has("--sample"))
    }

    /// Keeps everything running until a signal comes.
    private static func watch(
        _ supervisor: Supervisor, database: PrivatePostgres?, signals: SignalWaiter, terminal: Terminal,
        endpoints: ([String: Int32]) -> Endpoints, folder: DataFolder, withSample: Bool
    ) throws -> Int32 {
        var isReady = false
        let keeper = database.map { DatabaseKeeper($0, folder: folder, say: { terminal.show($0) }) }
        var sample: ServiceThread?
        defer {
            if let sample, sample.waitFinished(milliseconds: 5_000) { sample.join() }
        }
        var file = EndpointsFile(folder) { terminal.show($0) }
        let started = Date()
        var hasSaidWaiting = false
        while true {
            let wait = min(supervisor.nextStart ?? 1_000, isReady ? 1_000 : 50)
            if case .stop = signals.next(milliseconds: max(1, wait)) {
                signals.exitOnNextSignal()
                return 0
            }
            var changed = try supervisor.reap()
            changed = try supervisor.startAgain() || changed
            keeper?.keepRunning()
            if isReady {
                if changed { file.isOutdated = true }
                file.update { endpoints(supervisor.processes) }
            } else if supervisor.areAllReady() || hasSaidWaiting && supervisor.unready.allSatisfy({ $0.reason != nil })
            {
                // Who runs and says what it lacks, such as disk space, keeps nobody from the others.
                isReady = true
                let unready = supervisor.unready
                for (name, reason) in unready { terminal.show("\(name) is not ready: \(reason ?? "")") }
                let endpoints = endpoints(supervisor.processes)
                try endpoints.write(to: folder)
                if withSample, unready.isEmpty, access(sampleMark(folder), F_OK) != 0 {
                    sample = try loadSample(endpoints, folder: folder, terminal: terminal)
                } else {
                    welcome(endpoints, folder: folder, terminal: terminal)
                }
            } else if !hasSaidWaiting, Date().timeIntervalSince(started) > 10 {
                hasSaidWaiting = true
                let waiting = supervisor.unready.map { $0.name + ($0.reason.map { " (\($0))" } ?? "") }
                terminal.show("still waiting for \(waiting.joined(separator: ", ")); logs in \(folder.log)")
            }
        }
    }

    private static func startDatabase(
        _ settings: inout Settings, folder: DataFolder, terminal: Terminal
    ) throws -> PrivatePostgres? {
        if settings.isSet(WadoSettings.database) { return nil }
        terminal.show("starting PostgreSQL")
        let database = PrivatePostgres(PrivatePostgres.Configuration(folder: folder.postgres))
        try database.start()
        try settings.set(WadoSettings.database, to: database.connectionString)
        return database
    }

    /// Gives every port of which a free one is wanted its number, and checks the others.
    private static func choosePorts(_ settings: inout Settings) throws {
        var chosen: [Int: String] = [:]
        for (setting, host) in [
            (WadoSettings.dicomPort, settings[WadoSettings.dicomAddress]),
            (WadoSettings.httpPort, settings[WadoSettings.httpAddress]),
            (WadoSettings.storeSCPAdminPort, "127.0.0.1"),
            (WadoSettings.httpAdminPort, "127.0.0.1"),
            (WadoSettings.consumerAdminPort, "127.0.0.1"),
            (WadoSettings.webWorkerAdminPort, "127.0.0.1"),
        ] {
            defer { chosen[settings[setting]] = setting.name }
            let isAdmin = setting.name.hasSuffix("admin_port")
            let wanted = isAdmin && !settings.isSet(setting) ? 0 : settings[setting]
            let flag = setting.declaration.flag
            if wanted != 0, let other = chosen[wanted] {
                throw CommandError(
                    "port \(wanted) is that of \(other) and of \(setting.name): choose another one with \(flag) N (0: any "
                        + "free one)")
            }
            switch Sockets.probe(host: host, port: wanted) {
            case .free(let port): try settings.set(setting, to: String(port))
            case .taken:
                throw CommandError(
                    "port \(wanted) (\(setting.name)) is taken by another program (`ss -ltnp` shows which): stop that one, "
                        + "or choose another port with \(flag) N (0: any free one)")
            case .forbidden:
                throw CommandError(
                    "port \(wanted) (\(setting.name)) needs more rights, as all below 1024 do: choose another port with "
                        + "\(flag) N (0: any free one)")
            case .noSuchAddress:
                throw CommandError(
                    "'\(host)' is no address of this machine: change \(setting.name.prefix { $0 != "." }).address")
            }
        }
    }

    /// In the order in which they are asked to stop: who takes new work first.
    private static func services(_ settings: Settings) -> [Supervisor.Service] {
        let flags = settings.flags
        return [
            ("wado-storescp", WadoSettings.storeSCPAdminPort), ("wado-server", WadoSettings.httpAdminPort),
            ("wado-consumer", WadoSettings.consumerAdminPort), ("wado-webworker", WadoSettings.webWorkerAdminPort),
        ].map { name, port in
            Supervisor.Service(name: name, arguments: flags, admin: "http://127.0.0.1:\(settings[port])")
        }
    }

    private static func endpoints(
        _ settings: Settings, services: [Supervisor.Service], processes: [String: Int32], database: PrivatePostgres?
    ) -> Endpoints {
        let scheme = settings[WadoSettings.httpTLSCertificate].isEmpty ? "http" : "https"
        let host = LocalHTTP.reachable(settings[WadoSettings.httpAddress])
        let root = settings[WadoSettings.httpRoots].first ?? ""
        return Endpoints(
            dicomHost: Sockets.reachable(settings[WadoSettings.dicomAddress]),
            dicomPort: settings[WadoSettings.dicomPort], aeTitle: settings[WadoSettings.aeTitle],
            webRoot: "\(scheme)://\(host):\(settings[WadoSettings.httpPort])\(root)", processes: processes,
            admin: Dictionary(services.map { ($0.name, $0.admin) }, uniquingKeysWith: { first, _ in first }),
            supervisor: getpid(), database: database?.connectionString, bus: ArchiveBus.flags(settings))
    }

    /// There when the sample was loaded once; who deletes it does not get it again.
    private static func sampleMark(_ folder: DataFolder) -> String { folder.path + "/sample-loaded" }

    private static func loadSample(
        _ endpoints: Endpoints, folder: DataFolder, terminal: Terminal
    ) throws -> ServiceThread {
        terminal.show("computing and storing a head phantom: a CT series of \(SampleStudy().phantom.slices) slices")
        return try ServiceThread(name: "sample") { _ in
            do {
                try SampleCommand.send(SampleStudy(), to: endpoints)
                try DataFolder.write("", to: sampleMark(folder))
            } catch {
                terminal.show("the sample could not be stored: \(error)")
            }
            welcome(endpoints, folder: folder, terminal: terminal)
        }
    }

    private static func welcome(_ endpoints: Endpoints, folder: DataFolder, terminal: Terminal) {
        let (dicom, web) = (endpoints.dicom, endpoints.web.root)
        let hasSample = access(sampleMark(folder), F_OK) == 0
        let study = "\(web)/studies/\(SampleStudy.studyUID)"
        let program = CommandLine.arguments.first ?? "wado"
        let frame = "\(study)/series/\(SampleStudy.seriesUID)/instances/\(SampleStudy().instanceUID(32))/frames/1"
        terminal.show(
            """

            The archive is up.
              DICOM     \(dicom.host):\(dicom.port), AE title \(dicom.aeTitle)
              DICOMweb  \(web)
              logs      \(folder.log)

            Try next, in another terminal:
              \(program) sample --out /tmp/slices && \\
                TCP_NODELAY=1 storescu -aec \(dicom.aeTitle) \(dicom.host) \(dicom.port) +sd /tmp/slices
              curl '\(web)/studies?limit=5'
            """)
        terminal.show(
            hasSample
                ? "  curl -H 'Accept: application/octet-stream' \\\n    '\(frame)' -o frame.raw"
                : "  \(program) sample --data \(folder.path)       # something to see")
        terminal.show("\n`wado status --data \(folder.path)` counts what is there. Ctrl-C stops the archive.\n")
    }
}
