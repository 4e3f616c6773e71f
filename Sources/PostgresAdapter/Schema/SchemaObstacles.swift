/// What of a database a program could not work with; none when everything it reads and writes is there, even if there is
/// more.
enum SchemaObstacles {
    /// - Parameter mayRefuseLonger: whether a text may be shorter than the program's for a while: values that do not fit
    ///   are refused, and become dead letters that can be replayed.
    static func find(desired: Catalogue, real: Catalogue, mayRefuseLonger: Bool = false) -> [String] {
        var obstacles: [String] = []
        for wanted in desired.tables {
            guard let found = real.table(wanted.name) else {
                // Without a default partition rows of other months are refused, and nothing else.
                if wanted.parent == nil { obstacles.append("\(wanted.name) is missing") }
                continue
            }
            if wanted.parent != nil { continue }
            for column in wanted.columns {
                let object = "\(wanted.name).\(column.name)"
                guard let there = found.column(column.name) else {
                    obstacles.append("\(object) is missing")
                    continue
                }
                if !TypeChange.isCompatible(
                    program: column.type, database: there.type, refusesLonger: mayRefuseLonger)
                {
                    obstacles.append("\(object) is \(there.type), and this program needs \(column.type)")
                }
                if case .attribute(let ours) = ColumnSource(column.comment),
                    case .attribute(let theirs) = ColumnSource(there.comment), ours != theirs
                {
                    obstacles.append("\(object) has values of \(theirs), and this program fills it with \(ours)")
                }
                if there.isNotNull && !column.isNotNull {
                    obstacles.append("\(object) may not be NULL, and this program leaves it empty at times")
                }
            }
            for column in found.columns where wanted.column(column.name) == nil {
                if column.isNotNull && column.defaultValue == nil && column.identity.isEmpty {
                    obstacles.append("\(wanted.name).\(column.name) may not be NULL, and this program does not fill it")
                }
            }
            if let key = wanted.key, found.key?.definition != key.definition {
                obstacles.append(
                    "the key of \(wanted.name) is \(found.key?.definition ?? "missing"), and this program needs \(key.definition)"
                )
            }
        }
        for function in desired.functions where !real.functions.contains(where: { $0.signature == function.signature })
        {
            obstacles.append("function \(function.signature) is missing")
        }
        return obstacles
    }
}
