internal import CMicroHTTPD

/// The library's form of a response, shared by all that send it.
///
/// Unchecked: the library changes nothing of it but a count of references, under a lock of its own.
final class PreparedResponse: @unchecked Sendable {
    let handle: OpaquePointer

    /// nil unless the body is in memory: of others the library keeps how far they were sent.
    init?(_ response: HTTPResponse) {
        guard !response.closes else { return nil }
        switch response.body {
        case .empty, .bytes, .shared: break
        case .file, .segments, .chunked, .stream: return nil
        }
        guard let handle = Connection.memoryResponse(response.body) else { return nil }
        Connection.add(response.headers, to: handle)
        self.handle = handle
    }

    deinit { MHD_destroy_response(handle) }
}
