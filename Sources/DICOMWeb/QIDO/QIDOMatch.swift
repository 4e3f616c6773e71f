public import DICOMDictionary

/// One attribute to be matched; an entity must satisfy all matches of a query (PS3.4 C.2.2.2).
public struct QIDOMatch: Hashable, Sendable {
    /// How the value is compared.
    public indirect enum Matching: Hashable, Sendable {
        /// Any value, also none: the attribute only has to be returned.
        case universal
        /// Equal to this, padding trimmed. Of a date, time or date-time in the form that `QIDORange` has; of a number its
        /// text, which is a valid one. Of a person name: without regard to case, in any component group.
        case single(String)
        /// `*` stands for any characters, also none, and `?` for exactly one. Same cases as `single`.
        case wildcard(String)
        /// Dates, times and date-times between two bounds, both inclusive.
        case range(QIDORange)
        /// Any of these UIDs; none means that nothing can match.
        case uidList([String])
        /// Any of these, each `single` or `wildcard`: `ModalitiesInStudy=MR,CT`.
        case anyOf([Matching])
        /// Absent or empty (`emptyvaluematching=true` and the value `""`).
        case empty
    }

    public var path: AttributePath
    /// By the dictionary; UN for unknown and private attributes, which are compared as text.
    public var vr: VR
    public var matching: Matching

    public init(path: AttributePath, vr: VR, matching: Matching) {
        self.path = path
        self.vr = vr
        self.matching = matching
    }
}

/// Bounds of a date, time or date-time, in a form whose order as text is their order in time (PS3.4 C.2.2.2.5): DA as
/// `YYYYMMDD`, TM as `HHMMSS.FFFFFF`, DT as `YYYYMMDDHHMMSS.FFFFFF`, shifted to UTC where an offset was given. What a
/// shorter value leaves out is filled to the earliest moment in the lower bound and to the latest in the upper.
public struct QIDORange: Hashable, Sendable {
    /// Inclusive; nil is open.
    public var lower: String?
    /// Inclusive; nil is open.
    public var upper: String?

    public init(lower: String?, upper: String?) {
        self.lower = lower
        self.upper = upper
    }
}
