import Archive

/// A step with what its execution has to know.
struct MigrationStep: Sendable {
    var step: SchemaStep
    /// Steps of one table that follow each other are one transaction.
    var table: String
    /// False for what must not, or need not, be in a transaction.
    var isTransactional = true
}

/// Finds the steps from one catalogue to another.
struct SchemaPlanner {
    let desired: Catalogue
    let real: Catalogue
    let renames: [String: [String: String]]
    /// What migrations have made, now or before: what is none of it is somebody's own and stays.
    let known: Set<String>
    /// Whether nobody of ours has been at this database before.
    let isAdopting: Bool
    let concurrentBytes: Int64
    /// Whether rows of large tables may be read for the plan. A service that starts does not; it leaves to later what
    /// depends on them.
    let looksAtRows: Bool
    let connection: PostgresConnection

    /// Columns of the table at hand that are called otherwise until the plan is done, as SQL writes them.
    var oldNames: [String: String] = [:]
    /// Columns of the table at hand, as SQL writes them, that do not get their type at once.
    var waitingColumns: Set<String> = []
    /// Columns of the table at hand, as SQL writes them, that have room for more than they should.
    var widerColumns: Set<String> = []
    /// Columns of the table at hand, as SQL writes them, that lose their values and have no default.
    var emptiedColumns: Set<String> = []
    var steps: [MigrationStep] = []
    var notes: [String] = []
    /// True when something has to wait for values that are not there yet.
    var isWaiting = false

    mutating func plan() throws(PostgresError) {
        var aside: [MigrationStep] = []
        for wanted in desired.tables {
            guard let found = real.table(wanted.name) else {
                // The table that it is to be a part of has to be made, or made anew, first.
                if let parent = wanted.parent {
                    if let found = real.table(parent), found.partitionKey == nil { continue }
                    if real.table(parent) == nil, real.namesTaken[parent] != nil { continue }
                }
                add(
                    wanted.name, wanted.parent.map { "new, the default partition of \($0)" } ?? "new table",
                    wanted.createStatements, hindrance: hindrance(name: wanted.name))
                continue
            }
            if wanted.parent != nil { continue }
            let first = steps.count
            let before = (notes: notes.count, isWaiting: isWaiting)
            try change(found, to: wanted)
            if isForeign(wanted.name),
                steps[first...].contains(where: { $0.step.occasion == .decision || $0.step.occasion == .hindered })
            {
                // What was to be said of it is of no table of ours.
                steps.removeSubrange(first...)
                notes.removeSubrange(before.notes...)
                isWaiting = before.isWaiting
                aside.append(setAside(found, wanted))
            }
        }
        // Before there is anything of ours by which the next start takes them for ours too.
        steps.insert(contentsOf: aside, at: 0)
        for function in desired.functions
        where !real.functions.contains(where: { $0.definition == function.definition }) {
            add("\(function.signature.prefix { $0 != "(" })()", "new, or not as it was", [function.definition])
        }
        for table in real.tables
        where table.parent == nil && known.contains(table.name) && desired.table(table.name) == nil {
            add(
                table.name, "no longer in the spec; \(Self.count(table)) would be lost",
                ["DROP TABLE IF EXISTS \(table.sqlName)"], occasion: .decision,
                hindrance: Self.hindrance(table.users.map(\.name)))
        }
    }

    /// - Parameter hindrance: what is in the way, and what to do about it.
    mutating func add(
        _ object: String, _ reason: String, _ statements: [String], table: String? = nil,
        occasion: SchemaStep.Occasion = .start, isTransactional: Bool = true, hindrance: String? = nil
    ) {
        let step = SchemaStep(
            object: object, reason: reason + (hindrance.map { "; " + $0 } ?? ""), statements: statements,
            occasion: hindrance == nil ? occasion : .hindered)
        steps.append(MigrationStep(step: step, table: table ?? object, isTransactional: isTransactional))
    }

    /// - Parameter users: what depends on it, as the catalogue names it.
    static func hindrance(_ users: [String]) -> String? {
        let names = Set(users).sorted()
        if names.isEmpty { return nil }
        return "\(names.joined(separator: ", ")) \(names.count == 1 ? "depends" : "depend") on it and would break: "
            + "drop that, run `wado schema apply` or start a service, and make it again"
    }

    func hindrance(name: String) -> String? {
        real.namesTaken[name].map { "\($0) has this name: drop it, or give it another one" }
    }

    private mutating func change(_ found: Catalogue.Table, to wanted: Catalogue.Table) throws(PostgresError) {
        var found = found
        oldNames = [:]
        waitingColumns = []
        widerColumns = []
        emptiedColumns = []
        rename(&found, wanted)
        try changeColumns(found, wanted)
        if found.partitionKey != wanted.partitionKey {
            try rebuild(found, wanted)
        } else {
            try changeKey(found, wanted)
            describe(found, wanted)
            try changeIndexes(found, wanted)
        }
    }

    /// Whether a table of our name may be somebody else's: one that installs of the original design have beside those of
    /// its script, in a database where there is nothing of ours.
    func isForeign(_ table: String) -> Bool {
        guard isAdopting, Adoption.beside.contains(table) else { return false }
        let theirs = Adoption.tables.union(Adoption.beside)
        return !real.tables.contains { $0.parent == nil && !theirs.contains($0.name) }
    }

    // MARK: Help

    func exists(_ sql: String) throws(PostgresError) -> Bool {
        try connection.queryOnce("SELECT EXISTS (\(sql))", [], operation: "look at rows").bool(0, 0) ?? false
    }

    /// Whether changing it takes so long that others notice.
    func isLarge(_ table: Catalogue.Table) throws(PostgresError) -> Bool {
        let names = [table.name] + real.partitions(of: table.name).map(\.name)
        let found = try connection.query(
            "SELECT sum(pg_relation_size(to_regclass(quote_ident(n))))::bigint FROM unnest($1::text[]) AS n",
            [.textArray(names)], operation: "look at sizes")
        return found.integer(0, 0) ?? 0 >= concurrentBytes
    }

    /// `about 1200 rows`.
    static func count(_ table: Catalogue.Table) -> String {
        table.rows < 0 ? "its rows" : table.rows == 1 ? "about 1 row" : "about \(table.rows) rows"
    }
}
