public import ServiceKit
internal import Synchronization

/// What to do with a data set that differs from the one stored under the same UIDs.
public enum DuplicatePolicy: String, CaseIterable, Sendable {
    /// The first one stays; the sender is told success, since its instance is in the archive.
    case keep
    /// The one received last takes its place, atomically.
    case replace
    /// The first one stays; the sender is told.
    case refuse
}

/// What became of a spooled instance.
public enum FilingOutcome: Hashable, Sendable {
    /// Under its final name.
    case stored
    /// In place of an older data set.
    case replaced
    /// The same data set was there already.
    case duplicate
    /// A different one was there and stays (`keep`), or was received later (`replace`).
    case kept
    /// A different one was there and stays (`refuse`).
    case refused
}

/// Takes spooled instances to their final names and their events to the bus: two threads behind all receivers.
///
/// Filing, for a group of instances: link each to its final name, then one fsync for each folder touched. Publishing,
/// for a group: publish the events, then remove the names in the spool. Either is tried again, with growing pauses,
/// until it succeeds. Only what can be had in memory cheaply is kept there: beyond `Configuration.inMemory` instances
/// the names in the spool are all that is remembered.
public final class InstanceFiler: Sendable {
    public struct Configuration: Sendable {
        public var policy = DuplicatePolicy.replace
        /// How long the first instance of a group waits for others. Longer groups cost fewer syncs, and delay events.
        public var gatherMilliseconds = 50
        public var groupSize = 256
        /// Instances waiting, beyond which `hasRoom` is false.
        public var maximumPending = 1_000_000
        /// Instances of which more than the number is kept in memory.
        public var inMemory = 2_000
        public var minimumPauseMilliseconds = 100
        public var maximumPauseMilliseconds = 5_000

        public init() {}
    }

    /// What happens, for metrics and logs.
    public enum Notice: Sendable {
        case filed(FilingOutcome, Provenance)
        case published(Int)
        /// The folder or the bus refused; it is tried again.
        case filingFailed(FileSystemError)
        case publishingFailed(any Error)
        /// A file in the spool that never was acknowledged: removed.
        case incomplete
        /// Somebody removed a file from the spool.
        case lost(Provenance)
        /// No event can be made of this instance, which is filed.
        case unpublishable(Provenance)
    }

    /// By reference, so that a million pending instances that are not in memory take little.
    private final class Loaded: Sendable {
        let instance: SpooledInstance
        init(_ instance: SpooledInstance) { self.instance = instance }
    }

    private struct Pending: Sendable {
        var number: UInt64
        /// nil: to be read from the spool.
        private var loaded: Loaded?
        /// Found at the start: not known to be whole.
        var isRecovered = false
        var verdict: Monitor<FilingOutcome?>?

        init(number: UInt64, instance: SpooledInstance?, isRecovered: Bool = false, verdict: Monitor<FilingOutcome?>?) {
            self.number = number
            loaded = instance.map(Loaded.init)
            self.isRecovered = isRecovered
            self.verdict = verdict
        }

        var instance: SpooledInstance? {
            get { loaded?.instance }
            set { loaded = newValue.map(Loaded.init) }
        }
    }

    private let spool: Spool
    private let paths: ArchivePaths
    private let configuration: Configuration
    private let makeProducer: @Sendable () throws -> any EventProducer
    private let makeEvent: @Sendable (_ provenance: Provenance, _ path: String) -> Message?
    private let notice: @Sendable (Notice) -> Void
    // Two, so that neither thread is woken by what concerns the other.
    private let toFile = Monitor(Backlog<Pending>())
    private let toPublish = Monitor(Backlog<Pending>())
    private let pendingCount = Atomic<Int>(0)
    /// Folders of series whose names, and those of the folders above, were synced by this process.
    private let lastingFolders = Mutex<Set<String>>([])
    private var fileSystem: any FileSystem { spool.fileSystem }

