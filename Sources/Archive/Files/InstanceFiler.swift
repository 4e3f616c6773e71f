public import ServiceKit
internal import Synchronization

/// Takes spooled instances to their final names and their events to the bus: two threads behind all receivers.
///
/// Filing, for a group of instances: link each to its final name, then one fsync for each folder touched. Publishing,
/// for a group: publish the events, then remove the names in the spool. Either is tried again, with growing pauses,
/// until it succeeds; an instance that fails while others do not waits alone. Only what can be had in memory cheaply is
/// kept there: beyond `Configuration.inMemory` instances the names in the spool are all that is remembered.
public final class InstanceFiler: Sendable {
    private let spool: Spool
    private let paths: ArchivePaths
    private let configuration: Configuration
    private let makeProducer: @Sendable () throws -> any EventProducer
    private let makeEvent: EventMaker
    private let notice: @Sendable (Notice) -> Void
    // Two, so that neither thread is woken by what concerns the other.
    private let toFile = Monitor(Backlog<PendingInstance>())
    private let toPublish = Monitor(Backlog<PendingInstance>())
    private let pendingCount = Atomic<Int>(0)
    /// Microseconds since 1970; 0: the bus takes events, as far as was tried.
    private let failingSince = Atomic<Int64>(0)
    private let hurried = Monitor(false)
    /// Folders of series whose names, and those of the folders above, were synced by this process.
    private let lastingFolders = Mutex<Set<String>>([])
    private let times: ReceptionTimes
    private var fileSystem: any FileSystem { spool.fileSystem }

    /// - Parameters:
    ///   - makeEvent: makes the event of an instance from its file, which is in the spool still.
    ///   - makeProducer: called when the bus is to be connected (again).
    public init(
        spool: Spool, paths: ArchivePaths, configuration: Configuration = Configuration(),
        makeProducer: @escaping @Sendable () throws -> any EventProducer,
        makeEvent: @escaping EventMaker,
        notice: @escaping @Sendable (Notice) -> Void = { _ in }
    ) {
        self.spool = spool
        self.paths = paths
        self.configuration = configuration
        self.makeProducer = makeProducer
        self.makeEvent = makeEvent
        self.notice = notice
        times = ReceptionTimes(paths: paths, fileSystem: spool.fileSystem, clock: configuration.clock)
    }

    /// Instances that are safe and not yet published.
    public var pending: Int { pendingCount.load(ordering: .relaxed) }
    /// Since when the bus takes no events, if that is so: microseconds since 1970 (UTC).
    public var busIsDownSince: Int64? {
        let time = failingSince.load(ordering: .relaxed)
        return time == 0 ? nil : time
    }
    /// False when so many are pending that no more should be taken in.
    public var hasRoom: Bool { pending < configuration.maximumPending }

    /// Takes up what an earlier process left in the spool, and fills the pool. To be called once, first.
    public func recover() throws(FileSystemError) {
        let found = try spool.scan()
        times.note(found.map(spool.path))
        toFile.withLock { backlog in
            for number in found {
                backlog.append(PendingInstance(number: number, instance: nil, isRecovered: true, verdict: nil))
            }
        }
        pendingCount.add(found.count, ordering: .relaxed)
        do { try spool.prepare() } catch {
            // On a full disk what is there can be filed all the same.
            guard error.isOutOfSpace else { throw error }
            notice(.filingFailed(error))
        }
    }

    /// Hands an instance over. Returns at once with nil under the policy `replace`; otherwise waits until it is filed,
    /// since only then is known what became of it, and returns nil only when that took longer than
    /// `timeoutMilliseconds`.
    public func submit(_ instance: SpooledInstance, timeoutMilliseconds: Int = 30_000) -> FilingOutcome? {
        let verdict = configuration.policy == .replace ? nil : Monitor(FilingOutcome?.none)
        pendingCount.add(1, ordering: .relaxed)
        let kept = pending > configuration.inMemory ? nil : instance
        toFile.withLock { $0.append(PendingInstance(number: instance.number, instance: kept, verdict: verdict)) }
        return verdict?.wait(milliseconds: timeoutMilliseconds) { $0 }
    }

