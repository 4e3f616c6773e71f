internal import CMicroHTTPD
import Glibc
import Synchronization

// The C side calls these, on the connection's thread but for `connectionCallback`, which the accepting thread calls.

let connectionCallback: MHD_NotifyConnectionCallback = { context, connection, storage, event in
    guard let context, let connection, let storage else { return }
    let core = Unmanaged<ServerCore>.fromOpaque(context).takeUnretainedValue()
    if event == .CONNECTION_NOTIFY_STARTED {
        let object = Connection(
            core: core, socket: wado_httpd_socket(connection),
            address: numericAddress(wado_httpd_peer(connection)))
        storage.pointee = Unmanaged.passRetained(object).toOpaque()
        core.add(object)
    } else if let pointer = storage.pointee {
        storage.pointee = nil
        core.remove(Unmanaged<Connection>.fromOpaque(pointer).takeRetainedValue())
    }
}

/// What it returns becomes the request's context.
let requestLineCallback:
    @convention(c) (
        UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?
    ) -> UnsafeMutableRawPointer? = { _, uri, connection in
        guard let uri, let connection, let pointer = wado_httpd_connection_context(connection) else { return nil }
        Unmanaged<Connection>.fromOpaque(pointer).takeUnretainedValue().begin(uri)
        return pointer
    }

let completedCallback: MHD_RequestCompletedCallback = { _, _, context, reason in
    guard let context, let pointer = context.pointee else { return }
    context.pointee = nil
    Unmanaged<Connection>.fromOpaque(pointer).takeUnretainedValue()
        .complete(isComplete: reason == .REQUEST_TERMINATED_COMPLETED_OK)
}

let logCallback: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?) -> Void = { context, message in
    guard let context, let message else { return }
    let core = Unmanaged<ServerCore>.fromOpaque(context).takeUnretainedValue()
    if let log = core.log { log(String(cString: message)) }
}

let handleCallback: MHD_AccessHandlerCallback = { _, connection, _, method, version, data, size, context in
    guard let connection, let method, let version, let size, let pointer = context?.pointee else { return .NO }
    let object = Unmanaged<Connection>.fromOpaque(pointer).takeUnretainedValue()
    if case .head = object.step { return object.takeHead(connection, method: method, version: version) }
    if size.pointee > 0 {
        guard let data else { return .NO }
        let bytes = UnsafeRawBufferPointer(start: data, count: size.pointee)
        size.pointee = 0
        return object.take(bytes)
    }
    return object.answer(connection)
}

extension Connection {
    /// The first call: headers only. A response queued here ends the connection, so only refusals are.
    fileprivate func takeHead(
        _ connection: OpaquePointer, method: UnsafePointer<CChar>, version: UnsafePointer<CChar>
    ) -> MHD_Result {
        started = Clock.nanoseconds()
        var headers = HTTPHeaders()
        headers.bytes.reserveCapacity(512)
        headers.fields.reserveCapacity(16)
        _ = withUnsafeMutablePointer(to: &headers) { headers in
            MHD_get_connection_values_n(
                connection, .HEADER_KIND,
                { context, _, key, keySize, value, valueSize in
                    guard let context, let key else { return .NO }
                    let headers = context.assumingMemoryBound(to: HTTPHeaders.self)
                    key.withMemoryRebound(to: UInt8.self, capacity: keySize) { key in
                        let name = UnsafeBufferPointer(start: key, count: keySize)
                        guard let value else {
                            headers.pointee.append(name: name, value: UnsafeBufferPointer(start: nil, count: 0))
                            return
                        }
                        value.withMemoryRebound(to: UInt8.self, capacity: valueSize) {
                            headers.pointee.append(
                                name: name, value: UnsafeBufferPointer(start: $0, count: valueSize))
                        }
                    }
                    return .YES
                }, headers)
        }
        // The library hands the target over as a C string. One that a NUL cut short is not followed by the version.
        let isCut = targetStart.map { $0 + self.target.count + 1 != version } ?? true
        targetStart = nil
        let method = String(cString: method)
        let target = isCut ? nil : RequestCheck.target(self.target)
        isHead = method == "HEAD"
        isVersion10 = strcmp(version, "HTTP/1.0") == 0
        var request = HTTPRequest(
            method: method, target: target ?? "/", headers: headers, remoteAddress: address)
        func refuse(_ status: Int, _ reason: StaticString) -> MHD_Result {
            self.request = request
            return queue(Self.failure(status, reason), on: connection)
        }
        guard target != nil else { return refuse(400, "the request target is not a URI") }
        guard method.utf8.allSatisfy(RequestCheck.isToken) else { return refuse(400, "the method is not a token") }
        if let problem = RequestCheck.problem(headers: headers, isVersion10: isVersion10) {
            return refuse(400, problem)
        }
        if headers["Transfer-Encoding"] != nil {
            request.contentLength = nil
        } else if let length = headers["Content-Length"] {
            guard let length = UInt64(length) else { return refuse(413, "Content-Length is too large") }
            request.contentLength = length
        }
        self.request = request
        guard request.hasBody else {
            step = .ready
            enter(.handling)
            return .YES
        }
        enter(.receiving)
        switch core.upload(request) {
        case .reject(let response): return queue(response, on: connection)
        case .receive(let receiver): step = .receiving(receiver)
        case .collect(let limit):
            if let length = request.contentLength, length > UInt64(max(0, limit)) {
                return refuse(413, "the body is too large")
            }
            step = .collecting(limit: limit)
        case .discard:
            if let length = request.contentLength, length > UInt64(core.configuration.maximumDiscardedBytes) {
                return refuse(413, "the request needs no body, and this one is large")
            }
            step = .discarding(nil)
        }
        return .YES
    }

    /// A piece of the body.
    fileprivate func take(_ bytes: UnsafeRawBufferPointer) -> MHD_Result {
        switch step {
        case .receiving(let receiver):
            if let response = receiver.receive(bytes.bytes) { step = .discarding(response) }
        case .collecting(let limit):
            if (request?.body.count ?? 0) + bytes.count > limit {
                step = .discarding(Self.failure(413, "the body is too large"))
                request?.body = []
            } else {
                request?.body.append(contentsOf: bytes)
            }
        case .discarding:
            discarded += bytes.count
            if discarded > core.configuration.maximumDiscardedBytes { return .NO }
        case .head, .ready, .answered: return .NO
        }
        return .YES
    }

    /// The request is complete.
    fileprivate func answer(_ connection: OpaquePointer) -> MHD_Result {
        guard let request else { return .NO }
        enter(.handling)
        switch step {
        case .ready, .collecting, .discarding(nil): return queue(core.handler(request), on: connection)
        case .receiving(let receiver): return queue(receiver.finish(), on: connection)
        case .discarding(let response?): return queue(response, on: connection)
        case .head, .answered: return .NO
        }
    }

    fileprivate func complete(isComplete: Bool) {
        if let request, status != 0, let observer = core.observer {
            let known = isHead ? 0 : (isComplete ? responseLength : nil)
            observer(
                HTTPExchange(
                    request: request, status: status, sentBytes: known ?? sentBytes, isComplete: isComplete,
                    nanoseconds: Clock.nanoseconds() &- started, note: note, failure: failure))
        }
        reset()
    }

    private static func failure(_ status: Int, _ reason: StaticString) -> HTTPResponse {
        var response = HTTPResponse(status, body: .bytes(Array("{\"error\":\"\(reason)\"}\n".utf8)))
        response.add("Content-Type", literal: "application/json")
        response.closes = true
        return response
    }
}
