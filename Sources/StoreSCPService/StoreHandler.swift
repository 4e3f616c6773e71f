internal import Archive
internal import ArchiveSchema
internal import DICOMCore
internal import DICOMDictionary
internal import DICOMNetwork
internal import Glibc
internal import ServiceKit
internal import Synchronization

/// The C-STORE operations of one association (PS3.4 B.2).
final class StoreHandler: AssociationHandler {
    private let shared: StoreSCPShared
    private let association: NegotiatedAssociation
    private let peer: String
    private let reader = HeaderReader()
    private var operation: Operation?
    /// Of an operation that was refused at its command: its data set still comes, and says which study it was.
    private var refused: Refused?
    /// What is known of the instance under way, should it be refused.
    private var seen = Seen()

    private struct Seen {
        var tenant: TenantID?
        var study: UID?
        var series: UID?
        var instance: UID?
    }

    private struct Refused {
        let refusal: Refusal
        let transferSyntax: String
        /// The first bytes of its data set.
        var head: [UInt8] = []
    }

    /// Bytes in which the UIDs of an instance that is refused are looked for.
    private static let headBytes = 1 << 16

    private struct Operation {
        let writer: SpoolWriter
        let tenant: TenantID
        let instanceUID: UID
        let sopClassUID: String
        let transferSyntax: String
        let provisionalHeader: [UInt8]
        let began: Double
    }

    init(shared: StoreSCPShared, association: NegotiatedAssociation, peer: String) {
        self.shared = shared
        self.association = association
        self.peer = peer
        shared.associations.add(1, ordering: .relaxed)
    }

    func storeBegins(_ command: CommandSet, context: NegotiatedContext) -> DIMSEStatus? {
        do {
            operation = try begin(command, context)
        } catch {
            refused = Refused(refusal: error, transferSyntax: context.transferSyntax)
        }
        return nil
    }

    private func begin(_ command: CommandSet, _ context: NegotiatedContext) throws(Refusal) -> Operation {
        look(at: command)
        guard let tenant = seen.tenant else { throw Refusal(.tenantNotAdmitted, "tenant not admitted") }
        guard let instanceUID = seen.instance else {
            throw Refusal(.invalidInstanceUID, "Affected SOP Instance UID missing or invalid")
        }
        guard shared.filer.hasRoom else { throw Refusal(.tooManyPending, "too many instances pending") }
        guard shared.hasDiskSpace else { throw Refusal(.diskFull, "not enough disk space") }
        let header = Provenance.provisionalHeader(
            sopClassUID: context.abstractSyntax, instanceUID: instanceUID, transferSyntaxUID: context.transferSyntax,
            callingAETitle: association.callingAETitle, calledAETitle: association.calledAETitle)
        do {
            return Operation(
                writer: try shared.spool.begin(headerLength: header.count), tenant: tenant, instanceUID: instanceUID,
                sopClassUID: context.abstractSyntax, transferSyntax: context.transferSyntax,
                provisionalHeader: header, began: MonotonicClock.seconds)
        } catch { throw refusal(of: error) }
    }

    private func look(at command: CommandSet) {
        seen = Seen(
            tenant: shared.tenantRule.tenant(
                command, calling: association.callingAETitle, called: association.calledAETitle),
            instance: command[text: Command.affectedSOPInstanceUID].flatMap(UID.init))
    }

    func storeRefused(_ command: CommandSet, context: NegotiatedContext, status: DIMSEStatus) {
        look(at: command)
        let rule = status.code == DIMSEStatus.sopClassNotSupported ? Refusal.Rule.classNotInContext : .noDataSet
        _ = refuse(Refusal(rule, status.comment ?? ""))
    }

    func storeRoom(_ count: Int) -> UnsafeMutableRawBufferPointer? { operation?.writer.room(count) }

    func storeReceives(_ bytes: UnsafeRawBufferPointer) -> DIMSEStatus? {
        if let refused {
            self.refused?.head += bytes.prefix(max(0, Self.headBytes - refused.head.count))
            return nil
        }
        guard let writer = operation?.writer else { return DIMSEStatus(DIMSEStatus.processingFailure) }
        do throws(FileSystemError) {
            let limit = shared.configuration.maximumInstanceBytes
            if limit > 0, writer.dataSetSize + Int64(bytes.count) > limit {
                return refuse(Refusal(.tooLarge, "instance larger than the limit"), operation, at: bytes)
            }
            try writer.append(bytes)
            return nil
        } catch {
            return refuse(refusal(of: error), operation, at: bytes)
        }
    }

    func storeEnds() -> DIMSEStatus {
        if let status = endRefused() { return status }
        guard let operation else { return DIMSEStatus(DIMSEStatus.processingFailure) }
        do {
            try end(operation)
            self.operation = nil
            shared.metrics.instances.add()
            shared.metrics.bytes.add(Int(clamping: operation.writer.dataSetSize))
            shared.metrics.seconds.observe(MonotonicClock.seconds - operation.began)
            return .success
        } catch {
            return refuse(error, operation)
        }
    }

