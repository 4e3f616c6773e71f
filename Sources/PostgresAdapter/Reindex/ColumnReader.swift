public import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary

/// Makes values of columns out of stored metadata, and out of a DICOM file where the metadata lacks one. Used by one
/// thread.
public final class ColumnReader {
    private let metadata: any MetadataStore
    private let store: FileStore
    private let headers = HeaderReader()
    private let instanceTables: [FilledTable]
    private let stateColumns: [ColumnSchema]
    /// The row's columns are searched for, so instances that disagree on them have to be found too.
    private let concernsVariants: Bool
    private let ofInstances: AttributeSelection
    private let ofSeries: AttributeSelection
    private let ofVariants: AttributeSelection
    /// Columns that cannot be NULL, by table: the JSON has to have their attributes.
    private let required: [FilledTable: [ColumnSchema]]
    private let names: Set<String>

    private let batchInstances: Int

    /// - Parameter batchInstances: of one batch, about; a series of very many comes in several.
    public init(
        _ columns: ColumnSelection, metadata: any MetadataStore, store: FileStore, batchInstances: Int = 2_000
    ) {
        self.batchInstances = max(1, batchInstances)
        self.metadata = metadata
        self.store = store
        instanceTables = columns.tables.map(\.table).filter { $0 != .state }
        stateColumns = columns.columns(of: .state)
        concernsVariants = stateColumns.contains(where: \.isSearched)
        func roots(_ columns: [ColumnSchema]) -> [Tag] { columns.compactMap(\.path.first) }
        ofInstances = AttributeSelection(tags: roots(instanceTables.flatMap { columns.columns(of: $0) }))
        ofSeries = AttributeSelection(tags: roots(stateColumns))
        ofVariants = AttributeSelection(tags: roots(FilledTable.state.fillable.filter(\.isSearched)))
        names = Set(columns.names)
        required = Dictionary(
            uniqueKeysWithValues: columns.tables.map { ($0.table, $0.columns.filter { !$0.isNullable }) })
    }

    /// Makes values for these series and hands them on in batches.
    /// - Parameter emit: false ends it.
    /// - Throws: what stands in the way of reading the metadata of a series for now.
    public func read(_ series: [FillSeries], _ emit: (FillBatch) -> Bool) throws {
        var batch = FillBatch()
        for one in series {
            try read(one, &batch, emit)
            batch.position = one.identity
            if batch.instanceCount >= batchInstances {
                guard emit(batch) else { return }
                batch = FillBatch()
            }
        }
        if batch.position != nil { _ = emit(batch) }
    }

    private func read(_ series: FillSeries, _ batch: inout FillBatch, _ emit: (FillBatch) -> Bool) throws {
        let count = max(1, series.instanceCount)
        do {
            guard let snapshot = try metadata.snapshot(of: series.identity) else {
                batch.instanceCount += count
                fail(series, "", "metadata_missing", "the series has no stored metadata", &batch)
                return
            }
            if instanceTables.isEmpty && !concernsVariants {
                // Of the series only the instance that its row shows is looked at.
                batch.instanceCount += count
                var part = FillBatch.Part(series: series)
                if let json = try metadata.instance(series.representative, of: series.identity) {
                    add([.state], ofSeries, series.representative, json.span.bytes, &part, &batch)
                } else {
                    fail(series, series.representative, "metadata_missing", "it has no metadata", &batch)
                }
                batch.parts.append(part)
                return
            }
            try visit(series, snapshot, &batch, emit)
        } catch let error as MetadataStoreError {
            guard !error.isRetriable else { throw error }
            batch.instanceCount += count
            fail(series, "", "metadata_unreadable", "\(error)", &batch)
        }
    }

