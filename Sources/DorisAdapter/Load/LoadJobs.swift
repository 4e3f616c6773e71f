import ServiceKit

/// The load jobs of a database: what Doris knows of them, and how they are made and changed.
///
/// A job's columns cannot be altered. It is paused, so that its offsets stand still; stopped; and made anew from just
/// these offsets. Doris keeps stopped jobs with their offsets for days (`label_keep_max_second`, three by default), so
/// whoever is killed on the way is followed by one who finds them; and after that time the new job reads the topic from
/// its beginning, which changes nothing, since every table has unique keys.
struct LoadJobs {
    let connection: DorisConnection
    let configuration: DorisConfiguration

    /// Every job of the name, those that are over too, oldest first.
    func all(_ name: String) throws(DorisError) -> [LoadJob] {
        let result: DorisResult
        do {
            result = try connection.run(
                "SHOW ALL ROUTINE LOAD FOR \(place(name))", operation: "look at load job \(name)")
        } catch {
            if error.message.contains("There is no job named") { return [] }
            throw error
        }
        return result.rows.indices.compactMap { LoadJob(result, row: $0) }.filter { $0.name == name }
            .sorted { $0.id < $1.id }
    }

    /// Every job of the database that is not over.
    func live() throws(DorisError) -> [LoadJob] {
        try connection.run("USE \(DorisText.name(configuration.database))", operation: "choose the database")
        let result = try connection.run("SHOW ROUTINE LOAD", operation: "look at the load jobs")
        return result.rows.indices.compactMap { LoadJob(result, row: $0) }.filter { !$0.state.isFinal }
    }

    /// Pauses a job that is not paused, and waits until it is.
    /// - Returns: the job as it then is; nil when it is over or gone.
    func pause(_ job: LoadJob) throws -> LoadJob? {
        for attempt in 0... {
            guard let now = try all(job.name).last(where: { $0.id == job.id }), !now.state.isFinal else { return nil }
            if now.state == .paused { return now }
            guard attempt < 40 else { break }
            if attempt > 0 { configuration.stop.wait(milliseconds: 250) }
            do {
                try connection.run(
                    "PAUSE ROUTINE LOAD FOR \(place(job.name))", operation: "pause load job \(job.name)")
            } catch {
                // Doris or somebody else was sooner, or it starts or ends just now: the next look tells.
                guard error.message.contains("Could not transform") || error.message.contains("not operable") else {
                    throw error
                }
            }
        }
        throw DorisSchemaError.jobDoesNotStop(job.name)
    }

    func resume(_ job: LoadJob) throws(DorisError) {
        try connection.run("RESUME ROUTINE LOAD FOR \(place(job.name))", operation: "resume load job \(job.name)")
    }

    /// Ends a job for good.
    /// - Returns: the job as it then is, with its last offsets.
    func stop(_ job: LoadJob) throws -> LoadJob {
        do {
            try connection.run("STOP ROUTINE LOAD FOR \(place(job.name))", operation: "stop load job \(job.name)")
        } catch {
            guard error.message.contains("not operable") else { throw error }
        }
        guard let ended = try all(job.name).last(where: { $0.id == job.id }) else { return job }
        guard ended.state.isFinal else { throw DorisSchemaError.jobDoesNotStop(job.name) }
        return ended
    }

    /// Makes a job.
    func create(_ load: LoadDefinition, from offsets: LoadDefinition.Offsets?) throws(DorisError) {
        try connection.run("USE \(DorisText.name(configuration.database))", operation: "choose the database")
        try connection.run(load.createStatement(from: offsets), operation: "create load job \(load.job)")
    }

    /// Changes what a paused job knows of Kafka: its client's properties, and where it is.
    func alter(_ load: LoadDefinition, offsets: LoadDefinition.Offsets = [:]) throws(DorisError) {
        var source = load.clientProperties
        if !offsets.isEmpty {
            let partitions = offsets.keys.sorted()
            source.append(("kafka_partitions", partitions.map(String.init).joined(separator: ",")))
            source.append(("kafka_offsets", partitions.compactMap { offsets[$0]?.description }.joined(separator: ",")))
        }
        guard !source.isEmpty else { return }
        try connection.run(
            "ALTER ROUTINE LOAD FOR \(place(load.job))\nFROM KAFKA (\n\(DorisText.properties(source.map { ($0.name, $0.value) }))\n)",
            operation: "alter load job \(load.job)")
    }

    private func place(_ job: String) -> String {
        "\(DorisText.name(configuration.database)).\(DorisText.name(job))"
    }
}
