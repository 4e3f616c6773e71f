import CDeflate
import CZLib

/// Writes the file that `CompactedSeries` reads, instance by instance, in bounded memory.
final class CompactedSeriesWriter {
    private let file: MetadataFile
    private var stream = z_stream()
    private var fileOffset = 0
    private var text: [UInt8] = [UInt8(ascii: "[")]
    private var textLength = 0
    private var crc: UInt32 = 0
    private var chunks: [UInt8] = []
    private var chunkCount = 0
    private var entries: [UInt8] = []
    private var instanceCount = 0
    private var version = SnapshotVersion()

    init(_ file: MetadataFile) throws(MetadataStoreError) {
        self.file = file
        let result = deflateInit2_(
            &stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard result == Z_OK else { throw MetadataStoreError(.file(operation: "deflate", errno: 12)) }
        // Magic, deflate, no flags, no time, no extra flags, unknown system.
        try put([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF])
    }

    deinit { deflateEnd(&stream) }

    func add(_ sopInstanceUID: String, version: UInt64, json: RawSpan) throws(MetadataStoreError) {
        if instanceCount > 0 { text.append(UInt8(ascii: ",")) }
        entries.append(UInt8(truncatingIfNeeded: sopInstanceUID.utf8.count))
        entries.append(contentsOf: sopInstanceUID.utf8)
        entries.append(littleEndian: version)
        entries.append(littleEndian: UInt32(truncatingIfNeeded: chunkCount))
        entries.append(littleEndian: UInt32(truncatingIfNeeded: text.count))
        entries.append(littleEndian: UInt32(truncatingIfNeeded: json.byteCount))
        json.withUnsafeBytes { text.append(contentsOf: $0) }
        self.version.add(sopInstanceUID, version)
        instanceCount += 1
        if text.count >= MetadataLimits.chunkBytes { try endChunk(isLast: false) }
    }

    /// Ends the file and puts it on stable storage.
    func finish() throws(MetadataStoreError) {
        text.append(UInt8(ascii: "]"))
        try endChunk(isLast: true)
        var trailer: [UInt8] = []
        trailer.append(littleEndian: crc)
        trailer.append(littleEndian: UInt32(truncatingIfNeeded: textLength))
        try put(trailer)
        let bodyLength = fileOffset

        let index = chunks + entries
        for start in stride(from: 0, to: index.count, by: CompactedSeries.pieceBytes) {
            try putMember(index[start..<min(start + CompactedSeries.pieceBytes, index.count)])
        }
        var footer: [UInt8] = []
        footer.append(littleEndian: CompactedSeries.magic)
        footer.append(littleEndian: UInt64(bodyLength))
        footer.append(littleEndian: UInt64(textLength))
        footer.append(littleEndian: UInt64(index.count))
        footer.append(littleEndian: UInt32(truncatingIfNeeded: instanceCount))
        footer.append(littleEndian: UInt32(truncatingIfNeeded: chunkCount))
        footer.append(littleEndian: version.value)
        footer.append(littleEndian: index.withUnsafeBytes { libdeflate_crc32(0, $0.baseAddress, $0.count) })
        footer.append(littleEndian: UInt32(0))
        footer.append(littleEndian: footer.withUnsafeBytes { libdeflate_crc32(0, $0.baseAddress, $0.count) })
        try putMember(footer[...])
        try file.sync()
    }

    private func endChunk(isLast: Bool) throws(MetadataStoreError) {
        let start = fileOffset
        crc = text.withUnsafeBytes { libdeflate_crc32(crc, $0.baseAddress, $0.count) }
        try deflateText(Z_FULL_FLUSH)
        chunks.append(littleEndian: UInt64(start))
        chunks.append(littleEndian: UInt32(truncatingIfNeeded: fileOffset - start))
        chunks.append(littleEndian: UInt32(truncatingIfNeeded: text.count))
        chunkCount += 1
        textLength += text.count
        text.removeAll(keepingCapacity: text.capacity <= MetadataLimits.chunkBytes * 2)
        // The last block of the stream stands behind the last chunk, not in it.
        if isLast { try deflateText(Z_FINISH) }
    }

    private func deflateText(_ flush: Int32) throws(MetadataStoreError) {
        var output = [UInt8](repeating: 0, count: 65_536)
        var consumed = 0
        while true {
            var produced = 0
            let result: Int32 = text.withUnsafeMutableBytes { source in
                output.withUnsafeMutableBytes { target in
                    let bytes = source.bindMemory(to: UInt8.self)
                    let remaining = flush == Z_FINISH ? 0 : bytes.count - consumed
                    stream.next_in = remaining > 0 ? bytes.baseAddress?.advanced(by: consumed) : nil
                    stream.avail_in = UInt32(truncatingIfNeeded: remaining)
                    stream.next_out = target.bindMemory(to: UInt8.self).baseAddress
                    stream.avail_out = UInt32(target.count)
                    let result = deflate(&stream, flush)
                    consumed += remaining - Int(stream.avail_in)
                    produced = target.count - Int(stream.avail_out)
                    return result
                }
            }
            guard result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR else {
                throw MetadataStoreError(.file(operation: "deflate", errno: 22))
            }
            if produced > 0 { try put(Array(output[..<produced])) }
            // Room left over means that all of the input and the flush are out.
            if produced < output.count { return }
        }
    }

    private func put(_ bytes: [UInt8]) throws(MetadataStoreError) {
        try file.write(bytes, at: fileOffset)
        fileOffset += bytes.count
    }

    /// A gzip member without text, with `data` in its extra field (RFC 1952 2.3.1.1) under the name `WM`.
    private func putMember(_ data: ArraySlice<UInt8>) throws(MetadataStoreError) {
        var member: [UInt8] = [0x1F, 0x8B, 8, 4, 0, 0, 0, 0, 0, 0xFF]
        member.append(littleEndian: UInt16(truncatingIfNeeded: data.count + 4))
        member.append(contentsOf: [UInt8(ascii: "W"), UInt8(ascii: "M")])
        member.append(littleEndian: UInt16(truncatingIfNeeded: data.count))
        member.append(contentsOf: data)
        member.append(contentsOf: [0x03, 0x00, 0, 0, 0, 0, 0, 0, 0, 0])
        try put(member)
    }
}

/// A number for the contents of a series: FNV-1a over the UIDs and versions of its instances, in their order.
struct SnapshotVersion {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ sopInstanceUID: String, _ version: UInt64) {
        for byte in sopInstanceUID.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            value = (value ^ (version >> shift & 0xFF)) &* 0x100_0000_01B3
        }
    }
}
