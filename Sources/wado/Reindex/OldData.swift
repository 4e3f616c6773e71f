internal import PostgresAdapter

/// What commands over old data have in common.
enum OldData {
    /// Brings the database to the schema of this program; a run that writes nothing only says when it has another one.
    static func prepare(_ database: String, writes: Bool) throws {
        let session = try PostgresConnection(database, applicationName: "wado reindex")
        if writes {
            try SchemaMigrator().prepare(session)
        } else if try !SchemaMigrator().isPrepared(session) {
            Terminal.complain(
                "the database has not the schema of this program, and nothing is changed now: `wado schema plan` shows "
                    + "what differs, `wado schema apply` or the start of a service brings it forward")
        }
    }
}
