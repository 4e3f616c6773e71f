internal import PostgresAdapter
internal import ServiceKit
internal import Wiring

/// Starts the private PostgreSQL again whenever it has ended. Never gives up: without it, files are still received, and
/// wait in the spool.
final class DatabaseKeeper {
    private let database: PrivatePostgres
    private let log: String
    private let say: (String) -> Void
    private var backOff = BackOff(first: 250, maximum: 5_000)
    private var startedAt = MonotonicClock.milliseconds
    private var startAgainAt: Int?
    /// One that ran so long, in milliseconds, starts again without waiting.
    private let settled = 30_000
    /// The services are looked after by the same thread: it does not wait longer for an answer, in seconds.
    private let patience = 1

    /// - Parameter database: which has been started.
    init(_ database: PrivatePostgres, folder: DataFolder, say: @escaping (String) -> Void) {
        self.database = database
        log = "\(folder.postgres)/postgres.log"
        self.say = say
    }

    /// To be called again and again.
    func keepRunning() {
        guard !database.isRunning else { return }
        let now = MonotonicClock.milliseconds
        guard let time = startAgainAt else {
            if now - startedAt >= settled { backOff.reset() }
            let wait = backOff.attempts == 0 ? 0 : backOff.next()
            startAgainAt = now + wait
            say("PostgreSQL has ended; it starts again in \(wait) ms (its log: \(log))")
            return
        }
        guard time <= now else { return }
        database.stop()
        do {
            try database.start(timeoutSeconds: patience)
            say("PostgreSQL runs again")
        } catch {
            guard case .timeout = error, database.isRunning else {
                let wait = backOff.next()
                startAgainAt = MonotonicClock.milliseconds + wait
                // Of the log's lines the last one says it.
                let reason = "\(error)".split(separator: " / ").last ?? ""
                say("PostgreSQL cannot be started, the next attempt is in \(wait) ms: \(reason) (its log: \(log))")
                return
            }
            say("PostgreSQL recovers what it had not written yet (its log: \(log))")
        }
        // The next time it is one that soon ended again, unless it has settled by then.
        if backOff.attempts == 0 { _ = backOff.next() }
        startAgainAt = nil
        startedAt = MonotonicClock.milliseconds
    }
}
