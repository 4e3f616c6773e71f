/// Reads stored data sets in pieces.
package enum DataSetComparison {
    private static let pieceSize = 262_144

    /// Of the file's bytes from `offset` to its end.
    package static func crc32(of file: any OpenFile, from offset: Int64) throws(FileSystemError) -> UInt32 {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 16)
        defer { buffer.deallocate() }
        var crc = CRC32()
        var offset = offset
        while true {
            let count = try file.read(into: buffer, at: offset)
            guard count > 0 else { return crc.value }
            crc.add(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]))
            offset += Int64(count)
        }
    }

    static func areEqual(
        _ a: any OpenFile, from aOffset: Int64, _ b: any OpenFile, from bOffset: Int64, size: Int64
    ) throws(FileSystemError) -> Bool {
        guard try a.size() - aOffset == size, try b.size() - bOffset == size else { return false }
        let first = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 16)
        let second = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 16)
        defer {
            first.deallocate()
            second.deallocate()
        }
        var position: Int64 = 0
        while position < size {
            let count = try a.read(into: first, at: aOffset + position)
            let other = UnsafeMutableRawBufferPointer(rebasing: second[..<count])
            guard count > 0, try b.fill(other, at: bOffset + position) == count else { return false }
            guard first[..<count].elementsEqual(second[..<count]) else { return false }
            position += Int64(count)
        }
        return true
    }
}
