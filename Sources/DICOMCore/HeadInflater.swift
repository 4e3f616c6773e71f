internal import CZLib

/// Inflates the start of a deflated data set, piece by piece, for the scanner.
final class HeadInflater {
    private var stream = z_stream()
    private let isUsable: Bool
    private var produced = 0

    init() {
        isUsable = inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
    }

    deinit { if isUsable { inflateEnd(&stream) } }

    /// Gives what the bytes inflate to, in pieces, to the body until it has its answer.
    func inflate(
        _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> HeadScanner.Outcome
    ) -> HeadScanner.Outcome {
        guard isUsable else { return .cannot(DICOMError(.invalidDeflate, at: 0)) }
        guard let base = bytes.baseAddress else { return .needMore }
        return withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 16) { output in
            stream.next_in = UnsafeMutablePointer(mutating: base.assumingMemoryBound(to: UInt8.self))
            stream.avail_in = UInt32(clamping: bytes.count)
            while true {
                stream.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.avail_out = UInt32(output.count)
                let status = CZLib.inflate(&stream, Z_NO_FLUSH)
                let made = output.count - Int(stream.avail_out)
                let outcome = body(UnsafeRawBufferPointer(rebasing: output[..<made]))
                guard case .needMore = outcome else { return outcome }
                produced += made
                if status == Z_STREAM_END { return .needMore }
                guard status == Z_OK || status == Z_BUF_ERROR else {
                    return .cannot(DICOMError(.invalidDeflate, at: produced))
                }
                if stream.avail_out > 0 { return .needMore }
            }
        }
    }
}