    /// - Parameters:
    ///   - makeEvent: makes the event of an instance from its file; nil when that cannot be done.
    ///   - makeProducer: called when the bus is to be connected (again).
    public init(
        spool: Spool, paths: ArchivePaths, configuration: Configuration = Configuration(),
        makeProducer: @escaping @Sendable () throws -> any EventProducer,
        makeEvent: @escaping @Sendable (_ provenance: Provenance, _ path: String) -> Message?,
        notice: @escaping @Sendable (Notice) -> Void = { _ in }
    ) {
        self.spool = spool
        self.paths = paths
        self.configuration = configuration
        self.makeProducer = makeProducer
        self.makeEvent = makeEvent
        self.notice = notice
    }

    /// Instances that are safe and not yet published.
    public var pending: Int { pendingCount.load(ordering: .relaxed) }
    /// False when so many are pending that no more should be taken in.
    public var hasRoom: Bool { pending < configuration.maximumPending }

    /// Takes up what an earlier process left in the spool, and fills the pool. To be called once, first.
    public func recover() throws(FileSystemError) {
        let found = try spool.scan()
        toFile.withLock { backlog in
            for number in found {
                backlog.append(Pending(number: number, instance: nil, isRecovered: true, verdict: nil))
            }
        }
        pendingCount.add(found.count, ordering: .relaxed)
        try spool.prepare()
    }

    /// Hands an instance over. Returns at once with nil under the policy `replace`; otherwise waits until it is filed,
    /// since only then is known what became of it, and returns nil only when that took longer than
    /// `timeoutMilliseconds`.
    public func submit(_ instance: SpooledInstance, timeoutMilliseconds: Int = 30_000) -> FilingOutcome? {
        let verdict = configuration.policy == .replace ? nil : Monitor(FilingOutcome?.none)
        pendingCount.add(1, ordering: .relaxed)
        let kept = pending > configuration.inMemory ? nil : instance
        toFile.withLock { $0.append(Pending(number: instance.number, instance: kept, verdict: verdict)) }
        return verdict?.wait(milliseconds: timeoutMilliseconds) { $0 }
    }

    // MARK: Filing

    /// The filing thread's work, until stopped: what was submitted before is filed then.
    public func runFiling(_ stop: StopToken) {
        var pause = 0
        while true {
            let isStopping = stop.isStopped
            let waiting = toFile.wait(milliseconds: isStopping ? 0 : 50) { $0.isEmpty ? nil : true } ?? false
            if !waiting && isStopping { return }
            // Somebody waits for the verdict under the other policies.
            if waiting, configuration.policy == .replace, !isStopping {
                stop.wait(milliseconds: configuration.gatherMilliseconds)
            }
            let succeeded = fileGroup()
            do { try spool.prepare() } catch { notice(.filingFailed(error)) }
            pause = succeeded ? 0 : nextPause(pause)
            if pause > 0 && stop.wait(milliseconds: pause) { return }
        }
    }

    private func nextPause(_ pause: Int) -> Int {
        min(max(configuration.minimumPauseMilliseconds, pause * 2), configuration.maximumPauseMilliseconds)
    }

    /// Files the next group; false when part of it has to be tried again.
    package func fileGroup() -> Bool {
        let group = toFile.withLock { $0.take(configuration.groupSize) }
        guard !group.isEmpty else { return true }
        var filed: [(pending: Pending, outcome: FilingOutcome)] = []
        var failed: [Pending] = []
        var failure: FileSystemError?
        var folders: Set<String> = []
        var order: [String] = []
        for var pending in group {
            do {
                guard
                    let outcome = try file(&pending, touching: { if folders.insert($0).inserted { order.append($0) } })
                else { continue }
                filed.append((pending, outcome))
            } catch {
                failure = error
                failed.append(pending)
            }
        }
        for folder in order {
            do { try fileSystem.synchronizeFolder(folder) } catch {
                // The names may be lost: the whole group goes the same way again.
                failure = error
                failed = filed.map(\.pending) + failed
                filed = []
                break
            }
        }
        if failure == nil || !filed.isEmpty {
            lastingFolders.withLock { known in
                if known.count > 10_000 { known.removeAll() }
                known.formUnion(order)
            }
        }
        finish(filed)
        if let failure {
            notice(.filingFailed(failure))
            // Behind the others: what cannot be filed for a long time is no reason for them to wait.
            toFile.withLock { backlog in for pending in failed { backlog.append(pending) } }
            return false
        }
        return true
    }

