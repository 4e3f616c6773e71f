import Glibc
import Synchronization

/// Metadata in two files a series, below one folder: `{series}.log`, which the consumer appends to, and
/// `{series}.json.gz`, which the webworker makes of it (docs/architecture.md, Files).
///
/// Writers of a log, and who replaces it, hold its lock (flock), so that processes do not get in each other's way:
/// - An append locks the log, cuts off a torn tail, writes, syncs.
/// - A compaction reads without the lock of the log, writes the new compacted file aside and syncs it. Then it locks the
///   log, renames the compacted file into place, and removes the log, or, when something was appended meanwhile,
///   replaces it with one that has just that. Whoever waited for the lock of the old log finds that its name leads
///   elsewhere now, and opens anew. So no record is ever appended to a file that nobody reads any more.
/// - A crash between these steps leaves records in both files, which is no harm: they are the same.
/// - Readers lock nothing (`FileSeriesSnapshot`).
public final class FileMetadataStore: MetadataStore {
    public let root: String

    /// What a log, together with the compacted file, held when its lock was last let go.
    private struct Known {
        var log: FileKey
        var compacted: FileKey?
        var versions: [String: UInt64]
    }
    private struct FileKey: Equatable {
        var device: UInt
        var inode: UInt
        var size: Int
    }
    private struct Cache {
        var series: [SeriesIdentity: Known] = [:]
        /// Least recently used first.
        var order: [SeriesIdentity] = []
        var instances = 0
    }
    private let cache = Mutex(Cache())
    /// Folders whose names, and the names in them, this process has synced.
    private let lastingFolders = Mutex<Set<String>>([])
    /// Instances remembered, over all series; about 150 bytes each.
    private let cachedInstances: Int
    private let syncFolder: @Sendable (_ path: String) throws(MetadataStoreError) -> Void

    /// - Parameters:
    ///   - root: the folder, which has to be there.
    ///   - cachedInstances: so many instances' UIDs are kept in memory, so that an append need not read the files.
    public convenience init(root: String, cachedInstances: Int = 200_000) {
        self.init(root: root, cachedInstances: cachedInstances) { path throws(MetadataStoreError) in
            try MetadataFile.syncFolder(path)
        }
    }

    /// - Parameter syncFolder: puts the names in a folder on stable storage.
    package init(
        root: String, cachedInstances: Int = 200_000,
        syncFolder: @escaping @Sendable (_ path: String) throws(MetadataStoreError) -> Void
    ) {
        var root = root
        while root.utf8.count > 1 && root.hasSuffix("/") { root.removeLast() }
        self.root = root
        self.cachedInstances = max(0, cachedInstances)
        self.syncFolder = syncFolder
    }

    // MARK: MetadataStore

    public func append(_ updates: [SeriesMetadataUpdate]) throws -> [Int] {
        var counts: [Int] = []
        counts.reserveCapacity(updates.count)
        for update in updates { counts.append(try append(update).count) }
        return counts
    }

    public func snapshot(of series: SeriesIdentity) throws -> (any SeriesSnapshot)? { try open(series) }

    public func instance(_ sopInstanceUID: String, of series: SeriesIdentity) throws -> [UInt8]? {
        try open(series)?.json(of: sopInstanceUID)
    }

    public func compact(_ series: SeriesIdentity) throws -> CompactionResult? {
        let paths = try paths(series)
        // Without the folder there is nothing, and no place for the lock.
        guard access(paths.folder, F_OK) == 0 else { return nil }
        // Two compactions of one series go one after the other.
        guard let (file, _) = try MetadataFile.openLocked(paths.compacted + ".new", create: true) else { return nil }
        // The locks last until the end, not only until their last use.
        defer { withExtendedLifetime(file) {} }
        guard let snapshot = try open(series) else {
            unlink(paths.compacted + ".new")
            return nil
        }
        if snapshot.isCompacted && !snapshot.hasLog {
            unlink(paths.compacted + ".new")
            return CompactionResult(instanceCount: snapshot.instanceCount, didWrite: false)
        }
        let didWrite = !snapshot.isCompacted
        if didWrite {
            try file.truncate(to: 0)
            do {
                let writer = try CompactedSeriesWriter(file)
                try snapshot.forEachVersion { uid, version, json throws(MetadataStoreError) in
                    try writer.add(uid, version: version, json: json)
                }
                try writer.finish()
            } catch {
                // The disk may be full: half of it helps nobody.
                try? file.truncate(to: 0)
                throw error
            }
        }
        let locked = try MetadataFile.openLocked(paths.log, create: false)
        defer { withExtendedLifetime(locked) {} }
        var tail: MetadataFile?
        if let log = locked?.handle {
            let size = try log.size()
            // Another compaction may have replaced the log meanwhile, or an append begun a new one.
            let start = try snapshot.end(in: log)
            if size > start {
                // Also a torn tail may be taken along: the next append cuts it off.
                tail = try copyTail(of: log, from: start, to: size, paths.log + ".new")
            }
        }
        if didWrite {
            guard rename(paths.compacted + ".new", paths.compacted) == 0 else { throw MetadataFile.failure("rename") }
            // The log may go only when the new file is sure to stay.
            try syncFolder(paths.folder)
        } else {
            unlink(paths.compacted + ".new")
        }
        if locked != nil {
            if tail != nil {
                guard rename(paths.log + ".new", paths.log) == 0 else { throw MetadataFile.failure("rename") }
            } else {
                guard unlink(paths.log) == 0 else { throw MetadataFile.failure("remove") }
            }
            try syncFolder(paths.folder)
        }
        return CompactionResult(instanceCount: snapshot.instanceCount, didWrite: didWrite)
    }

