internal import ServiceKit
internal import Wiring

/// Keeps `endpoints.json` in line with what runs. A disk that is full for a while is waited for: that services cannot be
/// found is no reason to stop them.
struct EndpointsFile {
    var isOutdated = false
    private let folder: DataFolder
    private let say: (String) -> Void
    private var backOff = BackOff(first: 1_000, maximum: 60_000)
    private var nextAttempt = 0

    init(_ folder: DataFolder, say: @escaping (String) -> Void) {
        self.folder = folder
        self.say = say
    }

    /// Writes it when it is outdated and its time has come.
    mutating func update(_ endpoints: () -> Endpoints) {
        guard isOutdated, MonotonicClock.milliseconds >= nextAttempt else { return }
        do {
            try endpoints().write(to: folder)
            isOutdated = false
            backOff.reset()
        } catch {
            let wait = backOff.next()
            nextAttempt = MonotonicClock.milliseconds + wait
            say("\(error); tried again in \(wait) ms")
        }
    }
}