    private func visit(
        _ series: FillSeries, _ snapshot: any SeriesSnapshot, _ batch: inout FillBatch, _ emit: (FillBatch) -> Bool
    ) throws {
        var part = FillBatch.Part(series: series)
        var current = batch
        defer { batch = current }
        var (first, text): ([UInt8]?, [UInt8]) = (nil, [])
        var disagree = series.hasVariants
        try snapshot.forEachInstance { uid, json in
            current.instanceCount += 1
            if !instanceTables.isEmpty { add(instanceTables, ofInstances, uid, json, &part, &current) }
            if !stateColumns.isEmpty {
                if uid == series.representative { add([.state], ofSeries, uid, json, &part, &current) }
                if concernsVariants, !disagree {
                    // What cannot be compared is looked at closely.
                    let isReadable = (try? ofSeries.text(of: json, into: &text)) != nil
                    disagree = !isReadable || first.map { $0 != text } ?? false
                    if first == nil { first = text }
                }
            }
            // A series of very many instances comes in parts, each on its own.
            if current.instanceCount >= max(1_000, batchInstances * 4) {
                current.parts.append(part)
                part.tuples = [:]
                let isWanted = emit(current)
                current = FillBatch()
                return isWanted
            }
            return true
        }
        if concernsVariants, disagree { part.variants = try variants(of: series, snapshot, &current) }
        current.parts.append(part)
    }

    /// All sets of searched values that instances have and the row has not.
    private func variants(
        of series: FillSeries, _ snapshot: any SeriesSnapshot, _ batch: inout FillBatch
    ) throws -> [UInt8]? {
        var rows: [DicomStateMetaRow] = []
        var own: DicomStateMetaRow?
        var (text, seen): ([UInt8], Set<[UInt8]>) = ([], [])
        try snapshot.forEachInstance { uid, json in
            do {
                try ofVariants.text(of: json, into: &text)
                let isOwn = uid == series.representative
                guard seen.insert(text).inserted || isOwn else { return true }
                var problems: [ColumnProblem] = []
                let dataSet = try dataSet(ofVariants, uid, series.identity, json)
                let row = try DicomStateMetaRow(
                    extracting: dataSet, from: Self.context(series.identity), problems: &problems)
                if isOwn { own = row } else { rows.append(row) }
            } catch { fail(series, uid, "values_unreadable", "\(error)", &batch) }
            return true
        }
        guard let own else { return nil }
        return SeriesVariants(beside: own, rows).tuples
    }

    private func add(
        _ tables: [FilledTable], _ selection: AttributeSelection, _ uid: String, _ json: RawSpan,
        _ part: inout FillBatch.Part, _ batch: inout FillBatch
    ) {
        do {
            var dataSet = try dataSet(selection, uid, part.series.identity, json)
            let isLacking = tables.contains { table in
                required[table]?.contains { dataSet.element($0.path[0]).map { $0.length > 0 } != true } == true
            }
            if isLacking { dataSet = try fileDataSet(uid, part.series.identity) }
            let context = Self.context(part.series.identity)
            var problems: [ColumnProblem] = []
            for table in tables {
                try table.tuple(dataSet, context, problems: &problems, into: &part.tuples[table, default: []])
            }
            for problem in problems where names.contains("\(problem.table).\(problem.column)") {
                batch.problems.append((part.series, uid, problem))
            }
        } catch {
            fail(part.series, uid, "values_unreadable", "\(error)", &batch)
        }
    }

    private func dataSet(
        _ selection: AttributeSelection, _ uid: String, _ series: SeriesIdentity, _ json: RawSpan
    ) throws -> DataSet {
        let found = try? selection.dataSet(of: json, sopInstanceUID: uid, series: series)
        return try found ?? fileDataSet(uid, series)
    }

    /// Of a value that the JSON has not: binary and long, or nothing that JSON can say.
    private func fileDataSet(_ uid: String, _ series: SeriesIdentity) throws -> DataSet {
        guard let tenant = TenantID(series.tenantID), let study = UID(series.studyUID),
            let own = UID(series.seriesUID), let instance = UID(uid)
        else { throw MetadataStoreError(.invalidIdentity) }
        let identity = InstanceIdentity(tenant: tenant, study: study, series: own, instance: instance)
        return try headers.read(path: store.paths.absolute(ArchivePaths.instance(identity))).dataSet
    }

    /// What is no attribute is not written.
    private static func context(_ series: SeriesIdentity) -> InstanceContext {
        InstanceContext(
            tenantID: series.tenantID, traceID: "", workerNodeID: "", transferSyntaxUID: "", sopClassUID: "",
            filePath: "", fileSize: 0, receivedTime: .now)
    }

    private func fail(
        _ series: FillSeries, _ uid: String, _ reason: String, _ detail: String, _ batch: inout FillBatch
    ) {
        batch.failures.append(
            FillBatch.Failure(
                series: series.identity, createdTime: series.createdTime, sopInstanceUID: uid, reason: reason,
                detail: detail))
    }
}
