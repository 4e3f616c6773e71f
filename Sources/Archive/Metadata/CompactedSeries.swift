import CDeflate

/// The compacted metadata of a series: one file whose first part is the gzip body to send.
///
/// - A gzip member with the `application/dicom+json` array. Its deflate stream is flushed behind every chunk of some
///   instances, so that each chunk can be inflated without those before it.
/// - Gzip members without text (zcat passes over them), whose extra fields hold the index in pieces of up to 65,000
///   bytes: a row for each chunk, then one for each instance.
/// - One more, of fixed size, with lengths and checks, which is read first.
final class CompactedSeries {
    struct Chunk {
        var compressedOffset: Int
        var compressedLength: Int
        var textLength: Int
    }

    struct Entry {
        struct Place {
            var version: UInt64
            var chunk: Int
            /// In the chunk's text.
            var offset: Int
            var length: Int
        }

        var sopInstanceUID: String
        var place: Place

        init(sopInstanceUID: String, _ place: Place) {
            self.sopInstanceUID = sopInstanceUID
            self.place = place
        }

        var version: UInt64 { place.version }
        var chunk: Int { place.chunk }
        var offset: Int { place.offset }
        var length: Int { place.length }
    }

    struct Footer {
        var bodyLength = 0
        var textLength = 0
        var indexLength = 0
        var instanceCount = 0
        var chunkCount = 0
        /// Of the contents; `SnapshotVersion`.
        var version: UInt64 = 0
        var indexCheck: UInt32 = 0
    }

    static let magic: UInt32 = 0x3143_4D57
    static let chunkRowBytes = 16
    static let pieceBytes = 65_000
    /// Header, length and name of the extra field before its data; deflated nothing and trailer behind it.
    static let memberFront = 16
    static let memberBack = 10
    static let footerBytes = 56
    static let footerMemberBytes = memberFront + footerBytes + memberBack

    let file: MetadataFile
    let footer: Footer
    private var index: (chunks: [Chunk], entries: [Entry])?

    /// - Returns: nil when there is no such file.
    static func open(_ path: String) throws(MetadataStoreError) -> CompactedSeries? {
        guard let file = try MetadataFile.open(reading: path) else { return nil }
        return try CompactedSeries(file)
    }

    private init(_ file: MetadataFile) throws(MetadataStoreError) {
        self.file = file
        let size = try file.size()
        guard size >= Self.footerMemberBytes else { throw MetadataStoreError(.damaged) }
        let bytes = try file.read(at: size - Self.footerMemberBytes, count: Self.footerMemberBytes)
        guard bytes.count == Self.footerMemberBytes else { throw MetadataStoreError(.damaged) }
        let footer: Footer? = bytes.withUnsafeBytes { bytes in
            let data = UnsafeRawBufferPointer(rebasing: bytes[Self.memberFront..<(Self.memberFront + Self.footerBytes)])
            guard data.number(0, as: UInt32.self) == Self.magic,
                data.number(52, as: UInt32.self) == libdeflate_crc32(0, data.baseAddress, 52)
            else { return nil }
            func int(_ offset: Int) -> Int { Int(truncatingIfNeeded: data.number(offset, as: UInt64.self)) }
            return Footer(
                bodyLength: int(4), textLength: int(12), indexLength: int(20),
                instanceCount: Int(data.number(28, as: UInt32.self)), chunkCount: Int(data.number(32, as: UInt32.self)),
                version: data.number(36, as: UInt64.self), indexCheck: data.number(44, as: UInt32.self))
        }
        guard let footer, footer.bodyLength > 0, footer.indexLength >= 0,
            footer.bodyLength + Self.indexBytes(footer.indexLength) + Self.footerMemberBytes == size
        else { throw MetadataStoreError(.damaged) }
        self.footer = footer
    }

    /// What an index of so many bytes takes in the file.
    static func indexBytes(_ length: Int) -> Int {
        length + (length + pieceBytes - 1) / pieceBytes * (memberFront + memberBack)
    }

    /// The index; read when first asked for.
    func contents() throws(MetadataStoreError) -> (chunks: [Chunk], entries: [Entry]) {
        if let index { return index }
        let bytes = try indexBytes()
        var entries: [Entry] = []
        entries.reserveCapacity(footer.instanceCount)
        let isGood = bytes.withUnsafeBytes { bytes in
            Self.forEachEntry(bytes, footer) { uid, entry in
                entries.append(Entry(sopInstanceUID: String(decoding: uid, as: UTF8.self), entry))
                return true
            }
        }
        guard isGood, entries.count == footer.instanceCount else { throw MetadataStoreError(.damaged) }
        let parsed = (bytes.withUnsafeBytes { Self.chunks($0, footer) }, entries)
        index = parsed
        return parsed
    }

