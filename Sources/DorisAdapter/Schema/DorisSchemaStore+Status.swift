import Archive

extension DorisSchemaStore {
    /// The statements that make all of it anew, with the settings, without secrets.
    public var statements: [String] {
        let name = DorisText.name(configuration.database)
        return ["CREATE DATABASE IF NOT EXISTS \(name)", "USE \(name)"] + tables.map(\.createStatement)
            + loads.map { configuration.redacted($0.createStatement(from: nil)) }
    }

    public func differences() throws -> [String] {
        let session = try DorisSession(configuration)
        guard try session.useDatabase() else { return ["database \(configuration.database) is missing"] }
        let plan = try plan()
        var lines = plan.steps.map { "\($0.object): \($0.reason)" } + plan.notes
        let ours = Set(tables.map(\.name))
        for job in try session.jobs.live() {
            if let load = loads.first(where: { $0.job == job.name }) {
                for (name, value) in load.properties {
                    guard let found = job.properties[name], found.lowercased() != value.lowercased() else { continue }
                    lines.append("load job \(job.name): \(name) is \(found) instead of \(value)")
                }
            } else if ours.contains(job.table) {
                lines.append("load job \(job.name) fills \(job.table) and is not of this program")
            }
        }
        return lines
    }

    public func status() throws -> [String] {
        let session = try DorisSession(configuration)
        var lines = ["\(try session.version()) at \(configuration.host):\(configuration.port)"]
        guard try session.useDatabase() else {
            return lines + ["database \(configuration.database) is missing: `wado schema apply` makes it"]
        }
        let waiting = try plan().steps
        let there = try session.tables()
        for table in tables {
            let count = waiting.filter { $0.object == table.name || $0.object.hasPrefix(table.name + ".") }.count
            lines.append(
                table.name
                    + (!there.contains(table.name)
                        ? ": missing"
                        : count == 0 ? ": as it should be" : ": \(count) changes wait (`wado schema plan`)"))
        }
        for load in loads {
            lines += describe(load, try session.jobs.all(load.job))
        }
        return lines
    }

    /// A job, and what to do about it.
    private func describe(_ load: LoadDefinition, _ jobs: [LoadJob]) -> [String] {
        guard let job = jobs.last(where: { !$0.state.isFinal }) else {
            let last = jobs.last.map { ": the last one was \($0.state.rawValue), \($0.reasonText)" } ?? ""
            return ["load job \(load.job): missing\(configuration.redacted(last))"]
        }
        let behind = job.lag.map { ", \($0) messages behind" } ?? ""
        var lines = [
            "load job \(job.name): \(job.state.rawValue), \(job.loadedRows) rows loaded, "
                + "\(job.errorRows) not loaded because of errors\(behind)"
        ]
        if job.state == .paused {
            lines.append("    since \(job.pauseTime): \(configuration.redacted(job.reasonText))")
        }
        if job.errorRows > 0, !job.errorLogs.isEmpty {
            lines.append("    the newest rows with errors (they hold patients' data): \(job.errorLogs)")
        }
        switch decision(load, jobs).1 {
        case .leave(let note):
            if let note { lines.append("    \(configuration.redacted(note))") }
        case .create: break
        case .replace(_, let reason), .startAnew(_, let reason): lines.append("    to be made anew: \(reason)")
        case .addPartitions: lines.append("    to be made anew: the topic has new partitions")
        case .resume, .resumeByPerson: lines.append("    `wado schema apply` lets it go on")
        }
        return lines
    }
}
