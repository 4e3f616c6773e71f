internal import HTTPServer
import Synchronization

/// The layouts used last, by the identity of the file: a file that is replaced has another. Bounded by the bytes the
/// layouts take, about.
final class LayoutCache: Sendable {
    private struct Entry {
        var layout: InstanceLayout
        var lastUse: UInt64
    }

    private struct State {
        var entries: [HTTPFile.Identity: Entry] = [:]
        var cost = 0
        var clock: UInt64 = 0
    }

    private let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int) { self.capacity = max(0, capacity) }

    var count: Int { state.withLock { $0.entries.count } }

    func layout(of identity: HTTPFile.Identity) -> InstanceLayout? {
        state.withLock { state in
            state.clock += 1
            guard let index = state.entries.index(forKey: identity) else { return nil }
            state.entries.values[index].lastUse = state.clock
            return state.entries.values[index].layout
        }
    }

    func insert(_ layout: InstanceLayout, for identity: HTTPFile.Identity) {
        let cost = layout.cost
        guard cost <= capacity / 2 else { return }
        state.withLock { state in
            state.clock += 1
            if let old = state.entries.updateValue(Entry(layout: layout, lastUse: state.clock), forKey: identity) {
                state.cost -= old.layout.cost
            }
            state.cost += cost
            // The older half goes at once, so that this is seldom and the order need not be kept all the time.
            while state.cost > capacity, state.entries.count > 1 {
                let uses = state.entries.values.map(\.lastUse).sorted()
                let limit = uses[uses.count / 2]
                for (key, entry) in state.entries where entry.lastUse < limit {
                    state.cost -= entry.layout.cost
                    state.entries[key] = nil
                }
            }
        }
    }
}
