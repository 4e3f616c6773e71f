internal import Glibc

/// Where our programs are.
enum ProgramFolder {
    static let services = ["wado-storescp", "wado-consumer", "wado-webworker", "wado-server"]

    /// The folder of this program, which must hold the services too.
    static func find() throws(CommandError) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { throw CommandError("cannot find out where this program is: is /proc mounted?") }
        let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        for name in services where access("\(folder)/\(name)", X_OK) != 0 {
            throw CommandError(
                "\(name) is missing in \(folder): build everything (`make build`), or install all five programs")
        }
        return folder
    }
}
