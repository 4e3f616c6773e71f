/// The topics of the archive; the names are what Kafka and Doris see.
public enum Topic: String, CaseIterable, Sendable {
    /// Received instances for the consumer: one JSON object a message, the columns of `dicom_object_meta`.
    case storage = "storage_queue"
    /// Rows of `dicom_object_meta`.
    case objectLog = "log_queue"
    /// Rows of `dicom_state_meta`.
    case state = "dicom_state_queue"
    /// Rows of `dicom_image_meta`.
    case image = "dicom_image_queue"
    /// Rows of `wado_access_log`.
    case access = "webapi_access_queue"
    /// Rows of `dicom_problem_meta`.
    case problem = "dicom_problem_queue"
}

/// A message to be published.
public struct Message: Sendable {
    /// Messages with equal keys keep their order and go to one partition; of one study: its `study_uid_hash`.
    public var key: String
    /// UTF-8 JSON, at most `maximumBytes`.
    public var value: [UInt8]

    /// The longest value, in bytes: 1 MiB.
    public static let maximumBytes = 1 << 20

    public init(key: String, value: [UInt8]) {
        self.key = key
        self.value = value
    }
}

/// A message as a consumer group receives it.
public struct ReceivedMessage: Sendable {
    public var topic: Topic
    public var partition: Int
    /// Grows by one or more from message to message of a partition.
    public var offset: Int64
    public var message: Message

    public init(topic: Topic, partition: Int, offset: Int64, message: Message) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.message = message
    }
}

/// Publishes messages. Safe to call from several threads.
public protocol EventProducer: Sendable {
    /// Returns when all messages are on stable storage in the bus, in their order for each key; throws when that is
    /// not certain, and the caller publishes them all again later (at least once).
    func publish(_ messages: [Message], to topic: Topic) throws
    func close()
}

/// One member of a consumer group. Used by one thread.
public protocol EventConsumer: AnyObject {
    /// The next messages, at most `limit`, of the partitions this member owns now; waits up to `timeoutMilliseconds`
    /// for the first one and returns an empty array when none came. A partition is owned by one member of a group at a
    /// time. Messages received and not committed come again after a restart or when the partition changes hands.
    func poll(limit: Int, timeoutMilliseconds: Int) throws -> [ReceivedMessage]
    /// Marks everything that `poll` has returned so far as done. What a member lost meanwhile, by a partition that changed
    /// hands, may come again all the same.
    func commit() throws
    /// Keeps the membership while the caller is busy, or waits for something else, for more than some seconds: to be
    /// called now and then meanwhile. Delivers nothing, and takes no messages in.
    func keepAlive()
    func close()
}

extension EventConsumer {
    public func keepAlive() {}
}

/// An event bus in Kafka's terms: topics, keys, partitions, offsets, consumer groups.
public protocol EventBus: Sendable {
    func makeProducer() throws -> any EventProducer
    func makeConsumer(group: String, topics: [Topic]) throws -> any EventConsumer
    /// Messages published and not yet committed by the group, over all partitions.
    func lag(group: String, topic: Topic) throws -> Int64
}
