import Archive
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Testing

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct PostgresConnectionTests {
    @Test func valuesPassInBinary() throws {
        let connection = try PostgresConnection(TestPostgres.makeDatabase())
        let sql = """
            SELECT $1::bool, $2::int4, $3::int8, $4::float8, $5::text, $6::bytea, $7::date, $8::timestamp, $9::int4[],
                $10::int8[], $11::text[], $12::bytea[], $13::text, $14::time
            """
        for _ in 0..<2 {
            let result = try connection.query(
                sql,
                [
                    .bool(true), .int4(.min), .int8(.max), .float8(-0.1), .text("Ä\u{0301}東"), .bytea([0, 255, 10]),
                    .date(days: -1), .timestamp(microseconds: 123_456), .int4Array([1, -1]), .int8Array([]),
                    .textArray(["", "a,\"b{}"]), .byteaArray([[], [0]]), .null, .time(microseconds: 1),
                ], operation: "test")
            #expect(result.bool(0, 0) == true)
            #expect(result.integer(0, 1) == Int64(Int32.min))
            #expect(result.integer(0, 2) == .max)
            #expect(result.double(0, 3) == -0.1)
            #expect(result.string(0, 4) == "Ä\u{0301}東")
            #expect(result.bytes(0, 5) == [0, 255, 10])
            #expect(result.integer(0, 6) == -1)
            #expect(result.integer(0, 7) == 123_456)
            #expect(result.isNull(0, 12) && result.string(0, 12) == nil)
            #expect(result.integer(0, 13) == 1)
        }
        let texts = try connection.query(
            "SELECT $1::int4[]::text, $2::text[]::text, $3::bytea[]::text, $4::date::text",
            [.int4Array([1, -1]), .textArray(["", "a,b"]), .byteaArray([[], [10]]), .date(days: 8_826)],
            operation: "test")
        #expect(
            (0..<4).map { texts.string(0, $0) } == [
                "{1,-1}", "{\"\",\"a,b\"}", "{\"\\\\x\",\"\\\\x0a\"}", "2024-03-01",
            ])
    }

    @Test func errorsAreTypedAndHideValues() throws {
        let connection = try PostgresConnection(TestPostgres.makeDatabase())
        try connection.run("CREATE TABLE secret (name text PRIMARY KEY, age int)", operation: "test")
        try connection.query("INSERT INTO secret VALUES ($1, 1)", [.text("DOE^JANE")], operation: "test")
        #expect {
            try connection.query("INSERT INTO secret VALUES ($1, 1)", [.text("DOE^JANE")], operation: "insert")
        } throws: { error in
            let error = error as? PostgresError
            return error?.code == .uniqueViolation && error?.isRetriable == false
                && error?.description.contains("DOE") == false && error?.description.contains("secret_pkey") == true
        }
        #expect {
            try connection.query("SELECT $1::text::int", [.text("DOE^JANE")], operation: "cast")
        } throws: { error in
            let error = error as? PostgresError
            return error?.code.rawValue == "22P02" && "\(error as Any)".contains("DOE") == false
        }
        #expect(throws: PostgresError.self) { try connection.run("SELEC 1", operation: "typo") }
        #expect(connection.isAlive)
        #expect {
            try PostgresConnection("host=/nowhere dbname=x")
        } throws: { error in
            (error as? PostgresError)?.isRetriable == true
        }
    }

    @Test func copyInBinaryAndTransactions() throws {
        let connection = try PostgresConnection(TestPostgres.makeDatabase())
        try connection.run("CREATE TABLE t (a int4, b text)", operation: "test")
        var tuples: [UInt8] = []
        for number in 0..<100_000 {
            tuples += [0, 2, 0, 0, 0, 4] + withUnsafeBytes(of: Int32(number).bigEndian) { [UInt8]($0) }
            tuples += [0, 0, 0, 1, UInt8(ascii: "x")]
        }
        try connection.copyIn("COPY t FROM STDIN (FORMAT binary)", tuples: tuples, operation: "copy")
        #expect(try connection.query("SELECT sum(a) FROM t", operation: "sum").integer(0, 0) == 4_999_950_000)

        // A broken stream is an error of its own, and the session goes on.
        #expect(throws: PostgresError.self) {
            try connection.copyIn("COPY t FROM STDIN (FORMAT binary)", tuples: [0, 3, 0], operation: "copy")
        }
        struct Stop: Error {}
        #expect(throws: PostgresError.self) {
            try connection.transaction { connection throws(PostgresError) in
                try connection.run("DELETE FROM t", operation: "delete")
                try connection.run("SELECT 1/0", operation: "fail")
            }
        }
        #expect(!connection.isInTransaction)
        #expect(try connection.query("SELECT count(*) FROM t", operation: "count").integer(0, 0) == 100_000)
    }

    @Test func poolReplacesLostSessions() throws {
        let string = try TestPostgres.makeDatabase()
        let pool = PostgresPool(string, limit: 2)
        let process = try pool.withConnection { $0.backendProcess }
        try PostgresConnection(string).query(
            "SELECT pg_terminate_backend($1)", [.int4(process)], operation: "kill")
        let answer = try pool.retryingOnce { connection throws(PostgresError) in
            try connection.query("SELECT 5", operation: "test").integer(0, 0)
        }
        #expect(answer == 5)
        // A transaction left open by an error elsewhere never reaches the next borrower.
        try pool.withConnection { connection throws(PostgresError) in
            _ = try connection.run("BEGIN", operation: "test")
        }
        #expect(try pool.withConnection { !$0.isInTransaction })
        // More prepared statements than are kept.
        try pool.withConnection { connection throws(PostgresError) in
            for number in 0..<450 {
                let text = try connection.query("SELECT \(number % 250)", operation: "test").integer(0, 0)
                #expect(text == Int64(number % 250))
            }
        }
    }

    @Test func migrationsRunOnceForManyServices() throws {
        let string = try TestPostgres.makeDatabase()
        let errors = ErrorBox()
        DispatchQueue.concurrentPerform(iterations: 10) { _ in
            do { try SchemaMigrator().migrate(PostgresConnection(string)) } catch { errors.add("\(error)") }
        }
        #expect(errors.all.isEmpty)
        let connection = try PostgresConnection(string)
        let partitions = try connection.query("SELECT count(*) FROM bus_partition", operation: "test").integer(0, 0)
        #expect(partitions == Int64(Topic.allCases.count * BusSchema.defaultPartitions))
        let reached = "SELECT 1 FROM schema_history WHERE kind = 'reached'"
        #expect(try connection.query(reached, operation: "test").rowCount == 1)

        // Again: nothing is written, and nobody is waited for but who changes a table itself (pg_get_indexdef reads it).
        let writer = try PostgresConnection(string)
        try writer.run("BEGIN; LOCK TABLE dicom_state_meta, bus_message IN EXCLUSIVE MODE", operation: "test")
        try connection.run("SET lock_timeout = '200ms'", operation: "test")
        try SchemaMigrator().migrate(connection)
        try writer.run("ROLLBACK", operation: "test")

        // What was taken away comes back.
        try connection.run("DROP TABLE dicom_json_meta", operation: "test")
        try SchemaMigrator().migrate(connection)
        #expect(try connection.query("SELECT 1 FROM dicom_json_meta", operation: "test").rowCount == 0)
    }
}

private final class ErrorBox: @unchecked Sendable {
    private let lock = NSLock()
    private var texts: [String] = []
    func add(_ text: String) { lock.withLock { texts.append(text) } }
    var all: [String] { lock.withLock { texts } }
}
