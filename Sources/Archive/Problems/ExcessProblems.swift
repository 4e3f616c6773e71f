internal import ArchiveSchema

/// How many problems a sender may have, and how many there were beyond: those are counted in one row for each sender,
/// tenant and hour. Of a fixed size, whoever sends whatever.
struct ExcessProblems {
    private struct Sender {
        var hour: Int64
        var refusals = 0
    }

    /// A row that counts, in its place of the journal.
    private struct Place {
        var row: DicomProblemMetaRow
        var isSaved = false
        var isPublished = false
    }

    private static let hour: Int64 = 3_600_000_000
    /// Senders that are told apart; more of them in an hour are one.
    private static let maximumSenders = 1_000
    private static let pause = 1_000

    private let refusalsPerHour: Int
    private var senders: [String: Sender] = [:]
    private var places: [Int: Place] = [:]
    private var nextDue = 0

    init(refusalsPerHour: Int) { self.refusalsPerHour = refusalsPerHour }

    /// What an earlier process counted.
    mutating func takeUp(_ rows: [Int: DicomProblemMetaRow]) {
        for (number, row) in rows { places[number] = Place(row: row, isSaved: true) }
    }

    /// Whether the row may be kept; a refusal that may not is counted.
    mutating func admits(_ row: DicomProblemMetaRow) -> Bool {
        guard row.severity == ProblemSeverity.refused.rawValue else { return true }
        let now = row.updatedTime.microsecondsSince1970
        var name = row.sourceIP ?? ""
        if senders[name] == nil, senders.count >= Self.maximumSenders {
            senders = senders.filter { Self.isSameHour($0.value.hour, now) }
            if senders.count >= Self.maximumSenders { name = "" }
        }
        var sender = senders[name] ?? Sender(hour: now)
        if !Self.isSameHour(sender.hour, now) { sender = Sender(hour: now) }
        let isAdmitted = sender.refusals < refusalsPerHour
        if isAdmitted { sender.refusals += 1 } else { count(row) }
        senders[name] = sender
        return isAdmitted
    }

    /// Counts one that is not kept.
    mutating func count(_ row: DicomProblemMetaRow) {
        let number = place(for: row)
        var counted = places[number]?.row ?? Self.first(like: row, isOfAll: number == ProblemJournal.places - 1)
        counted.occurrences = counted.occurrences.addingReportingOverflow(row.occurrences).partialValue
        counted.updatedTime = max(row.updatedTime, counted.updatedTime)
        if severity(row) > severity(counted) { counted.severity = row.severity }
        if counted.sourceAE != row.sourceAE { counted.sourceAE = nil }
        places[number] = Place(row: counted)
    }

    /// The sender's place, or a free one, or the last, which is for all others.
    private mutating func place(for row: DicomProblemMetaRow) -> Int {
        let now = row.updatedTime.microsecondsSince1970
        // What is published, and of an hour that is over, is done.
        places = places.filter {
            !$0.value.isPublished || Self.isSameHour($0.value.row.createdTime.microsecondsSince1970, now)
        }
        let own = places.first { $0.value.row.sourceIP == row.sourceIP && $0.value.row.tenantID == row.tenantID }
        if let own { return own.key }
        return (0..<ProblemJournal.places - 1).first { places[$0] == nil } ?? ProblemJournal.places - 1
    }

    private static func first(like row: DicomProblemMetaRow, isOfAll: Bool) -> DicomProblemMetaRow {
        var first = row
        if isOfAll { (first.tenantID, first.sourceIP, first.sourceAE) = ("", nil, nil) }
        (first.studyUID, first.seriesUID, first.sopUID) = ("", "", "")
        first.occasion = String(row.traceID.prefix(36))
        first.rule = InstanceProblems.furtherRule
        (first.tagPath, first.tableName, first.columnName) = ("", "", "")
        first.occurrences = 0
        first.detail = "more of one sender in an hour, or while the event bus was down, than are listed"
        first.createdTime = row.updatedTime
        return first
    }

    private func severity(_ row: DicomProblemMetaRow) -> ProblemSeverity {
        ProblemSeverity(rawValue: row.severity) ?? .info
    }

    private static func isSameHour(_ start: Int64, _ now: Int64) -> Bool { now >= start && now - start < hour }

    /// Rows that changed since they were put into the journal, by their place; they count as put from now on.
    mutating func takeUnsaved() -> [Int: DicomProblemMetaRow] {
        let unsaved = places.filter { !$0.value.isSaved }.mapValues(\.row)
        for number in unsaved.keys { places[number]?.isSaved = true }
        return unsaved
    }

    /// Rows that the bus does not have as they are.
    var changed: [DicomProblemMetaRow] { places.values.filter { !$0.isPublished }.map(\.row) }

    /// They are published once in a while, however fast they change.
    func isDue(at milliseconds: Int) -> Bool { milliseconds >= nextDue }

    mutating func published(_ rows: [DicomProblemMetaRow], at milliseconds: Int) {
        nextDue = milliseconds + Self.pause
        for (number, place) in places where rows.contains(place.row) { places[number]?.isPublished = true }
    }
}
