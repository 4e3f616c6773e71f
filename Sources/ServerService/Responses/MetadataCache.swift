internal import Archive
internal import HTTPServer
import Synchronization

/// The compressed metadata of series sent last, in memory when they are small, else as open files. What is here is good
/// as long as the stamp of its series stands, which is looked at again for every request, but for those that come in a burst.
final class MetadataCache: Sendable {
    /// A request's target, tenant and the origin that may read it: all that its answer depends on, other headers apart.
    struct Key: Hashable {
        let target: String
        let tenant: String
        let origin: String?
        /// Made once, and not while others wait.
        private let hash: Int

        init(target: String, tenant: String, origin: String?) {
            self.target = target
            self.tenant = tenant
            self.origin = origin
            var hasher = Hasher()
            hasher.combine(target)
            hasher.combine(tenant)
            hasher.combine(origin)
            hash = hasher.finalize()
        }

        func hash(into hasher: inout Hasher) { hasher.combine(hash) }
    }

    final class Entry: Sendable {
        let series: SeriesIdentity
        let stamp: SeriesStamp
        let tag: String
        let body: Body
        /// What is answered to one who asks for no more than this, complete; nil of bodies that are not in memory.
        let ready: HTTPResponse?
        fileprivate let checked: Atomic<UInt64>

        enum Body: Sendable {
            case bytes(HTTPSharedBytes)
            case file(HTTPFile, offset: Int, length: Int)
        }

        /// - Parameter finish: adds what all answers of this server have.
        init(
            series: SeriesIdentity, stamp: SeriesStamp, tag: String, file: HTTPFile, offset: Int, length: Int,
            finish: (inout HTTPResponse) -> Void
        ) {
            self.series = series
            self.stamp = stamp
            self.tag = tag
            if length <= Self.inMemory, let bytes = HTTPSharedBytes(file, at: offset, count: length) {
                body = .bytes(bytes)
                var response = HTTPResponse(200, body: .shared(bytes))
                Self.addHeaders(to: &response, tag)
                response.add("Content-Type", literal: "application/dicom+json")
                finish(&response)
                response.prepare()
                ready = response
            } else {
                body = .file(file, offset: offset, length: length)
                ready = nil
            }
            checked = Atomic(Self.now)
        }

        /// Larger bodies are sent from their files.
        private static let inMemory = 262_144
        /// New metadata show after so long at the latest; one second is promised.
        private static let looksEvery: UInt64 = 20_000_000

        private static var now: UInt64 { Clock.nanoseconds() }

        /// Whether the series is as it was.
        fileprivate func isCurrent(_ mayBeRecent: Bool, _ stampNow: (SeriesIdentity) -> SeriesStamp?) -> Bool {
            let now = Self.now
            if mayBeRecent, now &- checked.load(ordering: .relaxed) < Self.looksEvery { return true }
            guard stampNow(series) == stamp else { return false }
            checked.store(now, ordering: .relaxed)
            return true
        }

        var response: HTTPResponse? {
            var response: HTTPResponse
            switch body {
            case .bytes(let bytes): response = HTTPResponse(200, body: .shared(bytes))
            case .file(let file, let offset, let length):
                guard let file = HTTPFile(sharing: file) else { return nil }
                response = HTTPResponse(200, body: .file(file, offset: offset, length: length))
            }
            Self.addHeaders(to: &response, tag)
            return response
        }

        private static func addHeaders(to response: inout HTTPResponse, _ tag: String) {
            response.add("Content-Encoding", literal: "gzip")
            response.add("ETag", tag)
        }
    }

    private struct State {
        var entries: [Key: (entry: Entry, lastUse: UInt64)] = [:]
        var clock: UInt64 = 0
    }

    private let capacity: Int
    private let state = Mutex(State())

    /// - Parameter capacity: series at most: so many open files, or 256 kB each.
    init(capacity: Int) { self.capacity = max(0, capacity) }

    /// - Parameter mayBeRecent: a look some milliseconds ago will do.
    func entry(of key: Key, mayBeRecent: Bool = false, stampNow: (SeriesIdentity) -> SeriesStamp?) -> Entry? {
        let entry = state.withLock { state -> Entry? in
            guard let index = state.entries.index(forKey: key) else { return nil }
            state.clock += 1
            state.entries.values[index].lastUse = state.clock
            return state.entries.values[index].entry
        }
        guard let entry, entry.isCurrent(mayBeRecent, stampNow) else { return nil }
        return entry
    }

    func insert(_ entry: Entry, for key: Key) {
        guard capacity > 0 else { return }
        state.withLock { state in
            state.clock += 1
            state.entries[key] = (entry, state.clock)
            guard state.entries.count > capacity else { return }
            // The older half goes at once, so that this is seldom and the order need not be kept all the time.
            let uses = state.entries.values.map(\.lastUse).sorted()
            let limit = uses[uses.count / 2]
            state.entries = state.entries.filter { $0.value.lastUse >= limit }
        }
    }
}
