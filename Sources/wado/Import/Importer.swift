internal import DICOMCore
internal import DICOMDictionary
internal import DICOMNetwork
internal import Foundation
internal import ServiceKit
internal import Wiring

/// Sends files over one association at a time. Used by one thread.
final class Importer {
    /// What an association negotiates is what the next files need.
    private struct Context: Hashable {
        let sopClass: String
        let transferSyntax: String
    }

    private struct File {
        let source: AssociationUser.StoreSource
        let bytes: Int
        var context: Context { Context(sopClass: source.sopClassUID, transferSyntax: source.transferSyntaxUID) }
    }

    /// PS3.8 9.3.2.2: presentation context ids are odd and below 256.
    private static let maximumContexts = 128
    private static let attempts = 4
    /// Media Storage Directory Storage: an index of a medium, no instance.
    private static let directory = "1.2.840.10008.1.3.10"

    private let endpoints: Endpoints
    private let report: ImportReport
    private var association: AssociationUser?
    private var proposed: Set<Context> = []

    init(endpoints: Endpoints, report: ImportReport) {
        self.endpoints = endpoints
        self.report = report
    }

    /// Sends what is DICOM of these files.
    func send(_ paths: [String]) {
        var files = paths.compactMap(read)[...]
        while !files.isEmpty, !report.isGivenUp {
            // As many as one association can negotiate.
            var contexts = proposed
            var count = 0
            for file in files {
                if contexts.count >= Importer.maximumContexts, !contexts.contains(file.context) { break }
                contexts.insert(file.context)
                count += 1
            }
            if count == 0 {
                close()
                continue
            }
            if contexts != proposed { close() }
            for file in files.prefix(count) {
                send(file, contexts: contexts)
                if report.isGivenUp { return }
            }
            files = files.dropFirst(count)
        }
    }

    /// Ends the association.
    func close() {
        try? association?.release()
        association = nil
        proposed = []
    }

    private func read(_ path: String) -> File? {
        let file: DICOMFile
        do throws(DICOMError) {
            file = try DICOMFile.read(path: path, options: .header)
        } catch {
            if error.code == .notDICOM {
                report.notDICOM()
            } else {
                report.refused(path, reason: "cannot be read: \(error)")
            }
            return nil
        }
        let meta = file.meta
        let sopClass = file.dataSet.string(.sopClassUID) ?? meta?.mediaStorageSOPClassUID ?? ""
        let instance = file.dataSet.string(.sopInstanceUID) ?? meta?.mediaStorageSOPInstanceUID ?? ""
        if sopClass == Importer.directory || meta?.mediaStorageSOPClassUID == Importer.directory {
            report.refused(path, reason: "a DICOMDIR is an index, no instance")
            return nil
        }
        guard !sopClass.isEmpty, !instance.isEmpty else {
            if meta == nil {
                report.notDICOM()
            } else {
                report.refused(path, reason: "without SOP Class UID or SOP Instance UID")
            }
            return nil
        }
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return File(
            source: AssociationUser.StoreSource(
                path: path, dataSetOffset: file.dataSetOffset, sopClassUID: sopClass, sopInstanceUID: instance,
                transferSyntaxUID: file.transferSyntax.uid),
            bytes: (attributes?[.size] as? NSNumber)?.intValue ?? 0)
    }

    private func send(_ file: File, contexts: Set<Context>) {
        var problem = ""
        for attempt in 0..<Importer.attempts {
            if attempt > 0 { Thread.sleep(forTimeInterval: 0.25 * Double(1 << attempt)) }
            do throws(AssociationError) {
                let association: AssociationUser
                if let open = self.association { association = open } else { association = try connect(contexts) }
                let status = try association.store(file.source)
                // Warnings (Bxxx) are stored, too.
                if status.code == 0 || status.code & 0xF000 == 0xB000 {
                    report.stored(bytes: file.bytes)
                } else if status.code & 0xFF00 == DIMSEStatus.outOfResources {
                    problem = describe(status)
                    continue
                } else {
                    report.refused(file.source.path, reason: describe(status))
                }
                return
            } catch {
                problem = RunningArchive.explain(error)
                switch error {
                case .rejected(let reject) where reject.result == 1:
                    report.giveUp(problem)
                    return
                case .noContext:
                    report.refused(file.source.path, reason: "\(error); the archive does not take it")
                    return
                case .file:
                    // What was sent of it cannot be taken back.
                    abort()
                    report.refused(file.source.path, reason: problem)
                    return
                default: abort()
                }
            }
        }
        if association == nil {
            report.giveUp(problem)
        } else {
            report.refused(file.source.path, reason: problem)
        }
    }

    private func abort() {
        association?.abort()
        association = nil
        proposed = []
    }

    private func connect(_ contexts: Set<Context>) throws(AssociationError) -> AssociationUser {
        let sorted = contexts.sorted { ($0.sopClass, $0.transferSyntax) < ($1.sopClass, $1.transferSyntax) }
        let proposals = sorted.enumerated().map { index, context in
            ProposedContext(
                id: UInt8(2 * index + 1), abstractSyntax: context.sopClass,
                transferSyntaxes: [context.transferSyntax])
        }
        let association = try RunningArchive.associate(endpoints, proposals)
        self.association = association
        proposed = contexts
        return association
    }

    private func describe(_ status: DIMSEStatus) -> String {
        let comment = status.comment.map { " (\($0))" } ?? ""
        let meaning =
            switch status.code {
            case DIMSEStatus.duplicateSOPInstance: "another instance of this UID is there already"
            case DIMSEStatus.notAuthorized: "not authorised"
            case DIMSEStatus.sopClassNotSupported: "SOP class not supported"
            case 0xA700...0xA7FF: "the archive is out of resources"
            case 0xA900...0xA9FF: "the data set does not match its SOP class or UIDs"
            case 0xC000...0xCFFF: "the archive cannot understand it"
            default: "refused"
            }
        return "\(meaning), status 0x\(status.code.hexadecimal(digits: 4))\(comment)"
    }
}

extension RunningArchive {
    /// What went wrong, and what to do where that is known.
    static func explain(_ error: AssociationError) -> String {
        guard error == .rejected(.callingAETitleNotRecognized) else { return "\(error)" }
        return "\(error): only the titles of \(WadoSettings.callingAETitles.name) are admitted; add WADO_IMPORT to them"
    }

    /// An association with the archive as `WADO_IMPORT`.
    static func associate(
        _ endpoints: Endpoints, _ contexts: [ProposedContext]
    ) throws(AssociationError) -> AssociationUser {
        var configuration = AssociationUser.Configuration(
            host: endpoints.dicom.host, port: UInt16(clamping: endpoints.dicom.port),
            calledAETitle: endpoints.dicom.aeTitle, contexts: contexts)
        configuration.callingAETitle = "WADO_IMPORT"
        return try AssociationUser(configuration)
    }
}
