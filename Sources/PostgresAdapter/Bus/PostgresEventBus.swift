public import Archive

/// The event bus embedded in PostgreSQL; `BusSchema` says how order is kept. The schema must be there (`SchemaMigrator`).
public final class PostgresEventBus: EventBus {
    public struct Configuration: Sendable {
        /// How often a member looks who else is in its group, in milliseconds: the longest time that partitions of a
        /// dead member lie still.
        public var membershipMilliseconds = 500
        /// Messages of one `poll` together, about; one message always comes.
        public var pollBytes = 16 << 20
        /// A group without a member for so many days is forgotten: messages do not wait for it any longer. It is to be
        /// longer than any time that an archive's consumers may be switched off while others run.
        public var forgottenAfterDays = 30
        /// Messages that every group has committed are deleted in batches of so many.
        public var deleteBatch = 5_000

        public init() {}
    }

    private let pool: PostgresPool
    private let configuration: Configuration

    /// - Parameter pool: for producers and `lag`; each consumer opens a session of its own, since that session is what
    ///   owns its partitions. A connection pooler between must keep sessions.
    public init(pool: PostgresPool, configuration: Configuration = Configuration()) {
        self.pool = pool
        self.configuration = configuration
    }

    public func makeProducer() throws -> any EventProducer { PostgresEventProducer(pool: pool) }

    public func makeConsumer(group: String, topics: [Topic]) throws -> any EventConsumer {
        PostgresEventConsumer(
            connectionString: pool.connectionString, group: group, topics: topics, configuration: configuration)
    }

    public func lag(group: String, topic: Topic) throws -> Int64 {
        try pool.retryingOnce { connection throws(PostgresError) in
            let result = try connection.query(
                """
                SELECT coalesce(sum(p.next_offset - coalesce(o.committed,
                    (SELECT min(m."offset") FROM bus_message m WHERE m.topic = p.topic AND m.partition = p.partition),
                    p.next_offset)), 0)::bigint
                FROM bus_partition p
                LEFT JOIN bus_offset o ON o.group_name = $1 AND o.topic = p.topic AND o.partition = p.partition
                WHERE p.topic = $2
                """, [.text(group), .text(topic.rawValue)], operation: "bus lag")
            return result.integer(0, 0) ?? 0
        }
    }
}

/// Publishes by one statement a batch, which is one transaction.
final class PostgresEventProducer: EventProducer {
    private let pool: PostgresPool
    /// Messages and bytes of one transaction: the rows of the partitions are locked meanwhile.
    static let batchMessages = 1_000
    static let batchBytes = 8 << 20

    init(pool: PostgresPool) { self.pool = pool }

    func publish(_ messages: [Message], to topic: Topic) throws {
        if messages.isEmpty { return }
        for message in messages where message.value.count > Message.maximumBytes {
            throw PostgresError(
                code: .init(rawValue: "54000"), operation: "publish", message: "a message is longer than 1 MiB")
        }
        try pool.withConnection { connection throws(PostgresError) in
            try Self.publish(messages, to: topic, connection)
        }
    }

    static func publish(
        _ messages: [Message], to topic: Topic, _ connection: PostgresConnection
    ) throws(PostgresError) {
        let count = try partitionCount(of: topic, connection)
        var start = 0
        while start < messages.count {
            var end = start
            var bytes = 0
            while end < messages.count && end - start < batchMessages && bytes < batchBytes {
                bytes += messages[end].value.count
                end += 1
            }
            let batch = messages[start..<end]
            try connection.query(
                "SELECT bus_publish($1, $2, $3, $4)",
                [
                    .text(topic.rawValue), .int4Array(batch.map { partition(of: $0.key, count: count) }),
                    .textArray(batch.map(\.key)), .byteaArray(batch.map(\.value)),
                ], operation: "publish")
            start = end
        }
    }

    func close() {}

    private static func partitionCount(
        of topic: Topic, _ connection: PostgresConnection
    ) throws(PostgresError) -> Int {
        let result = try connection.query(
            "SELECT count(*) FROM bus_partition WHERE topic = $1", [.text(topic.rawValue)], operation: "publish")
        let count = result.integer(0, 0) ?? 0
        guard count > 0 else {
            throw PostgresError(
                code: .undefinedTable, operation: "publish", message: "topic \(topic.rawValue) has no partitions")
        }
        return Int(count)
    }

    /// FNV-1a over the key's UTF-8: the same in every process and version.
    static func partition(of key: String, count: Int) -> Int32 {
        var hash: UInt32 = 0x811C_9DC5
        for byte in key.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return Int32(truncatingIfNeeded: UInt64(hash) % UInt64(count))
    }
}
