internal import Archive
internal import CRdKafka
internal import ServiceKit
internal import Synchronization

/// Publishes messages and waits until all replicas in sync have them.
///
/// One handle of librdkafka, made when first needed; one that is broken for ever is replaced.
final class KafkaEventProducer: EventProducer {
    private enum State: Sendable {
        case idle
        case connected(ProducerClient)
        case closed
    }

    private let topics: KafkaTopics
    private let state = Mutex(State.idle)

    init(topics: KafkaTopics) { self.topics = topics }

    func publish(_ messages: [Message], to topic: Topic) throws {
        if messages.isEmpty { return }
        for message in messages where message.value.count > Message.maximumBytes {
            throw KafkaError(
                code: .messageTooLong, operation: KafkaError.checking,
                message: "\(message.value.count) bytes; at most \(Message.maximumBytes) are possible")
        }
        try topics.prepare()
        let client = try session()
        do {
            try client.publish(messages, to: topic, name: topics.configuration.name(of: topic))
        } catch {
            if client.client.fatalError != nil { forget(client) }
            topics.lookAgain(after: error)
            throw error
        }
    }

    func close() {
        let last = state.withLock { state in
            defer { state = .closed }
            return state
        }
        if case .connected(let client) = last { client.giveUp() }
    }

    deinit { close() }

    private func session() throws(KafkaError) -> ProducerClient {
        try state.withLock { state throws(KafkaError) in
            switch state {
            case .connected(let client): return client
            case .closed: throw KafkaError(code: .closed, operation: "publish", message: "the producer is closed")
            case .idle:
                let client = try ProducerClient(topics.configuration, logger: topics.logger)
                state = .connected(client)
                return client
            }
        }
    }

    private func forget(_ client: ProducerClient) {
        state.withLock { state in
            if case .connected(let current) = state, current === client { state = .idle }
        }
    }
}

/// A producer's handle with the thread that takes its delivery reports.
final class ProducerClient: Sendable {
    let client: KafkaClient
    private let thread: ServiceThread

    init(_ configuration: KafkaConfiguration, logger: Logger) throws(KafkaError) {
        let client = try KafkaClient(.producer, configuration.producer, logger: logger)
        self.client = client
        do {
            thread = try ServiceThread(name: "kafka-producer") { stop in
                while !stop.isStopped { rd_kafka_poll(client.pointer, 100) }
            }
        } catch {
            throw KafkaError(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "publish", "\(error)")
        }
    }

    deinit {
        thread.stop()
        thread.join()
    }

    /// Returns when every message is acknowledged; throws when one is not. All have been reported then, one way or the
    /// other: `message.timeout.ms` sees to that.
    func publish(_ messages: [Message], to topic: Topic, name: String) throws(KafkaError) {
        guard let handle = rd_kafka_topic_new(client.pointer, name, nil) else {
            throw KafkaError(rd_kafka_last_error(), "publish")
        }
        defer { rd_kafka_topic_destroy(handle) }
        let batch = DeliveryBatch()
        var sent = 0
        var refusal = RD_KAFKA_RESP_ERR_NO_ERROR
        for message in messages {
            refusal = put(message, handle, batch)
            guard refusal == RD_KAFKA_RESP_ERR_NO_ERROR, !batch.hasFailed else { break }
            sent += 1
        }
        if refusal == RD_KAFKA_RESP_ERR_NO_ERROR, sent < messages.count { sent += 1 }
        let failure = batch.wait(for: sent) ?? refusal
        guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else {
            if let fatal = client.fatalError, !fatal.isRetriable { throw fatal }
            throw client.error(failure, "publish")
        }
        client.events.isUp()
    }

    /// Hands a message over; waits while the queue is full.
    private func put(_ message: Message, _ topic: OpaquePointer, _ batch: DeliveryBatch) -> rd_kafka_resp_err_t {
        let opaque = Unmanaged.passUnretained(batch).toOpaque()
        var key = message.key
        while true {
            let code = key.withUTF8 { key in
                message.value.withUnsafeBytes { value in
                    // Both are copied. An empty key is a key too: it goes to one partition.
                    withUnsafePointer(to: UInt8(0)) { nothing in
                        rd_kafka_produce(
                            topic, unassignedPartition, RD_KAFKA_MSG_F_COPY,
                            UnsafeMutableRawPointer(mutating: value.baseAddress), value.count,
                            key.baseAddress ?? nothing, key.count, opaque) == 0
                            ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_last_error()
                    }
                }
            }
            guard code == RD_KAFKA_RESP_ERR__QUEUE_FULL, !batch.hasFailed else { return code }
            batch.pause(milliseconds: 10)
        }
    }

    /// Makes all that is under way fail at once.
    func giveUp() {
        rd_kafka_purge(client.pointer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
    }
}

/// RD_KAFKA_PARTITION_UA: the partitioner chooses.
private let unassignedPartition: Int32 = -1

/// Counts the delivery reports of one `publish`.
final class DeliveryBatch: Sendable {
    private let reported = Atomic(0)
    /// How many were handed over, once that is known.
    private let expected = Atomic(-1)
    private let failure = Atomic(RD_KAFKA_RESP_ERR_NO_ERROR.rawValue)
    private let isDone = Monitor(false)

    var hasFailed: Bool { failure.load(ordering: .relaxed) != RD_KAFKA_RESP_ERR_NO_ERROR.rawValue }

    /// A message was acknowledged, or never will be.
    func report(_ code: rd_kafka_resp_err_t) {
        if code != RD_KAFKA_RESP_ERR_NO_ERROR {
            _ = failure.compareExchange(
                expected: RD_KAFKA_RESP_ERR_NO_ERROR.rawValue, desired: code.rawValue, ordering: .relaxed)
        }
        let count = reported.add(1, ordering: .sequentiallyConsistent).newValue
        if count == expected.load(ordering: .sequentiallyConsistent) { isDone.withLock { $0 = true } }
    }

    /// Waits for so many reports.
    /// - Returns: the first failure; nil when all were acknowledged.
    func wait(for count: Int) -> rd_kafka_resp_err_t? {
        expected.store(count, ordering: .sequentiallyConsistent)
        if reported.load(ordering: .sequentiallyConsistent) != count {
            _ = isDone.wait { $0 ? true : nil }
        }
        return hasFailed ? rd_kafka_resp_err_t(failure.load(ordering: .relaxed)) : nil
    }

    /// Lets reports make room.
    func pause(milliseconds: Int) { _ = isDone.wait(milliseconds: milliseconds) { $0 ? true : nil } }
}
