public import DICOMDictionary

/// The rule that a value broke; docs/types.md has them all.
public enum ValueRule: String, Hashable, Sendable, CaseIterable {
    /// The element is encoded in a VR that the column cannot take.
    case wrongVR = "wrong-vr"
    /// More values than the attribute allows.
    case tooManyValues = "too-many-values"
    case notADate = "not-a-date"
    case notATime = "not-a-time"
    case notADateTime = "not-a-date-time"
    case notAnAge = "not-an-age"
    case notAUID = "not-a-uid"
    case notANumber = "not-a-number"
    /// Not a number or infinite.
    case notFinite = "not-finite"
    /// A number beyond what the column holds.
    case outOfRange = "out-of-range"
    /// Text longer than the column; it was cut.
    case tooLong = "too-long"
    /// A NUL inside of a text; it was cut there.
    case nulInText = "nul-in-text"
    /// The length of a binary value does not fit its VR.
    case wrongLength = "wrong-length"
    /// Bytes that are no characters of the data set's character set. Where none is declared they are read as Latin-1,
    /// else U+FFFD stands for them.
    case outsideCharacterSet = "outside-character-set"
}

/// A value of an instance that could not be stored as it is. It never holds the value, which may be a patient's.
public struct ColumnProblem: Hashable, Sendable, CustomStringConvertible {
    public enum Outcome: String, Hashable, Sendable {
        /// The column is NULL.
        case null
        /// The column has the start of the text, or the first of the values.
        case shortened
        /// The column has the text as far as it could be read.
        case guessed
    }

    public let table: String
    public let column: String
    /// The element, sequences it stands in first.
    public let path: [Tag]
    public let rule: ValueRule
    public let outcome: Outcome

    public init(table: String, column: String, path: [Tag], rule: ValueRule, outcome: Outcome) {
        self.table = table
        self.column = column
        self.path = path
        self.rule = rule
        self.outcome = outcome
    }

    /// The path as text, such as `(0040,0275)[0](0040,0007)`.
    public var place: String { tagPath(path) }

    /// `dicom_state_meta.patient_size (0010,1020): not-a-number, null`.
    public var description: String { "\(table).\(column) \(place): \(rule.rawValue), \(outcome.rawValue)" }
}

/// Why no row can be made of an instance: a key of the row is missing or breaks its rule.
public struct ExtractionError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        /// The element is absent, or has no value.
        case missing
        case broken(ValueRule)
    }

    public let table: String
    public let column: String
    /// The element, sequences it stands in first.
    public let path: [Tag]
    public let reason: Reason

    public init(table: String, column: String, path: [Tag], reason: Reason) {
        self.table = table
        self.column = column
        self.path = path
        self.reason = reason
    }

    /// The path as text, such as `(0040,0275)[0](0040,0007)`.
    public var place: String { tagPath(path) }

    public var description: String {
        let why =
            switch reason {
            case .missing: "has no value"
            case .broken(let rule): "is no valid value (\(rule.rawValue))"
            }
        return "\(place) \(why), and \(table).\(column) cannot be without one"
    }
}

private func tagPath(_ path: [Tag]) -> String { path.map(\.description).joined(separator: "[0]") }
