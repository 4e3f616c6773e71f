internal import CZLib

/// Raw deflate (PS3.5 A.5, RFC 1951) with a bound.
enum Inflater {
    /// Inflates the range into a new buffer.
    ///
    /// Throws `inflatesTooFar` when the result would be larger than `maximum`, or than 64 MiB and a hundred times the
    /// input; `invalidDeflate` when the stream is damaged or ends early.
    static func inflate(
        _ storage: ByteStorage, _ range: Range<Int>, maximum: Int
    ) throws(DICOMError) -> ByteStorage {
        let limit = min(maximum, max(64 << 20, range.count.multipliedReportingOverflow(by: 100).partialValue))
        let result = ByteStorage(capacity: min(limit, max(4096, range.count * 3)))
        var stream = z_stream()
        guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw DICOMError(.invalidDeflate, at: range.lowerBound)
        }
        defer { inflateEnd(&stream) }
        var failure: DICOMError?
        storage.withUnsafeBytes { bytes in
            failure = run(&stream, UnsafeRawBufferPointer(rebasing: bytes[range]), into: result, limit: limit)
        }
        if let failure {
            throw DICOMError(failure.code, at: range.lowerBound + failure.byteOffset)
        }
        return result
    }

    private static func run(
        _ stream: inout z_stream, _ input: UnsafeRawBufferPointer, into result: ByteStorage, limit: Int
    ) -> DICOMError? {
        var consumed = 0
        while true {
            if result.count == result.capacity {
                guard result.capacity < limit else { return DICOMError(.inflatesTooFar, at: consumed) }
                result.grow(to: min(limit, result.capacity * 2))
            }
            guard let output = result.base, let source = input.baseAddress else {
                return DICOMError(.invalidDeflate, at: consumed)
            }
            let given = min(input.count - consumed, 1 << 30)
            let room = min(result.capacity - result.count, 1 << 30)
            stream.next_in = UnsafeMutablePointer(
                mutating: (source + consumed).assumingMemoryBound(to: UInt8.self))
            stream.avail_in = UInt32(given)
            stream.next_out = (output + result.count).assumingMemoryBound(to: UInt8.self)
            stream.avail_out = UInt32(room)
            let status = CZLib.inflate(&stream, Z_NO_FLUSH)
            let used = given - Int(stream.avail_in)
            let made = room - Int(stream.avail_out)
            consumed += used
            result.count += made
            if status == Z_STREAM_END { return nil }
            guard status == Z_OK || (status == Z_BUF_ERROR && result.count == result.capacity) else {
                return DICOMError(.invalidDeflate, at: consumed)
            }
            if used == 0, made == 0, result.count < result.capacity {
                return DICOMError(.invalidDeflate, at: consumed)
            }
        }
    }
}
