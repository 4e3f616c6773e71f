import Foundation
import SchemaGenerator

/// Reads below the package's folder and writes below the output folder.
struct PackageFiles {
    let package: URL
    let output: URL

    /// The bytes of a file of the package; a diagnostic names it when it cannot be read.
    func read(_ path: String) throws(GeneratorFailure) -> [UInt8] {
        do {
            return [UInt8](try Data(contentsOf: package.appending(path: path)))
        } catch {
            throw GeneratorFailure([
                Diagnostic(
                    path: path, line: 1, severity: .error,
                    message: "cannot be read (\(error.localizedDescription)); is it there, and in the right folder?")
            ])
        }
    }

    /// Writes a file, unless it has these bytes already. Returns whether it wrote.
    @discardableResult
    func write(_ file: GeneratedFile) throws -> Bool {
        let place = output.appending(path: file.name)
        let contents = Data(file.contents.utf8)
        if let old = try? Data(contentsOf: place), old == contents { return false }
        try FileManager.default.createDirectory(
            at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
        try contents.write(to: place, options: .atomic)
        return true
    }

    /// Removes the files of this extension below the output folder that are not among the names. Returns their names.
    func removeOthers(than names: Set<String>, pathExtension: String) throws -> [String] {
        guard let found = FileManager.default.enumerator(atPath: output.path(percentEncoded: false)) else { return [] }
        let others = found.compactMap { $0 as? String }.filter { name in
            (name as NSString).pathExtension == pathExtension && !names.contains(name)
        }
        for name in others { try FileManager.default.removeItem(at: output.appending(path: name)) }
        return others.sorted()
    }
}
