import Foundation
import PostgresAdapter
import Synchronization

/// A private PostgreSQL for the tests of this process, started when first asked for and gone with the process.
public enum TestPostgres {
    /// False when PostgreSQL is not installed: tests that need it are then skipped.
    public static let isInstalled: Bool = {
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        return versions.contains {
            FileManager.default.isExecutableFile(atPath: "/usr/lib/postgresql/\($0)/bin/postgres")
        }
    }()

    private static let server = Mutex<PrivatePostgres?>(nil)
    private static let nextDatabase = Mutex(0)

    /// libpq connection string of the server's database `wado`; starts the server.
    public static func connectionString() throws -> String {
        try server.withLock { server in
            if let server { return server.connectionString }
            // Folders of processes that are gone.
            let root = "/tmp/wado-tests"
            for name in (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? [] {
                if let id = Int32(name), kill(id, 0) != 0 {
                    try? FileManager.default.removeItem(atPath: "\(root)/\(name)")
                }
            }
            var configuration = PrivatePostgres.Configuration(folder: "\(root)/\(getpid())/pg")
            configuration.endsWithProcess = true
            configuration.isDurable = false
            configuration.sharedBuffersMiB = 64
            let new = PrivatePostgres(configuration)
            try new.start()
            server = new
            return new.connectionString
        }
    }

    /// Makes an empty database.
    /// - Returns: its connection string.
    public static func makeDatabase() throws -> String { try makeDatabase(template: nil) }

    /// Makes a database with the whole schema.
    public static func makeArchiveDatabase() throws -> String {
        let name = try template.withLock { name in
            if let name { return name }
            let string = try makeDatabase()
            try SchemaMigrator().migrate(PostgresConnection(string))
            let made = string.components(separatedBy: "dbname=").last ?? ""
            name = made
            return made
        }
        return try makeDatabase(template: name)
    }

    private static let template = Mutex<String?>(nil)

    private static func makeDatabase(template: String?) throws -> String {
        let base = try connectionString()
        let number = nextDatabase.withLock { number in
            number += 1
            return number
        }
        let name = "test_\(number)"
        let sql = "CREATE DATABASE \(name)" + (template.map { " TEMPLATE \($0)" } ?? "")
        try PostgresConnection(base).run(sql, operation: "create a test database")
        return base.replacingOccurrences(of: "dbname=wado", with: "dbname=\(name)")
    }
}
