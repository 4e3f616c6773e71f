import ArchiveSchema
import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

/// Rows of real files say what pydicom says of them.
@Suite(.enabled(if: Python.has("pydicom") && !DICOMFiles.all.isEmpty, "pydicom is not installed"))
struct PydicomTests {
    /// Prints for each file a JSON object of columns' values, by tag; for what pydicom cannot read nothing.
    private static let program = """
        import json, sys, warnings
        import pydicom
        warnings.simplefilter("ignore")
        pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
        tags = json.loads(sys.argv[1])
        out = {}
        for path in sys.argv[2:]:
            try:
                ds = pydicom.dcmread(path, force=True, stop_before_pixels=True)
                ds.decode()
                values = {}
                for tag in tags:
                    if tag not in ds: continue
                    value = ds[tag].value
                    if isinstance(value, pydicom.multival.MultiValue):
                        value = None if len(value) == 0 else "\\\\".join(str(v) for v in value)
                    if value is None or isinstance(value, bytes): continue
                    values[str(tag)] = str(value).strip(" \\0")
                out[path] = values
            except Exception as error:
                out[path] = {"error": str(error)}
        print(json.dumps(out))
        """

    @Test func textColumnsHoldWhatPydicomReads() throws {
        let columns = DicomStateMetaRow.table.columns.filter { column in
            guard column.path.count == 1, let vr = column.vr else { return false }
            return [.lo, .sh, .cs, .pn, .ui].contains(vr)
        }
        let tags = columns.map { Int($0.path[0].rawValue) }
        let tagsJSON = String(decoding: try JSONSerialization.data(withJSONObject: tags), as: UTF8.self)
        let printed = try Python.run(Self.program, [tagsJSON] + DICOMFiles.all.map(\.path))
        let all = try #require(try JSONSerialization.jsonObject(with: printed) as? [String: [String: String]])
        var compared = 0
        for file in DICOMFiles.all {
            guard let expected = all[file.path], expected["error"] == nil,
                let read = try? DICOMFile.read(path: file.path, options: .header)
            else { continue }
            var problems: [ColumnProblem] = []
            guard
                let row = try? DicomStateMetaRow(extracting: read.dataSet, from: Samples.context, problems: &problems)
            else { continue }
            var json: [UInt8] = []
            row.encodeJSON(into: &json)
            let values = try #require(try JSONSerialization.jsonObject(with: Data(json)) as? [String: Any])
            let odd = Set(problems.map(\.column))
            for column in columns where !odd.contains(column.name) {
                let wanted = expected["\(column.path[0].rawValue)"] ?? ""
                let found = (values[column.name] as? [Any])?.map { $0 as? String ?? "" }.joined(separator: "\\")
                #expect(
                    found ?? values[column.name] as? String ?? "" == wanted,
                    "\(file.lastPathComponent) \(column.name)")
                if !wanted.isEmpty { compared += 1 }
            }
        }
        #expect(compared > 500)
    }

    @Test func everyFileIsARowOrARefusal() throws {
        var (rows, refusals, problems): (Int, Int, [ColumnProblem]) = (0, 0, [])
        for file in DICOMFiles.all {
            guard let read = try? DICOMFile.read(path: file.path, options: .header) else { continue }
            do throws(ExtractionError) {
                let state = try DicomStateMetaRow(
                    extracting: read.dataSet, from: Samples.context, problems: &problems)
                let image = try DicomImageMetaRow(
                    extracting: read.dataSet, from: Samples.context, problems: &problems)
                rows += 1
                #expect(image.studyUID == state.studyUID && image.sopUID == state.representativeSOPUID)
            } catch {
                refusals += 1
                #expect(["study_uid", "series_uid", "representative_sop_uid"].contains(error.column))
            }
        }
        #expect(rows > 50, "\(refusals) refused")
    }
}
