package import Archive
internal import CRdKafka
internal import ServiceKit

/// A member of a consumer group, with cooperative rebalancing: partitions that stay with a member go on meanwhile.
///
/// Offsets are committed by `commit` alone, and of partitions that this member still owns. What was delivered of one
/// that the group has taken away goes to its next owner again.
package final class KafkaEventConsumer: EventConsumer, KafkaClient.RebalanceHandler {
    private struct Slot: Hashable {
        var topic: Int
        var partition: Int32
    }
    private struct Position {
        /// The offset behind what was delivered.
        var next: Int64
        var committed: Int64
    }

    private let group: String
    private let topics: [Topic]
    private let names: [String]
    private let cluster: KafkaTopics
    private var client: KafkaClient?
    private var isClosed = false

    private var owned: Set<Slot> = []
    private var positions: [Slot: Position] = [:]
    /// What this `poll` will return, as far as it still owns it when it does.
    private var batch: [ReceivedMessage] = []
    /// What came though its partition was paused; the next `poll` returns it.
    private var held: [ReceivedMessage] = []
    private var isPaused = false

    /// How long a commit is tried again while the group settles, in milliseconds.
    private static let commitMilliseconds = 5_000
    private static let probeMilliseconds = 1_000

    init(group: String, topics: [Topic], cluster: KafkaTopics) {
        self.group = group
        self.topics = topics
        self.cluster = cluster
        names = topics.map(cluster.configuration.name)
    }

    /// Partitions owned now, as `topic/partition`, sorted.
    package var ownedPartitions: [String] { owned.map { "\(names[$0.topic])/\($0.partition)" }.sorted() }

    package func poll(limit: Int, timeoutMilliseconds: Int) throws -> [ReceivedMessage] {
        try cluster.prepare()
        let client = try session()
        resume(client)
        defer { batch = [] }
        (batch, held) = (held, [])
        let deadline = ContinuousClock.now + .milliseconds(max(0, timeoutMilliseconds))
        var bytes = batch.reduce(0) { $0 + $1.message.value.count }
        while batch.count < max(1, limit), bytes < cluster.configuration.pollBytes {
            let wait = batch.isEmpty ? Int32(clamping: deadline.millisecondsLeft) : 0
            guard let message = rd_kafka_consumer_poll(client.pointer, wait) else {
                if !batch.isEmpty || wait == 0 || ContinuousClock.now >= deadline { break }
                continue
            }
            defer { rd_kafka_message_destroy(message) }
            if message.pointee.err != RD_KAFKA_RESP_ERR_NO_ERROR {
                try take(message.pointee, client)
            } else if let received = received(message.pointee) {
                bytes += received.message.value.count
                batch.append(received)
            }
        }
        for message in batch { deliver(message) }
        if batch.isEmpty { try lookAtBrokers(client) } else { client.events.isUp() }
        return batch
    }

    package func commit() throws {
        let start = ContinuousClock.now
        while true {
            let changed = positions.filter { $0.value.next > $0.value.committed }
            if changed.isEmpty { return }
            let client = try session()
            let code = commit(changed, client)
            if code == RD_KAFKA_RESP_ERR_NO_ERROR {
                client.events.isUp()
                for (slot, position) in changed { positions[slot]?.committed = position.next }
                return
            }
            let waited = ContinuousClock.now - start
            guard Self.isSettling(code), waited < .milliseconds(Self.commitMilliseconds) else {
                throw client.error(code, "commit")
            }
            // Most often a moment is enough. If not, it settles when this member has answered; what it loses by that
            // is no longer to be committed.
            if waited > .milliseconds(Self.commitMilliseconds / 2) { keepAlive() }
            StopToken().wait(milliseconds: 20)
        }
    }

    private func commit(_ changed: [Slot: Position], _ client: KafkaClient) -> rd_kafka_resp_err_t {
        guard let list = rd_kafka_topic_partition_list_new(Int32(changed.count)) else {
            return RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE
        }
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for (slot, position) in changed {
            rd_kafka_topic_partition_list_add(list, names[slot.topic], slot.partition).pointee.offset = position.next
        }
        let code = rd_kafka_commit(client.pointer, list, 0)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { return code }
        let elements = UnsafeBufferPointer(start: list.pointee.elems, count: Int(list.pointee.cnt))
        return elements.first { $0.err != RD_KAFKA_RESP_ERR_NO_ERROR }?.err ?? RD_KAFKA_RESP_ERR_NO_ERROR
    }

    package func keepAlive() {
        guard let client, !isClosed else { return }
        if !isPaused {
            isPaused = true
            pause(Array(owned), client)
        }
        // Serves rebalances; nothing comes of paused partitions, but for what was on its way.
        while let message = rd_kafka_consumer_poll(client.pointer, 0) {
            defer { rd_kafka_message_destroy(message) }
            guard message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR else { continue }
            if let received = received(message.pointee) { held.append(received) }
        }
    }

    /// Leaves the group: the others need not wait for this member's silence.
    package func close() {
        isClosed = true
        client?.leavesGroup = true
        disconnect()
    }

    /// Ends as a crash does: without a word to the group.
    package func kill() {
        isClosed = true
        disconnect()
    }

    private func disconnect() {
        client = nil
        owned = []
        positions = [:]
        held = []
        isPaused = false
    }

    private func session() throws(KafkaError) -> KafkaClient {
        if let client {
            guard let error = client.fatalError else { return client }
            disconnect()
            throw error
        }
        if isClosed { throw KafkaError(code: .closed, operation: "poll", message: "the consumer is closed") }
        let new = try KafkaClient(
            .member, cluster.configuration.consumer(group: group), logger: cluster.logger, member: self)
        guard let list = rd_kafka_topic_partition_list_new(Int32(names.count)) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "join the group")
        }
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for name in names { rd_kafka_topic_partition_list_add(list, name, -1) }
        let code = rd_kafka_subscribe(new.pointer, list)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw new.error(code, "join the group") }
        client = new
        return new
    }

    // MARK: Partitions

    func rebalance(_ code: rd_kafka_resp_err_t, _ partitions: PartitionList, isDone: Bool) {
        let slots = UnsafeBufferPointer(start: partitions.pointee.elems, count: Int(partitions.pointee.cnt))
            .compactMap { element -> Slot? in
                guard let name = element.topic, let topic = names.firstIndex(of: String(cString: name)) else {
                    return nil
                }
                return Slot(topic: topic, partition: element.partition)
            }
        switch (code, isDone) {
        case (RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, true):
            owned.formUnion(slots)
            guard let client else { break }
            // librdkafka lets a partition that was taken away while it was paused come back paused.
            if isPaused { pause(slots, client) } else { unpause(slots, client) }
        case (RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, false): break
        case (RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS, false): release(slots)
        case (_, false): release(Array(owned))
        default: break
        }
    }

    private func release(_ slots: [Slot]) {
        let gone = Set(slots)
        owned.subtract(gone)
        for slot in gone { positions[slot] = nil }
        batch.removeAll { gone.contains(self.slot(of: $0)) }
        held.removeAll { gone.contains(self.slot(of: $0)) }
    }

    private func pause(_ slots: [Slot], _ client: KafkaClient) {
        withList(slots) { _ = rd_kafka_pause_partitions(client.pointer, $0) }
    }

    private func resume(_ client: KafkaClient) {
        guard isPaused else { return }
        isPaused = false
        unpause(Array(owned), client)
    }

    private func unpause(_ slots: [Slot], _ client: KafkaClient) {
        withList(slots) { _ = rd_kafka_resume_partitions(client.pointer, $0) }
    }

    private func withList(_ slots: [Slot], _ body: (PartitionList) -> Void) {
        guard let list = rd_kafka_topic_partition_list_new(Int32(slots.count)) else { return }
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for slot in slots { rd_kafka_topic_partition_list_add(list, names[slot.topic], slot.partition) }
        body(list)
    }

    // MARK: Messages

    private func received(_ message: rd_kafka_message_t) -> ReceivedMessage? {
        guard let name = message.rkt.flatMap({ rd_kafka_topic_name($0) }),
            let topic = names.firstIndex(of: String(cString: name))
        else { return nil }
        let key = UnsafeRawBufferPointer(start: message.key, count: message.key_len)
        let value = UnsafeRawBufferPointer(start: message.payload, count: message.len)
        return ReceivedMessage(
            topic: topics[topic], partition: Int(message.partition), offset: message.offset,
            message: Message(key: String(decoding: key, as: UTF8.self), value: [UInt8](value)))
    }

    private func slot(of message: ReceivedMessage) -> Slot {
        Slot(topic: topics.firstIndex(of: message.topic) ?? 0, partition: Int32(clamping: message.partition))
    }

    private func deliver(_ message: ReceivedMessage) {
        let slot = slot(of: message)
        positions[slot, default: Position(next: 0, committed: 0)].next = message.offset + 1
    }

    /// What comes instead of a message.
    private func take(_ message: rd_kafka_message_t, _ client: KafkaClient) throws(KafkaError) {
        let text = message.payload.map {
            String(decoding: UnsafeRawBufferPointer(start: $0, count: message.len), as: UTF8.self)
        }
        let error = KafkaError(message.err, "poll", text)
        switch message.err {
        case RD_KAFKA_RESP_ERR__PARTITION_EOF: return
        case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
            cluster.logger.warning("Kafka consumer was silent too long and joins its group again")
        default:
            client.events.note(message.err, error.message)
            cluster.lookAgain(after: error)
            // What has come before is delivered first.
            if batch.isEmpty { throw error }
            cluster.logger.warning("Kafka consumer has an error", ["error": .string("\(error)")])
        }
    }

    /// Nothing came: because nothing is there, or because nobody answers?
    private func lookAtBrokers(_ client: KafkaClient) throws(KafkaError) {
        guard client.events.isDown else { return }
        _ = try client.cluster(timeoutMilliseconds: Self.probeMilliseconds)
    }

    /// Passes when the group has settled, or has a coordinator again.
    private static func isSettling(_ code: rd_kafka_resp_err_t) -> Bool {
        [
            RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
            RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR__WAIT_COORD,
        ].contains(code)
    }
}
