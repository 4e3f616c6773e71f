import Foundation
import PostgresAdapter
import PostgresTestSupport
import Synchronization
import TestSupport

/// A database of a test, and the schemas it is brought to.
struct MigrationCase {
    let string: String
    let connection: PostgresConnection
    /// Tables from this size on are large.
    var concurrentBytes: Int64 = 16 << 20

    init() throws {
        string = try TestPostgres.makeDatabase()
        connection = try PostgresConnection(string)
    }

    static func schema(
        _ ddl: String, version: Int = 1, renames: [String: [String: String]] = [:]
    ) -> DesiredSchema {
        DesiredSchema(version: version, statements: [("tables", ddl)], renames: renames)
    }

    func migrator(_ schema: DesiredSchema) -> SchemaMigrator {
        var migrator = SchemaMigrator(schema)
        migrator.concurrentBytes = concurrentBytes
        return migrator
    }

    func store(_ schema: DesiredSchema) -> PostgresSchemaStore {
        PostgresSchemaStore(string, migrator: migrator(schema))
    }

    @discardableResult
    func migrate(_ schema: DesiredSchema, allowDestructive: Bool = false) throws -> [String] {
        var lines: [String] = []
        try migrator(schema).migrate(connection, allowDestructive: allowDestructive) { lines.append($0) }
        return lines
    }

    func objects(_ schema: DesiredSchema) throws -> [String: String] { try migrator(schema).objects(connection) }

    /// What a new database has.
    static func fresh(_ schema: DesiredSchema) throws -> [String: String] {
        let new = try MigrationCase()
        try new.migrate(schema)
        return try new.objects(schema)
    }

    func run(_ sql: String) throws { try connection.run(sql, operation: "test") }

    /// The first value of the first row, as text.
    func value(_ sql: String) throws -> String? {
        let result = try connection.queryOnce("SELECT (\(sql))::text", [], operation: "test")
        return result.rowCount == 0 ? nil : result.string(0, 0)
    }
}

/// Lines from another thread.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

/// Something that goes on beside the test, on a thread of its own.
final class Beside: Sendable {
    private let result = Mutex<Result<Void, any Error>?>(nil)

    init(_ body: @escaping @Sendable () throws -> Void) {
        Thread.detachNewThread {
            let result = Result { try body() }
            self.result.withLock { $0 = result }
        }
    }

    var isOver: Bool { result.withLock { $0 != nil } }

    /// Waits for its end; throws what it threw.
    func end() throws {
        try eventually { isOver }
        try result.withLock { $0 }?.get()
    }
}
