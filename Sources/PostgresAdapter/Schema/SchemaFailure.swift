public import Archive

/// Why a database was not brought to the schema of this program; its text says what to do.
public enum SchemaFailure: Error, CustomStringConvertible {
    case database(PostgresError)
    /// Steps that could lose data, without which this program cannot work; they wait for somebody's decision.
    case needsDecision([SchemaStep])
    /// A newer program has changed the database in a way that this one cannot live with.
    case newerDatabase(by: String, obstacles: [String])
    /// Others held a table for too long.
    case busy(String)
    /// After all steps something was still different: a mistake of ours, or somebody works against us.
    case unfinished([String])

    public var description: String {
        switch self {
        case .database(let error):
            error.code.rawValue == "42501"
                ? "\(error); the role of this service may not change the schema: run `wado schema apply` as its owner"
                : "\(error)"
        case .needsDecision(let steps):
            "the schema needs changes that could lose data, and are never made by themselves:\n"
                + steps.map { "  \($0.object): \($0.reason)\n" }.joined()
                + "`wado schema plan` shows them all; after a backup, `wado schema apply --allow-destructive` makes them"
        case .newerDatabase(let program, let obstacles):
            "the database has a newer schema, made by \(program), which this program cannot \(obstacles.isEmpty ? "change" : "use:")\n"
                + obstacles.map { "  \($0)\n" }.joined() + "install that version of Wado, or a later one"
        case .busy(let text): text
        case .unfinished(let objects):
            "the schema is not as it should be after all changes were made: \(objects.joined(separator: "; "))"
        }
    }

    /// True when waiting may help.
    public var isRetriable: Bool {
        switch self {
        case .database(let error): error.isRetriable
        case .busy: true
        case .needsDecision, .newerDatabase, .unfinished: false
        }
    }
}
