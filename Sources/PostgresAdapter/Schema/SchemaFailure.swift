public import Archive

/// Why a database was not brought to the schema of this program; its text says what to do.
public enum SchemaFailure: Error, CustomStringConvertible {
    case database(PostgresError)
    /// Steps without which this program cannot work, and that wait for somebody.
    case needsPerson([SchemaStep])
    /// A newer program has changed the database in a way that this one cannot live with.
    case newerDatabase(by: String, obstacles: [String])
    /// Others held a table for too long.
    case busy(String)
    /// After all steps something was still different: a mistake of ours, or somebody works against us.
    case unfinished([String])

    public var description: String {
        switch self {
        case .database(let error): "\(error)" + Self.hint(error.code)
        case .needsPerson(let steps): Self.text(steps)
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
        case .needsPerson, .newerDatabase, .unfinished: false
        }
    }

    private static func hint(_ code: PostgresError.Code) -> String {
        switch code {
        case .insufficientPrivilege:
            "; the role needs CREATE on the schema and TEMP on the database, or somebody who owns the tables runs "
                + "`wado schema apply` before"
        case .readOnly: "; the database only reads, as a standby does: name the primary"
        case .diskFull: "; what was done until then stays, and the next start goes on when there is room"
        default: ""
        }
    }

    private static func text(_ steps: [SchemaStep]) -> String {
        func part(_ occasion: SchemaStep.Occasion, _ title: String) -> String {
            let lines = steps.filter { $0.occasion == occasion }.map { "  \($0.object): \($0.reason)\n" }
            return lines.isEmpty ? "" : title + ":\n" + lines.joined()
        }
        return "the schema needs changes that are not made by themselves\n"
            + part(.decision, "those that could lose data, by `wado schema apply --allow-destructive` after a backup")
            + part(.maintenance, "those that hold everybody up for long, by `wado schema apply` when there is time")
            + part(.hindered, "those that something of others is in the way of")
            + part(.start, "those that are made at a start")
            + part(.background, "those that are made beside the services")
            + "`wado schema plan` shows their statements"
    }
}
