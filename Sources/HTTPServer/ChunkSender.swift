internal import CMicroHTTPD
import Glibc

/// Sends segments as chunks (RFC 9112 7.1) on a connection's socket, ranges of files by the kernel. The library does that
/// for a body that is one range of a file only. It calls for a body when the header is sent, and sends the last chunk.
struct ChunkSender {
    private let socket: Int32
    /// Framing and short pieces, which wait for what follows them.
    private var waiting: [UInt8] = []
    private(set) var sentBytes = 0

    struct Lost: Error {}

    private static let bufferSize = 65_536

    init(socket: Int32) {
        self.socket = socket
        waiting.reserveCapacity(512)
    }

    /// Blocks until all is given to the system. Throws when the peer is gone, or a segment is not as it should be: then
    /// the connection has to end.
    mutating func send(_ segments: HTTPSegments) throws {
        if let length = segments.length, length > 0 { begin(chunkOf: length) }
        while let segment = try segments.next() {
            let count = segment.length
            guard count > 0 else { continue }
            if let length = segments.length {
                guard count <= length - sentBytes else { throw HTTPSegments.CutShort() }
            } else {
                begin(chunkOf: count)
            }
            try send(segment)
            sentBytes += count
            if segments.length == nil { waiting += [0x0D, 0x0A] }
            if waiting.count >= Self.bufferSize { try flush() }
        }
        if let length = segments.length, length > 0 {
            guard sentBytes == length else { throw HTTPSegments.CutShort() }
            waiting += [0x0D, 0x0A]
        }
        // The library sends the last chunk at once.
        try flush(more: true)
    }

    private mutating func begin(chunkOf count: Int) {
        waiting += String(count, radix: 16).utf8
        waiting += [0x0D, 0x0A]
    }

    private mutating func flush(more: Bool = false) throws {
        guard !waiting.isEmpty else { return }
        let status = waiting.withUnsafeBytes { wado_httpd_send(socket, $0.baseAddress, $0.count, more ? 1 : 0) }
        guard status == 0 else { throw Lost() }
        waiting.removeAll(keepingCapacity: true)
    }

    private mutating func send(_ segment: HTTPSegments.Segment) throws {
        switch segment {
        case .bytes(let bytes): waiting += bytes
        case .file(let file, let offset, let length):
            try flush()
            var position = Int64(offset)
            let isSent = file.withDescriptor { wado_httpd_send_file(socket, $0, &position, length) == 0 }
            guard !isSent else { return }
            // Some file systems cannot.
            guard errno == EINVAL || errno == ENOSYS else { throw Lost() }
            let start = Int(position)
            try sendMade(offset + length - start) { buffer, position in
                guard file.read(into: buffer, at: start + position) == buffer.count else {
                    throw HTTPSegments.CutShort()
                }
            }
        case .made(let length, let fill):
            try flush()
            try sendMade(length, fill)
        }
    }

    private func sendMade(_ length: Int, _ fill: (UnsafeMutableRawBufferPointer, Int) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(length, Self.bufferSize), alignment: 16)
        defer { buffer.deallocate() }
        var done = 0
        while done < length {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, length - done)])
            try fill(piece, done)
            guard wado_httpd_send(socket, piece.baseAddress, piece.count, 0) == 0 else { throw Lost() }
            done += piece.count
        }
    }
}
