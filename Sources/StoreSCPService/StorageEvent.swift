internal import Archive
internal import ArchiveSchema
internal import DICOMCore
internal import Glibc

/// The event of a received instance: a row of `dicom_object_meta` as JSON, keyed by its study.
enum StorageEvent {
    static func make(
        _ dataSet: DataSet, _ provenance: Provenance, fileSize: Int64, problems: inout [ColumnProblem]
    ) throws(ExtractionError) -> Message {
        let context = InstanceContext(
            tenantID: provenance.identity.tenant.value, traceID: provenance.traceID, workerNodeID: provenance.node,
            transferSyntaxUID: provenance.transferSyntaxUID, sopClassUID: provenance.sopClassUID,
            filePath: ArchivePaths.instance(provenance.identity), fileSize: fileSize,
            sourceIP: provenance.peerAddress.isEmpty ? nil : provenance.peerAddress,
            sourceAE: provenance.callingAETitle.isEmpty ? nil : provenance.callingAETitle,
            receivedTime: Timestamp(microsecondsSince1970: provenance.receivedMicroseconds))
        let row = try DicomObjectMetaRow(extracting: dataSet, from: context, problems: &problems)
        var json: [UInt8] = []
        json.reserveCapacity(1024)
        row.encodeJSON(into: &json)
        return Message(key: SeaHash.decimal(provenance.identity.study.value), value: json)
    }

    /// Of a stored file, with nothing known but what it says itself; nil when that is not enough.
    /// Throws when it cannot be read now.
    static func make(_ provenance: Provenance, path: String) throws(FileSystemError) -> Message? {
        let file: DICOMFile
        do { file = try HeaderReader().read(path: path) } catch {
            guard error.code == .unreadable else { return nil }
            throw FileSystemError(operation: "read header", errorNumber: error.systemError)
        }
        var problems: [ColumnProblem] = []
        let size = Int64(file.dataSetOffset) + provenance.dataSetSize
        return try? make(file.dataSet, provenance, fileSize: size, problems: &problems)
    }
}
