import Archive
import ConsumerService
import ServiceKit

/// Some threads that index files, each its own ones.
final class IndexerCrew: Sendable {
    /// What they make anew.
    enum Work {
        case everything
        /// Rows of instances, as they are published to these topics, and their problems.
        case rows(Set<Topic>)
    }

    /// Parts that were given to the crew together.
    final class Step: Sendable {
        private let count: Int
        private let results: Monitor<[Int: Result<FileIndexer.Outcome, any Error>]>

        fileprivate init(_ count: Int) {
            self.count = count
            results = Monitor([:])
        }

        fileprivate func note(_ result: Result<FileIndexer.Outcome, any Error>, of part: Int) {
            results.withLock { $0[part] = result }
        }

        /// Waits until all parts have ended.
        /// - Throws: the first error.
        func wait() throws -> FileIndexer.Outcome {
            let all = results.wait { $0.count == count ? $0 : nil }
            var outcome = FileIndexer.Outcome()
            for part in 0..<count {
                guard let own = try all?[part]?.get() else { continue }
                outcome += own
            }
            return outcome
        }
    }

    private struct Task: Sendable {
        var step: Step
        var part: Int
        var instances: [InstanceIdentity]
    }

    private let tasks = BoundedQueue<Task>(capacity: 256)
    private let threads: [ServiceThread]

    /// - Parameter backends: have a session for each of the threads.
    init(
        _ settings: Settings, threads: Int, _ backends: Backends, _ options: ReindexOptions, _ work: Work = .everything
    ) throws {
        let folder = DataFolder(settings[WadoSettings.data])
        let configuration = ConsumerService.Configuration(settings, folder: folder)
        let metadata: FileMetadataStore?
        let store: any IngestStore
        switch work {
        case .everything: (metadata, store) = (FileMetadataStore(root: folder.json), try backends.ingestStore())
        case .rows(let topics): (metadata, store) = (nil, try backends.ingestStore(instanceTopics: topics))
        }
        var started: [ServiceThread] = []
        for number in 0..<max(1, threads) {
            let tasks = tasks
            started.append(
                try ServiceThread(name: "reindex-\(number)") { stop in
                    let indexer = FileIndexer(
                        configuration, store: store, metadata: metadata, since: options.since)
                    while let task = tasks.take() {
                        let result = Result {
                            if options.isDryRun { return try indexer.check(task.instances) }
                            return try patiently(stop) { try indexer.index(task.instances) }
                        }
                        task.step.note(result, of: task.part)
                    }
                })
        }
        self.threads = started
    }

    /// Lets the threads index all parts. Called by one thread at a time.
    func begin(_ parts: [[InstanceIdentity]]) -> Step {
        let step = Step(parts.count)
        for (part, instances) in parts.enumerated() {
            _ = tasks.put(Task(step: step, part: part, instances: instances))
        }
        return step
    }

    /// Indexes all parts and waits for it.
    func run(_ parts: [[InstanceIdentity]]) throws -> FileIndexer.Outcome { try begin(parts).wait() }

    func stop() {
        tasks.close()
        for thread in threads { thread.stop() }
        for thread in threads { thread.join() }
    }
}
