import Dictionary

/// The type of a column, before it is a database's.
package indirect enum TypeModel: Hashable, Sendable {
    case text(Int)
    /// Text whose rule lets nothing but ASCII through.
    case ascii(Int)
    case int, bigint, double, date, time, timestamp
    /// Of several values, or of one value of each item.
    case array(TypeModel)

    /// What an array is of; of a single value its type.
    var element: TypeModel { if case .array(let element) = self { element } else { self } }
    var isArray: Bool { self != element }

    /// The longest text in an array: a row of many of them still is one message.
    static let longestTextInArray = 1024

    /// Doris' limit of a VARCHAR is 65,533 bytes, and a character of UTF-8 has up to four.
    static let longestText = 16_383

    package static let spellings = ["text(N)", "uid", "int", "bigint", "double", "date", "time", "timestamp"]

    /// Reads `text(64)`, `uid`, `int`...
    init?(_ text: String) {
        switch text {
        case "uid": self = .ascii(64)
        case "int": self = .int
        case "bigint": self = .bigint
        case "double": self = .double
        case "date": self = .date
        case "time": self = .time
        case "timestamp": self = .timestamp
        default:
            guard text.hasPrefix("text("), text.hasSuffix(")"),
                let length = Int(text.dropFirst(5).dropLast()), length > 0
            else { return nil }
            self = .text(length)
        }
    }

    /// As it is written in the spec.
    var spelling: String {
        switch self {
        case .text(let length): "text(\(length))"
        case .ascii(64): "uid"
        case .ascii(let length): "ascii(\(length))"
        case .int: "int"
        case .bigint: "bigint"
        case .double: "double"
        case .date: "date"
        case .time: "time"
        case .timestamp: "timestamp"
        case .array(let element): "an array of \(element.spelling)"
        }
    }

    var isText: Bool { characters != nil }

    /// How many characters a text may have.
    var characters: Int? {
        switch self {
        case .text(let length), .ascii(let length): length
        default: nil
        }
    }

    var swiftType: String {
        switch self {
        case .text, .ascii: "String"
        case .int: "Int32"
        case .bigint: "Int64"
        case .double: "Double"
        case .date: "CalendarDate"
        case .time: "ClockTime"
        case .timestamp: "Timestamp"
        case .array(let element): "[\(element.swiftType)?]"
        }
    }

    /// The method of the readers and writers of ArchiveSchema; of an array its elements'.
    var method: String {
        switch self {
        case .text, .ascii: "text"
        case .int: "int"
        case .bigint: "bigint"
        case .double: "double"
        case .date: "date"
        case .time: "time"
        case .timestamp: "timestamp"
        case .array(let element): element.method
        }
    }

    var postgres: String {
        let suffix = isArray ? "[]" : ""
        return switch element {
        case .text(let length), .ascii(let length): "varchar(\(length))\(suffix) COLLATE \"C\""
        case .int: "integer\(suffix)"
        case .bigint: "bigint\(suffix)"
        case .double: "double precision\(suffix)"
        case .date: "date\(suffix)"
        case .time: "time\(suffix)"
        case .timestamp, .array: "timestamp with time zone\(suffix)"
        }
    }

    /// Doris counts bytes: four for each character. It has no TIME: `HH:MM:SS.ffffff` are 15 characters.
    var doris: String {
        switch self {
        case .text(let length): "VARCHAR(\(length * 4))"
        case .ascii(let length): "VARCHAR(\(length))"
        case .int: "INT"
        case .bigint: "BIGINT"
        case .double: "DOUBLE"
        case .date: "DATE"
        case .time: "VARCHAR(15)"
        case .timestamp: "DATETIME(6)"
        case .array(let element): "ARRAY<\(element.doris)>"
        }
    }

    /// The type a VR has where the spec names none; nil where it must name one, or cannot.
    static func natural(of vr: ValueRepresentation) -> TypeModel? {
        switch vr {
        case .ae, .cs, .sh: .text(16)
        case .as: .ascii(4)
        case .da: .date
        case .ds, .fl, .fd: .double
        case .dt: .timestamp
        case .is, .sl, .ss, .us: .int
        case .sv, .ul, .uv: .bigint
        case .lo: .text(64)
        case .lt: .text(10_240)
        // Three groups of 64 characters, and two signs between (PS3.5 6.2.1).
        case .pn: .text(194)
        case .st: .text(1024)
        case .tm: .time
        case .ui: .ascii(64)
        case .uc, .ur, .ut, .at, .ob, .od, .of, .ol, .ov, .ow, .sq, .un: nil
        }
    }

    /// What a VR can become, for the message when it was asked to become something else.
    static func choices(of vr: ValueRepresentation) -> [String] {
        switch vr {
        case .da: ["date", "text(N)"]
        case .tm: ["time", "text(N)"]
        case .dt: ["timestamp", "text(N)"]
        case .ui: ["uid"]
        case .is: ["int", "bigint", "double", "text(N)"]
        case .ds: ["double", "text(N)"]
        case .fl, .fd: ["double"]
        case .sl, .ss, .us, .sv, .ul, .uv: ["int", "bigint", "double"]
        case .ae, .as, .cs, .lo, .lt, .pn, .sh, .st, .uc, .ur, .ut: ["text(N)"]
        case .at, .ob, .od, .of, .ol, .ov, .ow, .sq, .un: []
        }
    }

    func isAllowed(for vr: ValueRepresentation) -> Bool {
        let choices = Self.choices(of: vr)
        return switch element {
        case .text: choices.contains("text(N)")
        case .ascii: choices.contains("uid") || vr == .as
        default: choices.contains(element.spelling)
        }
    }
}
