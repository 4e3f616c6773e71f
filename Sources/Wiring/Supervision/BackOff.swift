/// How long to wait before something is tried again: twice as long each time, up to a limit. In milliseconds.
package struct BackOff: Sendable {
    private let first: Int
    private let maximum: Int
    /// Since the last `reset`.
    package private(set) var attempts = 0

    package init(first: Int, maximum: Int) {
        self.first = first
        self.maximum = maximum
    }

    package mutating func next() -> Int {
        let wait = min(maximum, first << min(attempts, 16))
        attempts += 1
        return wait
    }

    package mutating func reset() { attempts = 0 }
}
