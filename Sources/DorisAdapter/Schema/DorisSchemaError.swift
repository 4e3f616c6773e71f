/// Why Doris could not be brought to the schema.
public enum DorisSchemaError: Error, CustomStringConvertible {
    /// Changes that could lose data, and nobody allowed them: what and why.
    case needsPermission([String])
    /// Doris gave a change of a table up, with its reason.
    case changeCancelled(table: String, reason: String)
    /// A change of a table goes on in Doris for longer than we wait.
    case changeTakesTooLong(table: String, progress: String)
    /// Doris took the statements, and the table is still another.
    case notTaken(object: String, reason: String)
    /// A job that neither pauses nor stops.
    case jobDoesNotStop(String)
    /// A load job fills columns that its table lacks: their values would be dropped without a word.
    case columnsMissing(job: String, columns: [String])
    /// Several tables or jobs failed, each by itself; the others are done.
    case several([String])
    /// A statement of the generator or of Doris that cannot be read.
    case unreadable(table: String, SQLReadingError)

    public var description: String {
        switch self {
        case .needsPermission(let changes):
            "Doris: these changes could lose data and are not made without permission "
                + "(`wado schema apply --allow-destructive`): " + changes.joined(separator: "; ")
        case .changeCancelled(let table, let reason):
            "Doris: the change of \(table) was cancelled: \(reason)"
        case .changeTakesTooLong(let table, let progress):
            "Doris: the change of \(table) still runs (\(progress)); SHOW ALTER TABLE COLUMN tells of it, and the next "
                + "start goes on from there"
        case .notTaken(let object, let reason):
            "Doris: \(object) is still not as it should be though Doris took the statement: \(reason)"
        case .jobDoesNotStop(let job):
            "Doris: load job \(job) neither pauses nor stops"
        case .columnsMissing(let job, let columns):
            "Doris: load job \(job) is left as it is, since its table lacks " + columns.joined(separator: ", ")
        case .several(let texts): texts.joined(separator: "; ")
        case .unreadable(let table, let error):
            "Doris: the definition of \(table) cannot be read: \(error)"
        }
    }
}
