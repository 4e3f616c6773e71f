internal import Archive
internal import PostgresAdapter
public import ServiceKit

/// What an archive holds and what waits, for people.
public struct ArchiveCounts: Sendable {
    public var studies = 0
    public var series = 0
    public var instances = 0
    /// Received, not indexed yet; nil when the bus does not say.
    public var queueLag: Int?
    /// Why it does not.
    public var busProblem: String?
    /// Series whose metadata is to be compacted.
    public var compactions = 0
    /// Messages that can never succeed.
    public var deadLetters = 0
    /// Problems of instances that are open.
    public var problems = 0

    /// Asks the database. A table that is not there yet counts as empty.
    public static func read(connection: String, settings: Settings) throws -> ArchiveCounts {
        let pool = PostgresPool(connection, limit: 1)
        defer { pool.close() }
        var counts = ArchiveCounts()
        func count(_ table: String, _ expression: String = "count(*)") throws -> Int {
            try pool.withConnection { session throws(PostgresError) in
                let there = try session.query(
                    "SELECT to_regclass($1::text) IS NOT NULL", [.text(table)], operation: "look for a table")
                guard there.bool(0, 0) == true else { return 0 }
                let found = try session.run("SELECT \(expression) FROM \(table)", operation: "count")
                return Int(found.string(0, 0) ?? "") ?? 0
            }
        }
        counts.studies = try count("dicom_state_meta", "count(DISTINCT (tenant_id, study_uid))")
        counts.series = try count("dicom_state_meta")
        counts.instances = try count("dicom_state_meta", "coalesce(sum(series_related_instances), 0)")
        counts.compactions = try count("dicom_json_meta", "count(*) FILTER (WHERE json_status = 0)")
        counts.problems = try count("dicom_problem_meta", "count(*) FILTER (WHERE state = 'open')")
        counts.deadLetters = try PostgresDeadLetters(pool: pool).count()
        do {
            let bus = try ArchiveBus.open(settings, program: "wado", pool: pool)
            counts.queueLag = Int(try bus.lag(group: settings[WadoSettings.consumerGroup], topic: .storage))
        } catch {
            counts.busProblem = "\(error)"
        }
        return counts
    }
}
