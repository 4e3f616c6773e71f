internal import Archive
internal import ArchiveSchema
internal import PostgresAdapter
internal import ServiceKit
internal import Wiring

/// `wado logs`: the last rows of the log tables.
enum LogsCommand {
    static let options: [CommandOption] =
        [
            .since, .study, CommandOption("--trace", takes: "ID", "of one request or reception"), .tenant,
            CommandOption("--tail", takes: "N", "the last N; 20 for people, 100,000 for scripts"),
        ] + CommandOption.forms

    /// Rows when nothing is said, and at most.
    private static let listed = 20
    private static let most = 100_000

    static func run(_ arguments: [String]) throws -> Int32 {
        let options = try CommandOptions(arguments, options)
        let form = try OutputForm(options)
        let settings = try Main.settings(options.rest, maximumArguments: 1)
        let name = settings.arguments.first ?? LogTable.access.rawValue
        guard let log = LogTable(rawValue: name) else {
            let known = LogTable.allCases.map(\.rawValue).joined(separator: ", ")
            throw SettingsError(problems: ["there is no log '\(name)': name one of \(known)"])
        }
        guard settings[WadoSettings.logs] != "doris" else {
            throw SettingsError(problems: [
                "the logs are in Doris (the setting logs); ask it, for example: mysql -h \(settings[WadoSettings.dorisHost]) "
                    + "-P \(settings[WadoSettings.dorisPort]) \(settings[WadoSettings.dorisDatabase]) "
                    + "-e 'SELECT * FROM wado_access_log ORDER BY request_time DESC LIMIT 20'"
            ])
        }
        var filter = LogFilter()
        filter.tenantID = options["--tenant"]
        filter.studyUID = options["--study"]
        filter.traceID = options["--trace"]
        filter.since = try options.since()
        let limit = min(most, try options.number("--tail") ?? (form == .text ? listed : most))
        let pool = PostgresPool(try RunningArchive.database(settings), limit: 1, applicationName: "wado logs")
        defer { pool.close() }
        let rows = try PostgresLogs(pool: pool).last(limit, of: log, filter)
        switch form {
        case .text: Terminal.write(rows.isEmpty ? "no rows\n" : text(log, rows))
        case .csv:
            var table = TextTable(log.columns)
            table.rows = rows
            Terminal.write(table.csv)
        case .json:
            let lines = rows.map { row in OutputForm.object(fields(log, row)) }
            Terminal.write("[\n\(lines.joined(separator: ",\n"))\n]\n")
        }
        return 0
    }

    private static func fields(_ log: LogTable, _ row: [String?]) -> [(String, Any?)] {
        var fields: [(String, Any?)] = []
        for (column, text) in zip(log.columns, row) {
            if let text, log.isNumber(column), let number = Int(text) {
                fields.append((column, number))
            } else {
                fields.append((column, text.map { $0 as Any }))
            }
        }
        return fields
    }

    /// What fits on a terminal.
    private static func text(_ log: LogTable, _ rows: [[String?]]) -> String {
        let shown: [(column: String, title: String)] =
            switch log {
            case .access:
                [
                    ("request_time", "TIME"), ("status", "STATUS"), ("method", "METHOD"), ("operation", "OPERATION"),
                    ("duration_us", "MICROSECONDS"), ("bytes_sent", "BYTES"), ("remote_address", "FROM"),
                    ("tenant_id", "TENANT"), ("study_uid", "STUDY"), ("trace_id", "TRACE"),
                ]
            case .objects:
                [
                    ("created_time", "TIME"), ("tenant_id", "TENANT"), ("source_ae", "FROM"), ("file_size", "BYTES"),
                    ("transfer_syntax_uid", "SYNTAX"), ("sop_uid", "INSTANCE"), ("trace_id", "TRACE"),
                ]
            case .images:
                [
                    ("created_time", "TIME"), ("tenant_id", "TENANT"), ("width", "ROWS"), ("columns", "COLUMNS"),
                    ("bits_allocated", "BITS"), ("samples_per_pixel", "SAMPLES"), ("number_of_frames", "FRAMES"),
                    ("space_size", "BYTES"), ("sop_class_uid", "CLASS"), ("sop_uid", "INSTANCE"),
                ]
            }
        let places = shown.map { name in log.columns.firstIndex(of: name.column) }
        var table = TextTable(
            shown.map(\.title), numbers: Set(shown.indices.filter { log.isNumber(shown[$0].column) }))
        table.rows = rows.map { row in places.map { place in place.flatMap { row[$0] } } }
        return table.text
    }
}

extension LogTable {
    fileprivate func isNumber(_ column: String) -> Bool {
        switch ArchiveSchema.table(table)?.column(column)?.type {
        case .int, .bigint: true
        default: false
        }
    }
}
