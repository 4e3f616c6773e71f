internal import Archive
internal import ArchiveSchema
internal import PostgresAdapter
internal import ServiceKit
internal import Wiring

/// `wado problems`: what was odd with instances.
enum ProblemsCommand {
    static let options: [CommandOption] =
        [
            CommandOption("--rule", takes: "R", "of this rule; docs/problems.md has all"),
            CommandOption("--severity", takes: "S", "info, warning, error or refused"), .since, .study, .tenant,
            CommandOption("--all", "also those that are cleared"),
            CommandOption("--tail", takes: "N", "the last N; 20 for people, all for scripts"),
        ] + CommandOption.forms

    /// Rows listed when nothing is said.
    private static let listed = 20
    private static let page = 1_000

    static func run(_ arguments: [String]) throws -> Int32 {
        let options = try CommandOptions(arguments, options)
        let form = try OutputForm(options)
        var filter = ProblemFilter()
        filter.rule = try options.rule()
        filter.tenantID = options["--tenant"]
        filter.studyUID = options["--study"]
        filter.since = try options.since()
        filter.includesCleared = options.has("--all")
        if let name = options["--severity"] {
            guard let severity = ProblemSeverity(rawValue: name) else {
                let known = ProblemSeverity.allCases.map(\.rawValue).joined(separator: ", ")
                throw SettingsError(problems: ["--severity: '\(name)' is none of \(known)"])
            }
            filter.severity = severity
        }
        let tail = try options.number("--tail")
        let settings = try Main.settings(options.rest)
        let pool = PostgresPool(try RunningArchive.database(settings), limit: 1, applicationName: "wado problems")
        defer { pool.close() }
        let problems = PostgresProblems(pool: pool)
        switch form {
        case .text: try show(problems, filter, tail: tail ?? listed)
        case .json: try writeJSON(problems, filter, tail: tail)
        case .csv: try writeCSV(problems, filter, tail: tail)
        }
        return 0
    }

    private static func show(_ problems: PostgresProblems, _ filter: ProblemFilter, tail: Int) throws {
        let counts = try problems.counts(filter)
        if counts.isEmpty {
            Terminal.write("no problems\n")
            return
        }
        var summary = TextTable(["SEVERITY", "RULE", "STATE", "PROBLEMS", "INSTANCES", "LAST"], numbers: [3, 4])
        for count in counts {
            summary.rows.append([
                count.severity, count.rule, count.state, "\(count.problems)", "\(count.instances)", shown(count.last),
            ])
        }
        Terminal.write(summary.text + "\n")
        let rows = try problems.latest(filter, limit: tail)
        var list = TextTable(["TIME", "SEVERITY", "RULE", "ELEMENT", "COLUMN", "TENANT", "FROM", "INSTANCE", "DETAIL"])
        for row in rows.reversed() {
            let state = row.state == ProblemState.open.rawValue ? row.severity : row.state
            let column = row.tableName.isEmpty ? "" : "\(row.tableName).\(row.columnName)"
            let instance = row.sopUID.isEmpty ? "trace \(row.traceID)" : row.sopUID
            let times = row.occurrences > 1 ? ["\(row.occurrences) times"] : []
            let detail = (times + (row.detail.map { [$0] } ?? [])).joined(separator: ", ")
            list.rows.append([
                shown(row.updatedTime), state, row.rule, row.tagPath, column, row.tenantID,
                row.sourceAE ?? row.sourceIP, instance,
                detail,
            ])
        }
        Terminal.write(list.text)
        let all = counts.map(\.problems).reduce(0, +)
        if all > rows.count {
            Terminal.write("and \(all - rows.count) older ones: --tail N, --csv and --json show more\n")
        }
    }

    /// To the second, UTC.
    private static func shown(_ time: Timestamp) -> String { String(time.description.prefix(19)) }

    /// `{"counts": [...], "problems": [...]}`, one row a line.
    private static func writeJSON(_ problems: PostgresProblems, _ filter: ProblemFilter, tail: Int?) throws {
        let counts = try problems.counts(filter).map { count in
            OutputForm.object([
                ("severity", count.severity), ("rule", count.rule), ("state", count.state),
                ("problems", count.problems), ("instances", count.instances), ("last", count.last.description),
            ])
        }
        Terminal.write("{\"counts\":[\n\(counts.joined(separator: ",\n"))\n],\"problems\":[\n")
        var isFirst = true
        try forEach(problems, filter, tail) { row in
            var json: [UInt8] = isFirst ? [] : Array(",\n".utf8)
            row.encodeJSON(into: &json)
            isFirst = false
            return String(decoding: json, as: UTF8.self)
        }
        Terminal.write("\n]}\n")
    }

    private static func writeCSV(_ problems: PostgresProblems, _ filter: ProblemFilter, tail: Int?) throws {
        let columns = DicomProblemMetaRow.table.columns.map(\.name)
        Terminal.write(columns.joined(separator: ",") + "\r\n")
        try forEach(problems, filter, tail) { row in
            var json: [UInt8] = []
            row.encodeJSON(into: &json)
            return OutputForm.values(ofJSON: json, columns).map(TextTable.field).joined(separator: ",") + "\r\n"
        }
    }

    /// All of them, or the last ones; a page is written when the next is read.
    private static func forEach(
        _ problems: PostgresProblems, _ filter: ProblemFilter, _ tail: Int?, _ text: (DicomProblemMetaRow) -> String
    ) throws {
        if let tail {
            Terminal.write(try problems.latest(filter, limit: tail).reversed().map(text).joined())
            return
        }
        var last: DicomProblemMetaRow?
        while true {
            let rows = try problems.page(filter, after: last, limit: page)
            Terminal.write(rows.map(text).joined())
            guard rows.count == page else { return }
            last = rows.last
        }
    }
}
