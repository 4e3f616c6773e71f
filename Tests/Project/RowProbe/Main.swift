import ArchiveSchema
import DICOMCore
import Foundation

/// Makes the rows of DICOM files with the generated code, for tests that compare them with what databases read back.
///
///     row-probe FILE...
///
/// prints a line for each file and table: table, file's number, and either `row`, the message as JSON, the tuple of the
/// binary COPY in hexadecimal and the rules that values broke, or `refused` and why; tabs between.
@main
struct RowProbe {
    static func main() throws {
        for (number, path) in CommandLine.arguments.dropFirst().enumerated() {
            let file = try DICOMFile.read(path: path, options: .header)
            let instance = InstanceContext(
                tenantID: "t1", traceID: "01890a5d-ac96-774b-bcce-b302099a8057", workerNodeID: "probe",
                transferSyntaxUID: file.dataSet.transferSyntax.uid, sopClassUID: "1.2.840.10008.5.1.4.1.1.7",
                filePath: "t1/\(number).dcm", fileSize: Int64(number), sourceIP: number % 2 == 0 ? nil : "::1",
                receivedTime: Timestamp(microsecondsSince1970: 1_700_000_000_000_001))
            for (table, make) in probedTables {
                do {
                    let row = try make(file.dataSet, instance)
                    let copy = row.copy.map { String(format: "%02x", $0) }.joined()
                    let rules = row.problems.map { "\($0.column):\($0.rule.rawValue)" }.joined(separator: ",")
                    print(table, number, "row", String(decoding: row.json, as: UTF8.self), copy, rules, separator: "\t")
                } catch {
                    print(table, number, "refused", error.description, "", "", separator: "\t")
                }
            }
        }
    }
}

/// One row in both encodings.
struct ProbedRow {
    var json: [UInt8] = []
    var copy: [UInt8] = []
    var problems: [ColumnProblem] = []
}

typealias RowMaker = @Sendable (DataSet, InstanceContext) throws(ExtractionError) -> ProbedRow
