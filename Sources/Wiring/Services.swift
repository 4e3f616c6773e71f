internal import HTTPServer
internal import PostgresAdapter
internal import ServiceKit

/// A service with the admin pages beside it.
final class ServiceWithAdminServer: RunningService {
    private let admin: AdminServer
    private let isReady: @Sendable () -> Readiness
    private let end: () -> Void

    /// - Parameter stop: ends the service; the admin pages answer until it is over.
    init(
        port: Int, context: ServiceContext, readiness isReady: @escaping @Sendable () -> Readiness,
        stop: @escaping () -> Void
    ) throws {
        self.isReady = isReady
        end = stop
        admin = try AdminServer(port: port, metrics: context.metrics, readiness: isReady)
        context.logger.info("admin pages", ["port": .int(admin.port)])
    }

    var readiness: Readiness { isReady() }

    func stop() {
        end()
        admin.stop()
    }
}

extension ServiceMain {
    /// `wado-consumer`: indexes instances.
    public static func consumer() -> Never {
        run("wado-consumer", about: "indexes received instances", sections: ["consumer"]) { context in
            let pool = try Database.open(context, sessions: 2, name: "wado-storescp")
            return try ServiceWithAdminServer(
                port: context.settings[WadoSettings.consumerAdminPort], context: context, readiness: { .ready },
                stop: { pool.close() })
        }
    }

    /// `wado-webworker`: keeps metadata compact and counts right.
    public static func webWorker() -> Never {
        run("wado-webworker", about: "compacts metadata and counts instances", sections: ["webworker"]) { context in
            let pool = try Database.open(context, sessions: 2, name: "wado-storescp")
            return try ServiceWithAdminServer(
                port: context.settings[WadoSettings.webWorkerAdminPort], context: context, readiness: { .ready },
                stop: { pool.close() })
        }
    }

    /// `wado-server`: answers DICOMweb.
    public static func server() -> Never {
        run("wado-server", about: "answers DICOMweb", sections: ["http"]) { context in
            let pool = try Database.open(context, sessions: 2, name: "wado-storescp")
            return try ServiceWithAdminServer(
                port: context.settings[WadoSettings.httpPort], context: context, readiness: { .ready },
                stop: { pool.close() })
        }
    }
}
