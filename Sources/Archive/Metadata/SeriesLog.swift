import CDeflate

/// The log of a series: records one behind the other, each of an instance's DICOM JSON.
///
///     0  "WMR1"            12  CRC-32 of the JSON      24  SOP Instance UID
///     4  bytes of JSON     16  Adler-32 of the JSON    ..  JSON
///     8  bytes of UID      20  CRC-32 of bytes 0-19    ..  a line feed
///                              and of the UID
///
/// Numbers are little endian. A record whose checks fail with no good record behind it is a torn tail: an append that
/// a crash cut short, which nobody was told is stored. A damaged place before good records is passed over.
enum SeriesLog {
    static let headerBytes = 24
    private static let magic: UInt32 = 0x3152_4D57

    /// One instance in the log.
    struct Entry {
        var sopInstanceUID: String
        /// CRC-32 and Adler-32 of the JSON: equal for equal contents.
        var version: UInt64
        var offset: Int
        var length: Int
    }

    /// What a scan found.
    struct Contents {
        /// Every good record, in the order of the file; equal UIDs may be there several times.
        var entries: [Entry] = []
        /// Behind the last good record.
        var validEnd = 0
        /// The bytes of the file from 0, when it is small enough to be kept.
        var bytes: [UInt8] = []
    }

    static func version(of json: [UInt8]) -> UInt64 { json.withUnsafeBytes { version(of: $0) } }

    private static func version(of json: UnsafeRawBufferPointer) -> UInt64 {
        let crc = libdeflate_crc32(0, json.baseAddress, json.count)
        let adler = libdeflate_adler32(1, json.baseAddress, json.count)
        return UInt64(crc) << 32 | UInt64(adler)
    }

    static func append(_ instance: InstanceMetadata, version: UInt64, to out: inout [UInt8]) {
        let start = out.count
        var instance = instance
        out.append(littleEndian: magic)
        out.append(littleEndian: UInt32(truncatingIfNeeded: instance.json.count))
        out.append(littleEndian: UInt32(truncatingIfNeeded: instance.sopInstanceUID.utf8.count))
        out.append(littleEndian: version >> 32 | version << 32)  // CRC first, then Adler
        let check = out.withUnsafeBytes { bytes in
            let header = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + 20)])
            return instance.sopInstanceUID.withUTF8 { uid in
                libdeflate_crc32(
                    libdeflate_crc32(0, header.baseAddress, header.count), uid.baseAddress, uid.count)
            }
        }
        out.append(littleEndian: check)
        out.append(contentsOf: instance.sopInstanceUID.utf8)
        out.append(contentsOf: instance.json)
        out.append(0x0A)
    }

    /// Reads and checks all records up to `size`.
    static func scan(_ file: MetadataFile, size: Int) throws(MetadataStoreError) -> Contents {
        var contents = Contents()
        var window = Window(file: file, size: size)
        var position = 0
        while position + headerBytes <= size {
            if let length = try record(at: position, &window, &contents) {
                position += length
                contents.validEnd = position
            } else if let next = try window.find(magic, from: position + 1) {
                position = next
            } else {
                break
            }
        }
        if size <= MetadataLimits.bufferedLogBytes { contents.bytes = window.bytes }
        return contents
    }

    /// - Returns: the record's length; nil when there is no good one.
    private static func record(
        at position: Int, _ window: inout Window, _ contents: inout Contents
    ) throws(MetadataStoreError) -> Int? {
        try window.need(position, headerBytes)
        guard let header = window.header(position), header.magic == magic, (1...64).contains(header.uidLength),
            (1...MetadataLimits.instanceBytes).contains(header.jsonLength)
        else { return nil }
        let length = headerBytes + header.uidLength + header.jsonLength + 1
        guard position + length <= window.size else { return nil }
        try window.need(position, headerBytes + header.uidLength)
        guard window.headerCheck(position, uidLength: header.uidLength) == header.check else { return nil }
        try window.need(position, length)
        let start = position + headerBytes
        let version = window.withBytes(start + header.uidLength, header.jsonLength) { self.version(of: $0) }
        guard version == header.version else { return nil }
        contents.entries.append(
            Entry(
                sopInstanceUID: window.withBytes(start, header.uidLength) { String(decoding: $0, as: UTF8.self) },
                version: version, offset: start + header.uidLength, length: header.jsonLength))
        return length
    }

    private struct Header {
        var magic: UInt32
        var jsonLength: Int
        var uidLength: Int
        var version: UInt64
        var check: UInt32
    }

    /// A part of the file in memory: the whole of a small one, a megabyte or one record of a large one.
    private struct Window {
        let file: MetadataFile
        let size: Int
        var bytes: [UInt8] = []
        var start = 0

        init(file: MetadataFile, size: Int) {
            self.file = file
            self.size = size
        }

        mutating func need(_ position: Int, _ count: Int) throws(MetadataStoreError) {
            let end = min(position + count, size)
            if position >= start && end <= start + bytes.count { return }
            if size <= MetadataLimits.bufferedLogBytes {
                bytes = try file.read(at: 0, count: size)
                start = 0
            } else {
                bytes = try file.read(at: position, count: min(size - position, max(count, 1 << 20)))
                start = position
            }
            // A file that is shorter than a moment ago was repaired by its writer meanwhile.
            if end > start + bytes.count { throw MetadataStoreError(.file(operation: "read", errno: 0)) }
        }

        func withBytes<R>(_ position: Int, _ count: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
            bytes.withUnsafeBytes {
                body(UnsafeRawBufferPointer(rebasing: $0[(position - start)..<(position - start + count)]))
            }
        }

        func header(_ position: Int) -> Header? {
            withBytes(position, headerBytes) { bytes in
                func word(_ offset: Int) -> UInt32 {
                    UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                }
                return Header(
                    magic: word(0), jsonLength: Int(word(4)), uidLength: Int(word(8)),
                    version: UInt64(word(12)) << 32 | UInt64(word(16)), check: word(20))
            }
        }

        func headerCheck(_ position: Int, uidLength: Int) -> UInt32 {
            withBytes(position, headerBytes + uidLength) { bytes in
                let first = libdeflate_crc32(0, bytes.baseAddress, 20)
                return libdeflate_crc32(first, bytes.baseAddress?.advanced(by: headerBytes), uidLength)
            }
        }

        /// The next place where four bytes are `word`.
        mutating func find(_ word: UInt32, from position: Int) throws(MetadataStoreError) -> Int? {
            var position = position
            while position + 4 <= size {
                try need(position, 4)
                let end = min(size, start + bytes.count)
                let found = withBytes(position, end - position) { bytes -> Int? in
                    var index = 0
                    while index + 4 <= bytes.count {
                        if bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self) == word.littleEndian {
                            return index
                        }
                        index += 1
                    }
                    return nil
                }
                if let found { return position + found }
                position = max(position + 1, end - 3)
            }
            return nil
        }
    }
}

extension [UInt8] {
    @inline(__always)
    mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    /// An unaligned little-endian number; the caller checked the bounds.
    @inline(__always)
    func number<Value: FixedWidthInteger>(_ offset: Int, as type: Value.Type) -> Value {
        Value(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
}
