internal import Archive
internal import CRdKafka
internal import ServiceKit
internal import Synchronization

typealias PartitionList = UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

/// What librdkafka tells beside answers. Its calls come from threads of its own, or from inside of a poll.
final class KafkaEvents: Sendable {
    private let logger: Logger
    private let failure = Mutex<KafkaError?>(nil)
    private let down = Atomic(false)

    init(logger: Logger) { self.logger = logger }

    /// The last trouble with a broker: what a time that ran out was spent on.
    var lastFailure: KafkaError? { failure.withLock { $0 } }
    /// True since no broker could be reached, until `isUp`.
    var isDown: Bool { down.load(ordering: .relaxed) }

    func isUp() {
        down.store(false, ordering: .relaxed)
        failure.withLock { $0 = nil }
    }

    func note(_ code: rd_kafka_resp_err_t, _ text: String) {
        // A broker that hung up, in OpenSSL's words; it may be starting.
        let code =
            code == RD_KAFKA_RESP_ERR__SSL && text.contains("unexpected eof") ? RD_KAFKA_RESP_ERR__TRANSPORT : code
        let text = code == RD_KAFKA_RESP_ERR__AUTHENTICATION ? text + KafkaClient.doubt(aboutSCRAM: text) : text
        if code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN { down.store(true, ordering: .relaxed) }
        failure.withLock { failure in
            // That all are down says less than why; refused credentials are not covered up by lost connections.
            if code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, failure != nil { return }
            if let failure, !failure.isRetriable, KafkaError(code, "").isRetriable { return }
            failure = KafkaError(code, "connect", text)
        }
    }

    func log(_ level: Int32, _ facility: String, _ text: String) {
        // syslog's levels.
        let ours: Logger.Level =
            switch level {
            case ...2: .error
            case 3, 4: .warning
            case 5, 6: .info
            default: .debug
            }
        logger.log(ours, "Kafka client") { ["facility": .string(facility), "text": .string(text)] }
    }
}

/// A handle of librdkafka.
///
/// `@unchecked Sendable`: librdkafka's calls may be made from any thread; it ends with the last reference.
final class KafkaClient: @unchecked Sendable {
    let pointer: OpaquePointer
    let events: KafkaEvents
    private let kind: Kind
    private let securityProtocol: String

    enum Kind {
        case producer
        /// Of a consumer group.
        case member
        /// Asks about a group, without belonging to it.
        case observer
    }

    /// Hears of rebalances of a group, on the thread that polls.
    protocol RebalanceHandler: AnyObject {
        /// - Parameter isDone: false before partitions are taken or given back, true afterwards.
        func rebalance(_ code: rd_kafka_resp_err_t, _ partitions: PartitionList, isDone: Bool)
    }

    /// What librdkafka's callbacks are given: not retained by it, so the client keeps it.
    /// `@unchecked Sendable`: `member` is used by the thread that polls only.
    private final class Context: @unchecked Sendable {
        let events: KafkaEvents
        weak var member: (any RebalanceHandler)?
        /// The group has given it partitions once, if only none.
        let wasAssigned = Atomic(false)
        init(_ events: KafkaEvents, _ member: (any RebalanceHandler)?) {
            self.events = events
            self.member = member
        }
    }
    private let context: Context

