internal import DICOMCore
internal import HTTPServer
internal import Synchronization

/// The inflated data set of a deflated file, for an answer that goes through it from front to back: what lies before a
/// range is inflated and dropped, and nothing is kept. Going back means to begin anew.
///
/// Invariant for `Sendable`: what changes is touched under the lock alone.
final class InflatedFile: @unchecked Sendable {
    /// No data set inflates to more: the longest Pixel Data there is, and what may stand before it.
    static let maximumBytes = 5 << 30

    private let file: HTTPFile
    private let start: Int
    private let lock = Mutex(())
    private var reader: InflatingReader?
    /// The last bytes that were read. Frames that begin within a byte share it with the frame before.
    private var tail: [UInt8] = []

    /// - Parameter start: where the data set begins in the file.
    init(_ file: HTTPFile, from start: Int) {
        self.file = file
        self.start = start
    }

    /// Fills the buffer with the bytes from a position on.
    /// - Throws: `PixelsCutShort` beyond the end; `DICOMError`.
    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws {
        try lock.withLock { _ in
            do { try fill(buffer, position) } catch {
                // Whatever failed leaves nothing that could be taken for more.
                reader = nil
                throw error
            }
        }
    }

    private func fill(_ buffer: UnsafeMutableRawBufferPointer, _ position: Int) throws {
        if let reader, position < reader.position - tail.count { self.reader = nil }
        let reader: InflatingReader
        if let own = self.reader {
            reader = own
        } else {
            reader = try Self.reader(file, from: start)
            self.reader = reader
            tail = []
        }
        let known = min(buffer.count, max(0, reader.position - position))
        if known > 0 {
            tail.suffix(reader.position - position).prefix(known).withUnsafeBytes { buffer.copyMemory(from: $0) }
        }
        guard known < buffer.count else { return }
        try reader.skip(to: position + known)
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[known...])
        guard reader.position == position + known, try reader.read(into: rest) == rest.count else {
            throw PixelsCutShort()
        }
        // Behind a gap only what was read now is the end of what was inflated.
        tail = Array(((known > 0 ? tail : []) + rest.suffix(8)).suffix(8))
    }

    /// How many bytes there are in all: inflates it all.
    ///
    /// Throws 406 when they are more than `maximumBytes`, 500 when the file is damaged.
    static func length(of file: HTTPFile, from start: Int) throws(RequestFailure) -> Int {
        do throws(DICOMError) {
            let reader = try reader(file, from: start)
            try reader.skip(to: maximumBytes + 1)
            if reader.position <= maximumBytes { return reader.position }
        } catch { throw failure(error) }
        throw .notAcceptable(
            "the stored instance is deflated and inflates to more than \(maximumBytes) bytes, the most that this server"
                + " inflates; application/dicom with transfer-syntax=* gets it as it is stored")
    }

    static func failure(_ error: any Error) -> RequestFailure {
        .failed("the stored file cannot be inflated as far as is asked for", error)
    }

    private static func reader(_ file: HTTPFile, from start: Int) throws(DICOMError) -> InflatingReader {
        try InflatingReader { buffer, offset in file.read(into: buffer, at: start + offset) }
    }
}