    private func finish(_ filed: [(pending: Pending, outcome: FilingOutcome)]) {
        var published: [Pending] = []
        for (var pending, outcome) in filed {
            if let provenance = pending.instance?.provenance { notice(.filed(outcome, provenance)) }
            switch outcome {
            case .stored, .replaced:
                let verdict = pending.verdict
                pending.verdict = nil
                published.append(pending)
                verdict?.withLock { $0 = outcome }
            case .duplicate, .kept, .refused:
                // The one that is stored has, or had, its own pending event. Another name of it goes away first, so
                // that it cannot come up again after the answer.
                drop(pending)
                pending.verdict?.withLock { $0 = outcome }
            }
        }
        guard !published.isEmpty else { return }
        let isMemoryFull = self.pending > configuration.inMemory
        toPublish.withLock { backlog in
            for var pending in published {
                if isMemoryFull { pending.instance = nil }
                backlog.append(pending)
            }
        }
    }

    /// Files one; nil when it was no instance.
    private func file(
        _ pending: inout Pending, touching touch: (String) -> Void
    ) throws(FileSystemError) -> FilingOutcome? {
        let spoolPath = spool.path(pending.number)
        if pending.instance == nil {
            guard let instance = try load(pending) else {
                notice(.incomplete)
                drop(pending)
                return nil
            }
            pending.instance = instance
        }
        guard let provenance = pending.instance?.provenance else { return nil }
        let identity = provenance.identity
        let folder = paths.absolute(
            ArchivePaths.series(tenant: identity.tenant, study: identity.study, series: identity.series))
        let path = "\(folder)/\(identity.instance.value).dcm"
        if !lastingFolders.withLock({ $0.contains(folder) }) {
            // Also a folder that is there may have been made a moment ago, by a process that then was killed: only a
            // sync of our own makes sure that its name, and those above, will stay.
            try fileSystem.makeFolders(folder)
            var parent = PosixFileSystem.parent(of: folder)
            while let ancestor = parent, ancestor.utf8.count >= paths.root.utf8.count {
                touch(ancestor)
                parent = PosixFileSystem.parent(of: ancestor)
            }
        }
        touch(folder)
        do {
            try fileSystem.link(spoolPath, to: path)
            return .stored
        } catch {
            if error.isNotFound {
                // Somebody took the folder away, or the file in the spool.
                lastingFolders.withLock { _ = $0.remove(folder) }
                do { _ = try fileSystem.open(spoolPath, forWriting: false) } catch {
                    guard error.isNotFound else { throw error }
                    notice(.lost(provenance))
                    drop(pending)
                    return nil
                }
            }
            guard error.isExisting else { throw error }
            return try meet(pending.number, provenance, at: path)
        }
    }

    private func drop(_ pending: Pending) {
        try? fileSystem.remove(spool.path(pending.number))
        pendingCount.subtract(1, ordering: .relaxed)
    }

    /// Reads an instance back; nil when it is gone or not whole.
    private func load(_ pending: Pending) throws(FileSystemError) -> SpooledInstance? {
        let file: any OpenFile
        do { file = try fileSystem.open(spool.path(pending.number), forWriting: false) } catch {
            if error.isNotFound { return nil }
            throw error
        }
        guard let (provenance, offset) = try Provenance.read(file) else { return nil }
        // One that has a second name was found whole, and synced, before it got that name. Another may be whole in
        // memory only: its process was killed before the sync.
        if pending.isRecovered, try file.linkCount() < 2 {
            guard try file.size() == offset + provenance.dataSetSize else { return nil }
            guard try DataSetComparison.crc32(of: file, from: offset) == provenance.dataSetCRC32 else { return nil }
            try file.synchronize()
        }
        return SpooledInstance(number: pending.number, provenance: provenance)
    }