    /// - Throws: `KafkaError` with `.configuration` when librdkafka does not take a property.
    init(
        _ kind: Kind, _ properties: [(name: String, value: String)], logger: Logger,
        member: (any RebalanceHandler)? = nil
    ) throws(KafkaError) {
        guard let configuration = rd_kafka_conf_new() else {
            throw KafkaError(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE, "configure")
        }
        var text = [CChar](repeating: 0, count: 512)
        for (name, value) in properties {
            let result = rd_kafka_conf_set(configuration, name, value, &text, text.count)
            guard result == RD_KAFKA_CONF_OK else {
                rd_kafka_conf_destroy(configuration)
                let why = KafkaProperty.isSecret(name) ? "\(name) is not taken" : Self.string(text)
                throw KafkaError(code: .configuration, operation: "configure", message: why)
            }
        }
        securityProtocol = properties.last { $0.name == "security.protocol" }?.value ?? ""
        events = KafkaEvents(logger: logger)
        context = Context(events, member)
        self.kind = kind
        rd_kafka_conf_set_opaque(configuration, Unmanaged.passUnretained(context).toOpaque())
        rd_kafka_conf_set_log_cb(configuration) { handle, level, facility, text in
            guard let handle, let context = KafkaClient.context(rd_kafka_opaque(handle)), let text else { return }
            context.events.log(level, facility.map { String(cString: $0) } ?? "", String(cString: text))
        }
        rd_kafka_conf_set_error_cb(configuration) { _, code, text, opaque in
            guard let context = KafkaClient.context(opaque) else { return }
            context.events.note(rd_kafka_resp_err_t(code), text.map { String(cString: $0) } ?? "")
        }
        switch kind {
        case .producer:
            rd_kafka_conf_set_dr_msg_cb(configuration) { _, message, _ in
                guard let message, let batch = message.pointee._private else { return }
                Unmanaged<DeliveryBatch>.fromOpaque(batch).takeUnretainedValue().report(message.pointee.err)
            }
        case .member:
            rd_kafka_conf_set_rebalance_cb(configuration) { handle, code, partitions, opaque in
                guard let handle, let partitions, let context = KafkaClient.context(opaque) else { return }
                if code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS { context.wasAssigned.store(true, ordering: .relaxed) }
                context.member?.rebalance(code, partitions, isDone: false)
                // Left unanswered, the handle would never end.
                let failure =
                    switch code {
                    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS: rd_kafka_incremental_assign(handle, partitions)
                    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS: rd_kafka_incremental_unassign(handle, partitions)
                    default: KafkaClient.releaseAll(handle)
                    }
                if let failure {
                    context.events.log(4, "REBALANCE", String(cString: rd_kafka_error_string(failure)))
                    rd_kafka_error_destroy(failure)
                }
                context.member?.rebalance(code, partitions, isDone: true)
            }
        case .observer: break
        }
        // From here on the configuration is the handle's, unless that fails.
        let type = kind == .producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER
        guard let pointer = rd_kafka_new(type, configuration, &text, text.count) else {
            rd_kafka_conf_destroy(configuration)
            throw KafkaError(code: .configuration, operation: "configure", message: Self.string(text))
        }
        self.pointer = pointer
        if kind == .member { rd_kafka_poll_set_consumer(pointer) }
    }

    /// Whether the group is told at the end, so that it need not wait for this member's silence.
    var leavesGroup: Bool {
        get { leaves.load(ordering: .relaxed) }
        set { leaves.store(newValue, ordering: .relaxed) }
    }
    private let leaves = Atomic(false)

    /// How long the end may take, in milliseconds: this version of librdkafka is known to hang there now and then.
    private static let endMilliseconds = 10_000
    private static let settlingMilliseconds = 5_000

