internal import HTTPServer
internal import ServiceKit

/// What every service answers about itself: `/metrics`, `/healthz` (the process lives), `/readyz` (it can do its work).
enum AdminPages {
    /// The answer, or nil when the path is another one.
    static func answer(
        path: String, metrics: MetricsRegistry, readiness: () -> Readiness
    ) -> HTTPResponse? {
        switch path {
        case "/metrics":
            return text(200, type: "text/plain; version=0.0.4; charset=utf-8", metrics.text())
        case "/healthz":
            return text(200, "ok\n")
        case "/readyz":
            switch readiness() {
            case .ready: return text(200, "ready\n")
            case .notReady(let reason): return text(503, reason + "\n")
            case .readyBut(let reason): return text(200, "ready, but \(reason)\n")
            }
        default: return nil
        }
    }

    static func text(_ status: Int, _ text: String) -> HTTPResponse {
        self.text(status, type: "text/plain; charset=utf-8", Array(text.utf8))
    }

    private static func text(_ status: Int, type: String, _ bytes: [UInt8]) -> HTTPResponse {
        var response = HTTPResponse(status, body: .bytes(bytes))
        response.add("Content-Type", type)
        response.add("Cache-Control", "no-store")
        return response
    }
}

/// A small web server with the admin pages. Only this machine reaches it.
final class AdminServer: Sendable {
    private let server: HTTPServer

    var port: Int { Int(server.port) }

    init(
        port: Int, metrics: MetricsRegistry, readiness: @escaping @Sendable () -> Readiness
    ) throws(HTTPServerError) {
        var configuration = HTTPServerConfiguration()
        configuration.port = UInt16(clamping: port)
        configuration.maximumConnections = 16
        configuration.drainTimeout = 1_000
        server = HTTPServer(configuration: configuration) { request in
            guard request.method == "GET" || request.method == "HEAD" else { return AdminPages.text(405, "GET only\n") }
            return AdminPages.answer(path: String(request.path), metrics: metrics, readiness: readiness)
                ?? AdminPages.text(404, "there are /metrics, /healthz and /readyz\n")
        }
        try server.start()
    }

    func stop() { server.stop() }
}
