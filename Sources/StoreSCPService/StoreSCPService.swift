public import Archive
public import ArchiveSchema
internal import DICOMNetwork
internal import Glibc
public import ServiceKit
internal import Synchronization

/// What all associations share.
final class StoreSCPShared: Sendable {
    let configuration: StoreSCPConfiguration
    let spool: Spool
    let filer: InstanceFiler
    let tenantRule: TenantRule
    let problems: ProblemReporter
    let logger: Logger
    let metrics: StoreSCPMetrics
    let associations = Atomic<Int>(0)
    /// The last answer about disk space, and when (milliseconds) to ask again.
    private let diskCheck = Mutex<(isEnough: Bool, next: Int)>((true, 0))

    init(
        configuration: StoreSCPConfiguration, spool: Spool, filer: InstanceFiler, problems: ProblemReporter,
        logger: Logger, metrics: StoreSCPMetrics
    ) {
        self.configuration = configuration
        self.spool = spool
        self.filer = filer
        self.problems = problems
        tenantRule = TenantRule(configuration)
        self.logger = logger
        self.metrics = metrics
    }

    var hasDiskSpace: Bool {
        let now = MonotonicClock.milliseconds
        return diskCheck.withLock { check in
            if now >= check.next {
                check.next = now + 1_000
                check.isEnough = ((try? spool.freeBytes()) ?? 0) >= configuration.minimumFreeBytes
            }
            return check.isEnough
        }
    }
}

/// Receives instances by C-STORE, makes them safe, files them and publishes their events.
public final class StoreSCPService: Sendable {
    public typealias Configuration = StoreSCPConfiguration

    /// At this moment.
    public struct Status: Sendable {
        public var port: UInt16
        public var associations: Int
        /// Safe, and not yet published.
        public var pendingInstances: Int
        public var hasDiskSpace: Bool
        /// False when so many instances are pending that no more are taken in.
        public var hasRoom: Bool
        /// Since when the event bus takes no events, if that is so: instances are received, and wait.
        public var busIsDownSince: Timestamp?
    }

    private let configuration: Configuration
    private let bus: any EventBus
    private let logger: Logger
    private let metrics: StoreSCPMetrics
    private let registry: MetricsRegistry

    /// As rows of `dicom_problem_meta` name it.
    static let program = "wado-storescp"

    private struct Running: Sendable {
        var acceptor: AssociationAcceptor
        var shared: StoreSCPShared
        var filing: ServiceThread
        var publishing: ServiceThread
    }

    private final class State: Sendable {
        let running = Mutex<Running?>(nil)
    }

    private let state = State()

    public init(
        configuration: Configuration, bus: any EventBus, logger: Logger = .silent,
        metrics: MetricsRegistry = MetricsRegistry()
    ) {
        self.configuration = configuration
        self.bus = bus
        self.logger = logger
        self.metrics = StoreSCPMetrics(metrics)
        registry = metrics
        let state = state
        metrics.gauge("wado_storescp_pending_instances", help: "Instances that are safe and not yet published.") {
            Double(state.running.withLock { $0?.shared.filer.pending } ?? 0)
        }
        metrics.gauge(
            "wado_storescp_bus_down_seconds",
            help: "For how long the event bus has taken no events, while instances wait for it; else 0."
        ) {
            guard let since = state.running.withLock({ $0?.shared.filer.busIsDownSince }) else { return 0 }
            return max(0, Double(WallClock.microseconds - since) / 1e6)
        }
        metrics.gauge("wado_storescp_associations", help: "Associations at this moment.") {
            Double(state.running.withLock { $0?.acceptor.associationCount } ?? 0)
        }
    }

    /// Opens the spool, takes up what an earlier process left there, and listens.
    ///
    /// Throws `FileSystemError` (the store's folder), `TransportError` (the port) or `ThreadError`.
    public func start() throws {
        DescriptorLimit.raise()
        let paths = ArchivePaths(root: configuration.storeFolder)
        let spool = try Spool(folder: paths.spool(configuration.spoolName))
        let (logger, metrics, bus) = (logger, metrics, bus)
        let problems = ProblemReporter(
            bus: bus, journal: "\(spool.folder)/problems", configuration: configuration.problems, logger: logger,
            metrics: registry)
        let node = configuration.node
        let filer = InstanceFiler(
            spool: spool, paths: paths, configuration: configuration.filing, makeProducer: { try bus.makeProducer() },
            makeEvent: { (provenance, path) throws(FileSystemError) in try StorageEvent.make(provenance, path: path) },
            notice: { notice in
                Self.note(notice, logger, metrics)
                problems.report(Self.problems(of: notice, node: node))
            })
        try filer.recover()
        if filer.pending > 0 { logger.info("spool taken up", ["files": .int(filer.pending)]) }
        let shared = StoreSCPShared(
            configuration: configuration, spool: spool, filer: filer, problems: problems, logger: logger,
            metrics: metrics)
        var acceptance = AssociationAcceptor.Configuration(policy: configuration.policy)
        acceptance.host = configuration.host
        acceptance.port = configuration.port
        acceptance.maximumAssociations = configuration.maximumAssociations
        acceptance.artimMilliseconds = configuration.artimMilliseconds
        acceptance.idleMilliseconds = configuration.idleMilliseconds
        let acceptor = try AssociationAcceptor(
            acceptance, notice: { Self.note($0, logger, metrics) },
            makeHandler: { StoreHandler(shared: shared, association: $0, peer: $1) })
        let filing = try ServiceThread(name: "filing") { filer.runFiling($0) }
        let publishing: ServiceThread
        do {
            publishing = try ServiceThread(name: "publishing") { filer.runPublishing($0) }
            do {
                try problems.start()
                try acceptor.start()
            } catch {
                problems.stop()
                publishing.stop()
                publishing.join()
                throw error
            }
        } catch {
            filing.stop()
            filing.join()
            throw error
        }
        state.running.withLock {
            $0 = Running(acceptor: acceptor, shared: shared, filing: filing, publishing: publishing)
        }
        logger.info(
            "listening", ["port": .int(Int(acceptor.port)), "ae_title": .string(configuration.aeTitle)])
    }

