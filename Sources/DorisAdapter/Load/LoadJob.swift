import Foundation

/// A routine load job as SHOW ALL ROUTINE LOAD has it.
package struct LoadJob: Sendable {
    package enum State: String, Sendable {
        case needSchedule = "NEED_SCHEDULE"
        case running = "RUNNING"
        case paused = "PAUSED"
        case stopped = "STOPPED"
        case cancelled = "CANCELLED"

        /// It never runs again.
        var isFinal: Bool { self == .stopped || self == .cancelled }
    }

    package let id: Int64
    package let name: String
    package let table: String
    package let state: State
    package let comment: String
    package let topic: String
    /// Names in its COLUMNS; empty when it has none.
    package let columns: [String]
    /// The next offset of each partition that it has taken up.
    package let offsets: LoadDefinition.Offsets
    /// Messages behind the end of the topic; nil when Doris does not know.
    package let lag: Int64?
    package let loadedRows: Int64
    package let errorRows: Int64
    /// Why it is paused or cancelled, and Doris' number of it; see `Reason`.
    package let reason: String
    /// Where rows that were not loaded are told, with their values.
    package let errorLogs: String
    /// When it was paused, in Doris' time.
    package let pauseTime: String
    /// As Doris has them, for what was changed by hand.
    package let properties: [String: String]

    /// `common/InternalErrorCode.java` of Doris.
    package enum Reason {
        static let byHand = 100
        static let tooManyErrorRows = 102
        static let cannotResume = 105
    }

    /// The number in `ErrorReason{code=errCode = 102, msg='...'}`; nil when there is none.
    package var reasonCode: Int? {
        guard let mark = reason.firstRange(of: "errCode = ") else { return nil }
        return Int(reason[mark.upperBound...].prefix { $0.isNumber })
    }

    /// The text in it.
    package var reasonText: String {
        guard let mark = reason.firstRange(of: "msg='") else { return reason }
        var text = reason[mark.upperBound...]
        if text.hasSuffix("'}") { text = text.dropLast(2) }
        return DorisError.plain(String(text))
    }

    /// Whether the messages that it wants are no longer in Kafka.
    package var hasLostItsPlace: Bool {
        reasonCode == Reason.cannotResume && reasonText.contains("offset")
    }

    package var mark: LoadMark? { LoadMark(comment) }

    package init?(_ result: DorisResult, row: Int) {
        func text(_ title: String) -> String { result.value(row, title) ?? "" }
        guard let id = Int64(text("Id")), let state = State(rawValue: text("State")) else { return nil }
        self.id = id
        self.state = state
        name = text("Name")
        table = text("TableName")
        comment = text("Comment")
        reason = text("ReasonOfStateChanged")
        errorLogs = text("ErrorLogUrls")
        pauseTime = text("PauseTime")
        topic = Self.texts(text("DataSourceProperties"))["topic"] ?? ""
        properties = Self.texts(text("JobProperties"))
        columns = Self.columnNames(properties["columnToColumnExpr"] ?? "")
        offsets = Self.offsets(text("Progress"))
        let statistic = Self.texts(text("Statistic"))
        loadedRows = Int64(statistic["loadedRows"] ?? "") ?? 0
        errorRows = Int64(statistic["errorRows"] ?? "") ?? 0
        let behind = Self.texts(text("Lag")).values.map { Int64($0) ?? -1 }
        lag = behind.isEmpty || behind.contains { $0 < 0 } ? nil : behind.reduce(0, &+)
    }

    /// The next offset of each partition, from Progress: there stands the last one that was consumed, or a word before
    /// the first. What is neither is left out, and so begins as a new partition does.
    static func offsets(_ progress: String) -> LoadDefinition.Offsets {
        var offsets: LoadDefinition.Offsets = [:]
        for (partition, text) in texts(progress) {
            guard let partition = Int(partition), partition >= 0 else { continue }
            switch text {
            case "OFFSET_ZERO": offsets[partition] = .next(0)
            case "OFFSET_BEGINNING": offsets[partition] = .beginning
            case "OFFSET_END": offsets[partition] = .end
            default:
                if let last = Int64(text), last >= 0, last < .max { offsets[partition] = .next(last + 1) }
            }
        }
        return offsets
    }

    /// The names in "`a`,`b`=now(3)".
    private static func columnNames(_ list: String) -> [String] {
        var reader = SQLReader(list)
        var names: [String] = []
        while let name = try? reader.identifier() {
            names.append(name)
            while reader.next != .end, reader.next != .mark(",") {
                if reader.take() == .mark("(") { _ = try? reader.restOfBrackets() }
            }
            _ = reader.take()
        }
        return names
    }

    /// The members of a JSON object of texts and numbers; others are left out.
    private static func texts(_ json: String) -> [String: String] {
        let object = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        return (object ?? [:]).compactMapValues { value in
            switch value {
            case let text as String: text
            case let number as NSNumber: number.stringValue
            default: nil
            }
        }
    }
}
