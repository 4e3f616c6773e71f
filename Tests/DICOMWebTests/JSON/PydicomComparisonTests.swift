import DICOMCore
import DICOMWeb
import Foundation
import TestSupport
import Testing

/// The JSON of every file at hand equals what pydicom says of it, but for the differences that `DICOMJSON` lists: the
/// program below brings both sides to one form, one rule for each line of that table.
@Suite struct PydicomComparisonTests {
    private static let program = #"""
        import base64, io, json, logging, math, sys, warnings
        import pydicom
        from pydicom.tag import Tag
        warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
        pydicom.datadict.private_dictionaries.clear()     # private attributes stay UN
        PADDED = "AE AS CS DA DS DT IS LO PN SH TM UI UC UR LT ST UT".split()
        LEADING = "AE AS CS DA DS DT IS LO PN SH TM UI".split()
        WIDTH = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}

        def element_json(elem, big):
            "One attribute as pydicom gives it, with our deliberate differences applied."
            try:
                return elem.to_json_dict(None, 0)
            except Exception:
                pass
            if elem.VR == "SQ":
                return {"vr": "SQ", "Value": [dataset_json(item, big) for item in elem.value]}
            raise

        def raw_number_json(ds, tag, raw):
            "A DS or IS that is no number is a string in our JSON and an exception in pydicom."
            text = raw.value.decode("latin-1")
            values = []
            for part in text.split("\\"):
                part = part.strip(" \0")
                try:
                    values.append(None if part == "" else float(part))
                except ValueError:
                    values.append(part)
            return {"vr": raw.VR or pydicom.datadict.dictionary_VR(tag), "Value": values}

        def dataset_json(ds, big):
            result = {}
            for tag in sorted(ds.keys()):
                if tag.element == 0: continue            # group lengths
                raw = ds.get_item(tag)
                try:
                    elem = ds[tag]
                    value = {"vr": elem.VR, "Value": [dataset_json(i, big) for i in elem.value]} \
                        if elem.VR == "SQ" else element_json(elem, big)
                except Exception as error:
                    try:
                        value = raw_number_json(ds, tag, raw)
                    except Exception:
                        raise error
                result["%08X" % tag] = normal(value, big, tag)
            return result

        def normal(attribute, big=False, tag=0):
            vr = str(attribute["vr"])
            out = {"vr": vr}
            if vr == "SQ":
                if attribute.get("Value"):                # none for an empty sequence
                    out["Value"] = attribute["Value"]
                return out
            if "InlineBinary" in attribute:
                data = base64.b64decode(attribute["InlineBinary"])
                width = WIDTH.get(vr, 1) if big else 1
                if width > 1:                             # little endian
                    whole = len(data) // width * width
                    data = b"".join(data[i:i + width][::-1] for i in range(0, whole, width)) + data[whole:]
                out["InlineBinary"] = base64.b64encode(data).decode()
                return out
            values = []
            for value in attribute.get("Value", []):
                if vr == "PN" and isinstance(value, dict):
                    groups = {k: v.strip(" \0") for k, v in value.items()}
                    value = {k: v for k, v in groups.items() if v} or None
                elif isinstance(value, str):
                    if vr in LEADING: value = value.strip(" \0")
                    elif vr in PADDED: value = value.rstrip(" \0")
                    value = value or None                 # null among several
                elif isinstance(value, float) and not math.isfinite(value):
                    value = "NaN" if math.isnan(value) else "inf" if value > 0 else "-inf"
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    value = float(value) if vr not in ("UV", "SV") else int(value)
                values.append(value)
            if any(v is not None for v in values): out["Value"] = values
            return out

        def ours(obj):
            result = {}
            for key, attribute in obj.items():
                if attribute["vr"] == "SQ":
                    attribute = dict(attribute)
                    if "Value" in attribute: attribute["Value"] = [ours(i) for i in attribute["Value"]]
                result[key] = normal(attribute)
            return result

        def differences(a, b, path=""):
            if isinstance(a, dict) and isinstance(b, dict):
                for key in sorted(set(a) | set(b)):
                    yield from differences(a.get(key, "(none)"), b.get(key, "(none)"), path + "/" + key)
            elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
                for i, (x, y) in enumerate(zip(a, b)): yield from differences(x, y, f"{path}/{i}")
            elif a != b:
                yield f"{path}: pydicom {str(a)[:200]!r}, ours {str(b)[:200]!r}"

        def main():
            report = {"compared": 0, "unreadable": [], "differences": []}
            def strict(text):
                raise ValueError("not JSON: " + text)
            for line in json.load(open(sys.argv[1])):
                name = line["file"].rsplit("/", 1)[-1]
                try:
                    ds = pydicom.dcmread(line["file"], force=True)
                    big = ds.original_encoding[1] is False
                    theirs = dataset_json(ds, big)
                except Exception as error:
                    report["unreadable"].append(f"{name}: {type(error).__name__} {error}"[:300])
                    continue
                keys = []
                def pairs(items):
                    names = [k for k, v in items]
                    if len(names) != len(set(names)): raise ValueError("duplicate names")
                    if all(len(n) == 8 for n in names) and names != sorted(names): raise ValueError("not ascending")
                    return dict(items)
                mine = json.load(open(line["json"], "rb"), parse_constant=strict, object_pairs_hook=pairs)
                mine = ours(mine)
                report["compared"] += 1
                for text in differences(theirs, mine): report["differences"].append(name + " " + text)
            print(json.dumps(report))

        main()
        """#

    private struct Report: Decodable {
        var compared: Int
        var unreadable: [String]
        var differences: [String]
    }

    private struct Line: Encodable {
        var file: String
        var json: String
    }

    @Test(.enabled(if: Python.has("pydicom"), "pydicom is not installed"))
    func everyFileEqualsPydicom() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "wado-json-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var lines: [Line] = []
        var refused: [String] = []
        var documents: [(URL, [UInt8])] = []
        for url in DICOMFiles.all {
            do throws(DICOMError) {
                let dataSet = try DICOMFile.read(path: url.path, options: .whole).dataSet
                var json: [UInt8] = []
                DICOMJSON.encode(dataSet, bulkData: .inline, into: &json)
                documents.append((url, json))
            } catch {
                // Files that are cut are none of an archive's; pydicom gives what it got.
                #expect([.truncated, .lengthExceedsParent, .notDICOM].contains(error.code), "\(error)")
                refused.append("\(url.lastPathComponent): \(error)")
            }
        }
        for (url, json) in documents {
            let file = folder.appending(path: url.lastPathComponent + ".json")
            try Data(json).write(to: file)
            lines.append(Line(file: url.path, json: file.path))
        }
        try #require(lines.count > 60)
        #expect(refused.count * 20 < lines.count)
        let list = folder.appending(path: "list.json")
        try JSONEncoder().encode(lines).write(to: list)
        let output = try Python.run(Self.program, [list.path])
        let report = try JSONDecoder().decode(Report.self, from: output)
        let shown = report.differences.prefix(40).joined(separator: "\n")
        #expect(report.differences.isEmpty, "\(report.differences.count) differences, such as\n\(shown)")
        #expect(report.compared + report.unreadable.count == lines.count)
        print("compared \(report.compared); pydicom cannot: \(report.unreadable); refused here: \(refused)")
    }
}
