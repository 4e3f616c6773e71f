import Archive
import ConsumerService
import ServiceKit

/// Some threads that index files, each its own ones.
final class IndexerCrew: Sendable {
    private struct Task: Sendable {
        var number: Int
        var instances: [InstanceIdentity]
    }

    private let tasks = BoundedQueue<Task>(capacity: 256)
    private let results = Monitor<[Int: Result<FileIndexer.Outcome, any Error>]>([:])
    private let threads: [ServiceThread]

    /// - Parameter backends: have a session for each of the threads.
    init(_ settings: Settings, threads: Int, _ backends: Backends, _ options: ReindexOptions) throws {
        let folder = DataFolder(settings[WadoSettings.data])
        let configuration = ConsumerService.Configuration(settings, folder: folder)
        let metadata = FileMetadataStore(root: folder.json)
        let store = try backends.ingestStore()
        var started: [ServiceThread] = []
        for number in 0..<max(1, threads) {
            let (tasks, results) = (tasks, results)
            started.append(
                try ServiceThread(name: "reindex-\(number)") { stop in
                    let indexer = FileIndexer(
                        configuration, store: store, metadata: metadata,
                        since: options.since)
                    while let task = tasks.take() {
                        let result = Result {
                            if options.isDryRun { return try indexer.check(task.instances) }
                            return try patiently(stop) { try indexer.index(task.instances) }
                        }
                        results.withLock { $0[task.number] = result }
                    }
                })
        }
        self.threads = started
    }

    /// Indexes all parts and waits for it. Called by one thread at a time.
    /// - Throws: the first error, once all parts have ended.
    func run(_ parts: [[InstanceIdentity]]) throws -> FileIndexer.Outcome {
        for (number, instances) in parts.enumerated() { _ = tasks.put(Task(number: number, instances: instances)) }
        let all = results.wait { results -> [Int: Result<FileIndexer.Outcome, any Error>]? in
            guard results.count == parts.count else { return nil }
            defer { results = [:] }
            return results
        }
        var outcome = FileIndexer.Outcome()
        for number in parts.indices {
            guard let part = try all?[number]?.get() else { continue }
            outcome += part
        }
        return outcome
    }

    func stop() {
        tasks.close()
        for thread in threads { thread.stop() }
        for thread in threads { thread.join() }
    }
}