    /// There is an instance of these UIDs already.
    private func meet(
        _ number: UInt64, _ provenance: Provenance, at path: String
    ) throws(FileSystemError) -> FilingOutcome {
        let spoolPath = spool.path(number)
        let own = try fileSystem.open(spoolPath, forWriting: false)
        let other = try fileSystem.open(path, forWriting: false)
        // A name given before a crash, or in an attempt whose sync failed.
        if try own.identity() == other.identity() {
            return .stored
        }
        let existing = try Provenance.read(other)
        if let existing, existing.0.dataSetSize == provenance.dataSetSize,
            existing.0.dataSetCRC32 == provenance.dataSetCRC32,
            existing.0.transferSyntaxUID == provenance.transferSyntaxUID,
            let ownOffset = try Provenance.read(own)?.dataSetOffset,
            try DataSetComparison.areEqual(
                own, from: ownOffset, other, from: existing.dataSetOffset, size: provenance.dataSetSize)
        {
            return .duplicate
        }
        switch configuration.policy {
        case .keep:
            return .kept
        case .refuse:
            return .refused
        case .replace: break
        }
        if let existing, existing.0.isLater(than: provenance) {
            return .kept
        }
        let replacing = spool.replacingPath(number)
        do { try fileSystem.remove(replacing) } catch { if !error.isNotFound { throw error } }
        try fileSystem.link(spoolPath, to: replacing)
        try fileSystem.rename(replacing, to: path)
        return .replaced
    }

    // MARK: Publishing

    /// The publishing thread's work, until stopped; what is left then is published after the next start.
    public func runPublishing(_ stop: StopToken) {
        var producer: (any EventProducer)?
        defer { producer?.close() }
        var pause = 0
        while true {
            let isStopping = stop.isStopped
            let waiting = toPublish.wait(milliseconds: isStopping ? 0 : 200) { $0.isEmpty ? nil : true } ?? false
            if isStopping && (!waiting || pause > 0) { return }
            guard waiting else { continue }
            do {
                let connected = try producer ?? makeProducer()
                producer = connected
                try publishGroup(connected)
                pause = 0
            } catch {
                notice(.publishingFailed(error))
                producer?.close()
                producer = nil
                pause = nextPause(pause)
                stop.wait(milliseconds: pause)
            }
        }
    }

    /// Publishes the next group and removes its names from the spool. Throws what the producer throws, and then keeps
    /// the group.
    package func publishGroup(_ producer: any EventProducer) throws {
        var group = toPublish.withLock { $0.take(configuration.groupSize) }
        guard !group.isEmpty else { return }
        do {
            var messages: [Message] = []
            messages.reserveCapacity(group.count)
            for index in group.indices {
                if group[index].instance == nil { group[index].instance = try load(group[index]) }
                guard var instance = group[index].instance else { continue }
                if instance.message == nil {
                    instance.message = makeEvent(
                        instance.provenance, paths.absolute(ArchivePaths.instance(instance.provenance.identity)))
                    group[index].instance = instance
                }
                if let message = instance.message {
                    messages.append(message)
                } else {
                    notice(.unpublishable(instance.provenance))
                }
            }
            if !messages.isEmpty { try producer.publish(messages, to: .storage) }
            notice(.published(messages.count))
        } catch {
            toPublish.withLock { $0.putBack(group) }
            throw error
        }
        group.forEach(drop)
    }
}

/// A queue that can take elements back in front.
struct Backlog<Element: Sendable>: Sendable {
    private var front: [Element] = []
    private var elements: [Element] = []
    private var head = 0

    var count: Int { front.count + elements.count - head }
    var isEmpty: Bool { count == 0 }

    mutating func append(_ element: Element) { elements.append(element) }

    /// In their order, before all others.
    mutating func putBack(_ taken: [Element]) { front = taken + front }

    mutating func take(_ limit: Int) -> [Element] {
        var taken = Array(front.prefix(limit))
        front.removeFirst(taken.count)
        let more = min(limit - taken.count, elements.count - head)
        taken += elements[head..<head + more]
        head += more
        if head == elements.count {
            elements.removeAll(keepingCapacity: head <= 4096)
            head = 0
        } else if head > 4096, head * 2 > elements.count {
            elements.removeFirst(head)
            head = 0
        }
        return taken
    }
}
