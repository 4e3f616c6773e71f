import Archive
import ServiceKit

/// Says how far a statement is that takes long, and whom it waits for.
struct BuildWatch {
    private let connection: PostgresConnection
    private let object: String
    private var backOff = BackOff(first: 5_000, maximum: 600_000)
    private var next: Int

    /// - Parameter connection: runs the statement; it is not touched.
    init(of connection: PostgresConnection, object: String) {
        self.connection = connection
        self.object = object
        next = MonotonicClock.milliseconds + backOff.next()
    }

    /// For every second; reports after five, and then ever less often, down to every ten minutes.
    mutating func look(_ report: (String) -> Void) {
        guard MonotonicClock.milliseconds >= next else { return }
        next = MonotonicClock.milliseconds + backOff.next()
        // A look from a session of its own, short, so that nothing waits for it.
        guard
            let found = try? PostgresConnection(connection.connectionString, applicationName: "wado schema").query(
                """
                SELECT (SELECT string_agg(format('process %s (%s), in a transaction since %s', pid,
                            COALESCE(NULLIF(application_name, ''), backend_type), date_trunc('second', xact_start)), ', ')
                        FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1))),
                    (SELECT format('%s, %s %% of its blocks', phase, 100 * blocks_done / blocks_total)
                        FROM pg_stat_progress_create_index WHERE pid = $1 AND blocks_total > 0)
                """, [.int4(connection.backendProcess)], operation: "look at a build")
        else { return }
        if let holders = found.string(0, 0) {
            report("\(object) waits for \(holders); it goes on when that ends")
        } else {
            report("\(object) is being made: \(found.string(0, 1) ?? "it takes its time")")
        }
    }
}
