import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation
import PostgresAdapter
import PostgresTestSupport

/// A database whose rows lack what the stored metadata and the files have.
final class FillFixture {
    let root = "/tmp/wado-fill-\(UUID().uuidString.prefix(8))"
    let connection: String
    let pool: PostgresPool
    let metadata: FileMetadataStore
    let files: FileStore
    let time = Timestamp(microsecondsSince1970: 1_700_000_000_000_000)

    init() throws {
        for folder in ["json", "store"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(folder)", withIntermediateDirectories: true)
        }
        connection = try TestPostgres.makeArchiveDatabase()
        pool = PostgresPool(connection, limit: 3)
        metadata = FileMetadataStore(root: root + "/json")
        files = FileStore(paths: ArchivePaths(root: root + "/store"))
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func series(_ number: Int) -> SeriesIdentity {
        SeriesIdentity(tenantID: "t1", studyUID: "1.2.\(number % 3)", seriesUID: "1.3.\(number)")
    }

    /// Stores instances as the consumer does, by a program that knows nothing of what `forget` takes out of the rows.
    func ingest(
        _ series: SeriesIdentity, _ instances: [(sop: String, change: (inout DataSetBuilder) -> Void)],
        forget: (inout DicomStateMetaRow, inout DicomImageMetaRow) -> Void
    ) throws {
        var batch = IngestBatch()
        var states: [DicomStateMetaRow] = []
        var update = SeriesMetadataUpdate(series: series, instances: [])
        for (sop, change) in instances {
            var builder = DataSetBuilder()
            builder.set(.sopClassUID, UIDs.ctImageStorage)
            builder.set(.sopInstanceUID, sop)
            builder.set(.studyInstanceUID, series.studyUID)
            builder.set(.seriesInstanceUID, series.seriesUID)
            builder.set(.patientID, "P1")
            builder.set(.modality, "CT")
            change(&builder)
            let dataSet = try builder.dataSet()
            let context = InstanceContext(
                tenantID: series.tenantID, traceID: "", workerNodeID: "", transferSyntaxUID: "1.2", sopClassUID: "",
                filePath: "", fileSize: 1, receivedTime: time, processedTime: time)
            var problems: [ColumnProblem] = []
            var state = try DicomStateMetaRow(extracting: dataSet, from: context, problems: &problems)
            var image = try DicomImageMetaRow(extracting: dataSet, from: context, problems: &problems)
            forget(&state, &image)
            states.append(state)
            batch.logs.images.append(image)
            batch.logs.objects.append(try DicomObjectMetaRow(extracting: dataSet, from: context, problems: &problems))
            var json: [UInt8] = []
            DICOMJSON.encode(dataSet, bulkData: BulkDataPolicy(uriPrefix: "/b/"), into: &json)
            update.instances.append(InstanceMetadata(sopInstanceUID: sop, json: json))
            try put(builder, sop, series)
        }
        let count = try metadata.append([update])[0]
        states.sort { $0.representativeSOPUID < $1.representativeSOPUID }
        batch.series = [SeriesUpdate(state: states[0], variants: Array(states.dropFirst()), instanceCount: count)]
        try PostgresIngestStore(pool: pool).write(batch)
    }

    private func put(_ builder: DataSetBuilder, _ sop: String, _ series: SeriesIdentity) throws {
        guard let tenant = TenantID(series.tenantID), let study = UID(series.studyUID),
            let own = UID(series.seriesUID), let instance = UID(sop)
        else { return }
        let path = files.paths.absolute(
            ArchivePaths.instance(InstanceIdentity(tenant: tenant, study: study, series: own, instance: instance)))
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let meta = FileMeta(
            mediaStorageSOPClassUID: UIDs.ctImageStorage, mediaStorageSOPInstanceUID: sop,
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid)
        let bytes = meta.encoded() + builder.encoded(in: .explicitVRLittleEndian)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    /// Fills these columns of all series, in steps of two.
    @discardableResult
    func fill(
        _ names: [String], filter: ColumnFill.Filter = ColumnFill.Filter()
    ) throws -> (changed: Int, failures: [FillBatch.Failure]) {
        let columns = try ColumnSelection(names)
        let fill = ColumnFill(pool: pool, columns: columns)
        let reader = ColumnReader(columns, metadata: metadata, store: files)
        var (changed, failures, after): (Int, [FillBatch.Failure], SeriesIdentity?) = (0, [], nil)
        while true {
            let series = try fill.series(filter, after: after, limit: 2)
            guard let last = series.last else { return (changed, failures) }
            var batches: [FillBatch] = []
            try reader.read(series) { batch in
                batches.append(batch)
                return true
            }
            for batch in batches {
                failures += batch.failures
                let (more, again) = try fill.write(batch)
                changed += more
                guard again.isEmpty else { throw Unexpected() }
            }
            after = last.identity
        }
    }

    struct Unexpected: Error {}

    /// Rows of one column of text.
    func texts(_ sql: String) throws -> [String] {
        try pool.withConnection { connection throws(PostgresError) in
            let result = try connection.run(sql, operation: "test")
            return (0..<result.rowCount).map { result.string($0, 0) ?? "NULL" }
        }
    }

    func seriesFound(_ query: String) throws -> Int {
        try PostgresSeriesIndex(pool: pool).search(
            QIDOQuery(level: .series, query: query), tenantID: "t1", retrieveRoot: nil
        ).objects.count
    }
}