    /// Gives a compacted file that cannot be read another name, `.damaged`, so that the series can be made anew from its
    /// DICOM files.
    /// - Returns: false when there is none, or nothing is wrong with it.
    public func putAside(_ series: SeriesIdentity) throws(MetadataStoreError) -> Bool {
        let paths = try paths(series)
        do {
            guard let compacted = try CompactedSeries.open(paths.compacted) else { return false }
            _ = try compacted.contents()
            return false
        } catch {
            guard error.code == .damaged else { throw error }
        }
        guard rename(paths.compacted, paths.compacted + ".damaged") == 0 else { throw MetadataFile.failure("rename") }
        try syncFolder(paths.folder)
        forget(series)
        return true
    }

    // MARK: Parts

    struct Paths {
        var folder: String
        var log: String
        var compacted: String
    }

    func paths(_ series: SeriesIdentity) throws(MetadataStoreError) -> Paths {
        guard let tenant = TenantID(series.tenantID), let study = UID(series.studyUID), let uid = UID(series.seriesUID)
        else { throw MetadataStoreError(.invalidIdentity) }
        let folder = "\(root)/\(ArchivePaths.study(tenant: tenant, study: study))"
        return Paths(
            folder: folder, log: "\(folder)/\(uid.value).log", compacted: "\(folder)/\(uid.value).json.gz")
    }

    private func open(_ series: SeriesIdentity) throws(MetadataStoreError) -> FileSeriesSnapshot? {
        let paths = try paths(series)
        // A log that its writer repairs while we read it is read again.
        for _ in 0..<3 {
            do {
                return try FileSeriesSnapshot.open(logPath: paths.log, compactedPath: paths.compacted)
            } catch {
                if error.code != .file(operation: "read", errno: 0) { throw error }
            }
        }
        return try FileSeriesSnapshot.open(logPath: paths.log, compactedPath: paths.compacted)
    }

    /// Appends what one series does not have just so.
    /// - Returns: the number of distinct SOP Instance UIDs that it now has, and of instances that were added or changed.
    package func append(_ update: SeriesMetadataUpdate) throws(MetadataStoreError) -> (count: Int, changed: Int) {
        let paths = try paths(update.series)
        for instance in update.instances {
            guard UID(instance.sopInstanceUID) != nil else { throw MetadataStoreError(.invalidIdentity) }
            guard (1...MetadataLimits.instanceBytes).contains(instance.json.count) else {
                throw MetadataStoreError(.invalidLength)
            }
        }
        var opened: (handle: MetadataFile, isNew: Bool)?
        do {
            opened = try MetadataFile.openLocked(paths.log, create: true)
        } catch {
            guard error.code == .file(operation: "open", errno: ENOENT) else { throw error }
            try MetadataFile.makeFolders(paths.folder, below: root)
            opened = try MetadataFile.openLocked(paths.log, create: true)
        }
        guard let (log, isNew) = opened else { throw MetadataStoreError(.file(operation: "open", errno: ENOENT)) }
        defer { withExtendedLifetime(log) {} }
        var size = try log.size()
        var versions: [String: UInt64]
        if let known = known(update.series, log: try key(log), compacted: key(paths.compacted)) {
            versions = known
        } else {
            // The lock is ours, so what comes behind the last good record is a torn tail.
            guard let snapshot = try FileSeriesSnapshot.open(logPath: paths.log, compactedPath: paths.compacted) else {
                try log.truncate(to: 0)
                return try write(update, to: log, at: 0, isNew: isNew, [:], paths)
            }
            versions = try snapshot.versions()
            if snapshot.logEnd < size {
                try log.truncate(to: snapshot.logEnd)
                size = snapshot.logEnd
            }
        }
        return try write(update, to: log, at: size, isNew: isNew, consume versions, paths)
    }

