import ServiceKit

/// Doris changes large tables in the background, one job a table at a time. This waits for them.
struct SchemaChangeJobs {
    let connection: DorisConnection
    let configuration: DorisConfiguration

    private struct Job {
        let id: Int64
        let state: String
        let message: String
        let progress: String
        var isOver: Bool { state == "FINISHED" || state == "CANCELLED" }
    }

    /// The newest job of a table; nil when there was none.
    private func newest(_ table: String) throws(DorisError) -> Job? {
        let result = try connection.run(
            """
            SHOW ALTER TABLE COLUMN FROM \(DorisText.name(configuration.database)) \
            WHERE TableName = \(DorisText.string(table))
            """, operation: "look at the changes of \(table)")
        return result.rows.indices.map { row in
            Job(
                id: Int64(result.value(row, "JobId") ?? "") ?? 0, state: result.value(row, "State") ?? "",
                message: result.value(row, "Msg") ?? "", progress: result.value(row, "Progress") ?? "")
        }.max { $0.id < $1.id }
    }

    /// Waits for a change that another program, or one of us that was killed, has begun.
    func waitForOthers(_ table: String, report: (String) -> Void) throws {
        guard let job = try newest(table), !job.isOver else { return }
        report("\(table): waiting for a change that runs already")
        _ = try wait(table, report: report)
    }

    /// Runs a statement of ALTER TABLE and waits for the job that it may have begun.
    func run(_ statement: String, table: String, operation: String, report: (String) -> Void) throws {
        let before = try newest(table)?.id ?? 0
        try connection.run(statement, operation: operation)
        if let job = try wait(table, report: report), job.id > before, job.state == "CANCELLED" {
            throw DorisSchemaError.changeCancelled(table: table, reason: configuration.redacted(job.message))
        }
    }

    /// Waits until the newest job is over.
    private func wait(_ table: String, report: (String) -> Void) throws -> Job? {
        let deadline = ContinuousClock.now + .seconds(configuration.schemaChangeSeconds)
        var milliseconds = 20
        var said = ""
        while true {
            guard let job = try newest(table), !job.isOver else { return try newest(table) }
            let progress = job.progress.isEmpty ? job.state.lowercased() : job.progress
            if progress != said, milliseconds >= 1_000 || said.isEmpty {
                report("\(table): \(progress)")
                said = progress
            }
            guard ContinuousClock.now < deadline else {
                throw DorisSchemaError.changeTakesTooLong(table: table, progress: progress)
            }
            configuration.stop.wait(milliseconds: milliseconds)
            milliseconds = min(milliseconds * 2, 2_000)
        }
    }
}
