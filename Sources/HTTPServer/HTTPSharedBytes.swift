/// Bytes that many responses send without a copy of their own.
///
/// Unchecked: the memory is written in `init` only, and freed when nobody refers to it any more.
public final class HTTPSharedBytes: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer

    /// nil when the file does not hold the whole range, or cannot be read.
    public init?(_ file: HTTPFile, at offset: Int, count: Int) {
        guard offset >= 0, count >= 0, offset <= file.size, count <= file.size - offset else { return nil }
        memory = .allocate(byteCount: count, alignment: 16)
        guard file.read(into: memory, at: offset) == count else { return nil }
    }

    deinit { memory.deallocate() }

    public var count: Int { memory.count }

    /// A copy.
    package var bytes: [UInt8] { Array(memory) }

    /// Lent as long as `self` is referred to.
    var base: UnsafeMutableRawPointer? { memory.baseAddress }
}
