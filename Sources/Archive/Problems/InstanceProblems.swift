public import ArchiveSchema
public import DICOMCore
internal import ServiceKit

/// What is odd with one instance, as rows of `dicom_problem_meta`: at most `limit` of them, and one that says how many
/// more there are.
public struct InstanceProblems: Sendable {
    /// Of what is reported: as much as is known.
    public struct Subject: Sendable {
        /// Empty where it is unknown, as are the UIDs and the trace.
        public private(set) var tenantID = ""
        public private(set) var studyUID = ""
        public private(set) var seriesUID = ""
        public private(set) var sopUID = ""
        public var traceID: String
        public var sourceIP: String?
        public var sourceAE: String?
        /// The node that saw it.
        public var workerNodeID: String
        /// When the instance was received or refused.
        public var createdTime: Timestamp

        /// - Parameters:
        ///   - tenantID: what is no tenant's name, or no UID, counts as unknown: it could be anything.
        public init(
            tenantID: String? = nil, studyUID: String? = nil, seriesUID: String? = nil, sopUID: String? = nil,
            traceID: String, sourceIP: String? = nil, sourceAE: String? = nil, workerNodeID: String,
            createdTime: Timestamp
        ) {
            self.tenantID = tenantID.flatMap(TenantID.init)?.value ?? ""
            self.studyUID = studyUID.flatMap(UID.init)?.value ?? ""
            self.seriesUID = seriesUID.flatMap(UID.init)?.value ?? ""
            self.sopUID = sopUID.flatMap(UID.init)?.value ?? ""
            self.traceID = traceID
            self.sourceIP = sourceIP
            self.sourceAE = sourceAE
            self.workerNodeID = workerNodeID
            self.createdTime = createdTime
        }
    }

    private struct Place: Hashable {
        var rule: String
        var tagPath: String
        var table: String
        var column: String
    }

    private struct Problem {
        var place: Place
        var severity: ProblemSeverity
        var detail: String?
        var occurrences: Int64
    }

    /// Rows for one instance, beside the one for all others.
    public static let limit = 100
    /// The rule of the row that stands for those beyond the limit.
    public static let furtherRule = "more-problems"

    private var problems: [Problem] = []
    private var places: [Place: Int] = [:]
    private var further: Int64 = 0
    private var furtherSeverity = ProblemSeverity.info

    public init() {}

    public var isEmpty: Bool { problems.isEmpty }

    /// - Parameters:
    ///   - rule: a constant name, such as `disk-full`.
    ///   - tagPath: the element, sequences and items it stands in first; empty for the instance as a whole.
    ///   - detail: offsets, lengths and codes; never a value of the data set.
    public mutating func add(
        _ rule: String, _ severity: ProblemSeverity, tagPath: String = "", table: String = "", column: String = "",
        detail: String? = nil, occurrences: Int = 1
    ) {
        let place = Place(rule: rule, tagPath: Self.shortened(tagPath), table: table, column: column)
        if let index = places[place] {
            problems[index].occurrences += Int64(occurrences)
            problems[index].severity = max(problems[index].severity, severity)
        } else if problems.count < Self.limit {
            places[place] = problems.count
            problems.append(
                Problem(place: place, severity: severity, detail: detail, occurrences: Int64(occurrences)))
        } else {
            further += Int64(occurrences)
            furtherSeverity = max(furtherSeverity, severity)
        }
    }

    /// A value that broke the rule of its column.
    public mutating func add(_ problem: ColumnProblem) {
        add(
            problem.rule.rawValue, problem.outcome == .null ? .error : .warning, tagPath: problem.place,
            table: problem.table, column: problem.column)
    }

    /// What was odd in the bytes of a data set; of an element that is odd in several items the first one's place.
    public mutating func add(warningsOf dataSet: DataSet) {
        struct Kind: Hashable {
            var code: ReadWarning.Code
            var tags: [DICOMError.PathComponent]
        }
        var firsts: [Kind: ReadWarning] = [:]
        for warning in dataSet.warnings {
            let tags = warning.path.filter { if case .tag = $0 { true } else { false } }
            let first = firsts[Kind(code: warning.code, tags: tags), default: warning]
            firsts[Kind(code: warning.code, tags: tags)] = first
            add(
                warning.code.rawValue, warning.code.severity, tagPath: first.place,
                detail: "at byte \(first.byteOffset)")
        }
        let others = dataSet.warningCount - dataSet.warnings.count
        if others > 0 {
            further += Int64(others)
        }
    }

    /// The rows, for `LogRows.problems`.
    /// - Parameter seen: when they were seen; of two rows of a problem the later one counts.
    public func rows(of subject: Subject, by program: String, seen: Timestamp) -> [DicomProblemMetaRow] {
        var all = problems
        if further > 0 {
            all.append(
                Problem(
                    place: Place(rule: Self.furtherRule, tagPath: "", table: "", column: ""),
                    severity: furtherSeverity, detail: nil, occurrences: further))
        }
        return all.map { problem in
            DicomProblemMetaRow(
                tenantID: subject.tenantID, studyUID: subject.studyUID, seriesUID: subject.seriesUID,
                sopUID: subject.sopUID, occasion: subject.sopUID.isEmpty ? String(subject.traceID.prefix(36)) : "",
                rule: problem.place.rule, tagPath: problem.place.tagPath, tableName: problem.place.table,
                columnName: problem.place.column, severity: problem.severity.rawValue,
                occurrences: problem.occurrences, detail: problem.detail, program: program,
                programVersion: Program.version, traceID: subject.traceID, sourceIP: subject.sourceIP,
                sourceAE: subject.sourceAE, workerNodeID: subject.workerNodeID, createdTime: subject.createdTime,
                updatedTime: seen)
        }
    }

    /// As wide as the column, which as a part of the key is not cut elsewhere.
    private static func shortened(_ path: String) -> String {
        path.utf8.count <= 256 ? path : String(path.prefix(120)) + ".." + String(path.suffix(120))
    }
}

extension ReadWarning.Code {
    /// Of what was read by a guess, `warning`.
    var severity: ProblemSeverity {
        switch self {
        case .oddLength, .tagsNotAscending, .unexpectedVR, .missingDelimiter, .strayDelimiter, .wrongGroupLength: .info
        case .duplicateTag, .unknownVR, .missingVR, .unreadableSequence, .trailingBytes, .unknownCharacterSet: .warning
        }
    }
}
