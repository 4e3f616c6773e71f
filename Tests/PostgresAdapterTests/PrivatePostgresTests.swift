import Foundation
import PostgresAdapter
import PostgresTestSupport
import TestSupport
import Testing

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct PrivatePostgresTests {
    private func withFolder(_ name: String = "pg", _ body: (String) throws -> Void) throws {
        let root = "/tmp/wado-private-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        try body("\(root)/\(name)")
    }

    @Test func startsStopsAndKeepsItsData() throws {
        try withFolder { folder in
            var configuration = PrivatePostgres.Configuration(folder: folder)
            configuration.endsWithProcess = true
            let first = PrivatePostgres(configuration)
            try first.start()
            #expect(first.isRunning && !first.wasRunning)
            let connection = try PostgresConnection(first.connectionString)
            try connection.run("CREATE TABLE kept (a int); INSERT INTO kept VALUES (7)", operation: "test")
            #expect(try connection.query("SHOW synchronous_commit", operation: "test").string(0, 0) == "on")
            #expect(try connection.query("SHOW fsync", operation: "test").string(0, 0) == "on")

            // A second owner, after the first was killed, takes the running server over.
            let second = PrivatePostgres(configuration)
            try second.start()
            #expect(second.wasRunning && second.processID == first.processID)

            first.stop()
            #expect(!first.isRunning && !second.isRunning)
            let third = PrivatePostgres(configuration)
            try third.start()
            let again = try PostgresConnection(third.connectionString)
            #expect(try again.query("SELECT a FROM kept", operation: "test").integer(0, 0) == 7)
            third.stop()
        }
    }

    @Test func startsAgainAfterItWasKilledInTheMiddleOfWork() throws {
        try withFolder { folder in
            var configuration = PrivatePostgres.Configuration(folder: folder)
            configuration.endsWithProcess = true
            let database = PrivatePostgres(configuration)
            try database.start()
            // Its session outlives the server while it is busy, and keeps its memory.
            let connection = try PostgresConnection(database.connectionString)
            try connection.run("CREATE TABLE kept (a int); INSERT INTO kept VALUES (7)", operation: "test")
            let killed = database.processID
            kill(killed, SIGKILL)
            try eventually { !database.isRunning }
            database.stop()
            try database.start()
            #expect(database.isRunning && database.processID != killed)
            let again = try PostgresConnection(database.connectionString)
            #expect(try again.query("SELECT a FROM kept", operation: "test").integer(0, 0) == 7)

            // One that took the server over starts a new one when that has ended.
            let second = PrivatePostgres(configuration)
            try second.start()
            #expect(second.wasRunning)
            database.stop()
            #expect(!second.isRunning)
            second.stop()
            try second.start()
            #expect(second.isRunning && !second.wasRunning)
            second.stop()
        }
    }

    @Test func findsAShortSocketForALongFolder() throws {
        try withFolder("pg/" + String(repeating: "long/", count: 25)) { folder in
            var configuration = PrivatePostgres.Configuration(folder: folder)
            configuration.endsWithProcess = true
            let server = PrivatePostgres(configuration)
            try server.start()
            defer { server.stop() }
            #expect(try PostgresConnection(server.connectionString).isAlive)
            let socket = server.connectionString.split(separator: "'").first { $0.hasPrefix("/tmp/wado-") }
            let path = String(try #require(socket))
            #expect(FileManager.default.fileExists(atPath: path))
            server.stop()
            #expect(!FileManager.default.fileExists(atPath: path))
        }
        try withFolder { folder in
            var configuration = PrivatePostgres.Configuration(folder: folder)
            let socket = "/tmp/" + String(repeating: "x", count: 100)
            configuration.socketFolder = socket
            #expect(throws: PrivatePostgresError.socketPathTooLong(path: "\(socket)/.s.PGSQL.5432", limit: 107)) {
                try PrivatePostgres(configuration).start()
            }
        }
    }

    /// As below /root: the server's user may not pass through.
    @Test(.enabled(if: getuid() == 0, "only root can make such a folder"))
    func startsBelowAFolderThatItsUserMayNotEnter() throws {
        let root = "/tmp/wado-closed-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(
            atPath: root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        var configuration = PrivatePostgres.Configuration(folder: "\(root)/data/pg")
        configuration.endsWithProcess = true
        let server = PrivatePostgres(configuration)
        try server.start()
        defer { server.stop() }
        #expect(try PostgresConnection(server.connectionString).query("SELECT 1", operation: "test").integer(0, 0) == 1)
    }

    @Test func refusesFoldersOfOthers() throws {
        try withFolder { folder in
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data("9.6\n".utf8).write(to: URL(fileURLWithPath: folder + "/PG_VERSION"))
            #expect {
                try PrivatePostgres(.init(folder: folder)).start()
            } throws: { error in
                guard case .otherVersion(_, "9.6", _) = error as? PrivatePostgresError else { return false }
                return "\(error)".contains("postgresql-9.6")
            }
        }
        try withFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/photos", withIntermediateDirectories: true)
            #expect(throws: PrivatePostgresError.notACluster(folder: folder)) {
                try PrivatePostgres(.init(folder: folder)).start()
            }
        }
    }

    @Test func saysWhenThePortIsTaken() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                #expect(bind(descriptor, pointer, length) == 0 && listen(descriptor, 1) == 0)
                #expect(getsockname(descriptor, pointer, &length) == 0)
            }
        }
        let port = Int(in_port_t(bigEndian: address.sin_port))
        try withFolder { folder in
            var configuration = PrivatePostgres.Configuration(folder: folder)
            configuration.loopbackPort = port
            #expect(throws: PrivatePostgresError.portTaken(port: port)) { try PrivatePostgres(configuration).start() }
        }
    }
}
