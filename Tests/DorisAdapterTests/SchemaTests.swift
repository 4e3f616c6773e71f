import Archive
import ArchiveSchema
import DorisAdapter
import DorisTestSupport
import Foundation
import Synchronization
import TestSupport
import Testing

/// Tables, made and changed in a Doris.
@Suite(.enabled(if: TestDoris.isAvailable, "neither DORIS_HOST nor what the stand-in needs"))
struct SchemaTests {
    static let table = """
        CREATE TABLE t (
            k VARCHAR(64) NOT NULL COMMENT "the key's",
            at DATETIME(6) NOT NULL,
            name VARCHAR(64) NULL,
            n INT NULL
        ) UNIQUE KEY(k) COMMENT "for tests"
        DISTRIBUTED BY HASH(k) BUCKETS 2
        PROPERTIES ("replication_num" = "1", "function_column.sequence_col" = "at")
        """

    static func store(
        _ configuration: DorisConfiguration, _ table: String = table, renames: [String: String] = [:]
    ) throws -> DorisSchemaStore {
        DorisSchemaStore(
            configuration, tables: [try TableDefinition(reading: table)], loads: [], renames: ["t": renames])
    }

    @discardableResult
    static func run(_ configuration: DorisConfiguration, _ statements: String...) throws -> [[String?]] {
        let connection = try DorisConnection(configuration)
        try connection.run("USE `\(configuration.database)`", operation: "test")
        var rows: [[String?]] = []
        for statement in statements { rows = try connection.run(statement, operation: "test").rows }
        return rows
    }

    static func apply(_ store: DorisSchemaStore, allowDestructive: Bool = false) throws -> [String] {
        var lines: [String] = []
        try store.apply(allowDestructive: allowDestructive) { lines.append($0) }
        return lines
    }

    @Test func everyTableOfTheSpec() throws {
        try TestDoris.withDatabase { configuration in
            var store = try DorisSchemaStore(configuration, exclusively: { work in try work() })
            store.loads = []
            let plan = try store.plan()
            #expect(plan.store == "Doris")
            #expect(plan.steps.count == store.tables.count + 1)
            #expect(!plan.steps.contains { $0.isDestructive })
            #expect(try store.status().contains { $0.contains("is missing") })
            let lines = try Self.apply(store)
            #expect(lines.count == store.tables.count + 1)
            // What is there is what was wanted, and there is nothing more to do.
            #expect(try store.plan().steps == [])
            #expect(try store.plan().notes == [])
            #expect(try store.differences() == [])
            #expect(try Self.apply(store) == [])
            #expect(try store.status().filter { $0.hasSuffix(": as it should be") }.count == store.tables.count)
        }
    }

