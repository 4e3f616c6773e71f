internal import ServiceKit

/// A service with the admin pages beside it.
final class ServiceWithAdminServer: RunningService {
    private let admin: AdminServer
    private let end: () -> Void

    /// - Parameter stop: ends the service; the admin pages answer until it is over.
    init(
        port: Int, context: ServiceContext, readiness isReady: @escaping @Sendable () -> Readiness,
        stop: @escaping () -> Void
    ) throws {
        end = stop
        admin = try AdminServer(port: port, metrics: context.metrics, readiness: isReady)
        context.logger.info("admin pages", ["port": .int(admin.port)])
    }

    func stop() {
        end()
        admin.stop()
    }
}
