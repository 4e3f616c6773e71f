internal import Archive
internal import DorisAdapter
internal import ServiceKit

/// Brings Doris forward when a service starts, and looks after its load jobs from then on. Nothing waits for it: while
/// Doris is away, messages stay in Kafka.
package final class DorisKeeper: Sendable {
    /// Milliseconds between two looks at the load jobs.
    private static let interval = 60_000

    private let context: ServiceContext
    private let state = Monitor<String?>("Doris was not looked at yet")
    private let thread = StoppableThread()

    /// Nil when the settings name no Doris.
    package init?(_ context: ServiceContext) throws {
        guard DorisConfiguration(context.settings) != nil else { return nil }
        self.context = context
        context.metrics.gauge(
            "wado_doris_in_order", help: "1 when Doris has its tables and its load jobs run, 0 when not."
        ) { [state] in state.current == nil ? 1 : 0 }
        try thread.start(name: "doris") { [unowned self] stop in self.run(stop) }
    }

    /// What is wrong with Doris, in a line for people; nil when nothing is.
    package var problem: String? { state.current }

    package func stop() { thread.stop() }

    private func run(_ stop: StopToken) {
        var isApplied = false
        var backOff = BackOff(first: 2_000, maximum: Self.interval)
        while !stop.isStopped {
            var problems: [String]
            let delay: Int
            do {
                guard
                    var store = try DorisSchema.store(
                        context.settings, database: context.settings[WadoSettings.database], stop: stop)
                else { return }
                store.isAttended = false
                let report = { [logger = context.logger] (line: String) in
                    logger.info("Doris is brought forward", ["change": .string(line)])
                }
                var failure: String?
                problems = []
                if !isApplied {
                    // One table or job that cannot be brought forward is no reason to leave the jobs alone.
                    do { problems = try apply(store, report) } catch let error as DorisSchemaError {
                        failure = "\(error)"
                    }
                    isApplied = failure == nil
                }
                problems += try store.maintain(report: report)
                if let failure {
                    problems.append(failure)
                    delay = backOff.next()
                } else {
                    delay = Self.interval
                    backOff.reset()
                }
            } catch {
                problems = ["\(error)"]
                delay = backOff.next()
            }
            if stop.isStopped { return }
            tell(problems)
            stop.wait(milliseconds: delay)
        }
    }

    /// Changes that need a permission are said, and do not stop the others.
    private func apply(_ store: DorisSchemaStore, _ report: (String) -> Void) throws -> [String] {
        do {
            try store.apply(allowDestructive: false, report: report)
            return []
        } catch let error as DorisSchemaError {
            guard case .needsPermission = error else { throw error }
            return ["\(error)"]
        }
    }

    /// Each state is logged when it comes.
    private func tell(_ problems: [String]) {
        let problem = problems.isEmpty ? nil : problems.joined(separator: "; ")
        let before = state.withLock { state in
            defer { state = problem }
            return state
        }
        guard problem != before else { return }
        if let problem {
            context.logger.warning("Doris is not in order", ["reason": .string(problem)])
        } else {
            context.logger.info("Doris is in order")
        }
    }
}