    /// The time of an instance that was received just now: the clock's, made later than any that was given before and
    /// than that of the data set stored under the same UIDs. So what is received last stays, also when the clock was
    /// set back, or another node's is ahead of ours. Microseconds since 1970 (UTC).
    public func receptionTime(of identity: InstanceIdentity) -> Int64 { times.next(for: identity) }

    /// Nothing more is about to come: a group that is worth it is filed without waiting for others.
    public func hurry() { hurried.withLock { $0 = true } }

    // MARK: Filing

    /// The filing thread's work, until stopped: what was submitted before is filed then.
    public func runFiling(_ stop: StopToken) {
        var (pause, preparing) = (configuration.backOff, configuration.backOff)
        var nextPreparing = 0
        while true {
            let isStopping = stop.isStopped
            let waiting =
                toFile.wait(milliseconds: isStopping ? 0 : 50) { $0.hasWork(isStopping: isStopping) ? true : nil }
                ?? false
            if !waiting && isStopping { return }
            // Somebody waits for the verdict under the other policies.
            if waiting, configuration.policy == .replace, !isStopping {
                gather(stop)
            }
            let succeeded = fileGroup()
            if MonotonicClock.milliseconds >= nextPreparing {
                do {
                    try spool.prepare()
                    preparing.reset()
                } catch {
                    notice(.filingFailed(error))
                    nextPreparing = MonotonicClock.milliseconds + preparing.next()
                }
            }
            if succeeded { pause.reset() } else if stop.wait(milliseconds: pause.next()) { return }
        }
    }

    /// Waits for the rest of what comes together: a group costs as much as a few instances.
    private func gather(_ stop: StopToken) {
        let deadline = MonotonicClock.milliseconds + max(0, configuration.gatherMilliseconds)
        var count = toFile.withLock { $0.count }
        while count < configuration.groupSize, MonotonicClock.milliseconds < deadline {
            let isHurried = hurried.wait(milliseconds: configuration.quietMilliseconds) { $0 ? true : nil } ?? false
            hurried.withLock { $0 = false }
            let grown = toFile.withLock { $0.count }
            if stop.isStopped || (isHurried ? grown >= Self.worthwhile : grown == count) { return }
            count = grown
        }
    }

    /// A group of so many costs each of them little.
    private static let worthwhile = 8

    private func nextGroup(_ waiting: Monitor<Backlog<PendingInstance>>) -> [PendingInstance] {
        waiting.withLock { backlog in
            backlog.admit(configuration.groupSize, at: MonotonicClock.milliseconds)
            return backlog.take(configuration.groupSize)
        }
    }

    /// Tries these again, each after a pause of its own, while the others go on.
    private func postpone(_ failed: [PendingInstance], in waiting: Monitor<Backlog<PendingInstance>>) {
        if failed.isEmpty { return }
        let now = MonotonicClock.milliseconds
        waiting.withLock { backlog in
            for var pending in failed {
                let pause = min(
                    configuration.minimumPauseMilliseconds << min(Int(pending.failures), 16),
                    configuration.maximumPauseMilliseconds)
                if pending.failures < .max { pending.failures += 1 }
                backlog.postpone(pending, until: now + max(0, pause))
            }
        }
    }

    /// Failing alone, so many instances that failed before do not hold the thread up.
    private static let fewFailed = 16

