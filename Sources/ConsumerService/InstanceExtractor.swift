import Archive
import ArchiveSchema
import DICOMCore
import DICOMWeb
import Glibc

/// Everything that one message becomes.
struct ExtractedInstance {
    var series: SeriesIdentity
    var state: DicomStateMetaRow
    var image: DicomImageMetaRow
    var object: DicomObjectMetaRow
    var metadata: InstanceMetadata
    var columnProblems: [ColumnProblem]
    /// Those of columns, and what was odd with the file.
    var problems: [DicomProblemMetaRow]
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
    let paths: ArchivePaths
    let reader = HeaderReader()

    init(_ configuration: ConsumerService.Configuration) {
        self.configuration = configuration
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

        var json: [UInt8] = []
        var policy = BulkDataPolicy(
            uriPrefix:
                "\(configuration.bulkDataRoot)/studies/\(study)/series/\(series)/instances/\(instance)/bulkdata/",
            threshold: configuration.bulkDataThreshold)
        let limit = MetadataLimits.instanceBytes
        var isShort = DICOMJSON.encode(file.dataSet, bulkData: policy, limit: limit, into: &json)
        if !isShort, policy.threshold > MetadataLimits.smallestBulkData {
            policy.threshold = MetadataLimits.smallestBulkData
            isShort = DICOMJSON.encode(file.dataSet, bulkData: policy, limit: limit, into: &json)
        }
        guard isShort else {
            return .refused(
                reason: "metadata_too_long", detail: "more than \(limit >> 20) MiB of DICOM JSON before Pixel Data")
        }
        return .extracted(
            ExtractedInstance(
                series: SeriesIdentity(tenantID: tenant.value, studyUID: study.value, seriesUID: series.value),
                state: state, image: image, object: object,
                metadata: InstanceMetadata(sopInstanceUID: instance.value, json: json),
                columnProblems: problems,
                problems: ConsumerProblems.rows(
                    of: file, at: path(of: identity), image, problems, context, node: configuration.node)))
    }
}
