"""Reading a topic's partitions from given offsets, by librdkafka, as Doris' backend does."""

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from . import values


class SourceError(Exception):
    """Kafka cannot be asked, or answered with an error: the job pauses and tries again."""


class OffsetGone(Exception):
    """The messages from the job's offset on are deleted."""


class OffsetAhead(Exception):
    """The job's offset lies behind the end of its partition."""


class BadSetting(Exception):
    """librdkafka does not take the job's settings: trying again is of no use."""


class Source:
    def __init__(self, job):
        settings = {"bootstrap.servers": job.brokers, "group.id": job.group, "enable.auto.commit": False,
                    "enable.partition.eof": True, "auto.offset.reset": "error", "socket.connection.setup.timeout.ms": 3000,
                    "reconnect.backoff.max.ms": 500, "fetch.wait.max.ms": 50, "log_level": 0, "error_cb": self.on_error,
                    "queued.max.messages.kbytes": 65536}
        settings.update({k: v for k, v in job.custom.items() if k not in ("kafka_default_offsets", "group.id")})
        self.topic, self.zone = job.topic, values.zone(job.time_zone)
        self.down = False
        self.ends = {}
        try:
            self.consumer = Consumer(settings, logger=None)
        except (KafkaException, ValueError, TypeError) as error:
            raise BadSetting(str(error)) from None

    def on_error(self, error):
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.down = True

    def close(self):
        self.consumer.close()

    def partitions(self):
        """Numbers of the topic's partitions."""
        try:
            topic = self.consumer.list_topics(self.topic, timeout=3).topics.get(self.topic)
        except KafkaException as error:
            raise SourceError(error.args[0].str()) from None
        if topic is None or topic.error is not None or not topic.partitions:
            raise SourceError("topic %s: %s" % (self.topic, topic.error.str() if topic and topic.error else "unknown"))
        self.down = False
        return sorted(topic.partitions)

    def bounds(self, partition):
        try:
            return self.consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=3)
        except KafkaException as error:
            raise SourceError(error.args[0].str()) from None

    def resolve(self, partition, wanted):
        """The real offset of a number, a word or a time (src: KafkaRoutineLoadJob.java, KafkaUtil.getRealOffsets)."""
        if isinstance(wanted, int):
            return wanted
        low, high = self.bounds(partition)
        if wanted == "OFFSET_BEGINNING":
            return low
        if wanted == "OFFSET_END":
            return high
        at = int(values.moment(wanted, 0).replace(tzinfo=self.zone).timestamp() * 1000)
        try:
            found = self.consumer.offsets_for_times([TopicPartition(self.topic, partition, at)], timeout=3)[0]
        except KafkaException as error:
            raise SourceError(error.args[0].str()) from None
        return found.offset if found.offset >= 0 else high

    def seek(self, offsets):
        self.ends = {}
        for partition, offset in offsets.items():
            low, high = self.bounds(int(partition))
            if offset > high:
                raise OffsetAhead("offset set in job: %d is greater than kafka latest offset: %d partition id: %s"
                                  % (offset, high, partition))
            if offset < low:
                raise OffsetGone
        self.consumer.assign([TopicPartition(self.topic, int(p), o) for p, o in offsets.items()])

    def poll(self, count, seconds):
        """Messages [(partition, offset, value)]; notes the ends of partitions in `ends`."""
        out = []
        for message in self.consumer.consume(count, timeout=seconds):
            error = message.error()
            if error is None:
                self.ends.pop(message.partition(), None)
                out.append((message.partition(), message.offset(), message.value() or b""))
            elif error.code() == KafkaError._PARTITION_EOF:
                self.ends[message.partition()] = message.offset()
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                raise OffsetGone
            elif not error.retriable() and error.code() not in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
                raise SourceError(error.str())
        return out

    def latest(self, partition):
        """The end of a partition as last heard of, or None."""
        try:
            _, high = self.consumer.get_watermark_offsets(TopicPartition(self.topic, partition), cached=True)
        except KafkaException:
            return None
        return high if high >= 0 else self.ends.get(partition)
