import Archive
import ArchiveSchema
import DICOMCore
import Glibc
import ServiceKit

/// What came of a stored file, and which file that was.
struct StoredFileContent {
    var version: FileVersion
    var received: Timestamp
    var outcome: InstanceExtractor.Outcome
}

/// Tells a file from the one that replaces it.
struct FileVersion: Equatable {
    private var device: UInt
    private var inode: UInt
    private var size: Int
    private var changed: Int64

    init?(_ descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        (device, inode, size) = (UInt(status.st_dev), UInt(status.st_ino), Int(status.st_size))
        changed = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    }

    /// Since 1970: when its content last changed.
    var changedMicroseconds: Int64 { changed / 1_000 }
}

extension InstanceExtractor {
    func path(of instance: InstanceIdentity) -> String { paths.absolute(ArchivePaths.instance(instance)) }

    /// Of a stored file, without its event: what it was comes out of the file itself, and what that does not say out of
    /// its name.
    /// - Parameters:
    ///   - since: files that were received before are passed over.
    ///   - node: who received what does not say it.
    /// - Returns: nil when there is no such file, or none that was received since then.
    /// - Throws: `StoreUnavailable` when the file may be readable later.
    func extract(_ identity: InstanceIdentity, since: Timestamp?, node: String) throws(StoreUnavailable)
        -> StoredFileContent?
    {
        // Before the file is opened: rows of one that replaces it later are later.
        let processedTime = Timestamp.now
        do {
            guard let stored = try FileStore(paths: paths).open(identity) else { return nil }
            guard let version = FileVersion(stored.file.descriptor) else { throw StoreUnavailable(errorNumber: errno) }
            let provenance = try stored.provenance()?.0
            let received = Timestamp(
                microsecondsSince1970: provenance?.receivedMicroseconds ?? version.changedMicroseconds)
            if let since, received < since { return nil }
            return StoredFileContent(
                version: version, received: received,
                outcome: try content(of: stored, identity, provenance, received, processedTime, node: node))
        } catch let error as StoreUnavailable { throw error } catch let error as FileSystemError {
            throw StoreUnavailable(errorNumber: error.errorNumber)
        } catch { throw StoreUnavailable(errorNumber: EIO) }
    }

    /// Refusals of instances that were received later, and are stored, as the rows that clear them: the two come by
    /// different roads, so a refusal may be the later one.
    /// - Throws: `StoreUnavailable` when a file may be readable later.
    func overtaken(_ problems: [DicomProblemMetaRow]) throws(StoreUnavailable) -> [DicomProblemMetaRow] {
        var cleared: [DicomProblemMetaRow] = []
        for row in problems where row.severity == ProblemSeverity.refused.rawValue {
            guard row.state == ProblemState.open.rawValue, let instance = row.instance else { continue }
            do {
                guard let stored = try FileStore(paths: paths).open(instance),
                    let received = try stored.provenance()?.0.receivedMicroseconds
                        ?? FileVersion(stored.file.descriptor)?.changedMicroseconds,
                    received > row.updatedTime.microsecondsSince1970
                else { continue }
                // Not now: it may have been refused once more since it was received.
                cleared.append(
                    row.cleared(
                        by: ConsumerProblems.program, version: Program.version,
                        at: Timestamp(microsecondsSince1970: received)))
            } catch { throw StoreUnavailable(errorNumber: error.errorNumber) }
        }
        return cleared
    }

    private func content(
        of stored: StoredFile, _ identity: InstanceIdentity, _ provenance: Provenance?, _ received: Timestamp,
        _ processedTime: Timestamp, node: String
    ) throws(StoreUnavailable) -> Outcome {
        if let provenance, provenance.identity != identity {
            return .refused(reason: "identity_mismatch", detail: "the file says that it is another instance")
        }
        let file: DICOMFile
        do {
            file = try reader.read(descriptor: stored.file.descriptor)
        } catch {
            guard error.code != .unreadable else { throw StoreUnavailable(errorNumber: error.systemError) }
            return .refused(reason: "file_unreadable", detail: "\(error)")
        }
        func known(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
        let context = InstanceContext(
            tenantID: identity.tenant.value,
            traceID: provenance?.traceID ?? "",
            workerNodeID: known(provenance?.node) ?? node,
            transferSyntaxUID: known(provenance?.transferSyntaxUID) ?? file.transferSyntax.uid,
            sopClassUID: known(provenance?.sopClassUID) ?? file.meta?.mediaStorageSOPClassUID ?? "",
            filePath: stored.path, fileSize: stored.size, sourceIP: known(provenance?.peerAddress),
            sourceAE: known(provenance?.callingAETitle), receivedTime: received, processedTime: processedTime)
        do {
            var problems: [ColumnProblem] = []
            let object = try DicomObjectMetaRow(extracting: file.dataSet, from: context, problems: &problems)
            return rows(of: file, identity, object, processedTime: processedTime)
        } catch {
            return .refused(reason: "key_missing", detail: "\(error)")
        }
    }
}
