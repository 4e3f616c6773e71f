internal import Glibc
internal import ServiceKit

/// This machine.
enum Node {
    /// The setting, or the host's name, at most 64 characters.
    static func name(_ settings: Settings) -> String {
        let name = settings[WadoSettings.node]
        if !name.isEmpty { return name }
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "unknown" }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(String(decoding: bytes, as: UTF8.self).prefix(64))
    }
}
