import ArchiveSchema
import DICOMCore
import DICOMDictionary
import DICOMWeb
import Foundation

/// `micro-benchmarks FILE...`: what happens to each instance on its way in, one step at a time.
@main
enum Main {
    static func main() throws {
        var paths = Array(CommandLine.arguments.dropFirst())
        if paths.first == "--headers", paths.count > 2, let seconds = Int(paths[1]) {
            paths.removeFirst(2)
            return try countHeaders(paths, for: .seconds(seconds))
        }
        guard let first = paths.first else {
            FileHandle.standardError.write(Data("usage: micro-benchmarks [--headers SECONDS] FILE.dcm...\n".utf8))
            exit(2)
        }
        let harness = Harness()

        let reader = HeaderReader()
        harness.measure("headers before Pixel Data, from files", unit: "file", perCall: paths.count) {
            var elements = 0
            for path in paths {
                guard let file = try? reader.read(path: path) else { exit(1) }
                for _ in file.dataSet.elements { elements += 1 }
            }
            return elements
        }

        let file = try reader.read(path: first)
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: first)))
        let head = Array(bytes.prefix(16384))
        try harness.measure("parse a header in memory (\(Array(file.dataSet.elements).count) elements)", unit: "header")
        {
            try DICOMFile(bytes: head, options: .header).dataSetOffset
        }
        let dataSet = file.dataSet
        let instance = context(of: first, size: Int64(bytes.count))
        try harness.measure("extract a dicom_state_meta row", unit: "row") {
            var problems: [ColumnProblem] = []
            return try DicomStateMetaRow(extracting: dataSet, from: instance, problems: &problems).studyUID.utf8.count
        }
        try harness.measure("extract a dicom_image_meta row", unit: "row") {
            var problems: [ColumnProblem] = []
            return try DicomImageMetaRow(extracting: dataSet, from: instance, problems: &problems).sopUID.utf8.count
        }

        var problems: [ColumnProblem] = []
        let row = try DicomImageMetaRow(extracting: dataSet, from: instance, problems: &problems)
        var output: [UInt8] = []
        output.reserveCapacity(1 << 20)
        harness.measure("encode the row for COPY", unit: "row") {
            output.removeAll(keepingCapacity: true)
            row.encodeCopy(into: &output)
            return output.count
        }
        harness.measure("encode the row as a JSON message", unit: "row") {
            output.removeAll(keepingCapacity: true)
            row.encodeJSON(into: &output)
            return output.count
        }
        let policy = BulkDataPolicy(uriPrefix: "/dicom-web/studies/1/series/2/instances/3/bulkdata/")
        harness.measure("encode the data set as DICOM JSON", unit: "instance") {
            output.removeAll(keepingCapacity: true)
            DICOMJSON.encode(dataSet, bulkData: policy, into: &output)
            return output.count
        }

        let tags = dataSet.elements.map(\.tag)
        harness.measure("VR of a tag", unit: "tag", perCall: tags.count) {
            var sum = 0
            for tag in tags { sum &+= Int(DataDictionary.vr(of: tag).rawValue) }
            return sum
        }
        let keywords = tags.compactMap { DataDictionary.entry(for: $0)?.keyword }
        harness.measure("entry of a keyword", unit: "keyword", perCall: keywords.count) {
            var sum = 0
            for keyword in keywords { sum &+= Int(DataDictionary.entry(keyword: keyword)?.tag.rawValue ?? 0) }
            return sum
        }
    }

    /// Prints how many headers a second are read, on one thread: the counterpart of `dcmtk-headers`.
    private static func countHeaders(_ paths: [String], for duration: Duration) throws {
        let reader = HeaderReader()
        let clock = ContinuousClock()
        let start = clock.now
        var files = 0
        while clock.now - start < duration {
            for path in paths { _ = try reader.read(path: path) }
            files += paths.count
        }
        let spent = clock.now - start
        print(Int(Double(files) / (Double(spent.components.seconds) + Double(spent.components.attoseconds) / 1e18)))
    }

    private static func context(of path: String, size: Int64) -> InstanceContext {
        InstanceContext(
            tenantID: "1234567890", traceID: "019ab3d2-0000-7000-8000-000000000000", workerNodeID: "bench",
            transferSyntaxUID: TransferSyntax.explicitVRLittleEndian.uid, sopClassUID: "1.2.840.10008.5.1.4.1.1.2",
            filePath: path, fileSize: size, sourceIP: "127.0.0.1", sourceAE: "BENCH",
            receivedTime: Timestamp(microsecondsSince1970: 1_700_000_000_000_000),
            processedTime: Timestamp(microsecondsSince1970: 1_700_000_000_000_000))
    }
}