    /// One instance, without making much of the others.
    func find(_ sopInstanceUID: String) throws(MetadataStoreError) -> (chunk: Chunk, entry: Entry)? {
        let bytes = try indexBytes()
        let wanted = Array(sopInstanceUID.utf8)
        var found: Entry?
        let isGood = bytes.withUnsafeBytes { bytes in
            Self.forEachEntry(bytes, footer) { uid, entry in
                guard uid.count == wanted.count, uid.elementsEqual(wanted) else { return true }
                found = Entry(sopInstanceUID: sopInstanceUID, entry)
                return false
            }
        }
        guard isGood else { throw MetadataStoreError(.damaged) }
        guard let found else { return nil }
        return (bytes.withUnsafeBytes { Self.chunks($0, footer) }[found.chunk], found)
    }

    /// The index out of its members, checked.
    private func indexBytes() throws(MetadataStoreError) -> [UInt8] {
        let count = Self.indexBytes(footer.indexLength)
        var bytes = try file.read(at: footer.bodyLength, count: count)
        guard bytes.count == count else { throw MetadataStoreError(.damaged) }
        // Take the members' frames out, in place.
        let check = bytes.withUnsafeMutableBytes { bytes in
            var (source, target) = (0, 0)
            while target < footer.indexLength {
                let length = min(Self.pieceBytes, footer.indexLength - target)
                let piece = UnsafeRawBufferPointer(rebasing: bytes[(source + Self.memberFront)...].prefix(length))
                UnsafeMutableRawBufferPointer(rebasing: bytes[target..<(target + length)]).copyMemory(from: piece)
                source += Self.memberFront + length + Self.memberBack
                target += length
            }
            return libdeflate_crc32(0, bytes.baseAddress, footer.indexLength)
        }
        guard check == footer.indexCheck, footer.chunkCount * Self.chunkRowBytes <= footer.indexLength else {
            throw MetadataStoreError(.damaged)
        }
        bytes.removeLast(bytes.count - footer.indexLength)
        return bytes
    }

    private static func chunks(_ data: UnsafeRawBufferPointer, _ footer: Footer) -> [Chunk] {
        (0..<footer.chunkCount).map { row in
            let start = row * chunkRowBytes
            return Chunk(
                compressedOffset: Int(truncatingIfNeeded: data.number(start, as: UInt64.self)),
                compressedLength: Int(data.number(start + 8, as: UInt32.self)),
                textLength: Int(data.number(start + 12, as: UInt32.self)))
        }
    }

    /// Visits the rows of instances until `body` returns false.
    /// - Returns: false when one is damaged.
    private static func forEachEntry(
        _ data: UnsafeRawBufferPointer, _ footer: Footer,
        _ body: (_ uid: Slice<UnsafeRawBufferPointer>, _ entry: Entry.Place) -> Bool
    ) -> Bool {
        var position = footer.chunkCount * chunkRowBytes
        while position < data.count {
            let uidLength = Int(data[position])
            guard position + 21 + uidLength <= data.count else { return false }
            let uid = data[(position + 1)..<(position + 1 + uidLength)]
            position += 1 + uidLength
            let place = Entry.Place(
                version: data.number(position, as: UInt64.self),
                chunk: Int(data.number(position + 8, as: UInt32.self)),
                offset: Int(data.number(position + 12, as: UInt32.self)),
                length: Int(data.number(position + 16, as: UInt32.self)))
            position += 20
            guard place.chunk < footer.chunkCount else { return false }
            let row = place.chunk * chunkRowBytes
            guard place.offset + place.length <= Int(data.number(row + 12, as: UInt32.self)) else { return false }
            if !body(uid, place) { return true }
        }
        return true
    }

    /// The text of one chunk.
    func text(of chunk: Chunk, with inflater: Inflater) throws(MetadataStoreError) -> [UInt8] {
        guard chunk.compressedOffset >= 0, chunk.compressedOffset + chunk.compressedLength <= footer.bodyLength else {
            throw MetadataStoreError(.damaged)
        }
        var compressed = try file.read(at: chunk.compressedOffset, count: chunk.compressedLength)
        // The chunk ends at a byte after a flush; an empty last block makes a stream of it.
        compressed.append(contentsOf: [0x03, 0x00])
        guard let text = inflater.inflate(compressed, length: chunk.textLength) else {
            throw MetadataStoreError(.damaged)
        }
        return text
    }
}

/// Owns a decompressor of libdeflate. Used by one thread.
final class Inflater {
    private let raw: OpaquePointer?

    init() { raw = libdeflate_alloc_decompressor() }
    deinit { if let raw { libdeflate_free_decompressor(raw) } }

    /// - Returns: nil unless the raw deflate stream has exactly so many bytes of text.
    func inflate(_ compressed: [UInt8], length: Int) -> [UInt8]? {
        guard let raw else { return nil }
        var isGood = false
        let text = [UInt8](unsafeUninitializedCapacity: length) { buffer, initialized in
            // A null pointer in the last argument asks for exactly `length` bytes.
            isGood =
                compressed.withUnsafeBytes { source in
                    libdeflate_deflate_decompress(
                        raw, source.baseAddress, source.count, buffer.baseAddress, length, nil)
                } == LIBDEFLATE_SUCCESS
            initialized = isGood ? length : 0
        }
        return isGood ? text : nil
    }
}
