/// How much a problem matters; docs/problems.md has the rules of each.
public enum ProblemSeverity: String, CaseIterable, Comparable, Sendable {
    /// The instance is not as the standard wants it, and nothing was lost by it.
    case info
    /// A value was shortened, or read by a guess.
    case warning
    /// A value is missing from the index, or the instance is stored and not in the index.
    case error
    /// The instance is not stored, and its sender was told.
    case refused

    public static func < (a: Self, b: Self) -> Bool { a.order < b.order }

    private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// Whether something is still to be done about a problem.
public enum ProblemState: String, CaseIterable, Sendable {
    case open
    /// The instance was tried again, or sent again, and has it no longer.
    case cleared
}