    /// Files the next group; false when all of it failed, so that the next one is likely to fail too.
    package func fileGroup() -> Bool {
        let group = nextGroup(toFile)
        guard !group.isEmpty else { return true }
        var filed: [(pending: PendingInstance, outcome: FilingOutcome)] = []
        var failed: [PendingInstance] = []
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
            let isNews = failed.count > Self.fewFailed || failed.contains { $0.failures == 0 }
            postpone(failed, in: toFile)
            return failed.count < group.count || !isNews
        }
        return true
    }

    private func finish(_ filed: [(pending: PendingInstance, outcome: FilingOutcome)]) {
        var published: [PendingInstance] = []
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
                pending.failures = 0
                if isMemoryFull { pending.instance = nil }
                backlog.append(pending)
            }
        }
    }

    /// Files one; nil when it was no instance.
    private func file(
        _ pending: inout PendingInstance, touching touch: (String) -> Void
    ) throws(FileSystemError) -> FilingOutcome? {
        let spoolPath = spool.path(pending.number)
        if pending.instance == nil {
            guard let instance = try load(pending) else {
                notice(pending.isRecovered ? .incomplete : .lost(pending.number, nil))
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
                    notice(.lost(pending.number, provenance))
                    drop(pending)
                    return nil
                }
            }
            guard error.isExisting else { throw error }
            return try meet(pending.number, provenance, at: path)
        }
    }

    private func drop(_ pending: PendingInstance) {
        try? fileSystem.remove(spool.path(pending.number))
        pendingCount.subtract(1, ordering: .relaxed)
    }

    /// Reads an instance back; nil when it is gone or not whole.
    private func load(_ pending: PendingInstance) throws(FileSystemError) -> SpooledInstance? {
        let file: any OpenFile
        do { file = try fileSystem.open(spool.path(pending.number), forWriting: false) } catch {
            if error.isNotFound { return nil }
            throw error
        }
        guard let (provenance, offset) = try Provenance.read(file) else { return nil }
        // One that has a second name was found whole, and synced, before it got that name. Another may be whole in
        // memory only: its process was killed before the sync.
        if pending.isRecovered, try file.linkCount() < 2 {
            guard try provenance.describes(file, from: offset) else { return nil }
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
        if try own.identity() == other.identity() { return .stored }
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
        case .keep: return .kept
        case .refuse: return .refused
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
        var pause = configuration.backOff
        while true {
            let isStopping = stop.isStopped
            let waiting =
                toPublish.wait(milliseconds: isStopping ? 0 : 200) { $0.hasWork(isStopping: isStopping) ? true : nil }
                ?? false
            if isStopping && (!waiting || pause.attempts > 0) { return }
            guard waiting else { continue }
            do {
                let connected = try producer ?? makeProducer()
                producer = connected
                try publishGroup(connected)
                pause.reset()
                failingSince.store(0, ordering: .relaxed)
            } catch {
                if busIsDownSince == nil { failingSince.store(configuration.clock(), ordering: .relaxed) }
                notice(.publishingFailed(error))
                producer?.close()
                producer = nil
                stop.wait(milliseconds: pause.next())
            }
        }
    }

    /// Publishes the next group and removes its names from the spool. Throws what the producer throws, and then keeps
    /// the group. What cannot be read back waits alone.
    package func publishGroup(_ producer: any EventProducer) throws {
        let group = nextGroup(toPublish)
        guard !group.isEmpty else { return }
        var ready: [PendingInstance] = []
        ready.reserveCapacity(group.count)
        var failed: [PendingInstance] = []
        var messages: [Message] = []
        messages.reserveCapacity(group.count)
        for var pending in group {
            do throws(FileSystemError) {
                if pending.instance == nil { pending.instance = try load(pending) }
                if var instance = pending.instance {
                    if instance.message == nil {
                        instance.message = try makeEvent(instance.provenance, spool.path(pending.number))
                        pending.instance = instance
                    }
                    if let message = instance.message {
                        messages.append(message)
                    } else {
                        notice(.unpublishable(instance.provenance))
                    }
                } else {
                    notice(.lost(pending.number, nil))
                }
                ready.append(pending)
            } catch {
                notice(.publishingFailed(error))
                // Read anew, so that it is seen when the file is gone.
                pending.instance = nil
                failed.append(pending)
            }
        }
        postpone(failed, in: toPublish)
        do {
            if !messages.isEmpty { try producer.publish(messages, to: .storage) }
        } catch {
            toPublish.withLock { $0.putBack(ready) }
            throw error
        }
        notice(.published(messages.count))
        ready.forEach(drop)
    }
}
