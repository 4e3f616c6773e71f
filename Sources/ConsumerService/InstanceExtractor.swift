import Archive
import ArchiveSchema
import DICOMCore
import DICOMWeb
import Glibc

/// Everything that one message becomes.
///
/// A class, since it is handed on several times, and each copy of three rows would count the references of all their texts.
final class ExtractedInstance: Sendable {
    let series: SeriesIdentity
    let state: DicomStateMetaRow
    let image: DicomImageMetaRow
    let object: DicomObjectMetaRow
    /// nil where rows of instances are all that is made.
    let metadata: InstanceMetadata?
    let columnProblems: [ColumnProblem]
    /// Those of columns, and what was odd with the file.
    let problems: [DicomProblemMetaRow]

    init(
        series: SeriesIdentity, state: DicomStateMetaRow, image: DicomImageMetaRow, object: DicomObjectMetaRow,
        metadata: InstanceMetadata?, columnProblems: [ColumnProblem], problems: [DicomProblemMetaRow]
    ) {
        self.series = series
        self.state = state
        self.image = image
        self.object = object
        self.metadata = metadata
        self.columnProblems = columnProblems
        self.problems = problems
    }
}

/// Something outside that may pass by itself hinders the work.
struct StoreUnavailable: RetriableError, CustomStringConvertible {
    var errorNumber: Int32
    var isRetriable: Bool { true }
    var description: String { "the store cannot be read: error \(errorNumber)" }
}

/// Reads the header of a message's file and extracts rows and metadata. Used by one thread.
final class InstanceExtractor {
    enum Outcome {
        case extracted(ExtractedInstance)
        /// It can never succeed. Reason and detail as of `DeadLetter`.
        case refused(reason: String, detail: String)
    }

    private let configuration: ConsumerService.Configuration
    private let makesMetadata: Bool
    let paths: ArchivePaths
    let reader = HeaderReader()

    init(_ configuration: ConsumerService.Configuration, makesMetadata: Bool = true) {
        self.configuration = configuration
        self.makesMetadata = makesMetadata
        paths = ArchivePaths(root: configuration.storeRoot)
    }

    /// Whether `dicom_object_meta` has an attribute that neither of the other rows has just so: else what breaks no
    /// column of those breaks none of its.
    private static let hasOwnColumnsOfObjects: Bool = {
        let others = DicomStateMetaRow.table.columns + DicomImageMetaRow.table.columns
        return DicomObjectMetaRow.table.columns.contains { column in
            !column.path.isEmpty && !others.contains { $0.path == column.path && $0.type == column.type }
        }
    }()

    /// - Throws: `StoreUnavailable` when the file may be readable later.
    func extract(_ message: Message) throws(StoreUnavailable) -> Outcome {
        let object: DicomObjectMetaRow
        do {
            object = try DicomObjectMetaRow(json: message.value)
        } catch {
            return .refused(reason: "event_unreadable", detail: "\(error)")
        }
        guard
            let identity = InstanceIdentity(
                tenantID: object.tenantID, studyUID: object.studyUID, seriesUID: object.seriesUID, sopUID: object.sopUID
            )
        else { return .refused(reason: "identity_invalid", detail: "tenant or UIDs cannot be part of a path") }
        // The path follows from the identity; what the event says of it is for people.
        let file: DICOMFile
        do {
            file = try reader.read(path: path(of: identity))
        } catch {
            guard error.code == .unreadable else { return .refused(reason: "file_unreadable", detail: "\(error)") }
            // A store that is not mounted is no reason to give its instances up.
            let isMissing = error.systemError == ENOENT || error.systemError == ENOTDIR
            guard isMissing && access("\(paths.root)/\(identity.tenant.value)", F_OK) == 0 else {
                throw StoreUnavailable(errorNumber: error.systemError)
            }
            return .refused(reason: "file_missing", detail: "there is no file of this instance")
        }

        return rows(of: file, identity, object, processedTime: .now)
    }

    /// Everything that an instance becomes.
    func rows(
        of file: DICOMFile, _ identity: InstanceIdentity, _ object: DicomObjectMetaRow, processedTime: Timestamp
    ) -> Outcome {
        let (tenant, study, series, instance) = (
            identity.tenant, identity.study, identity.series, identity.instance
        )
        let context = InstanceContext(
            tenantID: tenant.value, traceID: object.traceID, workerNodeID: object.workerNodeID,
            transferSyntaxUID: file.transferSyntax.uid, sopClassUID: file.meta?.mediaStorageSOPClassUID ?? "",
            filePath: object.filePath, fileSize: object.fileSize, sourceIP: object.sourceIP, sourceAE: object.sourceAE,
            receivedTime: object.createdTime, processedTime: processedTime)
        var problems: [ColumnProblem] = []
        let state: DicomStateMetaRow
        let image: DicomImageMetaRow
        do {
            state = try DicomStateMetaRow(extracting: file.dataSet, from: context, problems: &problems)
            image = try DicomImageMetaRow(extracting: file.dataSet, from: context, problems: &problems)
            // The row itself came with the event; what broke its columns did not.
            if !problems.isEmpty || Self.hasOwnColumnsOfObjects {
                _ = try DicomObjectMetaRow(extracting: file.dataSet, from: context, problems: &problems)
            }
        } catch {
            return .refused(reason: "key_missing", detail: "\(error)")
        }
        guard state.studyUID == study.value, state.seriesUID == series.value,
            state.representativeSOPUID == instance.value
        else {
            return .refused(reason: "identity_mismatch", detail: "the file holds another instance than its name says")
        }

        let metadata = makesMetadata ? metadata(of: file.dataSet, identity) : nil
        guard metadata != nil || !makesMetadata && MetadataLimits.admit(file.dataSet) else {
            let limit = MetadataLimits.instanceBytes >> 20
            return .refused(
                reason: "metadata_too_long", detail: "more than \(limit) MiB of DICOM JSON before Pixel Data")
        }
        return .extracted(
            ExtractedInstance(
                series: SeriesIdentity(tenantID: tenant.value, studyUID: study.value, seriesUID: series.value),
                state: state, image: image, object: object, metadata: metadata, columnProblems: problems,
                problems: ConsumerProblems.rows(
                    of: file, at: path(of: identity), image, problems, context, node: configuration.node)))
    }

    /// nil when it is too long.
    private func metadata(of dataSet: DataSet, _ identity: InstanceIdentity) -> InstanceMetadata? {
        var json: [UInt8] = []
        let place = "studies/\(identity.study)/series/\(identity.series)/instances/\(identity.instance)"
        var policy = BulkDataPolicy(
            uriPrefix: "\(configuration.bulkDataRoot)/\(place)/bulkdata/", threshold: configuration.bulkDataThreshold)
        let limit = MetadataLimits.instanceBytes
        var isShort = DICOMJSON.encode(dataSet, bulkData: policy, limit: limit, into: &json)
        if !isShort, policy.threshold > MetadataLimits.smallestBulkData {
            policy.threshold = MetadataLimits.smallestBulkData
            isShort = DICOMJSON.encode(dataSet, bulkData: policy, limit: limit, into: &json)
        }
        return isShort ? InstanceMetadata(sopInstanceUID: identity.instance.value, json: json) : nil
    }
}
