internal import CZLib
internal import Glibc

/// Inflates raw deflate (PS3.5 A.5, RFC 1951) from its start to its end, with some 200 kB of memory however much comes
/// of it: what is inflated goes where the caller wants it, or nowhere.
public final class InflatingReader {
    /// Fills a buffer with the deflated bytes from an offset on; returns how many, 0 at their end, -1 on an error, which
    /// `errno` then has.
    public typealias Source = (UnsafeMutableRawBufferPointer, Int) -> Int

    /// How many bytes have been inflated, those included that were passed over.
    public private(set) var position = 0
    /// Nothing more comes.
    public private(set) var isFinished = false

    private static let pieceSize = 1 << 16
    private let source: Source
    private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceSize, alignment: 16)
    /// Bytes taken from the source.
    private var taken = 0
    private var stream = z_stream()

    /// Throws `unreadable` without memory.
    public init(_ source: @escaping Source) throws(DICOMError) {
        self.source = source
        guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw DICOMError(.unreadable, at: 0, systemError: ENOMEM)
        }
    }

    convenience init(_ storage: ByteStorage, _ range: Range<Int>) throws(DICOMError) {
        try self.init { buffer, offset in
            storage.withUnsafeBytes { bytes in
                let rest = bytes[range].dropFirst(offset).prefix(buffer.count)
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest))
                return rest.count
            }
        }
    }

    deinit {
        inflateEnd(&stream)
        input.deallocate()
    }

    /// Fills the buffer; returns fewer bytes than it holds only at the end.
    ///
    /// Throws `invalidDeflate` when the stream is damaged or ends early, `unreadable` when its source does.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(DICOMError) -> Int {
        guard let base = buffer.baseAddress else { return 0 }
        var done = 0
        while done < buffer.count, !isFinished {
            if stream.avail_in == 0 { try refill() }
            let given = stream.avail_in
            let room = min(buffer.count - done, 1 << 30)
            stream.next_out = (base + done).assumingMemoryBound(to: UInt8.self)
            stream.avail_out = UInt32(room)
            let status = inflate(&stream, Z_NO_FLUSH)
            let made = room - Int(stream.avail_out)
            done += made
            position += made
            isFinished = status == Z_STREAM_END
            // No progress: the input ended before the stream did.
            guard isFinished || (status == Z_OK || status == Z_BUF_ERROR) && (made > 0 || stream.avail_in < given)
            else { throw DICOMError(.invalidDeflate, at: position) }
        }
        return done
    }

    /// Inflates up to this position without keeping anything; to the end when that comes first.
    ///
    /// Throws as `read` does.
    public func skip(to target: Int) throws(DICOMError) {
        let nowhere = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceSize, alignment: 16)
        defer { nowhere.deallocate() }
        while position < target, !isFinished {
            let count = min(nowhere.count, target - position)
            _ = try read(into: UnsafeMutableRawBufferPointer(rebasing: nowhere[..<count]))
        }
    }

    private func refill() throws(DICOMError) {
        let count = source(input, taken)
        guard count >= 0 else { throw DICOMError(.unreadable, at: taken, systemError: errno) }
        taken += count
        stream.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.avail_in = UInt32(count)
    }
}

/// The start of an inflated data set, as far as it is needed: values that are left out are inflated and dropped, and
/// their places in the storage take no memory.
struct InflatedStart {
    let storage: ByteStorage
    private let reader: InflatingReader
    private let options: ReadOptions
    private var kept = 0

    /// - Parameter deflatedBytes: what is inflated; no byte makes more than some thousand.
    init(_ reader: InflatingReader, deflatedBytes: Int, options: ReadOptions) throws(DICOMError) {
        self.reader = reader
        self.options = options
        let most = deflatedBytes.multipliedReportingOverflow(by: 1_040)
        storage = try ByteStorage(
            reserving: min(options.maximumInflatedBytes, most.overflow ? .max : most.partialValue &+ 4_096))
    }

    /// All bytes there are, once that is known.
    var total: Int { reader.isFinished ? storage.count : .max }

    /// Inflates until there are so many bytes, or no more.
    ///
    /// Throws `inflatesTooFar` and `headerTooLong` beyond the options' bounds, and what the reader throws.
    mutating func fill(to wanted: Int) throws(DICOMError) {
        let free = options.maximumKeptBytes - kept
        let most = free < storage.capacity - storage.count ? storage.count + free : storage.capacity
        // More than asked for, so that many small steps do not cost a call each.
        let target = min(max(wanted, storage.count + min(max(storage.count, 4_096), 1 << 16)), most)
        while storage.count < target, !reader.isFinished, let base = storage.base {
            let room = UnsafeMutableRawBufferPointer(start: base + storage.count, count: target - storage.count)
            let count = try reader.read(into: room)
            storage.count += count
            kept += count
        }
        guard storage.count < wanted, !reader.isFinished else { return }
        // The stream may end just here.
        try reader.skip(to: reader.position + 1)
        guard reader.isFinished, reader.position == storage.count else {
            throw DICOMError(most == storage.capacity ? .inflatesTooFar : .headerTooLong, at: storage.count)
        }
    }

    /// Leaves out what lies before this place and is not there yet.
    mutating func skip(to place: Int) throws(DICOMError) {
        guard place > storage.count else { return }
        guard place <= storage.capacity else {
            // Too far, or beyond the end of the stream.
            try reader.skip(to: storage.capacity + 1)
            throw DICOMError(reader.isFinished ? .truncated : .inflatesTooFar, at: storage.count)
        }
        try reader.skip(to: place)
        storage.count = reader.position
    }
}
