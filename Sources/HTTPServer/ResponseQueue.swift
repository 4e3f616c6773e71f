internal import CMicroHTTPD
import Glibc
import Synchronization

/// Bytes the library asks of a stream at a time.
private let blockSize = 131_072
/// Ranges up to so many bytes are read, not sent by the kernel.
private let smallFile = 16_384

extension Connection {
    /// Hands a response to the library. `.NO` closes the connection without an answer.
    func queue(_ response: HTTPResponse, on connection: OpaquePointer) -> MHD_Result {
        step = .answered
        status = response.status
        note = response.note
        responseLength = response.body.length
        let closes = response.closes || core.isStopping.load(ordering: .relaxed)
        if !closes, let prepared = response.prepared {
            enter(.sending)
            return MHD_queue_response(connection, UInt32(clamping: response.status), prepared.handle)
        }
        guard let made = make(response.body) else {
            status = 500
            return .NO
        }
        defer { MHD_destroy_response(made) }
        Self.add(response.headers, to: made)
        if closes { MHD_add_response_header(made, "Connection", "close") }
        enter(.sending)
        return MHD_queue_response(connection, UInt32(clamping: response.status), made)
    }

    static func add(_ headers: [(name: StaticString, value: String)], to made: OpaquePointer) {
        for (name, value) in headers {
            name.utf8Start.withMemoryRebound(to: CChar.self, capacity: name.utf8CodeUnitCount + 1) { name in
                _ = MHD_add_response_header(made, name, value)
            }
        }
    }

    /// Of a body in memory; nil of another one, or without memory.
    static func memoryResponse(_ body: HTTPBody) -> OpaquePointer? {
        switch body {
        case .empty: return MHD_create_response_from_buffer(0, nil, .RESPMEM_PERSISTENT)
        case .bytes(let bytes):
            return bytes.withUnsafeBytes {
                // The library copies; the pointer is not written to.
                MHD_create_response_from_buffer(
                    $0.count, UnsafeMutableRawPointer(mutating: $0.baseAddress), .RESPMEM_MUST_COPY)
            }
        case .shared(let bytes):
            let owner = Unmanaged.passRetained(bytes)
            let response = MHD_create_response_from_buffer_with_free_callback_cls(
                bytes.count, bytes.base,
                { owner in
                    if let owner { Unmanaged<HTTPSharedBytes>.fromOpaque(owner).release() }
                }, owner.toOpaque())
            if response == nil { owner.release() }
            return response
        default: return nil
        }
    }

    private func make(_ body: HTTPBody) -> OpaquePointer? {
        switch body {
        case .empty, .bytes, .shared: return Self.memoryResponse(body)
        case .file(let file, let offset, let length):
            // The library would spin at the end of a file that is shorter than promised. One that is cut while it is
            // being sent ends by the stall window.
            guard offset >= 0, length >= 0, offset <= file.size, length <= file.size - offset else { return nil }
            if length <= smallFile {
                // Header and body leave in one packet, by one call.
                guard let memory = malloc(max(1, length)) else { return nil }
                let buffer = UnsafeMutableRawBufferPointer(start: memory, count: length)
                guard file.read(into: buffer, at: offset) == length,
                    let response = MHD_create_response_from_buffer(length, memory, .RESPMEM_MUST_FREE)
                else {
                    free(memory)
                    return nil
                }
                return response
            }
            let descriptor = file.take()
            guard descriptor >= 0 else { return nil }
            guard
                let response = MHD_create_response_from_fd_at_offset64(UInt64(length), descriptor, UInt64(offset))
            else {
                close(descriptor)
                return nil
            }
            return response
        case .segments(let segments): return make(.stream(HTTPSegments(segments)))
        case .chunked(let segments):
            guard core.configuration.tls == nil, !isHead, !isVersion10 else { return make(.stream(segments)) }
            return make(segments, length: nil, blockSize: 1, sendChunks)
        case .stream(let stream):
            let length = stream.length
            return make(stream, length: length, blockSize: min(blockSize, max(1, length ?? blockSize)), readStream)
        }
    }

    private func make(
        _ stream: any HTTPBodyStream, length: Int?, blockSize: Int, _ read: MHD_ContentReaderCallback
    ) -> OpaquePointer? {
        let box = Unmanaged.passRetained(StreamBox(stream, self))
        let response = MHD_create_response_from_callback(
            length.map { UInt64(max(0, $0)) } ?? UInt64.max, blockSize, read, box.toOpaque(),
            { context in
                if let context { Unmanaged<StreamBox>.fromOpaque(context).release() }
            })
        if response == nil { box.release() }
        return response
    }
}

/// A stream being sent, owned by the library's response.
private final class StreamBox {
    let stream: any HTTPBodyStream
    let connection: Connection

    init(_ stream: any HTTPBodyStream, _ connection: Connection) {
        self.stream = stream
        self.connection = connection
    }
}

/// Called once: sends all, and says that it was the end.
private let sendChunks: MHD_ContentReaderCallback = { context, _, _, _ in
    guard let context else { return -2 }
    let box = Unmanaged<StreamBox>.fromOpaque(context).takeUnretainedValue()
    guard let segments = box.stream as? HTTPSegments else { return -2 }
    var sender = ChunkSender(socket: box.connection.socket)
    defer { box.connection.sentBytes += sender.sentBytes }
    do { try sender.send(segments) } catch {
        if !(error is ChunkSender.Lost) { box.connection.failure = error }
        return -2
    }
    return -1
}

private let readStream: MHD_ContentReaderCallback = { context, position, buffer, capacity in
    guard let context, let buffer, capacity > 0 else { return -2 }
    let box = Unmanaged<StreamBox>.fromOpaque(context).takeUnretainedValue()
    do {
        let count = try box.stream.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: capacity))
        guard count > 0, count <= capacity else {
            // The end (-1), unless more was promised: then cut (-2).
            return count == 0 && box.stream.length == nil ? -1 : -2
        }
        box.connection.sentBytes += count
        return count
    } catch {
        box.connection.failure = error
        return -2
    }
}
