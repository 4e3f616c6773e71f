public import Archive
import ArchiveSchema

/// PostgreSQL as a store of `wado schema`.
public struct PostgresSchemaStore: SchemaStore {
    private let connectionString: String
    private let migrator: SchemaMigrator

    public init(_ connectionString: String) { self.init(connectionString, migrator: SchemaMigrator()) }

    package init(_ connectionString: String, migrator: SchemaMigrator) {
        self.connectionString = connectionString
        self.migrator = migrator
    }

    public var name: String { "PostgreSQL" }

    private func connect() throws(SchemaFailure) -> PostgresConnection {
        try MigrationRun.database { () throws(PostgresError) in
            try PostgresConnection(connectionString, applicationName: "wado schema")
        }
    }

    public func plan() throws -> SchemaPlan { try migrator.plan(connect()) }

    public func apply(allowDestructive: Bool, report: (String) -> Void) throws {
        let connection = try connect()
        try migrator.migrate(connection, allowDestructive: allowDestructive, report: report)
        let left = try migrator.plan(connection).steps
        if !left.isEmpty { throw SchemaFailure.needsPerson(left) }
    }

    public func differences() throws -> [String] {
        let connection = try connect()
        let run = MigrationRun(migrator: migrator, schema: migrator.schema, connection: connection)
        defer { run.reset() }
        let state = try MigrationRun.database { () throws(PostgresError) in try run.look() }
        let wanted = state.desired.objects
        let found = state.real.objects
        // Of a table that is missing, everything is.
        let missing = Set(state.desired.tables.map(\.name)).subtracting(state.real.tables.map(\.name))
        return Set(wanted.keys).union(found.keys).sorted().compactMap { object in
            let table = object.split(separator: " ").last?.split(separator: ".").first.map(String.init) ?? ""
            if missing.contains(table) && table != object { return nil }
            switch (wanted[object], found[object]) {
            case (let wanted?, nil):
                return "\(object) is missing" + (wanted.contains("\n") || wanted == "table" ? "" : ": \(wanted)")
            case (nil, let found?):
                let origin = state.known.contains(object) ? "an earlier version had it" : "made by hand"
                return "\(object) is not in the spec (\(origin)): \(found)"
            case (let wanted?, let found?):
                if wanted == found { return nil }
                return wanted.contains("\n")
                    ? "\(object) is another one" : "\(object) is \(found), and should be \(wanted)"
            case (nil, nil): return nil
            }
        }
    }

    public func status() throws -> [String] {
        let connection = try connect()
        let run = MigrationRun(migrator: migrator, schema: migrator.schema, connection: connection)
        defer { run.reset() }
        let history = SchemaHistory(connection: connection)
        var lines = [
            "PostgreSQL \(connection.serverVersion / 10_000), this program has spec version \(migrator.schema.version)"
        ]
        let state: MigrationRun.State
        do {
            state = try run.look()
        } catch {
            guard error.code == .readOnly || error.code == .insufficientPrivilege else { throw error }
            let last = try history.reached().first.map { "\($0.program) was here last" } ?? "none of Wado was here"
            lines.append("the schema is not as this program leaves it: \(last)")
            lines.append("what differs is seen where tables can be made: \(SchemaFailure.database(error))")
            return lines + (try history.recent(limit: 10))
        }
        switch state.standing {
        case .unknown: lines.append("no version of Wado has made tables here yet")
        case .current: lines.append("the schema is that of this program")
        case .older:
            let count = try run.plan(state, looksAtRows: true).steps.count
            lines.append(
                count == 0 ? "the schema is that of this program" : "\(count) changes to make: see `wado schema plan`")
        case .newer(let by):
            lines.append("the schema is newer than this program, made by \(by.program)")
            lines += SchemaObstacles.find(desired: state.desired, real: state.real).map {
                "this program cannot use it: \($0)"
            }
        }
        return lines + (try history.recent(limit: 10))
    }
}