    @Test func columnsAreAddedAndWidenedAndRowsKept() throws {
        try TestDoris.withDatabase { configuration in
            _ = try Self.apply(Self.store(configuration))
            try Self.run(configuration, "INSERT INTO t VALUES ('a', '2024-02-29 01:02:03.000004', '王小东', 7)")
            let store = try Self.store(
                configuration,
                Self.table
                    .replacing("name VARCHAR(64) NULL", with: "name VARCHAR(776) NULL COMMENT \"PN\",\n born DATE NULL")
                    .replacing("n INT NULL", with: "n BIGINT NULL,\n state VARCHAR(16) NOT NULL DEFAULT \"new\"")
                    .replacing("the key's", with: "the \"key\"").replacing("for tests", with: "for more tests"))
            let plan = try store.plan()
            #expect(plan.steps.map(\.object) == ["t.k", "t.name", "t.born", "t.n", "t.state", "t"])
            let lines = try Self.apply(store)
            #expect(lines.contains { $0.contains("t.n: INT becomes BIGINT") })
            #expect(try store.plan().steps == [])
            #expect(try store.differences() == [])
            #expect(
                try Self.run(configuration, "SELECT k, name, born, n, state FROM t")
                    == [["a", "王小东", nil, "7", "new"]])
        }
    }

    @Test func renamedColumnsKeepTheirValues() throws {
        try TestDoris.withDatabase { configuration in
            _ = try Self.apply(Self.store(configuration))
            try Self.run(configuration, "INSERT INTO t VALUES ('a', '2024-02-29 01:02:03', 'x', 7)")
            let store = try Self.store(
                configuration, Self.table.replacing("name VARCHAR(64)", with: "patient_name VARCHAR(128)"),
                renames: ["patient_name": "name"])
            _ = try Self.apply(store)
            #expect(try store.differences() == [])
            #expect(try Self.run(configuration, "SELECT patient_name FROM t") == [["x"]])
        }
    }

    @Test func whatLosesDataNeedsPermission() throws {
        try TestDoris.withDatabase { configuration in
            _ = try Self.apply(Self.store(configuration))
            try Self.run(configuration, "INSERT INTO t VALUES ('a', '2024-02-29 01:02:03', 'x', 7)")
            // A type that the old one cannot become, beside what harms nobody.
            let other = try Self.store(
                configuration,
                Self.table.replacing("n INT NULL", with: "n DATE NULL,\n m INT NULL"))
            let error = try #require(throws: DorisSchemaError.self) { try Self.apply(other) }
            #expect("\(error)".contains("t.n is INT and has to be DATE"))
            #expect("\(error)".contains("--allow-destructive"))
            #expect(try other.plan().steps.map(\.object) == ["t.n"])
            #expect(try Self.run(configuration, "SELECT name, n, m FROM t") == [["x", "7", nil]])
            _ = try Self.apply(other, allowDestructive: true)
            #expect(try other.plan().steps == [])
            #expect(try Self.run(configuration, "SELECT name, n FROM t") == [["x", nil]])
            // Another key: the old table is kept.
            let rekeyed = try Self.store(
                configuration, Self.table.replacing("UNIQUE KEY(k)", with: "UNIQUE KEY(k, at)"))
            #expect(throws: DorisSchemaError.self) { try Self.apply(rekeyed) }
            _ = try Self.apply(rekeyed, allowDestructive: true)
            #expect(try rekeyed.plan().steps == [])
            #expect(try Self.run(configuration, "SELECT COUNT(*) FROM t") == [["0"]])
            let names = try Self.run(configuration, "SHOW TABLES").compactMap { $0[0] }
            let aside = try #require(names.first { $0.hasPrefix("t_until_") })
            #expect(try Self.run(configuration, "SELECT name FROM \(aside)") == [["x"]])
        }
    }

    @Test func handMadeChangesAreShown() throws {
        try TestDoris.withDatabase { configuration in
            let store = try Self.store(configuration)
            _ = try Self.apply(store)
            try Self.run(configuration, "ALTER TABLE t ADD COLUMN mine INT NULL", "CREATE TABLE u LIKE t")
            #expect(try store.differences() == ["t.mine is not in this program's spec: left as it is, and not loaded"])
            #expect(try store.plan().isEmpty)
            #expect(try Self.run(configuration, "SHOW TABLES").count == 2)
            // One that the spec has retired is where it belongs.
            var later = store
            later.retired = ["t": ["mine"]]
            #expect(try later.differences() == [])
        }
    }

    /// Programs that start at once, and one that was killed between two statements.
    @Test func anyStepCanBeTheLastOne() throws {
        try TestDoris.withDatabase { configuration in
            _ = try Self.apply(Self.store(configuration))
            try Self.run(configuration, "INSERT INTO t VALUES ('a', '2024-02-29 01:02:03', 'x', 7)")
            let next = Self.table.replacing("name VARCHAR(64)", with: "patient_name VARCHAR(128)")
                .replacing("n INT NULL", with: "n BIGINT NULL,\n m INT NULL")
            var step = 0
            while true {
                let left = Mutex(step)
                var mortal = configuration
                mortal.willRun = { _ throws(DorisError) in
                    let isOver = left.withLock { left in
                        left -= 1
                        return left < 0
                    }
                    if isOver { throw DorisError(code: 2013, operation: "test", message: "killed") }
                }
                do {
                    _ = try Self.apply(Self.store(mortal, next, renames: ["patient_name": "name"]))
                    break
                } catch let error as DorisError {
                    #expect(error.message == "killed")
                }
                step += 1
            }
            #expect(step > 10)
            #expect(try Self.store(configuration, next).plan().steps == [])
            #expect(try Self.run(configuration, "SELECT patient_name, n, m FROM t") == [["x", "7", nil]])
        }
    }

    /// The tables of the original's script: none can be what is wanted by ALTER TABLE, and nothing is touched unasked.
    @Test(.enabled(if: SharedFiles.has("seed/doris.sql"), "no ../shared/seed"))
    func theOriginalsTablesAreKept() throws {
        try TestDoris.withDatabase { configuration in
            let connection = try DorisConnection(configuration)
            try connection.run("CREATE DATABASE `\(configuration.database)`", operation: "test")
            try connection.run("USE `\(configuration.database)`", operation: "test")
            let file = try #require(SharedFiles.url("seed/doris.sql"))
            let script = String(decoding: try [UInt8](contentsOf: file), as: UTF8.self)
            for statement in script.split(separator: ";") where statement.lowercased().contains(" table") {
                try connection.run(String(statement), operation: "test")
            }
            try connection.run(
                """
                INSERT INTO dicom_image_meta (tenant_id, patient_id, study_uid, series_uid, sop_uid, study_uid_hash, \
                series_uid_hash, study_date_origin, transfer_syntax_uid, sop_class_uid) \
                VALUES ('t', 'p', '1', '2', '3', '0', '0', '2024-01-01', '1.2', '1.2')
                """, operation: "test")
            var store = try DorisSchemaStore(configuration, exclusively: { work in try work() })
            store.loads = []
            let error = try #require(throws: DorisSchemaError.self) { try Self.apply(store) }
            for name in ["dicom_object_meta", "dicom_state_meta", "dicom_image_meta"] {
                #expect("\(error)".contains(name))
            }
            // Those that the original does not have were made.
            #expect(try Self.run(configuration, "SHOW TABLES").count == store.tables.count)
            _ = try Self.apply(store, allowDestructive: true)
            #expect(try store.plan().steps == [])
            let names = try Self.run(configuration, "SHOW TABLES").compactMap { $0[0] }
            let aside = try #require(names.first { $0.hasPrefix("dicom_image_meta_until_") })
            #expect(try Self.run(configuration, "SELECT COUNT(*) FROM \(aside)") == [["1"]])
        }
    }
}

extension [UInt8] {
    fileprivate init(contentsOf url: URL) throws { self.init(try Data(contentsOf: url)) }
}
