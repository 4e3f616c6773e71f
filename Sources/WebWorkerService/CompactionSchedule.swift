/// Decides at each look what the webworker may do. Times are seconds of one clock.
struct CompactionSchedule {
    enum Step: Equatable {
        /// The machine is too busy.
        case postpone
        /// Series at rest.
        case settled
        /// All that wait.
        case everything
    }

    /// Without a round for so long, load no longer counts.
    static let patienceSeconds = 3_600.0

    private let intervalSeconds: Double
    private let cpuPercent: Double
    private let memoryPercent: Double
    private var lastRound: Double

    init(_ configuration: WebWorkerService.Configuration, now: Double) {
        intervalSeconds = max(0, configuration.intervalMinutes) * 60
        cpuPercent = configuration.cpuPercent
        memoryPercent = configuration.memoryPercent
        lastRound = now
    }

    func next(_ load: MachineLoad, now: Double) -> Step {
        let waited = now - lastRound
        let isBusy = load.cpuPercent > cpuPercent || load.memoryPercent > memoryPercent
        if isBusy && waited < max(Self.patienceSeconds, intervalSeconds * 2) { return .postpone }
        return waited >= intervalSeconds ? .everything : .settled
    }

    mutating func finishedRound(now: Double) { lastRound = now }
}
