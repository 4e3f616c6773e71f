import Archive
import ArchiveSchema
import ServiceKit
import Testing
import WebWorkerService

struct LogHousekeeperTests {
    private final class Keeper: LogKeeper {
        struct Down: Error {}
        let rounds = Monitor(0)

        /// Down at first, then with work, then without.
        func keep(_ retention: LogRetention, now: Timestamp) throws -> LogHousekeeping? {
            let round = rounds.withLock { rounds in
                rounds += 1
                return rounds
            }
            if round == 1 { throw Down() }
            var done = LogHousekeeping()
            if round == 2 {
                done.droppedPartitions = ["a", "b"]
                done.deletedRows = retention.accessMonths
                done.postponed = ["c"]
            }
            return done
        }
    }

    /// What failed, or was put off, is tried again soon; then it rests.
    @Test func roundsFollowEachOther() throws {
        let keeper = Keeper()
        let metrics = MetricsRegistry()
        var retention = LogRetention()
        retention.accessMonths = 7
        let housekeeper = LogHousekeeper(
            keeper, retention: retention, intervalMilliseconds: 1_000_000_000, retryMilliseconds: 1, logger: .silent,
            metrics: metrics)
        try housekeeper.start()
        #expect(keeper.rounds.wait(milliseconds: 20_000) { $0 >= 3 ? true : nil } == true)
        // It rests, and ends at once all the same.
        housekeeper.stop()
        #expect(keeper.rounds.current == 3)
        let text = String(decoding: metrics.text(), as: UTF8.self)
        #expect(text.contains("wado_retention_partitions_dropped_total 2"))
        #expect(text.contains("wado_retention_rows_deleted_total 7"))
        #expect(text.contains("wado_retention_failures_total 1"))
    }
}
