public import ArchiveSchema

/// A message that can never succeed, with why.
public struct DeadLetter: Sendable {
    public var message: ReceivedMessage
    /// A constant code, such as `file_missing`; never a value of a data set.
    public var reason: String
    /// For people; without patient data.
    public var detail: String

    public init(message: ReceivedMessage, reason: String, detail: String) {
        self.message = message
        self.reason = reason
        self.detail = detail
    }
}

extension DeadLetter {
    /// The problem that it is, as rows of `dicom_problem_meta`: the same rows however often the message fails.
    public func problems(by program: String, node: String) -> [DicomProblemMetaRow] {
        let object = message.topic == .storage ? try? DicomObjectMetaRow(json: message.message.value) : nil
        // Of a message that says nothing what it is itself, not its place in the bus: a replay gives it another one.
        let name = "\(message.topic.rawValue)/\(SeaHash.decimal(message.message.value))"
        let subject = InstanceProblems.Subject(
            tenantID: object?.tenantID, studyUID: object?.studyUID, seriesUID: object?.seriesUID,
            sopUID: object?.sopUID, traceID: object?.traceID ?? String(name.suffix(36)), sourceIP: object?.sourceIP,
            sourceAE: object?.sourceAE, workerNodeID: node, createdTime: object?.createdTime ?? .now)
        let place = "\(message.topic.rawValue)/\(message.partition)/\(message.offset)"
        var problems = InstanceProblems()
        problems.add(Self.rule(reason), .error, detail: "\(detail) (\(place))")
        return problems.rows(of: subject, by: program, seen: .now)
    }

    /// The rule of a reason, as rows of `dicom_problem_meta` name it.
    public static func rule(_ reason: String) -> String { reason.replacing("_", with: "-") }
}