    deinit {
        context.member = nil
        let (context, kind, leaves) = (context, kind, leavesGroup)
        let handle = Handle(pointer: pointer)
        let end: @Sendable () -> Void = {
            if kind == .member {
                let isSettled = Self.settle(handle.pointer, context)
                if leaves {
                    rd_kafka_consumer_close(handle.pointer)
                } else {
                    // A rebalance that waits for an answer.
                    while let message = rd_kafka_consumer_poll(handle.pointer, 10) { rd_kafka_message_destroy(message) }
                }
                guard isSettled else {
                    context.events.log(4, "END", "the group gave no partitions; the client is left alone")
                    _ = Unmanaged.passRetained(context)
                    return
                }
            }
            rd_kafka_destroy_flags(handle.pointer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
            withExtendedLifetime(context) {}
        }
        guard let thread = try? ServiceThread(name: "kafka-end", { _ in end() }) else { return end() }
        guard thread.waitFinished(milliseconds: Self.endMilliseconds) else {
            return context.events.log(4, "END", "the client does not end and is left alone")
        }
        thread.join()
    }

    /// Waits for a member's first partitions when it has joined its group: before version 2.3 librdkafka ends the process
    /// by an assertion when a cooperative member is destroyed between the two.
    /// - Returns: whether it may be destroyed.
    private static func settle(_ pointer: OpaquePointer, _ context: Context) -> Bool {
        guard rd_kafka_version() < 0x0203_0000 else { return true }
        let deadline = ContinuousClock.now + .milliseconds(settlingMilliseconds)
        while !context.wasAssigned.load(ordering: .relaxed) {
            guard let identifier = rd_kafka_memberid(pointer) else { return true }
            let hasJoined = identifier.pointee != 0
            rd_kafka_mem_free(pointer, identifier)
            guard hasJoined else { return true }
            guard ContinuousClock.now < deadline else { return false }
            if let message = rd_kafka_consumer_poll(pointer, 50) { rd_kafka_message_destroy(message) }
        }
        return true
    }

    private struct Handle: @unchecked Sendable { let pointer: OpaquePointer }

    private static func releaseAll(_ handle: OpaquePointer) -> OpaquePointer? {
        rd_kafka_assign(handle, nil)
        return nil
    }

    private static func context(_ opaque: UnsafeMutableRawPointer?) -> Context? {
        opaque.map { Unmanaged<Context>.fromOpaque($0).takeUnretainedValue() }
    }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    // MARK: Errors

    /// An error of a call, with what is behind it: that a time ran out says little.
    func error(_ code: rd_kafka_resp_err_t, _ operation: String) -> KafkaError {
        let isVague = [
            RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT,
            RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__WAIT_COORD, RD_KAFKA_RESP_ERR__PURGE_QUEUE,
        ].contains(code)
        var error = KafkaError(code, operation)
        guard isVague, let cause = events.lastFailure else { return error }
        guard cause.isRetriable else {
            return KafkaError(code: cause.code, operation: operation, message: cause.message)
        }
        error.message += " (\(cause.message)\(doubt(about: cause)))"
        return error
    }

    /// A broker that is there and hangs up expects another protocol, most often.
    private func doubt(about cause: KafkaError) -> String {
        let isAway = ["refused", "resolve", "timed out", "unreachable", "No route"].contains {
            cause.message.contains($0)
        }
        return isAway || !events.isDown || isKnown
            ? "" : "; kafka.security_protocol is \(securityProtocol): is that what these brokers expect?"
    }

    /// librdkafka before 2.6.1 sends one nonce too many (confluentinc/librdkafka#4895), which Apache Kafka refuses from 4.0 on
    /// with the words that it has for a wrong password.
    static func doubt(aboutSCRAM text: String) -> String {
        guard text.contains("SCRAM"), text.contains("invalid credentials"), !speaksSCRAM else { return "" }
        return """
            ; or it is Apache Kafka 4 or later, which SCRAM of librdkafka \(String(cString: rd_kafka_version_str())) does not \
            get along with: 2.6.1 does, and so do PLAIN over TLS and certificates
            """
    }

    /// Whether brokers of every version take our SCRAM.
    private static var speaksSCRAM: Bool { rd_kafka_version() >= 0x0206_01ff }

    /// Whether a broker has ever answered.
    private var isKnown: Bool {
        guard let id = rd_kafka_clusterid(pointer, 0) else { return false }
        rd_kafka_mem_free(pointer, id)
        return true
    }

    /// What made the handle useless for ever; nil when nothing has.
    var fatalError: KafkaError? {
        var text = [CChar](repeating: 0, count: 512)
        let code = rd_kafka_fatal_error(pointer, &text, text.count)
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        let cause = KafkaError(code, "use client", Self.string(text))
        // Unless somebody has to change something, it can go on with a new handle.
        return cause.isRetriable ? KafkaError(RD_KAFKA_RESP_ERR__FATAL, "use client", Self.string(text)) : cause
    }

    // MARK: Metadata

    /// The brokers and topics of the cluster.
    struct Cluster {
        struct Partition {
            var leader: Int32
            var replicas: Int
            var inSync: Int
        }
        /// As its brokers call it; nil when they do not.
        var id: String?
        var brokers = 0
        var topics: [String: [Partition]] = [:]
    }

    /// Asks for all topics, which never makes one. Waits for a broker up to `timeoutMilliseconds`; credentials that are
    /// refused, or a certificate that is not trusted, end the wait at once.
    func cluster(timeoutMilliseconds: Int) throws(KafkaError) -> Cluster {
        let deadline = ContinuousClock.now + .milliseconds(timeoutMilliseconds)
        let id = try clusterID(until: deadline)
        var found: UnsafePointer<rd_kafka_metadata>?
        let left = max(100, deadline.millisecondsLeft)
        let code = rd_kafka_metadata(pointer, 1, nil, &found, Int32(clamping: left))
        defer { if let found { rd_kafka_metadata_destroy(found) } }
        // Lets callbacks tell why not; a member's come with its own polls.
        if kind != .member { rd_kafka_poll(pointer, 0) }
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata = found?.pointee else {
            throw error(code, "ask for topics")
        }
        events.isUp()
        var cluster = Cluster(id: id, brokers: Int(metadata.broker_cnt))
        for topic in UnsafeBufferPointer(start: metadata.topics, count: Int(metadata.topic_cnt)) {
            guard topic.err == RD_KAFKA_RESP_ERR_NO_ERROR, let name = topic.topic else { continue }
            let partitions = UnsafeBufferPointer(start: topic.partitions, count: Int(topic.partition_cnt))
            cluster.topics[String(cString: name)] = partitions.map {
                Cluster.Partition(leader: $0.leader, replicas: Int($0.replica_cnt), inSync: Int($0.isr_cnt))
            }
        }
        return cluster
    }

    /// The name of the cluster, which comes with the first connection; nil when the time ran out, nobody answers, or
    /// brokers do not say it.
    private func clusterID(until deadline: ContinuousClock.Instant) throws(KafkaError) -> String? {
        while true {
            let round = ContinuousClock.now + .milliseconds(100)
            if let id = rd_kafka_clusterid(pointer, 100) {
                defer { rd_kafka_mem_free(pointer, id) }
                return String(cString: id)
            }
            // It does not wait where brokers have answered without a name.
            if round.millisecondsLeft > 50 { return nil }
            if kind != .member { rd_kafka_poll(pointer, 0) }
            if let failure = events.lastFailure, !failure.isRetriable {
                throw error(RD_KAFKA_RESP_ERR__TRANSPORT, "ask for topics")
            }
            if events.isDown || deadline.millisecondsLeft == 0 { return nil }
        }
    }

    /// The offsets of the first message of a partition and behind the last one.
    func ends(_ topic: String, _ partition: Int, timeoutMilliseconds: Int) throws(KafkaError) -> Range<Int64> {
        var (low, high): (Int64, Int64) = (0, 0)
        let code = rd_kafka_query_watermark_offsets(
            pointer, topic, Int32(clamping: partition), &low, &high, Int32(clamping: timeoutMilliseconds))
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR else { throw error(code, "ask for offsets") }
        return low..<max(low, high)
    }
}

extension ContinuousClock.Instant {
    /// Milliseconds until then; 0 when it is over.
    var millisecondsLeft: Int {
        let (seconds, attoseconds) = (self - .now).components
        return max(0, Int(seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000))
    }
}
