public import Foundation

/// The folder of this package.
public enum PackageFolder {
    public static let url = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    public static func url(_ path: String) -> URL { url.appending(path: path) }

    /// The bytes of a file of the package.
    public static func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: url(path))) }
}

/// Files that are too large or not ours to commit, in a folder `shared` beside the package or further up. Tests that
/// need one are skipped where it is missing: `.enabled(if: SharedFiles.has("samples"))`.
public enum SharedFiles {
    /// Where the file is; nil when there is no such file.
    public static func url(_ path: String) -> URL? {
        var folder = PackageFolder.url
        while folder.path.count > 1 {
            folder.deleteLastPathComponent()
            let place = folder.appending(path: "shared").appending(path: path)
            if FileManager.default.fileExists(atPath: place.path) { return place }
        }
        return nil
    }

    public static func has(_ path: String) -> Bool { url(path) != nil }
}