    /// Stops accepting, lets operations end for at most `deadlineMilliseconds`, files and publishes what can be, and
    /// returns when all threads are gone. What could not be published is taken up by the next start.
    public func stop(deadlineMilliseconds: Int = 10_000) {
        guard
            let running = state.running.withLock({ running in
                defer { running = nil }
                return running
            })
        else { return }
        running.acceptor.stop(deadlineMilliseconds: deadlineMilliseconds)
        running.filing.stop()
        running.filing.join()
        running.publishing.stop()
        running.publishing.join()
        running.shared.problems.stop()
        running.shared.spool.close()
        logger.info("stopped", ["pending": .int(running.shared.filer.pending)])
    }

    /// nil when it is not running.
    public var status: Status? {
        guard let running = state.running.withLock({ $0 }) else { return nil }
        return Status(
            port: running.acceptor.port, associations: running.acceptor.associationCount,
            pendingInstances: running.shared.filer.pending, hasDiskSpace: running.shared.hasDiskSpace,
            hasRoom: running.shared.filer.hasRoom,
            busIsDownSince: running.shared.filer.busIsDownSince.map(Timestamp.init(microsecondsSince1970:)))
    }

    private static func note(_ notice: AssociationAcceptor.Notice, _ logger: Logger, _ metrics: StoreSCPMetrics) {
        switch notice {
        case .accepted(let calling, let called, let peer, let contexts):
            metrics.associations.add()
            logger.debug(
                "association accepted",
                [
                    "calling": .string(calling), "called": .string(called), "peer": .string(peer),
                    "contexts": .int(contexts),
                ])
        case .rejected(let reject, let calling, let peer):
            metrics.rejected.add()
            logger.warning(
                "association rejected",
                [
                    "calling": .string(calling), "peer": .string(peer), "result": .int(Int(reject.result)),
                    "source": .int(Int(reject.source)), "reason": .int(Int(reject.reason)),
                ])
        case .dropped(let peer):
            metrics.dropped.add()
            logger.debug("connection dropped", ["peer": .string(peer)])
        }
    }

    private static func note(_ notice: InstanceFiler.Notice, _ logger: Logger, _ metrics: StoreSCPMetrics) {
        switch notice {
        case .filed(let outcome, let provenance):
            metrics.filed.add()
            func fields() -> Logger.Fields {
                ["trace": .string(provenance.traceID), "outcome": .string(String(describing: outcome))]
            }
            switch outcome {
            case .stored, .replaced: break
            case .duplicate: metrics.duplicates.add()
            case .kept, .refused:
                metrics.discarded.add()
                logger.warning("a data set gave way to another one of the same UIDs", fields())
            }
            logger.debug("filed", fields())
        case .published(let count): metrics.published.add(count)
        case .filingFailed(let error):
            metrics.failures.add()
            logger.error("filing failed, trying again", ["error": .string(error.description)])
        case .publishingFailed(let error):
            metrics.failures.add()
            logger.error("publishing failed, trying again", ["error": .string(String(describing: error))])
        case .incomplete: logger.info("unfinished file removed from the spool")
        case .lost(let number, let provenance):
            logger.error(
                "a file of the spool is missing or damaged",
                ["file": .string(String(number, radix: 16)), "trace": .string(provenance?.traceID ?? "")])
        case .unpublishable(let provenance):
            logger.error("no event can be made of a stored instance", ["trace": .string(provenance.traceID)])
        }
    }

    /// What became of a file in the spool that somebody should know of.
    private static func problems(of notice: InstanceFiler.Notice, node: String) -> [DicomProblemMetaRow] {
        let (rule, severity, provenance): (String, ProblemSeverity, Provenance?)
        switch notice {
        // Of what is refused the sender is told, and another row is written.
        case .filed(.kept, let kept): (rule, severity, provenance) = ("other-data-set-kept", .warning, kept)
        case .filed, .published, .filingFailed, .publishingFailed: return []
        // It never was acknowledged, so its sender has it still.
        case .incomplete: (rule, severity, provenance) = ("unfinished-file", .info, nil)
        case .lost(_, let lost): (rule, severity, provenance) = ("spool-file-lost", .error, lost)
        case .unpublishable(let stored): (rule, severity, provenance) = ("event-impossible", .error, stored)
        }
        let now = WallClock.microseconds
        let subject = InstanceProblems.Subject(
            tenantID: provenance?.identity.tenant.value, studyUID: provenance?.identity.study.value,
            seriesUID: provenance?.identity.series.value, sopUID: provenance?.identity.instance.value,
            traceID: provenance?.traceID ?? TraceID.make(microseconds: now), sourceIP: provenance?.peerAddress,
            sourceAE: provenance?.callingAETitle, workerNodeID: node,
            createdTime: Timestamp(microsecondsSince1970: provenance?.receivedMicroseconds ?? now))
        var problems = InstanceProblems()
        problems.add(rule, severity)
        return problems.rows(of: subject, by: program, seen: Timestamp(microsecondsSince1970: now))
    }
}
