public import Archive
import ArchiveSchema
import ServiceKit

/// The messages that could never succeed, in the table `bus_dead_letter`: one row for each, until it is replayed.
public final class PostgresDeadLetters: Sendable {
    private let pool: PostgresPool
    private let producer: (any EventProducer)?

    static let table = """
        CREATE TABLE IF NOT EXISTS bus_dead_letter (
            topic text NOT NULL,
            partition integer NOT NULL,
            "offset" bigint NOT NULL,
            key text NOT NULL,
            value bytea NOT NULL,
            reason text NOT NULL,
            detail text NOT NULL,
            failed_time timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (topic, partition, "offset")
        );
        """

    /// - Parameter producer: of the bus that messages are replayed to, when it is not the embedded one.
    public init(pool: PostgresPool, producer: (any EventProducer)? = nil) {
        self.pool = pool
        self.producer = producer
    }

    /// Another bus counts its offsets from 0 again: where a different message has the place, one below 0 is taken that
    /// follows from the value, so that the same message comes to the same place.
    static func insert(_ letter: DeadLetter, _ connection: PostgresConnection) throws(PostgresError) {
        try connection.query(
            """
            INSERT INTO bus_dead_letter (topic, partition, "offset", key, value, reason, detail)
            SELECT $1, $2, CASE
                WHEN EXISTS (
                    SELECT 1 FROM bus_dead_letter
                    WHERE topic = $1 AND partition = $2 AND "offset" = $3 AND value <> $5
                ) THEN -1 - (hashtextextended(md5($5), 0) & 4611686018427387903)
                ELSE $3 END, $4, $5, $6, $7
            ON CONFLICT DO NOTHING
            """,
            [
                .text(letter.message.topic.rawValue), .int4(Int32(truncatingIfNeeded: letter.message.partition)),
                .int8(letter.message.offset), .text(letter.message.message.key), .bytea(letter.message.message.value),
                .text(letter.reason), .text(letter.detail),
            ], operation: "write dead letter")
    }

    public func count() throws -> Int {
        try pool.retryingOnce { connection throws(PostgresError) in
            let result = try connection.query("SELECT count(*) FROM bus_dead_letter", operation: "count dead letters")
            return Int(result.integer(0, 0) ?? 0)
        }
    }

    public func counts() throws -> [String: Int] {
        try pool.retryingOnce { connection throws(PostgresError) in
            let result = try connection.query(
                "SELECT reason, count(*) FROM bus_dead_letter GROUP BY reason", operation: "count dead letters")
            var counts: [String: Int] = [:]
            for row in 0..<result.rowCount { counts[result.string(row, 0) ?? ""] = Int(result.integer(row, 1) ?? 0) }
            return counts
        }
    }

    public func list(limit: Int) throws -> [DeadLetter] {
        try pool.retryingOnce { connection throws(PostgresError) in
            let result = try connection.query(
                """
                SELECT topic, partition, "offset", key, value, reason, detail FROM bus_dead_letter
                ORDER BY failed_time, topic, partition, "offset" LIMIT $1
                """, [.int8(Int64(limit))], operation: "list dead letters")
            return Self.letters(result)
        }
    }

    /// From rows of topic, partition, offset, key, value, reason and detail.
    private static func letters(_ result: PostgresResult) -> [DeadLetter] {
        (0..<result.rowCount).compactMap { row in
            guard let topic = result.string(row, 0).flatMap(Topic.init(rawValue:)) else { return nil }
            let message = Message(key: result.string(row, 3) ?? "", value: result.bytes(row, 4) ?? [])
            return DeadLetter(
                message: ReceivedMessage(
                    topic: topic, partition: Int(result.integer(row, 1) ?? 0), offset: result.integer(row, 2) ?? 0,
                    message: message),
                reason: result.string(row, 5) ?? "", detail: result.string(row, 6) ?? "")
        }
    }

    /// Publishes them again, with what clears their problems: whatever fails once more opens its problem once more.
    ///
    /// Publishing and removing are one transaction; with another bus than the embedded one, what was published may stay
    /// here, and be replayed once more, when the database fails in between.
    public func replay(reason: String?, limit: Int) throws -> Int {
        try pool.withConnection { connection throws(PostgresError) in
            try connection.transaction { connection throws(PostgresError) in
                let result = try connection.query(
                    """
                    WITH gone AS (
                        DELETE FROM bus_dead_letter WHERE ctid = ANY (ARRAY(
                            SELECT ctid FROM bus_dead_letter
                            WHERE (reason = $1::text OR $1::text IS NULL) AND topic = ANY ($3::text[])
                            ORDER BY failed_time, topic, partition, "offset" LIMIT $2 FOR UPDATE SKIP LOCKED))
                        RETURNING topic, partition, "offset", key, value, reason, detail, failed_time
                    )
                    SELECT topic, partition, "offset", key, value, reason, detail FROM gone
                    ORDER BY failed_time, topic, partition, "offset"
                    """,
                    [
                        reason.map { .text($0) } ?? .null, .int8(Int64(limit)),
                        .textArray(Topic.allCases.map(\.rawValue)),
                    ], operation: "replay")
                let letters = Self.letters(result)
                var messages = Dictionary(grouping: letters.map(\.message), by: \.topic).mapValues {
                    $0.map(\.message)
                }
                let cleared = try Self.clearing(letters, connection).map(\.message)
                if !cleared.isEmpty { messages[.problem, default: []] += cleared }
                for topic in Topic.allCases {
                    guard let messages = messages[topic] else { continue }
                    try publish(messages, to: topic, connection)
                }
                return result.rowCount
            }
        }
    }

    /// The rows that clear the open problems that these letters are. They are only just later than those: what fails
    /// again is later still, in whatever order the two arrive, and whosever clock is ahead.
    private static func clearing(
        _ letters: [DeadLetter], _ connection: PostgresConnection
    ) throws(PostgresError) -> [DicomProblemMetaRow] {
        let rows = letters.flatMap { $0.problems(by: "wado replay", node: "") }
        let key: [KeyPath<DicomProblemMetaRow, String>] = [
            \.tenantID, \.studyUID, \.seriesUID, \.sopUID, \.occasion, \.rule,
        ]
        let open = try connection.queryOnce(
            """
            SELECT \(DicomProblemMetaRow.table.jsonExpression) FROM dicom_problem_meta p
            WHERE state = '\(ProblemState.open.rawValue)'
                AND (tenant_id, study_uid, series_uid, sop_uid, occasion, rule) IN (
                    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]))
            """,
            key.map { column in .textArray(rows.map { $0[keyPath: column] }) },
            operation: "look for problems of dead letters")
        return open.problems.map { row in
            let time = Timestamp(microsecondsSince1970: row.updatedTime.microsecondsSince1970 &+ 1)
            return row.cleared(by: "wado replay", version: Program.version, at: time)
        }
    }

    private func publish(
        _ messages: [Message], to topic: Topic, _ connection: PostgresConnection
    ) throws(PostgresError) {
        guard let producer else { return try PostgresEventProducer.publish(messages, to: topic, connection) }
        do {
            try producer.publish(messages, to: topic)
        } catch {
            // Takes the removal back.
            throw PostgresError(code: .connectionFailure, operation: "replay", message: "\(error)")
        }
    }
}
