import ServiceKit

/// Keeps work at so many units a second on average, so that it leaves the machine to others.
struct RateLimit {
    /// nil: no limit.
    let perSecond: Int?
    private let start = ContinuousClock.now
    private var units = 0

    init(perSecond: Int?) { self.perSecond = perSecond.map { max(1, $0) } }

    /// The most units to do at once, so that the work does not come in long bursts.
    func share(of limit: Int) -> Int { perSecond.map { min(limit, max(1, $0 / 2)) } ?? limit }

    /// Counts units that are done and sleeps as long as they came too early.
    mutating func spend(_ count: Int) {
        guard let perSecond else { return }
        units += count
        let due = start + .seconds(Double(units) / Double(perSecond))
        let wait = ContinuousClock.now.duration(to: due)
        guard wait > .zero else { return }
        let (seconds, attoseconds) = wait.components
        StopToken().wait(milliseconds: Int(seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000))
    }
}
