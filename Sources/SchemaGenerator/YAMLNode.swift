/// A place in the spec.
struct Mark: Hashable, Sendable {
    /// From 1.
    var line: Int
    /// From 1.
    var column: Int
}

/// Text with the place where it stands.
struct Marked<Value: Sendable>: Sendable {
    var value: Value
    var mark: Mark
}

extension Marked: Equatable where Value: Equatable {}

/// A document as it was written, every node with its place.
indirect enum YAMLNode: Sendable {
    case scalar(Marked<String>, isQuoted: Bool)
    case sequence([YAMLNode], Mark)
    case mapping([(key: Marked<String>, value: YAMLNode)], Mark)

    var mark: Mark {
        switch self {
        case .scalar(let text, _): text.mark
        case .sequence(_, let mark), .mapping(_, let mark): mark
        }
    }

    /// What it is, for messages.
    var kind: String {
        switch self {
        case .scalar(let text, let isQuoted): text.value.isEmpty && !isQuoted ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}
