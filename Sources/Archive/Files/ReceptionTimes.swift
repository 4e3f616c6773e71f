internal import Synchronization

/// Gives received instances their times, by which one of two data sets of the same UIDs is the newer one.
final class ReceptionTimes: Sendable {
    private let paths: ArchivePaths
    private let fileSystem: any FileSystem
    private let clock: @Sendable () -> Int64
    private let last = Atomic<Int64>(.min)
    /// Times that are ahead of the clock, of instances that may not be under their name yet.
    private let ahead = Mutex<[InstanceIdentity: Int64]>([:])
    private static let limit = 10_000

    init(paths: ArchivePaths, fileSystem: any FileSystem, clock: @escaping @Sendable () -> Int64) {
        self.paths = paths
        self.fileSystem = fileSystem
        self.clock = clock
    }

    /// Notes what an earlier process received by a clock that was ahead, and left in the spool. Of very many files only
    /// the last are looked at, since the start would take long.
    func note(_ spooled: [String]) {
        let now = clock()
        for path in spooled.suffix(Self.limit) {
            guard let provenance = provenance(path), provenance.receivedMicroseconds >= now else { continue }
            ahead.withLock { ahead in
                let known = ahead[provenance.identity] ?? .min
                Self.note(max(known, provenance.receivedMicroseconds), of: provenance.identity, in: &ahead)
            }
        }
    }

    func next(for identity: InstanceIdentity) -> Int64 {
        let now = clock()
        var time = now
        var last = last.load(ordering: .relaxed)
        while true {
            time = max(now, Self.after(last))
            let (exchanged, original) = self.last.compareExchange(expected: last, desired: time, ordering: .relaxed)
            if exchanged { break }
            last = original
        }
        // One that cannot be read now is met again when this one is filed.
        if let stored = provenance(paths.absolute(ArchivePaths.instance(identity))) {
            time = max(time, Self.after(stored.receivedMicroseconds))
        }
        return ahead.withLock { ahead in
            if let pending = ahead[identity] { time = max(time, Self.after(pending)) }
            if time > now { Self.note(time, of: identity, in: &ahead) }
            return time
        }
    }

    private func provenance(_ path: String) -> Provenance? {
        guard let file = try? fileSystem.open(path, forWriting: false) else { return nil }
        return try? Provenance.read(file)?.0
    }

    private static func after(_ time: Int64) -> Int64 { time == .max ? .max : time + 1 }

    private static func note(_ time: Int64, of identity: InstanceIdentity, in ahead: inout [InstanceIdentity: Int64]) {
        if ahead.count >= limit { ahead.removeAll() }
        ahead[identity] = time
    }
}