    /// Appends what is new; `versions` is what the series has so far.
    private func write(
        _ update: SeriesMetadataUpdate, to log: MetadataFile, at size: Int, isNew: Bool,
        _ known: consuming [String: UInt64], _ paths: Paths
    ) throws(MetadataStoreError) -> (count: Int, changed: Int) {
        // The only reference, so that a large one is not copied for every append.
        var versions = consume known
        var records: [UInt8] = []
        var changed = 0
        for instance in update.instances {
            let version = SeriesLog.version(of: instance.json)
            if versions[instance.sopInstanceUID] == version { continue }
            SeriesLog.append(instance, version: version, to: &records)
            versions[instance.sopInstanceUID] = version
            changed += 1
        }
        do {
            if !records.isEmpty { try log.write(records, at: size) }
            // Also without new records: an earlier call may have written them and failed to sync.
            try log.sync()
        } catch {
            forget(update.series)
            _ = try? log.truncate(to: size)
            throw error
        }
        // The name may be new to the disk, also when an earlier call made it and then failed, or another process made it,
        // or a folder above, and was killed: only a sync of our own tells.
        do {
            let isLasting = try settle(paths.folder)
            if isLasting, isNew || size == 0 { try syncFolder(paths.folder) }
        } catch {
            lastingFolders.withLock { _ = $0.remove(paths.folder) }
            throw error
        }
        let count = versions.count
        remember(update.series, Known(log: try key(log), compacted: key(paths.compacted), versions: versions))
        return (count, changed)
    }

    /// Puts the names in a folder, its own, and those of the folders above it, on stable storage, when this process has
    /// not done so before.
    /// - Returns: true when it had.
    private func settle(_ folder: String) throws(MetadataStoreError) -> Bool {
        if lastingFolders.withLock({ $0.contains(folder) }) { return true }
        try syncFolder(folder)
        if folder.utf8.count > root.utf8.count {
            // The parent's names include this one, so it is synced even when it is known.
            let parent = MetadataFile.parent(of: folder)
            if try settle(parent) { try syncFolder(parent) }
        }
        lastingFolders.withLock { known in
            if known.count >= 10_000 { known.removeAll() }
            known.insert(folder)
        }
        return false
    }

    private func copyTail(
        of log: MetadataFile, from start: Int, to end: Int, _ path: String
    ) throws(MetadataStoreError) -> MetadataFile? {
        unlink(path)
        guard let (new, _) = try MetadataFile.openLocked(path, create: true) else { return nil }
        var position = start
        while position < end {
            let bytes = try log.read(at: position, count: min(1 << 20, end - position))
            if bytes.isEmpty { break }
            try new.write(bytes, at: position - start)
            position += bytes.count
        }
        try new.sync()
        return new
    }

    // MARK: What is known of the files

    private func key(_ file: MetadataFile) throws(MetadataStoreError) -> FileKey {
        let status = try file.status()
        return FileKey(device: UInt(status.st_dev), inode: UInt(status.st_ino), size: Int(status.st_size))
    }

    private func key(_ path: String) -> FileKey? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        return FileKey(device: UInt(status.st_dev), inode: UInt(status.st_ino), size: Int(status.st_size))
    }

    /// The series' instances, if nobody else has touched its files since.
    private func known(_ series: SeriesIdentity, log: FileKey, compacted: FileKey?) -> [String: UInt64]? {
        cache.withLock { cache in
            // Taken out, so that it is the only reference while it grows.
            guard let known = cache.series.removeValue(forKey: series) else { return nil }
            cache.instances -= known.versions.count
            cache.order.removeAll { $0 == series }
            return known.log == log && known.compacted == compacted ? known.versions : nil
        }
    }

    private func remember(_ series: SeriesIdentity, _ known: Known) {
        guard known.versions.count <= cachedInstances else { return }
        cache.withLock { cache in
            if let old = cache.series.updateValue(known, forKey: series) {
                cache.instances -= old.versions.count
                cache.order.removeAll { $0 == series }
            }
            cache.instances += known.versions.count
            cache.order.append(series)
            while cache.instances > cachedInstances || cache.order.count > 1_024, let oldest = cache.order.first {
                cache.order.removeFirst()
                if let gone = cache.series.removeValue(forKey: oldest) { cache.instances -= gone.versions.count }
            }
        }
    }

    private func forget(_ series: SeriesIdentity) {
        _ = known(series, log: FileKey(device: 0, inode: 0, size: -1), compacted: nil)
    }
}
