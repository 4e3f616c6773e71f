/// One change that brings a database to the schema this program was built with.
public struct SchemaStep: Hashable, Sendable {
    /// What changes: `dicom_state_meta` or `dicom_state_meta.manufacturer`.
    public let object: String
    /// What is different, and why it has to change, for people; no value of a row.
    public let reason: String
    /// What is run, in order; each can be run again after a failure.
    public let statements: [String]
    public let occasion: Occasion

    /// When a step is done, and by whom.
    public enum Occasion: Hashable, Sendable {
        /// By a service before it works.
        case start
        /// By a service beside its work, which can do without it for a while: it takes long and holds nobody up.
        case background
        /// By a person's `apply`: it holds everybody up for long.
        case maintenance
        /// By a person's `apply --allow-destructive`: it could lose data, or make a program that now runs fail.
        case decision
        /// By nobody until something is out of the way, which the reason names.
        case hindered
    }

    /// True when it could lose data, or make a program that now runs fail.
    public var isDestructive: Bool { occasion == .decision }

    public init(object: String, reason: String, statements: [String], occasion: Occasion = .start) {
        self.object = object
        self.reason = reason
        self.statements = statements
        self.occasion = occasion
    }
}

/// What would bring one store to the schema this program was built with.
public struct SchemaPlan: Sendable {
    /// The database, as people call it: `PostgreSQL`, `Doris`.
    public let store: String
    /// In the order in which they are done.
    public let steps: [SchemaStep]
    /// What is worth knowing though nothing has to be done.
    public let notes: [String]

    /// True when there is nothing to do.
    public var isEmpty: Bool { steps.isEmpty }

    public init(store: String, steps: [SchemaStep], notes: [String] = []) {
        self.store = store
        self.steps = steps
        self.notes = notes
    }
}

/// A database whose tables follow from the spec.
public protocol SchemaStore {
    /// The database, as people call it: `PostgreSQL`, `Doris`.
    var name: String { get }

    /// What would have to be done now. Changes nothing.
    func plan() throws -> SchemaPlan

    /// Does what the plan says, and nothing when there is nothing to do. Waits while another program does it, and
    /// finishes what one that failed or was killed has left.
    /// - Parameters:
    ///   - allowDestructive: whether steps that could lose data are done as well; without it they throw, after nothing
    ///     or only harmless steps have been done.
    ///   - report: is told what is done, in lines for people.
    func apply(allowDestructive: Bool, report: (String) -> Void) throws

    /// What someone changed by hand: every difference to what the spec and the history of migrations say.
    func differences() throws -> [String]

    /// How things stand, in lines for people: version and history, load jobs, what is paused and why.
    func status() throws -> [String]
}
