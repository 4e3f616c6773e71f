internal import Foundation
internal import Wiring

/// Finds files.
enum FileWalk {
    /// The regular files below these paths, sorted within their folder, so that series come in order.
    static func files(_ paths: [String], missing: inout [String]) -> [String] {
        var files: [String] = []
        for path in paths {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
                missing.append(path)
                continue
            }
            if isFolder.boolValue { walk(path, depth: 0, into: &files) } else { files.append(path) }
        }
        return files
    }

    private static func walk(_ folder: String, depth: Int, into files: inout [String]) {
        // Links to folders are not followed, so there are no cycles; deeper than this is no folder of images.
        guard depth < 64 else { return }
        for name in DataFolder.list(folder).sorted() {
            let path = "\(folder)/\(name)"
            var status = stat()
            guard lstat(path, &status) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: walk(path, depth: depth + 1, into: &files)
            case S_IFREG: files.append(path)
            case S_IFLNK:
                if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG { files.append(path) }
            default: break
            }
        }
    }
}