    /// nil when the operation was not refused at its command.
    private func endRefused() -> DIMSEStatus? {
        guard let ended = refused else { return nil }
        refused = nil
        look(at: ended.head, ended.transferSyntax)
        return refuse(ended.refusal)
    }

    /// Takes study and series from the beginning of a data set.
    private func look(at head: [UInt8], _ transferSyntax: String) {
        var options = ReadOptions.header
        options.stopBefore = Tag(0x0020_000F)
        options.maximumKeptBytes = options.maximumHeaderBytes
        options.acceptsTruncation = true
        guard
            let dataSet = try? DataSet(
                bytes: head, transferSyntax: TransferSyntax(uid: transferSyntax), options: options),
            // Else the last value may be half of one.
            dataSet.stopElement != nil || !dataSet.isTruncated
        else { return }
        seen.study = dataSet.string(.studyInstanceUID).flatMap(UID.init)
        seen.series = dataSet.string(.seriesInstanceUID).flatMap(UID.init)
    }

    /// Refuses an operation under way, whose file goes back.
    /// - Parameter bytes: of the data set, that came just now.
    private func refuse(
        _ refusal: Refusal, _ operation: Operation?, at bytes: UnsafeRawBufferPointer? = nil
    ) -> DIMSEStatus {
        if let operation, seen.study == nil, seen.series == nil {
            // What is still in memory goes to the file, if that takes it.
            try? operation.writer.write(header: operation.provisionalHeader)
            var head = [UInt8](repeating: 0, count: Self.headBytes)
            let count = pread(
                operation.writer.descriptor, &head, head.count, off_t(operation.provisionalHeader.count))
            head.removeLast(head.count - max(0, count))
            if head.isEmpty, let bytes { head += bytes.prefix(Self.headBytes) }
            look(at: head, operation.transferSyntax)
        }
        drop()
        return refuse(refusal)
    }

    private func end(_ operation: Operation) throws(Refusal) {
        let writer = operation.writer
        let (size, crc) = (writer.dataSetSize, writer.dataSetCRC32)
        guard size > 0 else { throw Refusal(.noDataSet, "empty data set") }
        do throws(FileSystemError) { try writer.write(header: operation.provisionalHeader) } catch {
            throw refusal(of: error)
        }
        let (message, provenance) = try describe(operation, size, crc)
        var instance: SpooledInstance
        do throws(FileSystemError) { instance = try writer.finish(provenance) } catch { throw refusal(of: error) }
        instance.message = message
        let outcome = shared.filer.submit(instance)
        if outcome == .refused {
            throw Refusal(.otherDataSetStored, "another data set of this UID is stored")
        }
        if outcome == nil && shared.configuration.filing.policy != .replace {
            throw Refusal(.notFiledInTime, "not filed in time")
        }
    }

    /// The event of what was just written, and its provenance. The data set is let go of before anything is waited for.
    private func describe(
        _ operation: Operation, _ size: Int64, _ crc: UInt32
    ) throws(Refusal) -> (Message, Provenance) {
        let dataSet = try read(operation.writer)
        let identity = try identity(of: dataSet, operation)
        guard MetadataLimits.admit(dataSet) else {
            throw Refusal(
                .metadataTooLong,
                "over \(MetadataLimits.instanceBytes >> 20) MiB of metadata before Pixel Data")
        }
        let received = shared.filer.receptionTime(of: identity)
        let provenance = Provenance(
            identity: identity, sopClassUID: operation.sopClassUID, transferSyntaxUID: operation.transferSyntax,
            traceID: TraceID.make(microseconds: received), receivedMicroseconds: received, peerAddress: peer,
            callingAETitle: association.callingAETitle, calledAETitle: association.calledAETitle,
            node: shared.configuration.node, dataSetSize: size, dataSetCRC32: crc)
        var problems: [ColumnProblem] = []
        do {
            let message = try StorageEvent.make(
                dataSet, provenance, fileSize: size + Int64(operation.provisionalHeader.count), problems: &problems)
            report(problems, provenance)
            return (message, provenance)
        } catch {
            throw Refusal(
                .keyInvalid, "\(error.path.map(Self.text).joined(separator: "/")) missing or invalid",
                tagPath: error.place)
        }
    }

