package import Archive
import ServiceKit

/// A member of a consumer group: one session, whose advisory locks are its membership and its partitions. When the
/// session ends, however it ends, the server gives both free, and the others take over.
///
/// The members are in the order of their sessions' process numbers, and partition `i` of all that the group reads is
/// the member's `i` modulo their number. A member that has to hand over does so when what it delivered is committed.
package final class PostgresEventConsumer: EventConsumer {
    private struct Slot: Hashable {
        var topic: Int
        var partition: Int32
    }
    private struct Position {
        /// The next offset to deliver, and to commit.
        var next: Int64
        /// What the database has as committed.
        var committed: Int64
        /// Everything below was deleted, as far as we know.
        var deleted: Int64 = 0
    }

    private let connectionString: String
    private let group: String
    private let topics: [Topic]
    private let configuration: PostgresEventBus.Configuration

    private var connection: PostgresConnection?
    private var slots: [Slot] = []
    private var owned: [Slot: Position] = [:]
    /// True when this member should own more than others have let go of yet.
    private var isWaitingForOthers = false
    private var nextMembershipCheck = 0
    private var nextCleanup = 0
    private var nextSign = 0
    private var turn = 0
    private var backOff = BackOff(first: 100, maximum: 5_000)
    private var nextConnect = 0
    private var isClosed = false

    init(connectionString: String, group: String, topics: [Topic], configuration: PostgresEventBus.Configuration) {
        self.connectionString = connectionString
        self.group = group
        self.topics = topics
        self.configuration = configuration
    }

    /// The server process of this member's session; 0 when there is none.
    package var backendProcess: Int32 { connection?.backendProcess ?? 0 }
    /// Partitions owned now, as `topic/partition`, sorted.
    package var ownedPartitions: [String] {
        owned.keys.map { "\(topics[$0.topic].rawValue)/\($0.partition)" }.sorted()
    }

    package func poll(limit: Int, timeoutMilliseconds: Int) throws -> [ReceivedMessage] {
        let deadline = MonotonicClock.milliseconds + max(0, timeoutMilliseconds)
        return try guarding { connection throws(PostgresError) in
            while true {
                if MonotonicClock.milliseconds >= nextMembershipCheck || isWaitingForOthers {
                    try rebalance(connection)
                }
                try signOfLife(connection)
                let messages = try fetch(connection, limit: max(1, limit))
                if !messages.isEmpty { return messages }
                try cleanUp(connection)
                let now = MonotonicClock.milliseconds
                if now >= deadline { return [] }
                let until = min(deadline, isWaitingForOthers ? now + 20 : max(now + 1, nextMembershipCheck))
                _ = try connection.waitForNotification(timeoutMilliseconds: until - now)
            }
        }
    }

    package func commit() throws {
        let changed = owned.filter { $0.value.next > $0.value.committed }
        if changed.isEmpty { return }
        try guarding { connection throws(PostgresError) in
            try connection.query(
                """
                UPDATE bus_offset o SET committed = u.next
                FROM unnest($2::text[], $3::integer[], $4::bigint[]) AS u(topic, partition, next)
                WHERE o.group_name = $1 AND o.topic = u.topic AND o.partition = u.partition AND o.committed < u.next
                """,
                [
                    .text(group), .textArray(changed.map { topics[$0.key.topic].rawValue }),
                    .int4Array(changed.map(\.key.partition)), .int8Array(changed.map(\.value.next)),
                ], operation: "commit offsets")
            for (slot, position) in changed { owned[slot]?.committed = position.next }
            try cleanUp(connection)
        }
    }

    package func close() {
        isClosed = true
        disconnect()
    }

    // MARK: Session

    /// Runs `body` with the session. When that is lost, so is the membership, and what was delivered and not committed
    /// comes again, to whoever owns it then.
    private func guarding<R>(_ body: (PostgresConnection) throws(PostgresError) -> R) throws(PostgresError) -> R {
        let connection = try session()
        do {
            return try body(connection)
        } catch {
            disconnect()
            throw error
        }
    }

    private func disconnect() {
        connection = nil
        owned = [:]
        isWaitingForOthers = false
    }

    private func session() throws(PostgresError) -> PostgresConnection {
        if let connection { return connection }
        if isClosed {
            throw PostgresError(code: .connectionFailure, operation: "poll", message: "the consumer is closed")
        }
        let now = MonotonicClock.milliseconds
        if now < nextConnect {
            throw PostgresError(code: .connectionFailure, operation: "connect", message: "waiting to try again")
        }
        do {
            let new = try PostgresConnection(connectionString, applicationName: "wado bus \(group)")
            try join(new)
            connection = new
            backOff.reset()
            nextMembershipCheck = 0
            nextSign = 0
            return new
        } catch {
            nextConnect = MonotonicClock.milliseconds + backOff.next()
            throw error
        }
    }

    private func join(_ connection: PostgresConnection) throws(PostgresError) {
        // Offsets that a crash of the server takes back only bring messages again. The messages are read by their key.
        try connection.run(
            """
            SET synchronous_commit = off; SET enable_seqscan = off; SET enable_bitmapscan = off;
            \(topics.map { "LISTEN \(BusSchema.channel($0));" }.joined())
            """, operation: "join the group")
        let names = topics.map(\.rawValue)
        try connection.query(
            """
            INSERT INTO bus_offset (group_name, topic, partition, committed)
            SELECT $1, p.topic, p.partition, coalesce((SELECT min(m."offset") FROM bus_message m
                WHERE m.topic = p.topic AND m.partition = p.partition), p.next_offset)
            FROM bus_partition p WHERE p.topic = ANY ($2::text[])
            ON CONFLICT DO NOTHING
            """, [.text(group), .textArray(names)], operation: "join the group")
        let result = try connection.query(
            "SELECT topic, partition FROM bus_partition WHERE topic = ANY ($1::text[]) ORDER BY topic, partition",
            [.textArray(names)], operation: "join the group")
        slots = (0..<result.rowCount).compactMap { row in
            guard let topic = names.firstIndex(of: result.string(row, 0) ?? "") else { return nil }
            return Slot(topic: topic, partition: Int32(truncatingIfNeeded: result.integer(row, 1) ?? 0))
        }
        try connection.query(
            "SELECT pg_advisory_lock($1::integer, $2::integer)",
            [.int4(memberClass), .int4(connection.backendProcess)], operation: "join the group")
    }

    // MARK: Partitions

    private var memberClass: Int32 {
        Self.lockClass("member/\(group)/" + topics.map(\.rawValue).sorted().joined(separator: ","))
    }

    private func partitionClass(_ topic: Int) -> Int32 {
        Self.lockClass("partition/\(group)/\(topics[topic].rawValue)")
    }

    private static func lockClass(_ text: String) -> Int32 {
        var hash: UInt32 = 0x811C_9DC5
        for byte in "wado-bus/\(text)".utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return Int32(bitPattern: hash)
    }

    private func rebalance(_ connection: PostgresConnection) throws(PostgresError) {
        nextMembershipCheck = MonotonicClock.milliseconds + max(10, configuration.membershipMilliseconds)
        let members = try connection.query(
            """
            SELECT objid::bigint FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = $1::bigint::oid
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            ORDER BY objid
            """, [.int8(Int64(UInt32(bitPattern: memberClass)))], operation: "rebalance")
        let processes = (0..<members.rowCount).map { members.integer($0, 0) ?? 0 }
        guard let rank = processes.firstIndex(of: Int64(connection.backendProcess)) else {
            throw PostgresError(code: .connectionFailure, operation: "rebalance", message: "the membership is lost")
        }
        let mine = Set(slots.indices.filter { $0 % processes.count == rank }.map { slots[$0] })

        let done = owned.filter { !mine.contains($0.key) && $0.value.next == $0.value.committed }.map(\.key)
        if !done.isEmpty {
            try connection.query(
                "SELECT pg_advisory_unlock(u.c, u.p) FROM unnest($1::integer[], $2::integer[]) AS u(c, p)",
                [.int4Array(done.map { partitionClass($0.topic) }), .int4Array(done.map(\.partition))],
                operation: "rebalance")
            for slot in done { owned[slot] = nil }
        }

        let missing = mine.filter { owned[$0] == nil }
        var taken: [Slot] = []
        if !missing.isEmpty {
            let wanted = Array(missing)
            let result = try connection.query(
                """
                SELECT u.i, pg_try_advisory_lock(u.c, u.p)
                FROM unnest($1::integer[], $2::integer[]) WITH ORDINALITY AS u(c, p, i)
                """, [.int4Array(wanted.map { partitionClass($0.topic) }), .int4Array(wanted.map(\.partition))],
                operation: "rebalance")
            for row in 0..<result.rowCount where result.bool(row, 1) == true {
                let index = Int(result.integer(row, 0) ?? 0) - 1
                if wanted.indices.contains(index) { taken.append(wanted[index]) }
            }
        }
        // Only now, with the locks held, is the committed offset final.
        if !taken.isEmpty {
            let result = try connection.query(
                """
                SELECT u.i, o.committed FROM unnest($2::text[], $3::integer[]) WITH ORDINALITY AS u(t, p, i)
                JOIN bus_offset o ON o.group_name = $1 AND o.topic = u.t AND o.partition = u.p
                """,
                [
                    .text(group), .textArray(taken.map { topics[$0.topic].rawValue }),
                    .int4Array(taken.map(\.partition)),
                ], operation: "rebalance")
            for row in 0..<result.rowCount {
                let index = Int(result.integer(row, 0) ?? 0) - 1
                guard taken.indices.contains(index), let committed = result.integer(row, 1) else { continue }
                owned[taken[index]] = Position(next: committed, committed: committed)
            }
        }
        isWaitingForOthers = mine.contains { owned[$0] == nil }
    }

    // MARK: Messages

    private func fetch(_ connection: PostgresConnection, limit: Int) throws(PostgresError) -> [ReceivedMessage] {
        if owned.isEmpty { return [] }
        // Another partition goes first each time, so that a full one never keeps the others waiting.
        turn &+= 1
        let sorted = slots.filter { owned[$0] != nil }
        let shift = turn % sorted.count
        let order = Array(sorted[shift...] + sorted[..<shift])
        let result = try connection.query(
            """
            SELECT i, "offset", key, value FROM (
                SELECT u.i, m."offset", m.key, m.value, octet_length(m.value) AS size,
                    sum(octet_length(m.value)) OVER (ORDER BY u.i, m."offset") AS total
                FROM unnest($1::text[], $2::integer[], $3::bigint[]) WITH ORDINALITY AS u(topic, partition, next, i)
                CROSS JOIN LATERAL (
                    SELECT b."offset", b.key, b.value FROM bus_message b
                    WHERE b.topic = u.topic AND b.partition = u.partition AND b."offset" >= u.next
                    ORDER BY b."offset" LIMIT $4
                ) AS m
                LIMIT $4
            ) AS t WHERE total - size < $5 ORDER BY i, "offset"
            """,
            [
                .textArray(order.map { topics[$0.topic].rawValue }), .int4Array(order.map(\.partition)),
                .int8Array(order.map { owned[$0]?.next ?? 0 }), .int8(Int64(limit)),
                .int8(Int64(configuration.pollBytes)),
            ], operation: "poll")
        var messages: [ReceivedMessage] = []
        messages.reserveCapacity(result.rowCount)
        for row in 0..<result.rowCount {
            let index = Int(result.integer(row, 0) ?? 0) - 1
            guard order.indices.contains(index), let offset = result.integer(row, 1),
                let key = result.string(row, 2), let value = result.bytes(row, 3)
            else {
                throw PostgresError(code: .protocolViolation, operation: "poll", message: "")
            }
            let slot = order[index]
            owned[slot]?.next = offset + 1
            messages.append(
                ReceivedMessage(
                    topic: topics[slot.topic], partition: Int(slot.partition), offset: offset,
                    message: Message(key: key, value: value)))
        }
        return messages
    }

    /// Says, every hour, that this group is still there, also when it has nothing to commit.
    private func signOfLife(_ connection: PostgresConnection) throws(PostgresError) {
        let now = MonotonicClock.milliseconds
        if now < nextSign { return }
        try connection.query(
            """
            UPDATE bus_offset SET last_seen = clock_timestamp()
            WHERE group_name = $1 AND topic = ANY ($2::text[])
            """, [.text(group), .textArray(topics.map(\.rawValue))], operation: "sign of life")
        nextSign = now + 3_600_000
    }

    /// Deletes what every group that is not forgotten has committed, of our partitions: when there is a batch of it, or now and then.
    private func cleanUp(_ connection: PostgresConnection) throws(PostgresError) {
        let now = MonotonicClock.milliseconds
        let isDue = now >= nextCleanup
        if isDue { nextCleanup = now + 5_000 }
        for (slot, position) in owned where position.committed > position.deleted {
            guard isDue || position.committed - position.deleted >= Int64(configuration.deleteBatch) else { continue }
            let result = try connection.query(
                """
                WITH bound AS (
                    SELECT min(committed) AS upper FROM bus_offset WHERE topic = $1 AND partition = $2
                        AND (group_name = $5 OR last_seen > clock_timestamp() - $6 * interval '1 day')
                ), victim AS (
                    SELECT m."offset" FROM bus_message m, bound
                    WHERE m.topic = $1 AND m.partition = $2 AND m."offset" >= $3 AND m."offset" < bound.upper
                    ORDER BY m."offset" LIMIT $4
                ), gone AS (
                    DELETE FROM bus_message WHERE topic = $1 AND partition = $2
                        AND "offset" >= $3 AND "offset" <= (SELECT max("offset") FROM victim)
                )
                SELECT max("offset"), count(*), (SELECT upper FROM bound) FROM victim
                """,
                [
                    .text(topics[slot.topic].rawValue), .int4(slot.partition), .int8(position.deleted),
                    .int8(Int64(configuration.deleteBatch)), .text(group),
                    .int4(Int32(clamping: configuration.forgottenAfterDays)),
                ], operation: "delete messages")
            if let last = result.integer(0, 0) {
                owned[slot]?.deleted = last + 1
            } else if let upper = result.integer(0, 2) {
                owned[slot]?.deleted = max(position.deleted, upper)
            }
        }
    }
}
