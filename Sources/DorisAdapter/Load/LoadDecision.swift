import ArchiveSchema

/// What has to be done about a load job.
package enum LoadDecision {
    /// It is as it should be, or better left alone, which the note says.
    case leave(note: String?)
    /// There is none: it begins at these offsets; nil for the beginning of the topic.
    case create(from: LoadDefinition.Offsets?)
    /// It is another one than the spec and the settings want.
    case replace(LoadJob, reason: String)
    /// Its topic, or the whole cluster, is another one of the same name: what it has of offsets means nothing there.
    case startAnew(LoadJob, reason: String)
    /// It reads only the partitions that it was made for, and its topic has others.
    case addPartitions(LoadJob)
    /// Paused by something that may be over: what it knows of Kafka is told anew, and it goes on.
    case resume(LoadJob)
    /// Stopped itself until somebody has looked: too many rows were wrong, or messages are gone.
    case resumeByPerson(LoadJob)

    /// - Parameters:
    ///   - jobs: all that ever had the name, oldest first.
    ///   - topic: as it is now; nil when nobody knows.
    package init(_ load: LoadDefinition, jobs: [LoadJob], topic: TopicState?) {
        guard let job = jobs.last(where: { !$0.state.isFinal }) else {
            self = .create(from: Self.start(load, after: jobs.last, topic: topic))
            return
        }
        guard let mark = job.mark else {
            self = .replace(job, reason: "it was not made by this program")
            return
        }
        let wanted = load.mark(isPinned: mark.isPinned)
        if mark.fingerprint != wanted.fingerprint {
            let (new, old) = (load.columns.map(\.name), job.columns)
            let isNewer =
                mark.version > wanted.version
                || (mark.version == wanted.version && Set(new).isStrictSubset(of: Set(old)))
            if isNewer {
                self = .leave(note: "\(job.name) was made by a newer program: left as it is")
            } else {
                self = .replace(job, reason: Self.difference(new, old))
            }
            return
        }
        if job.state == .paused, job.reasonCode == LoadJob.Reason.byHand {
            self = .leave(note: "\(job.name) was paused by hand: left so (RESUME ROUTINE LOAD FOR \(job.name))")
            return
        }
        if let reason = topic?.difference(from: job) {
            self = .startAnew(job, reason: reason)
            return
        }
        if mark.isPinned, let topic, job.offsets.count < topic.partitions.count {
            self = .addPartitions(job)
            return
        }
        guard job.state == .paused else {
            self = .leave(note: nil)
            return
        }
        switch job.reasonCode {
        case LoadJob.Reason.tooManyErrorRows: self = .resumeByPerson(job)
        case LoadJob.Reason.cannotResume:
            self =
                job.hasLostItsPlace
                ? .resumeByPerson(job) : .leave(note: "\(job.name) cannot go on: \(job.reasonText)")
        default: self = .resume(job)
        }
    }

    /// Where a job begins that follows another.
    /// - Parameter former: the last job of the name. One that Doris itself has ended had lost its table: what is there
    ///   now is another one, which gets all that Kafka still has. So does one whose offsets are of another topic.
    static func start(
        _ load: LoadDefinition, after former: LoadJob?, topic: TopicState?
    ) -> LoadDefinition.Offsets? {
        guard let former, former.state != .cancelled, former.topic == load.topic, !former.offsets.isEmpty else {
            return nil
        }
        guard let topic, !topic.partitions.isEmpty else { return former.offsets }
        guard topic.difference(from: former) == nil else { return nil }
        var offsets: LoadDefinition.Offsets = [:]
        for partition in topic.partitions.indices { offsets[partition] = former.offsets[partition] ?? .beginning }
        return offsets
    }

    private static func difference(_ new: [String], _ old: [String]) -> String {
        let added = new.filter { !old.contains($0) }
        let removed = old.filter { !new.contains($0) }
        let parts = [
            added.isEmpty ? nil : "it does not fill \(added.joined(separator: ", "))",
            removed.isEmpty ? nil : "it fills \(removed.joined(separator: ", "))",
        ]
        let text = parts.compactMap { $0 }.joined(separator: ", and ")
        return text.isEmpty ? "its properties are others" : text
    }
}
