internal import ArchiveSchema

/// Goes through the stored instances series by series, by nothing but the folders, in an order that another walk can
/// take up: tenants, the 256 folders of each, studies, series. Memory holds the names of the studies of one such folder,
/// of the series of one study, and of the instances of one series. Used by one thread.
public final class StoreWalk {
    public struct Series: Hashable, Sendable {
        public var tenant: TenantID
        public var study: UID
        public var series: UID
        /// Ascending; never empty.
        public var instances: [UID]

        public var identity: SeriesIdentity {
            SeriesIdentity(tenantID: tenant.value, studyUID: study.value, seriesUID: series.value)
        }
        public var identities: [InstanceIdentity] {
            instances.map { InstanceIdentity(tenant: tenant, study: study, series: series, instance: $0) }
        }
    }

    private struct Shard {
        var tenant: TenantID
        var name: String
        var studyCount: Int
    }

    private let store: FileStore
    private let after: SeriesIdentity?
    private let afterShard: String
    private var shards: ArraySlice<Shard>
    private var shard: Shard?
    private var studies: ArraySlice<UID> = []
    private var study: UID?
    private var series: ArraySlice<UID> = []

    /// Studies in all, and of these the ones that were entered or passed over.
    public let studyCount: Int
    public private(set) var studiesEntered = 0

    /// - Parameters:
    ///   - tenant: only its instances; nil: of all tenants.
    ///   - after: begins behind this series.
    public init(
        _ store: FileStore, tenant: TenantID? = nil, after: SeriesIdentity? = nil
    ) throws(FileSystemError) {
        self.store = store
        self.after = after
        afterShard = after.map { ArchivePaths.shard(of: $0.studyUID) } ?? ""
        var shards: [Shard] = []
        for own in try store.tenants() where tenant == nil || own == tenant {
            for name in try store.names(store.paths.absolute(own.value)).sorted() where name.utf8.count == 2 {
                let count = try store.names(store.paths.absolute("\(own.value)/\(name)")).count
                if count > 0 { shards.append(Shard(tenant: own, name: name, studyCount: count)) }
            }
        }
        studyCount = shards.reduce(0) { $0 + $1.studyCount }
        self.shards = shards[...]
    }

    /// The next series that has instances; nil at the end.
    public func next() throws(FileSystemError) -> Series? {
        while true {
            if let series = series.popFirst() {
                guard let shard, let study else { continue }
                let instances = try store.instances(of: series, study: study, tenant: shard.tenant)
                if instances.isEmpty { continue }
                return Series(tenant: shard.tenant, study: study, series: series, instances: instances)
            }
            if let next = studies.popFirst() {
                study = next
                studiesEntered += 1
                guard let shard else { continue }
                series = try store.series(of: next, tenant: shard.tenant)[...]
                if let after, isBehind(shard) == nil, next.value == after.studyUID {
                    series = series.drop { $0.value <= after.seriesUID }
                }
                continue
            }
            guard let next = shards.popFirst() else { return nil }
            shard = next
            try enter(next)
        }
    }

    private func enter(_ next: Shard) throws(FileSystemError) {
        if isBehind(next) == false {
            studiesEntered += next.studyCount
            return
        }
        let all = try store.names(store.paths.absolute("\(next.tenant.value)/\(next.name)")).compactMap(UID.init)
        let own = all.filter { ArchivePaths.shard(of: $0.value) == next.name }.sorted()[...]
        guard let after, isBehind(next) == nil else {
            studies = own
            return
        }
        studies = own.drop { $0.value < after.studyUID }
        studiesEntered += own.count - studies.count
    }

    /// nil: it is the one to begin in.
    private func isBehind(_ shard: Shard) -> Bool? {
        guard let after else { return true }
        if shard.tenant.value != after.tenantID { return shard.tenant.value > after.tenantID }
        return shard.name == afterShard ? nil : shard.name > afterShard
    }
}
