import Archive
import ArchiveSchema
import ServiceKit

/// One member of the group: the loop of one thread.
final class ConsumerWorker {
    private let configuration: ConsumerService.Configuration
    private let consumer: any EventConsumer
    private let store: any IngestStore
    private let metadata: any MetadataStore
    private let logger: Logger
    private let metrics: ConsumerMetrics
    private let extractor: InstanceExtractor
    private var backOff: BackOff
    private var isHealthy = false

    init(
        _ configuration: ConsumerService.Configuration, consumer: any EventConsumer, store: any IngestStore,
        metadata: any MetadataStore, logger: Logger, metrics: ConsumerMetrics
    ) {
        self.configuration = configuration
        self.consumer = consumer
        self.store = store
        self.metadata = metadata
        self.logger = logger
        self.metrics = metrics
        backOff = BackOff(first: 50, maximum: configuration.retryMilliseconds)
        extractor = InstanceExtractor(configuration)
    }

    func run(_ stop: StopToken) {
        while !stop.isStopped {
            do {
                let messages = try next()
                setHealthy(true)
                if messages.isEmpty { continue }
                let isDone = metrics.batchSeconds.time { process(messages[...], stop) }
                // What is not done is not committed, and comes again to the next member.
                guard isDone else { break }
                try consumer.commit()
                backOff.reset()
            } catch {
                pause("consumer cannot reach the bus", error, stop)
            }
        }
        consumer.close()
        setHealthy(false)
    }

    /// The next messages: those that are there, and a few milliseconds' more.
    private func next() throws -> [ReceivedMessage] {
        var messages = try consumer.poll(limit: configuration.batchInstances, timeoutMilliseconds: 250)
        if messages.isEmpty { return [] }
        let deadline = MonotonicClock.milliseconds + max(0, configuration.batchMilliseconds)
        while messages.count < configuration.batchInstances {
            let now = MonotonicClock.milliseconds
            if now >= deadline { break }
            // A commit covers all that has come, so what has come is processed, whatever is wrong with the bus now: the
            // next round meets that again.
            guard
                let more = try? consumer.poll(
                    limit: configuration.batchInstances - messages.count, timeoutMilliseconds: deadline - now),
                !more.isEmpty
            else { break }
            messages += more
        }
        return messages
    }

    /// - Returns: false when it was told to stop before everything was stored.
    private func process(_ messages: ArraySlice<ReceivedMessage>, _ stop: StopToken) -> Bool {
        var batch = ConsumerBatch()
        for message in messages {
            guard let content = extract(message, stop) else { return false }
            if case .deadLetter(let reason, let detail) = content {
                report(message, reason: reason, detail: detail)
            }
            batch.add(ConsumerBatch.Item(message: message, content: content))
            if batch.bytes >= configuration.batchBytes {
                guard write(batch, stop) else { return false }
                batch = ConsumerBatch()
            }
        }
        return batch.isEmpty || write(batch, stop)
    }

    private func extract(_ received: ReceivedMessage, _ stop: StopToken) -> ConsumerBatch.Content? {
        if received.topic == .problem {
            do {
                return .problem(try DicomProblemMetaRow(json: received.message.value))
            } catch {
                return .deadLetter(reason: "event_unreadable", detail: "\(error)")
            }
        }
        while true {
            do {
                switch try extractor.extract(received.message) {
                case .refused(let reason, let detail): return .deadLetter(reason: reason, detail: detail)
                case .extracted(let instance):
                    if !instance.columnProblems.isEmpty {
                        metrics.columnProblems.add(instance.columnProblems.count)
                        for problem in instance.columnProblems.prefix(4) {
                            logger.warning(
                                "value does not fit its column",
                                ["problem": .string("\(problem)"), "trace_id": .string(instance.object.traceID)])
                        }
                    }
                    return .instance(instance)
                }
            } catch {
                pause("consumer cannot read the store", error, stop)
                if stop.isStopped { return nil }
            }
        }
    }

    /// Stores a batch: metadata first, then index and logs, so that what the index shows can be read. Tries until it
    /// succeeds; a message that is refused for what it is goes to the dead letters, and the others of its batch do not.
    private func write(_ batch: ConsumerBatch, _ stop: StopToken) -> Bool {
        while !stop.isStopped {
            do {
                let updates = batch.metadataUpdates()
                let counts = try metadata.append(updates)
                var bySeries: [SeriesIdentity: Int] = [:]
                for (update, count) in zip(updates, counts) { bySeries[update.series] = count }
                let ingest = batch.ingest(counts: bySeries, node: configuration.node)
                try store.write(ingest)
                // Afterwards: an instance that is filed only now finds its refusal when its turn comes.
                var clearing = IngestBatch()
                clearing.logs.problems = try extractor.overtaken(ingest.receivedProblems)
                if !clearing.logs.problems.isEmpty { try store.write(clearing) }
                metrics.batches.add()
                metrics.instances.add(ingest.logs.objects.count)
                metrics.deadLetters.add(ingest.deadLetters.count)
                metrics.problemRows.add(ingest.logs.problems.count + ingest.receivedProblems.count)
                backOff.reset()
                return true
            } catch {
                // Anything else, be it for ever, is no message's fault: they all wait until somebody mends it.
                if let error = error as? any RetriableError, error.isDueToInput {
                    if let (first, second) = batch.halves() { return write(first, stop) && write(second, stop) }
                    if let item = batch.items.first, !item.isDeadLetter, let message = item.message {
                        let detail = "\(error)"
                        report(message, reason: "row_refused", detail: detail)
                        var letter = ConsumerBatch()
                        letter.add(
                            ConsumerBatch.Item(
                                message: message, content: .deadLetter(reason: "row_refused", detail: detail)))
                        return write(letter, stop)
                    }
                }
                // Also a dead letter that cannot be written: nothing is lost, somebody has to look.
                pause("consumer cannot store a batch", error, stop)
            }
        }
        return false
    }

    private func report(_ message: ReceivedMessage, reason: String, detail: String) {
        logger.error(
            "message cannot be processed",
            [
                "reason": .string(reason), "detail": .string(detail), "topic": .string(message.topic.rawValue),
                "partition": .int(message.partition), "offset": .int(Int(message.offset)),
            ])
    }

    private func pause(_ event: StaticString, _ error: any Error, _ stop: StopToken) {
        setHealthy(false)
        metrics.failures.add()
        let wait = backOff.next()
        if backOff.isNews {
            logger.warning(event, ["error": .string("\(error)"), "attempt": .int(backOff.attempts)])
        }
        // It may take long; the group is to know that this member is still there.
        consumer.keepAlive()
        stop.wait(milliseconds: wait)
    }

    private func setHealthy(_ value: Bool) {
        if value != isHealthy { metrics.healthyWorkers.add(value ? 1 : -1) }
        isHealthy = value
    }
}
