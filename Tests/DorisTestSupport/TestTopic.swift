import Foundation
import TestSupport

/// A topic of a real Kafka, with messages of any content in partitions of one's choice.
public struct TestTopic: Sendable {
    public let name: String
    private let brokers: String

    /// Makes one.
    public init(brokers: String, partitions: Int = 1) throws {
        self.brokers = brokers
        name = "test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try admin("create", String(partitions))
    }

    /// - Parameter count: how many there are to be altogether.
    public func setPartitions(_ count: Int) throws { try admin("grow", String(count)) }

    /// Deletes what stands before an offset.
    public func deleteRecords(partition: Int, before offset: Int) throws {
        try admin("delete", String(partition), String(offset))
    }

    /// Sends messages and returns when all are acknowledged.
    public func send(_ messages: [String], partition: Int = 0) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "messages-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        // JSON has no line feed but in escapes.
        try Data(messages.joined(separator: "\n").utf8).write(to: file)
        try admin("send", String(partition), file.path)
    }

    /// Sends so many messages, made of a template in which `#` is the number of each, one partition after the other.
    public func flow(_ template: String, count: Int, first: Int = 0, partitions: Int, seconds: Double) throws {
        try admin("flow", template, String(count), String(first), String(partitions), String(seconds))
    }

    private func admin(_ arguments: String...) throws {
        _ = try Python.run(Self.program, [brokers, name] + arguments)
    }

    private static let program = """
        import sys, time
        from confluent_kafka import Producer, TopicPartition
        from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
        brokers, topic, what, *rest = sys.argv[1:]
        admin = AdminClient({"bootstrap.servers": brokers})
        def wait(futures):
            for future in futures.values():
                future.result(30)
        if what == "create":
            wait(admin.create_topics([NewTopic(topic, int(rest[0]), 1)]))
        elif what == "grow":
            wait(admin.create_partitions([NewPartitions(topic, int(rest[0]))]))
        elif what == "delete":
            wait(admin.delete_records([TopicPartition(topic, int(rest[0]), int(rest[1]))]))
        else:
            failed = []
            producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5, "acks": "all"})
            def done(error, message):
                if error: failed.append(error)
            if what == "send":
                for line in open(rest[1], "rb").read().split(b"\\n"):
                    producer.produce(topic, line, partition=int(rest[0]), on_delivery=done)
            else:
                template, count, first, partitions = rest[0], int(rest[1]), int(rest[2]), int(rest[3])
                for i in range(first, first + count):
                    producer.produce(topic, template.replace("#", str(i)), partition=i % partitions, on_delivery=done)
                    producer.poll(0)
                    time.sleep(float(rest[4]) / count)
            assert producer.flush(30) == 0 and not failed, failed
        """
}
