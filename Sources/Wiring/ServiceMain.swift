internal import Glibc
public import ServiceKit

/// A service that runs.
protocol RunningService: AnyObject {
    /// Ends its work in order, and returns when its threads are gone.
    func stop()
}

/// Whether a service does its work now, and if not why, for `/readyz`.
enum Readiness: Equatable, Sendable {
    case ready
    case notReady(String)
    /// It does its work, and something beside it does not.
    case readyBut(String)
}

/// What a service's start gets.
package struct ServiceContext: Sendable {
    package let settings: Settings
    let folder: DataFolder
    let logger: Logger
    package let metrics: MetricsRegistry

    package init(settings: Settings, folder: DataFolder, logger: Logger, metrics: MetricsRegistry) {
        self.settings = settings
        self.folder = folder
        self.logger = logger
        self.metrics = metrics
    }
}

/// The `main` of the services: settings, start, wait for a signal, stop.
public enum ServiceMain {
    /// In the environment of a service whose standard input ends when its supervisor does.
    public static let supervisedVariable = "WADO_SUPERVISED"
    /// Exit status when the settings are wrong (EX_CONFIG): trying again does not help.
    public static let configurationStatus: Int32 = 78

    static func run(
        _ program: String, about: String, sections: [String],
        start: (ServiceContext) throws -> any RunningService
    ) -> Never {
        let signals = SignalWaiter()
        DescriptorLimit.raise()
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.contains("--help") || arguments.contains("-h") {
            print("\(program) \(Program.version): \(about)\n\nusage: \(program) [--config FILE] [settings]")
            print(WadoSettings.catalogue.help(sections: [""] + sections))
            exit(0)
        }
        if arguments.contains("--version") {
            print("\(program) \(Program.version)")
            exit(0)
        }
        let settings: Settings
        do throws(SettingsError) {
            settings = try WadoSettings.catalogue.read(arguments: arguments, environment: Environment.all)
            if let extra = settings.arguments.first {
                throw SettingsError(problems: ["'\(extra)' is no flag; \(program) --help lists them"])
            }
        } catch {
            for problem in error.problems { complain("\(program): \(problem)") }
            exit(configurationStatus)
        }
        let logger = Logger(service: program, level: Logger.Level(name: settings[WadoSettings.logLevel]) ?? .info)
        let metrics = MetricsRegistry()
        metrics.addProcessMetrics()
        for level in Logger.Level.allCases {
            metrics.counter("wado_log_lines_total", help: "Lines logged, by level.", labels: ["level": level.name]) {
                Double(logger.count(of: level))
            }
        }
        let lifeline = watchSupervisor()
        let service: any RunningService
        do {
            let folder = DataFolder(settings[WadoSettings.data])
            try folder.prepare()
            logger.info("starting", settings.logFields)
            let context = ServiceContext(settings: settings, folder: folder, logger: logger, metrics: metrics)
            service = try start(context)
        } catch let error as SettingsError {
            for problem in error.problems { logger.error("wrong setting", ["problem": .string(problem)]) }
            exit(configurationStatus)
        } catch {
            logger.error("cannot start", ["reason": .string("\(error)")])
            exit(1)
        }
        let signal = signals.waitForStop()
        logger.info("stopping", ["signal": .int(Int(signal))])
        service.stop()
        logger.info("stopped")
        // The thread that watches the supervisor blocks in read; there is nothing left that it could disturb.
        withExtendedLifetime(lifeline) { exit(0) }
    }

    /// Where `WADO_SUPERVISED` is set: a thread that asks for the end when standard input ends.
    public static func watchSupervisor() -> ServiceThread? {
        guard Environment.all[supervisedVariable] != nil else { return nil }
        return try? ServiceThread(name: "lifeline", stackBytes: 256 << 10) { _ in
            var buffer = [UInt8](repeating: 0, count: 64)
            while true {
                let count = read(0, &buffer, buffer.count)
                if count > 0 || (count < 0 && errno == EINTR) { continue }
                SignalWaiter.requestStop()
                return
            }
        }
    }

    private static func complain(_ text: String) {
        Logger.standardError(Array("\(text)\n".utf8))
    }
}

/// The environment of this process.
public enum Environment {
    /// All variables; of a name that is there twice the first.
    public static var all: [String: String] {
        var variables: [String: String] = [:]
        var pointer = environ
        while let entry = pointer.pointee {
            let text = String(cString: entry)
            if let mark = text.firstIndex(of: "=") {
                let name = String(text[..<mark])
                if variables[name] == nil { variables[name] = String(text[text.index(after: mark)...]) }
            }
            pointer += 1
        }
        return variables
    }
}
