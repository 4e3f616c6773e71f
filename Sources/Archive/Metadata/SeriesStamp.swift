import Glibc

/// Tells the metadata of a series from what they were before.
public struct SeriesStamp: Hashable, Sendable {
    /// A file at one moment.
    struct File: Hashable, Sendable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        /// Of its content's last change, since 1970.
        var nanoseconds: Int64

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int64(status.st_size)
            nanoseconds = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        }
    }

    var log: File?
    var compacted: File?

    /// Of a series that has no files.
    public init() {}

    init(log: File?, compacted: File?) {
        self.log = log
        self.compacted = compacted
    }
}

extension MetadataStore {
    public func stamp(of series: SeriesIdentity) -> SeriesStamp? { nil }
}

extension FileMetadataStore {
    public func stamp(of series: SeriesIdentity) -> SeriesStamp? {
        guard let paths = try? paths(series) else { return nil }
        let log = SeriesStamp.File(paths.log)
        return SeriesStamp(log: log, compacted: SeriesStamp.File(paths.compacted))
    }
}
