package import Archive
package import HTTPServer
package import ServiceKit

/// Answers requests; knows nothing of sockets.
package final class WebHandler: Sendable {
    private let configuration: ServerConfiguration
    private let index: any SeriesIndex
    private let frames: FrameResponder
    private let bulkData: BulkDataResponder
    private let retrieve: RetrieveResponder
    private let metadata: MetadataResponder
    private let search: SearchResponder
    private let pages: Pages
    private let cors: CORSPolicy
    private let failures: FailureLog

    package init(
        configuration: ServerConfiguration, index: any SeriesIndex, metadata: any MetadataStore,
        logger: Logger = .silent, metrics: MetricsRegistry
    ) {
        self.configuration = configuration
        self.index = index
        let opener = InstanceOpener(
            paths: ArchivePaths(root: configuration.storeFolder), cacheBytes: configuration.layoutCacheBytes,
            memory: AnswerMemory(capacity: configuration.answerMemoryBytes))
        frames = FrameResponder(opener: opener)
        bulkData = BulkDataResponder(opener: opener)
        retrieve = RetrieveResponder(opener: opener, index: index, metadata: metadata)
        cors = CORSPolicy(configuration.corsOrigins)
        self.metadata = MetadataResponder(
            index: index, metadata: metadata, cache: MetadataCache(capacity: configuration.metadataCacheSeries),
            cors: cors)
        search = SearchResponder(
            index: index, metadata: metadata, maximumResults: max(1, configuration.maximumResults),
            maximumBytes: configuration.maximumSearchBytes, maximumCompared: max(1, configuration.maximumCompared))
        failures = FailureLog(logger)
        pages = Pages(configuration: configuration, index: index, metrics: metrics, failures: failures)
    }

    /// Why it cannot answer now, a constant; nil when it can.
    package var problem: String? { pages.problem }

    /// Answers a request without a body, or whose body does not matter.
    package func respond(to request: HTTPRequest) -> HTTPResponse {
        if request.method == "OPTIONS" { return cors.preflight(request) }
        var operation = Operation.refused
        var note: AccessNote?
        var response: HTTPResponse
        do throws(RequestFailure) {
            guard request.method == "GET" || request.method == "HEAD" else { throw Self.notAllowed }
            let tenant = try tenant(request)
            if let recalled = metadata.recall(request, tenant: tenant) { return recalled }
            let (route, root) = try Route.parse(request.path, roots: configuration.roots)
            operation = route.operation
            let (study, series, instance) = route.uids
            note = AccessNote(
                operation: operation, tenant: tenant.value, study: study?.value, series: series?.value,
                instance: instance?.value)
            response = try answer(
                route, WebRequest(http: request, tenant: tenant, root: try self.root(request, root)))
        } catch {
            if let cause = error.cause { failures.write(cause, operation) }
            response = error.response
        }
        cors.add(to: &response, for: request)
        response.note = note ?? AccessNote(operation: operation, tenant: configuration.defaultTenant.value)
        return response
    }

    /// An answer ended early, and not because the peer went away.
    package func failed(_ exchange: HTTPExchange, _ error: any Error) {
        failures.write(
            (error as? RequestFailure)?.cause ?? error, (exchange.note as? AccessNote)?.operation ?? .refused)
    }

    /// Answers a request whose body is not wanted.
    package func reject(_ request: HTTPRequest) -> HTTPResponse {
        var response = Self.notAllowed.response
        cors.add(to: &response, for: request)
        return response
    }

    private static let notAllowed = RequestFailure(
        405, "this server takes GET, HEAD and OPTIONS; instances are sent to it by C-STORE",
        allowed: "GET, HEAD, OPTIONS")

    private func answer(_ route: Route, _ request: WebRequest) throws(RequestFailure) -> HTTPResponse {
        switch route {
        case .home: return pages.home(request)
        case .health: return pages.health()
        case .readiness: return pages.readiness()
        case .metrics: return pages.figures()
        case .search(let level, let study, let series):
            return try search.respond(request, level, study: study, series: series)
        case .retrieve(let study, let series?, let instance?):
            return try retrieve.respond(request, identity(request, study, series, instance))
        case .retrieve(let study, let series, _):
            return try retrieve.respond(request, study: study, series: series)
        case .metadata(let study, let series?, let instance?):
            return try metadata.respond(request, study: study, series: series, instance: instance)
        case .metadata(let study, let series?, nil):
            return try metadata.respond(request, study: study, series: series)
        case .metadata(let study, nil, _):
            return try metadata.respond(request, study: study)
        case .frames(let study, let series, let instance, let list):
            return try frames.respond(request, identity(request, study, series, instance), list: list)
        case .bulkData(let study, let series, let instance, let path):
            return try bulkData.respond(request, identity(request, study, series, instance), path: path)
        case .unsupported(let name):
            throw RequestFailure(501, "'\(name)' is not offered: ask for frames and render them in the client")
        }
    }

    private func identity(_ request: WebRequest, _ study: UID, _ series: UID, _ instance: UID) -> InstanceIdentity {
        InstanceIdentity(tenant: request.tenant, study: study, series: series, instance: instance)
    }

    private func tenant(_ request: HTTPRequest) throws(RequestFailure) -> TenantID {
        var tenant = configuration.defaultTenant
        if let name = request.headers["x-tenant"] {
            guard request.headers.count(of: "x-tenant") == 1, let named = TenantID(name) else {
                throw .badRequest("x-tenant does not name one tenant: 1 to 64 letters, digits, '_' and '-'")
            }
            tenant = named
        }
        if let tenants = configuration.tenants, !tenants.contains(tenant) {
            throw .notFound("there is no such resource; / lists what there is")
        }
        return tenant
    }

    private func root(_ request: HTTPRequest, _ root: String) throws(RequestFailure) -> String {
        if let url = configuration.publicURL { return url + root }
        let host = request.headers["host"] ?? ""
        let isClean =
            host.utf8.count <= 255
            && host.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5B, 0x5D, 0x5F: true
                default: false
                }
            }
        guard isClean else { throw .badRequest("the Host header is not a host's name") }
        if host.isEmpty { return root }
        return (configuration.http.tls == nil ? "http://" : "https://") + host + root
    }
}
