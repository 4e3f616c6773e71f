import Archive
import DorisAdapter
import DorisTestSupport
import Foundation
import Synchronization
import Testing

/// Changes of large tables, which run in Doris' background: a stand-in that takes its time for them.
@Suite(.enabled(if: StandIn.isAvailable, "no Python with confluent_kafka")) struct SchemaChangeTests {
    static let wider = SchemaTests.table.replacing("n INT NULL", with: "n BIGINT NULL")

    @Test func itWaitsAndTellsHowFarItIs() throws {
        let doris = try StandIn(["--heavy-seconds", "2"])
        let configuration = doris.configuration()
        _ = try SchemaTests.apply(SchemaTests.store(configuration))
        let store = try SchemaTests.store(configuration, Self.wider)
        let lines = try SchemaTests.apply(store)
        #expect(lines.contains("t.n: INT becomes BIGINT"))
        #expect(lines.contains { $0.hasPrefix("t: ") })
        #expect(try store.plan().isEmpty)
    }

    @Test func whoComesLaterWaitsForIt() throws {
        let doris = try StandIn(["--heavy-seconds", "1"])
        let configuration = doris.configuration()
        _ = try SchemaTests.apply(SchemaTests.store(configuration))
        // One that was killed has begun it.
        try SchemaTests.run(configuration, "ALTER TABLE t MODIFY COLUMN n BIGINT NULL")
        let lines = try SchemaTests.apply(SchemaTests.store(configuration, Self.wider))
        #expect(lines.contains("t: waiting for a change that runs already"))
        #expect(!lines.contains { $0.contains("becomes") })
    }

    @Test func whatDorisGivesUpIsSaid() throws {
        let doris = try StandIn(["--heavy-seconds", "60"])
        let configuration = doris.configuration()
        _ = try SchemaTests.apply(SchemaTests.store(configuration))
        let isBegun = Mutex(false)
        let store = try SchemaTests.store(configuration, Self.wider)
        let error = try #require(throws: DorisSchemaError.self) {
            try store.apply(allowDestructive: false) { line in
                guard line.hasPrefix("t: "), isBegun.withLock({ !exchange(&$0) }) else { return }
                _ = try? SchemaTests.run(configuration, "CANCEL ALTER TABLE COLUMN FROM t")
            }
        }
        #expect("\(error)" == "Doris: the change of t was cancelled: user cancelled")
    }

    private func exchange(_ flag: inout Bool) -> Bool {
        defer { flag = true }
        return flag
    }

    @Test func itDoesNotWaitForEver() throws {
        let doris = try StandIn(["--heavy-seconds", "60"])
        var configuration = doris.configuration()
        configuration.schemaChangeSeconds = 1
        _ = try SchemaTests.apply(SchemaTests.store(configuration))
        let error = try #require(throws: DorisSchemaError.self) {
            try SchemaTests.apply(SchemaTests.store(configuration, Self.wider))
        }
        guard case .changeTakesTooLong(table: "t", _) = error else {
            Issue.record("\(error)")
            return
        }
    }
}
