internal import Archive
internal import HTTPServer
import Synchronization

/// The compressed files of series sent last, kept open, each good as long as the stamp of its series stands.
final class MetadataCache: Sendable {
    struct Entry: Sendable {
        var stamp: SeriesStamp
        var tag: String
        var file: HTTPFile
        var offset: Int
        var length: Int
    }

    private struct State {
        var entries: [SeriesIdentity: (entry: Entry, lastUse: UInt64)] = [:]
        var clock: UInt64 = 0
    }

    private let capacity: Int
    private let state = Mutex(State())

    /// - Parameter capacity: open files at most.
    init(capacity: Int) { self.capacity = max(0, capacity) }

    func entry(of series: SeriesIdentity, _ stamp: SeriesStamp) -> Entry? {
        state.withLock { state in
            guard let index = state.entries.index(forKey: series), state.entries.values[index].entry.stamp == stamp
            else { return nil }
            state.clock += 1
            state.entries.values[index].lastUse = state.clock
            return state.entries.values[index].entry
        }
    }

    func insert(_ entry: Entry, for series: SeriesIdentity) {
        guard capacity > 0 else { return }
        state.withLock { state in
            state.clock += 1
            state.entries[series] = (entry, state.clock)
            guard state.entries.count > capacity else { return }
            // The older half goes at once, so that this is seldom and the order need not be kept all the time.
            let uses = state.entries.values.map(\.lastUse).sorted()
            let limit = uses[uses.count / 2]
            state.entries = state.entries.filter { $0.value.lastUse >= limit }
        }
    }
}
