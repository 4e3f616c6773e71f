internal import Archive
internal import ArchiveSchema
internal import KafkaAdapter
internal import PostgresAdapter
internal import ServiceKit

/// The outside systems of a service, as the settings choose them.
final class Backends: Sendable {
    /// Sessions with the database; nil when the service does without.
    let pool: PostgresPool?
    let bus: any EventBus
    private let topicLogs: TopicLogStore?
    private let migration: BackgroundMigration?

    /// - Parameters:
    ///   - sessions: with the database at most.
    ///   - needsDatabase: false for a service that uses the bus alone.
    ///   - isService: whether it brings the database to its schema, makes topics, and builds beside its work what the
    ///     schema needs; else somebody has done so.
    init(
        _ context: ServiceContext, sessions: Int, name: String, needsDatabase: Bool = true, isService: Bool = true
    ) throws {
        let settings = context.settings
        let kafka = try ArchiveBus.kafka(settings, program: name, logger: context.logger)
        if let kafka, isService { try Self.prepare(kafka, context.logger) }
        let hasTopicLogs = settings[WadoSettings.logs] == "doris"
        var isMigrated = true
        if let kafka, !needsDatabase {
            pool = nil
            bus = kafka
        } else {
            let sessions =
                isService
                ? try Database.open(context, sessions: sessions, name: name)
                : (PostgresPool(settings[WadoSettings.database], limit: sessions, applicationName: name), true)
            (pool, isMigrated) = sessions
            bus = kafka ?? PostgresEventBus(pool: sessions.0)
        }
        topicLogs = hasTopicLogs ? TopicLogStore(producer: try bus.makeProducer()) : nil
        migration =
            try !isMigrated
            ? BackgroundMigration(settings[WadoSettings.database], name: name, logger: context.logger) : nil
    }

    /// What cannot become well by itself ends the start.
    private static func prepare(_ kafka: KafkaEventBus, _ logger: Logger) throws {
        do {
            try kafka.prepare()
        } catch let error as KafkaError {
            guard !error.isRetriable else {
                logger.warning("waiting for Kafka", ["reason": .string("\(error)")])
                return
            }
            // Each command on a line of its own: texts of the log are cut.
            for line in error.message.split(separator: "\n").dropFirst() {
                logger.error("topics are missing", ["text": .string(String(line))])
            }
            throw error
        }
    }

    /// Sessions with the database.
    /// - Throws: for a service that said that it needs none.
    func database() throws -> PostgresPool {
        guard let pool else { throw SettingsError(problems: ["this service has no database"]) }
        return pool
    }

    /// Where logs are written beside everything else: with a session of their own, which no limit of searches binds.
    func logs() throws -> any LogStore {
        if let topicLogs { return topicLogs }
        let pool = try database()
        return PostgresIngestStore(
            pool: PostgresPool(pool.connectionString, limit: 1, applicationName: "\(pool.applicationName) logs"))
    }

    /// - Parameter instanceTopics: where rows go to topics, of rows of instances only these are published.
    func ingestStore(instanceTopics: Set<Topic> = [.objectLog, .image]) throws -> any IngestStore {
        let index = PostgresIngestStore(pool: try database())
        return topicLogs.map { TopicIngestStore(index: index, logs: $0, instanceTopics: instanceTopics) } ?? index
    }

    /// Whether rows go to topics, so that Doris has them; the database has those of series only.
    var publishesRows: Bool { topicLogs != nil }

    /// Publishes series as the index has them now, where rows go to topics.
    func publish(_ series: [DicomStateMetaRow]) throws { try topicLogs?.append(series) }

    func compactionQueue() throws -> any CompactionQueue {
        guard let topicLogs else { return PostgresCompactionQueue(pool: try database()) }
        return PostgresCompactionQueue(pool: try database(), publish: { try topicLogs.append($0) })
    }

    func close() {
        migration?.stop()
        topicLogs?.close()
        pool?.close()
    }
}

extension Backends {
    /// Those of a run over old data.
    /// - Parameter connection: the archive's database, which has its schema.
    convenience init(_ settings: Settings, connection: String, sessions: Int) throws {
        var settings = settings
        try settings.set(WadoSettings.database, to: connection)
        try self.init(
            ServiceContext(
                settings: settings, folder: DataFolder(settings[WadoSettings.data]), logger: .silent,
                metrics: MetricsRegistry()), sessions: sessions, name: "wado reindex", isService: false)
    }
}
