internal import Glibc

/// Writes all of the bytes to a descriptor that blocks; false, with `errno` set, when that cannot be done.
public func writeAll(_ bytes: some Sequence<UInt8>, to descriptor: Int32) -> Bool {
    let bytes = Array(bytes)
    var offset = 0
    while offset < bytes.count {
        let count = bytes[offset...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count > 0 {
            offset += count
        } else if errno != EINTR {
            return false
        }
    }
    return true
}
