internal import CZLib

/// Raw deflate (PS3.5 A.5, RFC 1951), step by step and with a bound: nothing is inflated that is not asked for.
final class Inflater {
    /// What has been inflated.
    let output: ByteStorage
    /// Nothing more comes.
    private(set) var isFinished = false

    private let input: ByteStorage
    private let start: Int
    private let end: Int
    private var consumed: Int
    private let limit: Int
    private var stream = z_stream()

    /// - Parameter maximum: how many bytes may come of it; also not more than 64 MiB and a hundred times the input.
    init(_ input: ByteStorage, _ range: Range<Int>, maximum: Int) throws(DICOMError) {
        self.input = input
        start = range.lowerBound
        end = range.upperBound
        consumed = range.lowerBound
        let proportion = range.count.multipliedReportingOverflow(by: 100)
        limit = min(maximum, max(64 << 20, proportion.overflow ? .max : proportion.partialValue))
        output = ByteStorage(capacity: max(min(limit, range.count * 3, 1 << 16), 16))
        guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw DICOMError(.invalidDeflate, at: start)
        }
    }

    deinit { inflateEnd(&stream) }

    /// Inflates until there are so many bytes, or no more.
    ///
    /// Throws `inflatesTooFar` when there would be more than may be; `invalidDeflate` when the stream is damaged or
    /// ends early.
    func fill(to wanted: Int) throws(DICOMError) {
        let failure = input.withUnsafeBytes { bytes in
            while !isFinished, output.count < wanted {
                if let failure = step(bytes) { return DICOMError?.some(failure) }
            }
            return nil
        }
        if let failure { throw failure }
    }

    private func step(_ bytes: UnsafeRawBufferPointer) -> DICOMError? {
        if output.count >= min(output.capacity, limit) {
            guard output.count < limit else { return DICOMError(.inflatesTooFar, at: consumed) }
            output.grow(to: min(limit, output.capacity * 2))
        }
        guard let target = output.base, let source = bytes.baseAddress else {
            return DICOMError(.invalidDeflate, at: consumed)
        }
        let given = min(end - consumed, 1 << 30)
        let room = min(min(output.capacity, limit) - output.count, 1 << 30)
        stream.next_in = UnsafeMutablePointer(mutating: (source + consumed).assumingMemoryBound(to: UInt8.self))
        stream.avail_in = UInt32(given)
        stream.next_out = (target + output.count).assumingMemoryBound(to: UInt8.self)
        stream.avail_out = UInt32(room)
        let status = CZLib.inflate(&stream, Z_NO_FLUSH)
        let used = given - Int(stream.avail_in)
        let made = room - Int(stream.avail_out)
        consumed += used
        output.count += made
        if status == Z_STREAM_END {
            isFinished = true
            return nil
        }
        // No progress: the input ended before the stream did.
        guard status == Z_OK || status == Z_BUF_ERROR, used > 0 || made > 0 else {
            return DICOMError(.invalidDeflate, at: consumed)
        }
        return nil
    }
}
