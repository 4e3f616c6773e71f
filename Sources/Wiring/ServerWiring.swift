internal import Archive
internal import HTTPServer
internal import PostgresAdapter
internal import ServerService
internal import ServiceKit

extension ServerConfiguration {
    init(_ settings: Settings, folder: DataFolder) {
        self.init(storeFolder: folder.store)
        http.host = settings[WadoSettings.httpAddress]
        http.port = UInt16(clamping: settings[WadoSettings.httpPort])
        http.maximumConnections = settings[WadoSettings.httpConnections]
        http.maximumConnectionsPerAddress = settings[WadoSettings.httpConnectionsPerAddress]
        http.headerDeadline = settings[WadoSettings.httpHeaderDeadline] * 1_000
        http.idleTimeout = settings[WadoSettings.httpIdle] * 1_000
        defaultTenant = TenantID(settings[WadoSettings.defaultTenant]) ?? .standard
        let admitted = Set(settings[WadoSettings.tenants].compactMap { TenantID($0) })
        tenants = admitted.isEmpty ? nil : admitted
        roots = settings[WadoSettings.httpRoots]
        let url = settings[WadoSettings.publicURL]
        publicURL = url.isEmpty ? nil : url
        corsOrigins = settings[WadoSettings.corsOrigins]
        maximumResults = settings[WadoSettings.maximumResults]
        maximumSearchBytes = settings[WadoSettings.maximumSearch] << 20
        maximumCompared = settings[WadoSettings.maximumCompared]
        metadataCacheSeries = settings[WadoSettings.metadataCache]
        answerMemoryBytes = settings[WadoSettings.answerMemory] << 20
        layoutCacheBytes = settings[WadoSettings.layoutCache] << 20
        if !settings[WadoSettings.accessLog] { accessLogCapacity = 0 }
        nodeID = Node.name(settings)
        version = Program.version
    }
}

/// `wado-server`, which answers the admin pages itself.
private final class RunningServer: RunningService {
    private let service: ServerService
    private let backends: Backends

    init(_ service: ServerService, backends: Backends) {
        self.service = service
        self.backends = backends
    }

    func stop() {
        service.stop()
        backends.close()
    }
}

extension ServiceMain {
    /// `wado-server`: answers DICOMweb.
    public static func server() -> Never {
        run("wado-server", about: "answers DICOMweb", sections: ["http", "tenant", "kafka"]) { context in
            let settings = context.settings
            let backends = try Backends(
                context, sessions: settings[WadoSettings.httpSessions], name: "wado-server")
            let service = ServerService(
                configuration: ServerConfiguration(settings, folder: context.folder),
                index: PostgresSeriesIndex(pool: try backends.database()),
                metadata: FileMetadataStore(root: context.folder.json),
                logs: try backends.logs(), logger: context.logger, metrics: context.metrics)
            try service.start()
            return RunningServer(service, backends: backends)
        }
    }
}
