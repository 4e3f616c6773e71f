/// How long to wait before something is tried again: twice as long each time, up to a limit. In milliseconds.
public struct BackOff: Sendable {
    private let first: Int
    private let maximum: Int
    /// Since the last `reset`.
    public private(set) var attempts = 0

    public init(first: Int, maximum: Int) {
        self.first = first
        self.maximum = maximum
    }

    /// The wait after a failure, which is counted.
    public mutating func next() -> Int {
        let wait = min(maximum, first << min(attempts, 16))
        attempts += 1
        return wait
    }

    /// After a success.
    public mutating func reset() { attempts = 0 }

    /// Whether the failure that was counted last is worth a line in the log: each while the waits grow, then one now and
    /// then.
    public var isNews: Bool { attempts <= 6 || attempts % 20 == 0 }
}
