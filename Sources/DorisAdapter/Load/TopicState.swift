/// A topic as it is in Kafka now.
public struct TopicState: Hashable, Sendable {
    /// What the brokers call their cluster; nil when they do not say.
    public var cluster: String?
    /// Of each partition, from the offset of its first message to behind its last one.
    public var partitions: [Range<Int64>]

    public init(cluster: String?, partitions: [Range<Int64>]) {
        self.cluster = cluster
        self.partitions = partitions
    }

    /// Why the offsets of a job are not this topic's, though it has the name; nil when they may be.
    func difference(from job: LoadJob) -> String? {
        if let made = job.mark?.cluster, let cluster, made != cluster {
            return "Kafka is another cluster than the one it was made for (\(cluster) instead of \(made))"
        }
        let isBeyond = job.offsets.contains { partition, offset in
            guard case .next(let next) = offset else { return false }
            return !partitions.indices.contains(partition) || next > partitions[partition].upperBound
        }
        return isBeyond ? "it is behind the end of its topic, which was made anew" : nil
    }
}
