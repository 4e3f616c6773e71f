import Archive
import ArchiveSchema
import DICOMCore
import DICOMDictionary
import Glibc

/// Rows of `dicom_problem_meta` of what the consumer sees.
enum ConsumerProblems {
    static let program = "wado-consumer"

    /// Of an instance that was read from this path.
    static func rows(
        of file: DICOMFile, at path: String, _ image: DicomImageMetaRow, _ columns: [ColumnProblem],
        _ context: InstanceContext, node: String
    ) -> [DicomProblemMetaRow] {
        var problems = InstanceProblems()
        for problem in columns { problems.add(problem) }
        addPixelData(of: file, at: path, image, to: &problems)
        problems.add(warningsOf: file.dataSet)
        if problems.isEmpty { return [] }
        let subject = InstanceProblems.Subject(
            tenantID: context.tenantID, studyUID: image.studyUID, seriesUID: image.seriesUID, sopUID: image.sopUID,
            traceID: context.traceID, sourceIP: context.sourceIP, sourceAE: context.sourceAE, workerNodeID: node,
            createdTime: context.receivedTime)
        return problems.rows(of: subject, by: program, seen: context.processedTime)
    }

    /// Of a stored instance that no rows can be made of.
    /// - Parameter received: when, as far as its file says.
    static func rows(
        of instance: InstanceIdentity, reason: String, detail: String, received: Timestamp, node: String
    ) -> [DicomProblemMetaRow] {
        let subject = InstanceProblems.Subject(
            tenantID: instance.tenant.value, studyUID: instance.study.value, seriesUID: instance.series.value,
            sopUID: instance.instance.value, traceID: "", workerNodeID: node, createdTime: received)
        var problems = InstanceProblems()
        problems.add(DeadLetter.rule(reason), .error, detail: detail)
        return problems.rows(of: subject, by: program, seen: .now)
    }

    /// Looks whether Pixel Data is all there, and as long as the image's attributes say; without reading it.
    private static func addPixelData(
        of file: DICOMFile, at path: String, _ image: DicomImageMetaRow, to problems: inout InstanceProblems
    ) {
        guard let element = file.dataSet.stopElement, element.tag == .pixelData, !element.isUndefinedLength else {
            return
        }
        let place = "(7FE0,0010)"
        // Offsets in a deflated data set are not the file's.
        var status = stat()
        if !file.transferSyntax.isDeflated, stat(path, &status) == 0 {
            let available = Int(status.st_size) - element.valueOffset
            if element.length > available {
                problems.add(
                    "pixel-data-truncated", .error, tagPath: place,
                    detail: "\(max(0, available)) of \(element.length) bytes")
                return
            }
        }
        guard let expected = nativeLength(image) else { return }
        if element.length < expected {
            problems.add(
                "pixel-data-too-short", .error, tagPath: place, detail: "\(element.length) of \(expected) bytes")
        } else if element.length > expected + expected & 1 {
            problems.add(
                "pixel-data-too-long", .warning, tagPath: place, detail: "\(element.length) of \(expected) bytes")
        }
    }

    /// Bytes of native Pixel Data (PS3.5 8.1.1); nil when the attributes do not tell.
    private static func nativeLength(_ image: DicomImageMetaRow) -> Int? {
        guard let rows = image.width, let columns = image.columns, let bits = image.bitsAllocated,
            let samples = image.samplesPerPixel, rows > 0, columns > 0, samples > 0, [1, 8, 16, 32, 64].contains(bits)
        else { return nil }
        let frames = image.numberOfFrames ?? 1
        guard frames > 0 else { return nil }
        var total = 1
        for factor in [rows, columns, samples, frames, bits] {
            let (product, overflow) = total.multipliedReportingOverflow(by: Int(factor))
            if overflow { return nil }
            total = product
        }
        // Of two pixels only one has both chrominance samples (PS3.3 C.7.6.3.1.2).
        switch image.photometricInterpretation {
        case "YBR_FULL_422", "YBR_PARTIAL_422": total = total / 3 * 2
        case "YBR_PARTIAL_420": total /= 2
        default: break
        }
        return (total + 7) / 8
    }
}
