public import Archive
internal import HTTPServer
public import ServiceKit

/// Answers DICOMweb: searches, metadata, instances, frames and bulk data (PS3.18).
public final class ServerService: Sendable {
    public typealias Configuration = ServerConfiguration

    /// At this moment.
    public struct Status: Sendable {
        public var port: UInt16
        public var connections: Int
    }

    private let configuration: Configuration
    private let handler: WebHandler
    private let server: HTTPServer
    private let accessLog: AccessLog
    private let logger: Logger

    /// - Parameter logs: gets the rows of the access log.
    public init(
        configuration: Configuration, index: any SeriesIndex, metadata: any MetadataStore, logs: any LogStore,
        logger: Logger = .silent, metrics: MetricsRegistry = MetricsRegistry()
    ) {
        self.configuration = configuration
        self.logger = logger
        let handler = WebHandler(
            configuration: configuration, index: index, metadata: metadata, logger: logger, metrics: metrics)
        self.handler = handler
        let accessLog = AccessLog(
            store: logs, capacity: configuration.accessLogCapacity, node: configuration.nodeID, logger: logger,
            metrics: metrics)
        let figures = RequestFigures(metrics)
        self.accessLog = accessLog
        let server = HTTPServer(
            configuration: configuration.http, handler: { handler.respond(to: $0) },
            upload: { request in
                // A search may carry an empty-headed body; what is not GET is refused before its body is read.
                request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS"
                    ? .discard : .reject(handler.reject(request))
            },
            observer: { exchange in
                let note = exchange.note as? AccessNote
                figures.observe(exchange, note?.operation ?? .refused)
                if let failure = exchange.failure { handler.failed(exchange, failure) }
                if let note { accessLog.append(exchange, note) }
            }, log: { _ in figures.addLibraryMessage() })
        self.server = server
        metrics.gauge("wado_http_connections", help: "Open connections") { Double(server.connectionCount) }
        metrics.counter("wado_http_connections_total", help: "Accepted connections") { Double(server.acceptedCount) }
        metrics.counter("wado_http_connections_reaped_total", help: "Connections closed for silence or slowness") {
            Double(server.reapedCount)
        }
    }

    /// Listens.
    ///
    /// Throws `HTTPServerError` (the port) or `ThreadError`.
    public func start() throws {
        try accessLog.start()
        do { try server.start() } catch {
            accessLog.stop()
            throw error
        }
        logger.info("web server listens", ["host": .string(configuration.http.host), "port": .int(Int(server.port))])
    }

    /// Accepts nothing more, lets running requests end, writes the access log, and returns.
    public func stop() {
        server.stop()
        accessLog.stop()
    }

    /// Why it cannot answer now, as a constant; nil when it can.
    public var problem: String? { handler.problem }

    public var status: Status { Status(port: server.port, connections: server.connectionCount) }
}
