internal import Archive
internal import ConsumerService
internal import Foundation
internal import PostgresAdapter
internal import ServiceKit
internal import WebWorkerService

extension ConsumerService.Configuration {
    init(_ settings: Settings, folder: DataFolder) {
        self.init(storeRoot: folder.store)
        group = settings[WadoSettings.consumerGroup]
        node = Node.name(settings)
        threads = settings[WadoSettings.consumerThreads]
        batchInstances = settings[WadoSettings.consumerBatch]
        bulkDataRoot = settings.bulkDataRoot
        bulkDataThreshold = settings[WadoSettings.bulkDataThreshold]
    }
}

extension Settings {
    /// Where metadata say that bulk data is: a path, so that any name of the host will do, behind that of the public URL
    /// when there is one.
    fileprivate var bulkDataRoot: String {
        let path = URLComponents(string: self[WadoSettings.publicURL])?.path ?? ""
        return path + (self[WadoSettings.httpRoots].first ?? "/dicom-web")
    }
}

extension ServiceMain {
    /// `wado-consumer`: indexes instances.
    public static func consumer() -> Never {
        run("wado-consumer", about: "indexes received instances", sections: ["consumer", "doris", "kafka"]) { context in
            let settings = context.settings
            let threads = settings[WadoSettings.consumerThreads]
            let configuration = ConsumerService.Configuration(settings, folder: context.folder)
            let backends = try Backends(context, sessions: threads + 1, name: "wado-consumer")
            let service = ConsumerService(
                configuration, bus: backends.bus, store: try backends.ingestStore(),
                metadata: FileMetadataStore(root: context.folder.json), logger: context.logger, metrics: context.metrics
            )
            try service.start()
            let doris = try DorisKeeper(context)
            return try ServiceWithAdminServer(
                port: settings[WadoSettings.consumerAdminPort], context: context,
                readiness: {
                    let status = service.status
                    guard status.isRunning else { return .notReady("stopped") }
                    guard status.healthyWorkers > 0 else {
                        return .notReady("no worker reaches the bus and the stores")
                    }
                    return doris?.problem.map { Readiness.readyBut($0) } ?? .ready
                },
                stop: {
                    doris?.stop()
                    service.stop()
                    backends.close()
                })
        }
    }

    /// `wado-webworker`: keeps metadata compact and counts right.
    public static func webWorker() -> Never {
        run(
            "wado-webworker", about: "compacts metadata, counts instances, keeps logs in order",
            sections: ["webworker", "retention", "kafka"]
        ) { context in
            let settings = context.settings
            var configuration = WebWorkerService.Configuration()
            configuration.intervalMinutes = Double(settings[WadoSettings.webWorkerInterval])
            configuration.cpuPercent = Double(settings[WadoSettings.webWorkerCPU])
            configuration.memoryPercent = Double(settings[WadoSettings.webWorkerMemory])
            let backends = try Backends(context, sessions: 4, name: "wado-webworker")
            let service = WebWorkerService(
                configuration, queue: try backends.compactionQueue(),
                metadata: FileMetadataStore(root: context.folder.json), logger: context.logger, metrics: context.metrics
            )
            var retention = LogRetention()
            retention.accessMonths = settings[WadoSettings.accessLogMonths]
            retention.problemMonths = settings[WadoSettings.problemMonths]
            let housekeeper = LogHousekeeper(
                PostgresLogKeeper(pool: try backends.database()), retention: retention, logger: context.logger,
                metrics: context.metrics)
            try service.start()
            try housekeeper.start()
            return try ServiceWithAdminServer(
                port: settings[WadoSettings.webWorkerAdminPort], context: context,
                readiness: {
                    let status = service.status
                    guard status.isRunning else { return .notReady("stopped") }
                    return status.isHealthy ? .ready : .notReady("the queue of series cannot be asked")
                },
                stop: {
                    housekeeper.stop()
                    service.stop()
                    backends.close()
                })
        }
    }
}
