public import Archive
internal import ConsumerService
internal import PostgresAdapter
public import ServiceKit

/// Something that files, index and metadata disagree on.
public struct Difference: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        case fileWithoutRow = "files without rows"
        case fileWithoutMetadata = "files without metadata"
        case wrongCount = "counts that are wrong"
        case metadataUnreadable = "metadata that cannot be read"
        case fileDamaged = "files that are not as they were received"
        case rowWithoutFile = "rows without files"
        case metadataWithoutFile = "metadata without files"

        /// Made anew from the files. What has no file any more stays, since it is all that is left of an instance.
        public var isRepairable: Bool {
            self != .rowWithoutFile && self != .metadataWithoutFile && self != .fileDamaged
        }
    }

    public var kind: Kind
    public var series: SeriesIdentity
    /// The table that is meant; empty for metadata.
    public var table = ""
    /// Instances; of a count, by how many it is wrong.
    public var count: Int
    /// The first one.
    public var example = ""

    /// For people.
    public var description: String {
        let place = "\(series.tenantID)/\(series.studyUID)/\(series.seriesUID)"
        let subject = table.isEmpty ? kind.rawValue : "\(kind.rawValue), \(table)"
        return "\(place): \(subject): \(count)\(example.isEmpty ? "" : ", such as \(example)")"
    }
}

/// Compares the stored files, the index and the metadata with each other, and mends what can be mended without losing
/// anything (`wado reconcile`).
///
/// Every series is looked at once, and those that differ a second time after a while, since instances may be on their
/// way. Memory holds some series at a time, and those that differ.
public struct Reconciliation {
    private let settings: Settings
    private let tenant: TenantID?
    private let repairs: Bool
    private let verifies: Bool
    private let inventory: IndexInventory
    private let pool: PostgresPool
    private let files: FileStore
    private let metadata: FileMetadataStore
    private let folder: DataFolder

    private static let seriesAtOnce = 200
    private static let instancesAtOnce = 5_000
    /// Series that are looked at a second time together.
    private static let doubtfulAtOnce = 10_000

    /// - Parameters:
    ///   - connection: libpq's connection string of the archive's database, which has its schema.
    ///   - verifies: reads every file to its end and compares it with what was received.
    public init(_ settings: Settings, connection: String, tenant: TenantID?, repairs: Bool, verifies: Bool) {
        self.settings = settings
        self.tenant = tenant
        self.repairs = repairs
        self.verifies = verifies
        folder = DataFolder(settings[WadoSettings.data])
        pool = PostgresPool(connection, limit: 2, applicationName: "wado reconcile")
        inventory = IndexInventory(pool: pool, hasLogs: settings[WadoSettings.logs] != "doris")
        files = FileStore(paths: ArchivePaths(root: folder.store))
        metadata = FileMetadataStore(root: folder.json)
    }

    /// How far it is.
    public struct Progress: Sendable {
        public var series = 0
        public var instances = 0
        /// Differences that were found, and those that are mended.
        public var found = 0
        public var repaired = 0
    }

    /// Compares everything.
    /// - Parameters:
    ///   - found: is called for each difference that is there, and left when it was told to repair.
    /// - Throws: `EmptyFolder`, or when files, metadata or database cannot be reached.
    public func run(progress: (Progress) -> Void, found: (Difference) -> Void) throws -> Progress {
        defer { pool.close() }
        try EmptyFolder.check(folder.store, tenant: tenant, inventory)
        // It would all be made anew below the place of the disk that is not mounted.
        if repairs { try EmptyFolder.check(folder.json, tenant: tenant, inventory) }
        var state = Progress()
        var doubtful: [SeriesIdentity] = []
        func look(_ series: [Stock]) throws {
            if series.isEmpty { return }
            state.series += series.count
            state.instances += series.reduce(0) { $0 + $1.files.count }
            doubtful += Set(try compare(series).map(\.series))
            if doubtful.count >= Self.doubtfulAtOnce { try settle(&doubtful, &state, found) }
            progress(state)
        }
        let walk = try StoreWalk(files, tenant: tenant)
        var some: [Stock] = []
        while let series = try walk.next() {
            some.append(Stock(series: series.identity, files: series.instances.map(\.value)))
            guard some.count >= Self.seriesAtOnce || some.reduce(0, { $0 + $1.files.count }) >= Self.instancesAtOnce
            else { continue }
            try look(some)
            some = []
        }
        try look(some)
        // What has no file at all.
        var after: SeriesIdentity?
        while true {
            let known = try inventory.series(tenantID: tenant?.value, after: after, limit: Self.seriesAtOnce)
            guard let last = known.last else { break }
            try look(try known.map(stock).filter(\.files.isEmpty))
            after = last
        }
        try settle(&doubtful, &state, found)
        progress(state)
        return state
    }

