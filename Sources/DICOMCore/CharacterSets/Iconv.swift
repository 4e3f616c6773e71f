internal import Glibc

/// A converter of the C library into Unicode scalars. Of one thread.
final class Iconv {
    private let handle: iconv_t

    /// Nil when the C library has no such converter.
    init?(from name: StaticString) {
        let handle = name.withUTF8Buffer { name in
            name.withMemoryRebound(to: CChar.self) { name in
                name.baseAddress.flatMap { iconv_open("UTF-32LE", $0) }
            }
        }
        guard let handle, handle != iconv_t(bitPattern: -1) else { return nil }
        self.handle = handle
    }

    deinit { iconv_close(handle) }

    /// The characters of a few bytes (at most eight come out); nil when they are not all whole and valid.
    func scalars(_ bytes: [UInt8]) -> [UInt32]? {
        var bytes = bytes.map { CChar(bitPattern: $0) }
        return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 8) { output in
            let count: Int? = bytes.withUnsafeMutableBufferPointer { input in
                output.withMemoryRebound(to: CChar.self) { output -> Int? in
                    iconv(handle, nil, nil, nil, nil)
                    var from = input.baseAddress
                    var to = output.baseAddress
                    var left = input.count
                    var room = output.count
                    let status = iconv(handle, &from, &left, &to, &room)
                    guard status != -1, left == 0 else { return nil }
                    return output.count - room
                }
            }
            return count.map { count in output[..<(count / 4)].map { UInt32(littleEndian: $0) } }
        }
    }
}
