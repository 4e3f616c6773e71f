internal import Glibc
internal import ServiceKit

/// Keeps programs running: starts them, starts one that died again, stops them all. Used by one thread.
package final class Supervisor {
    /// A program to keep running.
    package struct Service {
        /// Of the executable, such as `wado-server`.
        package let name: String
        package let arguments: [String]
        /// `http://127.0.0.1:PORT`, where `/readyz` is.
        package let admin: String

        package init(name: String, arguments: [String], admin: String) {
            self.name = name
            self.arguments = arguments
            self.admin = admin
        }
    }

    private final class Entry {
        let service: Service
        let log: RotatingLog
        var child: ChildProgram?
        /// Milliseconds of the clock below.
        var startedAt = 0
        var startAgainAt: Int?
        var backOff = BackOff(first: 100, maximum: 30_000)
        var wasReady = false
        var waitsFor: String?
        init(_ service: Service, log: RotatingLog) {
            self.service = service
            self.log = log
        }
    }

    private let programFolder: String
    private let environment: [String: String]
    private let say: @Sendable (String) -> Void
    private let entries: [Entry]
    private let repeats = RepeatedLines()
    /// One that ran so long starts again without waiting.
    private let settled = 60_000
    /// A service that ends so often before it was ready once cannot be started.
    private let maximumFailures = 3
    /// `waitpid`'s status of exit status 78 (EX_CONFIG): trying again would not help.
    private let configurationError: Int32 = 78 << 8

    package init(
        services: [Service], programFolder: String, logFolder: String, environment: [String: String],
        say: @escaping @Sendable (String) -> Void
    ) {
        self.programFolder = programFolder
        self.environment = environment
        self.say = say
        entries = services.map { Entry($0, log: RotatingLog(path: "\(logFolder)/\($0.name).log")) }
    }

    /// Process ids by name of those that run.
    package var processes: [String: Int32] {
        Dictionary(
            entries.compactMap { entry in entry.child.map { (entry.service.name, $0.processID) } },
            uniquingKeysWith: { first, _ in first })
    }

    /// Starts all that do not run.
    package func start() throws(ChildProgramError) {
        for entry in entries where entry.child == nil { try start(entry) }
    }

    private func start(_ entry: Entry) throws(ChildProgramError) {
        let (name, log, say, repeats) = (entry.service.name, entry.log, say, repeats)
        entry.child = try ChildProgram(
            path: "\(programFolder)/\(entry.service.name)", arguments: entry.service.arguments,
            environment: environment, name: entry.service.name
        ) { line in
            log.append(line)
            guard let summary = LogSummary.summary(line) else { return }
            let kind = summary.kind.isEmpty ? name : summary.kind
            if let text = repeats.filter(summary.text, kind: kind, now: MonotonicClock.milliseconds) { say(text) }
        }
        entry.startedAt = MonotonicClock.milliseconds
        entry.startAgainAt = nil
    }

    /// Takes note of children that ended, and plans when they start again. True when something changed.
    /// - Throws: when a service cannot be started at all.
    package func reap() throws(ChildProgramError) -> Bool {
        var changed = false
        for entry in entries {
            guard let child = entry.child else { continue }
            var status: Int32 = 0
            guard waitpid(child.processID, &status, WNOHANG) == child.processID else { continue }
            changed = true
            child.finishOutput()
            entry.child = nil
            let ran = MonotonicClock.milliseconds - entry.startedAt
            let how = Supervisor.describe(status)
            if entry.wasReady && ran >= settled { entry.backOff.reset() }
            let pause = entry.backOff.next()
            if !entry.wasReady, entry.backOff.attempts >= maximumFailures || status == configurationError {
                throw ChildProgramError("\(entry.service.name) cannot be started (\(how)); the lines above say why")
            }
            let wait = ran >= settled ? 0 : pause
            entry.startAgainAt = MonotonicClock.milliseconds + wait
            say(
                "\(entry.service.name) (process \(child.processID)) ended, \(how); it starts again in \(wait) ms")
        }
        return changed
    }

    /// Starts those whose time has come. True when something changed. A program that was ready once and is not to be had
    /// now, because somebody is about to replace it, or the system is short of processes, is tried again later.
    package func startAgain() throws(ChildProgramError) -> Bool {
        var changed = false
        for entry in entries where entry.child == nil {
            guard let time = entry.startAgainAt, time <= MonotonicClock.milliseconds else { continue }
            do { try start(entry) } catch {
                guard entry.wasReady else { throw error }
                let wait = entry.backOff.next()
                entry.startAgainAt = MonotonicClock.milliseconds + wait
                say("\(error); \(entry.service.name) is tried again in \(wait) ms")
                continue
            }
            changed = true
        }
        return changed
    }

    /// Milliseconds until `startAgain` has something to do; nil when nothing waits.
    package var nextStart: Int? {
        entries.compactMap(\.startAgainAt).min().map { max(0, $0 - MonotonicClock.milliseconds) }
    }

    /// Asks those that were not ready yet; true when all were ready once since `start`.
    package func areAllReady() -> Bool {
        for entry in entries where !entry.wasReady && entry.child != nil {
            let answer = LocalHTTP.get(entry.service.admin + "/readyz", timeoutMilliseconds: 1_000)
            entry.wasReady = answer?.status == 200
            entry.waitsFor = answer.map { String(decoding: $0.body.prefix { $0 != 10 }.prefix(200), as: UTF8.self) }
        }
        return entries.allSatisfy(\.wasReady)
    }

    /// Those that were not ready when they were asked last, and why, which a service that does not answer cannot say.
    package var unready: [(name: String, reason: String?)] {
        entries.filter { !$0.wasReady }.map { ($0.service.name, $0.child == nil ? nil : $0.waitsFor) }
    }

    /// Stops all, in the order of the list, each with time to finish its work; kills what takes longer.
    package func stop(graceMilliseconds: Int = 20_000) {
        for entry in entries {
            guard let child = entry.child else { continue }
            child.signal(SIGTERM)
        }
        let deadline = MonotonicClock.milliseconds + graceMilliseconds
        var killed = false
        while entries.contains(where: { $0.child != nil }) {
            for entry in entries {
                guard let child = entry.child else { continue }
                if waitpid(child.processID, nil, WNOHANG) == child.processID {
                    child.finishOutput()
                    entry.child = nil
                }
            }
            if !killed, MonotonicClock.milliseconds > deadline {
                killed = true
                for entry in entries {
                    guard let child = entry.child else { continue }
                    say("\(entry.service.name) does not end; killed")
                    child.signal(SIGKILL)
                }
            }
            usleep(10_000)
        }
    }

    private static func describe(_ status: Int32) -> String {
        let signal = status & 0x7F
        return signal == 0 ? "exit status \(status >> 8 & 0xFF)" : "signal \(signal)"
    }
}