    /// A series and the instances that it has files of, ascending.
    private struct Stock {
        var series: SeriesIdentity
        var files: [String]

        var instances: [InstanceIdentity] {
            files.compactMap {
                InstanceIdentity(
                    tenantID: series.tenantID, studyUID: series.studyUID, seriesUID: series.seriesUID, sopUID: $0)
            }
        }
    }

    private func stock(_ series: SeriesIdentity) throws -> Stock {
        guard let tenant = TenantID(series.tenantID), let study = UID(series.studyUID), let uid = UID(series.seriesUID)
        else { return Stock(series: series, files: []) }
        return Stock(
            series: series, files: try files.instances(of: uid, study: study, tenant: tenant).map(\.value))
    }

    /// Looks at what differed once more, mends it, and reports what is left.
    private func settle(
        _ doubtful: inout [SeriesIdentity], _ state: inout Progress, _ found: (Difference) -> Void
    ) throws {
        guard !doubtful.isEmpty else { return }
        StopToken().wait(milliseconds: 2_000)
        let backends = try Backends(settings, connection: pool.connectionString, sessions: 1)
        defer { backends.close() }
        let indexer = FileIndexer(
            ConsumerService.Configuration(settings, folder: folder), store: try backends.ingestStore(),
            metadata: metadata)
        for group in doubtful.chunks(of: Self.seriesAtOnce) {
            let stocks = try group.map(stock)
            var differences = try compare(stocks)
            state.found += differences.count
            if repairs {
                let broken = Set(differences.filter(\.kind.isRepairable).map(\.series))
                for stock in stocks where broken.contains(stock.series) { try repair(stock, indexer, backends) }
                // Listed anew: what came meanwhile has its file.
                let left = try compare(try group.map(stock))
                state.repaired += max(0, differences.count - left.count)
                differences = left
            }
            for difference in differences { found(difference) }
        }
        doubtful = []
    }

    private func repair(_ stock: Stock, _ indexer: FileIndexer, _ backends: Backends) throws {
        _ = try indexer.index(stock.instances)
        let counted = try inventory.setCount(of: stock.series) {
            try metadata.snapshot(of: stock.series)?.instanceCount ?? stock.files.count
        }
        try backends.publish(counted)
    }

    // MARK: Comparing

    private func damaged(_ stock: Stock) throws -> Set<String> {
        var damaged: Set<String> = []
        for instance in stock.instances {
            do throws(FileSystemError) {
                guard let file = try files.open(instance), try !file.isSound(instance) else { continue }
            } catch {
                guard error.isUnreadable else { throw error }
            }
            damaged.insert(instance.instance.value)
        }
        return damaged
    }

    private func compare(_ stocks: [Stock]) throws -> [Difference] {
        let entries = try inventory.entries(of: stocks.map(\.series))
        return try stocks.flatMap { try compare($0, entries[$0.series] ?? IndexInventory.Entry()) }
    }

    private func compare(_ stock: Stock, _ entry: IndexInventory.Entry) throws -> [Difference] {
        var differences: [Difference] = []
        func note(_ kind: Difference.Kind, _ uids: Set<String>, _ table: String = "") {
            guard let example = uids.min() else { return }
            differences.append(
                Difference(kind: kind, series: stock.series, table: table, count: uids.count, example: example))
        }
        if verifies { note(.fileDamaged, try damaged(stock)) }
        let files = Set(stock.files)
        for table in inventory.instanceTables {
            let rows = entry.instances[table] ?? []
            note(.fileWithoutRow, files.subtracting(rows), table)
            note(.rowWithoutFile, rows.subtracting(files), table)
        }
        if entry.instanceCount == nil { note(.fileWithoutRow, files, "dicom_state_meta") }
        let described: Set<String>
        do {
            described = Set(try metadata.snapshot(of: stock.series)?.sopInstanceUIDs() ?? [])
        } catch let error as MetadataStoreError {
            guard !error.isRetriable else { throw error }
            differences.append(Difference(kind: .metadataUnreadable, series: stock.series, count: files.count))
            return differences
        }
        note(.fileWithoutMetadata, files.subtracting(described))
        note(.metadataWithoutFile, described.subtracting(files))
        if let count = entry.instanceCount {
            if files.isEmpty {
                differences.append(
                    Difference(
                        kind: .rowWithoutFile, series: stock.series, table: "dicom_state_meta", count: 1))
            }
            if !described.isEmpty, count != described.count {
                differences.append(
                    Difference(kind: .wrongCount, series: stock.series, count: abs(count - described.count)))
            }
        }
        return differences
    }
}