    /// The elements before Pixel Data, read back from what was just written.
    private func read(_ writer: SpoolWriter) throws(Refusal) -> DataSet {
        do throws(DICOMError) {
            return try reader.read(descriptor: writer.descriptor).dataSet
        } catch {
            shared.logger.warning(
                "data set not understood",
                [
                    "calling": .string(association.callingAETitle), "peer": .string(peer),
                    "error": .string(error.description),
                ])
            switch error.code {
            case .unreadable where error.systemError == EBUSY:
                throw Refusal(.tooManyPending, "too many large headers at once")
            case .unreadable: throw Refusal(.storageFailed, "storage failed")
            case .inflatesTooFar, .headerTooLong:
                throw Refusal(.tooLarge, "more inflated bytes before Pixel Data than the limit")
            default:
                throw Refusal(
                    .unreadable, "\(error.code.rawValue) at byte \(error.byteOffset)", tagPath: error.place)
            }
        }
    }

    /// Checks what the data set says of itself against the command.
    private func identity(of dataSet: DataSet, _ operation: Operation) throws(Refusal) -> InstanceIdentity {
        seen.study = dataSet.string(.studyInstanceUID).flatMap(UID.init)
        seen.series = dataSet.string(.seriesInstanceUID).flatMap(UID.init)
        guard let study = seen.study else {
            throw Refusal(.invalidStudyUID, "Study Instance UID missing or invalid", tagPath: "(0020,000D)")
        }
        guard let series = seen.series else {
            throw Refusal(.invalidSeriesUID, "Series Instance UID missing or invalid", tagPath: "(0020,000E)")
        }
        guard let instance = dataSet.string(.sopInstanceUID) else {
            throw Refusal(.missingInstanceUID, "SOP Instance UID missing", tagPath: "(0008,0018)")
        }
        guard instance == operation.instanceUID.value else {
            throw Refusal(.otherInstanceUID, "SOP Instance UID is not that of the command", tagPath: "(0008,0018)")
        }
        guard dataSet.string(.sopClassUID) == operation.sopClassUID else {
            throw Refusal(.otherSOPClass, "SOP Class UID is not that of the command", tagPath: "(0008,0016)")
        }
        return InstanceIdentity(tenant: operation.tenant, study: study, series: series, instance: operation.instanceUID)
    }

    private func report(_ problems: [ColumnProblem], _ provenance: Provenance) {
        guard !problems.isEmpty else { return }
        shared.metrics.problems.add(problems.count)
        for problem in problems {
            shared.logger.warning(
                "column problem",
                [
                    "problem": .string(problem.description), "trace": .string(provenance.traceID),
                    "calling": .string(association.callingAETitle),
                ])
        }
    }

    private static func text(_ tag: Tag) -> String {
        DataDictionary.entry(for: tag)?.keyword ?? String(tag.rawValue, radix: 16)
    }

    private func refusal(of error: FileSystemError) -> Refusal {
        shared.logger.error("spool failed", ["error": .string(error.description)])
        return error.isOutOfSpace
            ? Refusal(.diskFull, "no disk space left") : Refusal(.storageFailed, "storage failed")
    }

    private func refuse(_ refusal: Refusal) -> DIMSEStatus {
        let status = refusal.status
        let now = WallClock.microseconds
        let trace = TraceID.make(microseconds: now)
        shared.metrics.refused(status.code)
        shared.logger.warning(
            "instance refused",
            [
                "status": .int(Int(status.code)), "rule": .string(refusal.rule.rawValue),
                "reason": .string(refusal.comment), "trace": .string(trace),
                "calling": .string(association.callingAETitle), "peer": .string(peer),
            ])
        let time = Timestamp(microsecondsSince1970: now)
        let subject = InstanceProblems.Subject(
            tenantID: seen.tenant?.value, studyUID: seen.study?.value, seriesUID: seen.series?.value,
            sopUID: seen.instance?.value, traceID: trace, sourceIP: peer, sourceAE: association.callingAETitle,
            workerNodeID: shared.configuration.node, createdTime: time)
        var problems = InstanceProblems()
        problems.add(
            refusal.rule.rawValue, .refused, tagPath: refusal.tagPath,
            detail: "status \(StoreSCPMetrics.text(status.code)): \(refusal.comment)")
        shared.problems.report(problems.rows(of: subject, by: StoreSCPService.program, seen: time))
        return status
    }

    private func drop() {
        operation?.writer.discard()
        operation = nil
    }

    func storeAbandoned() {
        _ = endRefused()
        drop()
    }

    func associationEnds(_ end: AssociationEnd) {
        if shared.associations.subtract(1, ordering: .relaxed).newValue == 0 { shared.filer.hurry() }
        let text: String
        switch end {
        case .released: text = "released"
        case .aborted(let abort): text = "aborted, source \(abort.source), reason \(abort.reason)"
        case .connectionLost: text = "connection lost"
        case .idle: text = "idle"
        case .evicted: text = "made room for another"
        case .stopped: text = "stopped"
        }
        shared.logger.debug(
            "association ended",
            ["end": .string(text), "calling": .string(association.callingAETitle), "peer": .string(peer)])
    }
}
