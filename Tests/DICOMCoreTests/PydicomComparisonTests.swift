import DICOMCore
import DICOMDictionary
import Foundation
import TestSupport
import Testing

/// What pydicom sees in a file, this module sees: the same elements in the same items with the same VRs and bytes.
@Suite(.enabled(if: Python.has("pydicom") && !DICOMFiles.all.isEmpty))
struct PydicomComparisonTests {
    /// For each file a line `# name`, then one for each element: path, VR, length, CRC-32 of the value.
    private static let program = """
        import sys, zlib, warnings, logging
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        import pydicom
        from pydicom.dataelem import RawDataElement
        def walk(ds, prefix):
            for tag in list(ds._dict):
                raw = ds._dict[tag]
                path = prefix + "%08X" % tag
                try:
                    element = ds[tag]
                    vr = element.VR
                except Exception:
                    print(path, "??", len(raw.value), zlib.crc32(raw.value))
                    continue
                if vr == "SQ":
                    print(path, vr, len(element.value), 0)
                    for number, item in enumerate(element.value):
                        walk(item, path + "/%d/" % number)
                else:
                    value = raw.value if isinstance(raw, RawDataElement) else element.value
                    value = b"" if value is None or value == "" else value
                    if not isinstance(value, bytes):
                        # Converted already, since something else needed it: only there.
                        print(path, vr, -1, 0)
                        continue
                    print(path, vr, len(value), zlib.crc32(value))
        for path in sys.argv[1:]:
            print("#", path)
            ds = pydicom.dcmread(path, force=True)
            walk(ds, "")
        """

    /// Where the two differ, and why.
    private static let exceptions = [
        "no_meta.dcm": "begins in the middle of an element: not DICOM here, one nonsensical element in pydicom",
        "winter.dcm": "has (0008,0018) twice: pydicom keeps the second only, this module both",
        "emri_small_jpeg_2k_lossless_too_short.dcm": "ends within a fragment: pydicom drops every element for it",
    ]

    @Test func everyFileHasTheSameElements() throws {
        let text = String(decoding: try Python.run(Self.program, DICOMFiles.all.map(\.path)), as: UTF8.self)
        var files: [(path: String, lines: [String])] = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# ") {
                files.append((String(line.dropFirst(2)), []))
            } else {
                files[files.count - 1].lines.append(String(line))
            }
        }
        #expect(files.count == DICOMFiles.all.count)
        for (path, expected) in files where Self.exceptions[URL(fileURLWithPath: path).lastPathComponent] == nil {
            var options = ReadOptions.whole
            options.acceptsTruncation = true
            let file: DICOMFile
            do { file = try DICOMFile.read(path: path, options: options) } catch {
                Issue.record("\(path): \(error)")
                continue
            }
            var lines: [Line] = []
            Self.walk(file.dataSet, "", &lines)
            let expected = expected.map(Line.init(text:))
            for (mine, other) in zip(lines, expected) where !mine.agrees(with: other) {
                Issue.record("\(path): \(mine.text), in pydicom \(other.text)")
                break
            }
            #expect(lines.count == expected.count, "\(path)")
        }
    }

    struct Line {
        var text: String
        var fields: [Substring] { text.split(separator: " ") }
        init(text: String) { self.text = text }

        func agrees(with other: Line) -> Bool {
            let (a, b) = (fields, other.fields)
            guard a.count == 4, b.count == 4, a[0] == b[0] else { return false }
            // Pydicom has a dictionary of private tags; without one they are UN.
            let isPrivate = a[0].dropLast(4).utf8.last.map { "13579BDF".utf8.contains($0) } ?? false
            if a[1] != b[1], !(isPrivate && a[1] == "UN") { return false }
            return b[2] == "-1" || (a[2] == b[2] && a[3] == b[3])
        }
    }

    static func walk(_ dataSet: DataSet, _ prefix: String, _ lines: inout [Line]) {
        for element in dataSet.elements {
            let path = prefix + String(format: "%08X", element.tag.rawValue)
            let vr = String(
                decoding: [UInt8(element.vr.rawValue >> 8), UInt8(element.vr.rawValue & 0xFF)], as: UTF8.self)
            if element.isSequence {
                let items = dataSet.items(of: element)
                lines.append(Line(text: "\(path) \(vr) \(items.count) 0"))
                for (number, item) in items.enumerated() { walk(item, path + "/\(number)/", &lines) }
            } else {
                let crc = dataSet.withValue(of: element) { CRC32.of($0) }
                lines.append(Line(text: "\(path) \(vr) \(element.length) \(crc)"))
            }
        }
    }
}

/// As zlib's.
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    static func of(_ bytes: RawSpan) -> UInt32 {
        bytes.withUnsafeBytes { bytes in
            ~bytes.reduce(UInt32.max) { crc, byte in table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8 }
        }
    }
}
