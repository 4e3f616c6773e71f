public import Foundation

/// All DICOM files that tests may use: pydicom's own, and the shared samples.
public enum DICOMFiles {
    /// Sorted by path, each name once; empty when neither is there.
    public static let all: [URL] = {
        let folders = [Python.pydicomData, SharedFiles.url("samples/pydicom-data")].compactMap { $0 }
        var byName: [String: URL] = [:]
        for folder in folders {
            let paths = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: [.isRegularFileKey])
            for case let url as URL in paths ?? .init() {
                guard (try? url.resourceValues(forKeys: [.isRegularFileKey]))?.isRegularFile == true,
                    let handle = try? FileHandle(forReadingFrom: url)
                else { continue }
                let head = (try? handle.read(upToCount: 132)) ?? Data()
                try? handle.close()
                guard url.pathExtension == "dcm" || head.suffix(4) == Data("DICM".utf8) else { continue }
                byName[url.lastPathComponent] = byName[url.lastPathComponent] ?? url
            }
        }
        return byName.sorted { $0.key < $1.key }.map(\.value)
    }()
}
