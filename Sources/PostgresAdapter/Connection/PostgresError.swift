public import Archive
import CLibPQ

/// An error of PostgreSQL or of the way to it.
///
/// `description` shows SQLSTATE, our own name of the operation and names of tables and constraints. Texts in which the
/// server quotes values (data exceptions, constraint violations) are left out, since they may be a patient's.
public struct PostgresError: RetriableError, Equatable, CustomStringConvertible {
    /// What the error is, for code to decide on.
    public struct Code: RawRepresentable, Hashable, Sendable {
        /// The five characters of SQLSTATE.
        public var rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }

        /// No connection, or it broke (class 08).
        public static let connectionFailure = Code(rawValue: "08006")
        /// The result has another shape than our code expects.
        public static let protocolViolation = Code(rawValue: "08P01")
        public static let uniqueViolation = Code(rawValue: "23505")
        public static let checkViolation = Code(rawValue: "23514")
        public static let undefinedTable = Code(rawValue: "42P01")
        public static let duplicateTable = Code(rawValue: "42P07")
        public static let invalidObject = Code(rawValue: "42P17")
        public static let insufficientPrivilege = Code(rawValue: "42501")
        /// Of a standby, or a session that is set so.
        public static let readOnly = Code(rawValue: "25006")
        public static let diskFull = Code(rawValue: "53100")
        /// It took longer than it may.
        public static let queryCanceled = Code(rawValue: "57014")
        /// Also of a prepared statement that no longer fits its table.
        public static let notSupported = Code(rawValue: "0A000")
        public static let missingStatement = Code(rawValue: "26000")
    }

    public var code: Code
    /// What we were doing: a constant of ours, such as `write batch`.
    public var operation: String
    /// The server's or libpq's text where it cannot hold values of rows; empty otherwise.
    public var message: String

    public init(code: Code, operation: String, message: String) {
        self.code = code
        self.operation = operation
        self.message = message
    }

    /// Lost connections, shutdowns and starts, exhausted resources, serialization failures and deadlocks, failed I/O:
    /// all pass without anybody changing what was asked.
    public var isRetriable: Bool {
        if code == .protocolViolation { return false }
        switch code.rawValue.prefix(2) {
        case "08", "40", "53", "57", "58": return true
        default: return isDueToLocks || code.rawValue == "55006" || code == .readOnly
        }
    }

    /// Others had what it asked for: it did not get a lock in time, or two waited for each other.
    var isDueToLocks: Bool { code.rawValue == "55P03" || code.rawValue == "40P01" }

    /// Values that no column takes (class 22), that go beyond the server's limits (class 54), or that are there already.
    /// A table, a column or a permission that is missing, or a constraint that a newer program has added, says nothing
    /// against the data.
    public var isDueToInput: Bool {
        let type = code.rawValue.prefix(2)
        return type == "22" || type == "54" || code == .uniqueViolation
    }

    /// The session may know tables and plans that are no longer what they were: a new one finds out anew.
    var isDueToSchema: Bool {
        switch code.rawValue.prefix(2) {
        case "0A", "23", "26", "42", "XX": code != .uniqueViolation
        default: false
        }
    }

    public var description: String {
        message.isEmpty
            ? "PostgreSQL: \(operation): SQLSTATE \(code.rawValue)"
            : "PostgreSQL: \(operation): SQLSTATE \(code.rawValue): \(message)"
    }

    /// From a failed result.
    init(result: OpaquePointer?, connection: OpaquePointer?, operation: String) {
        func field(_ code: Int32) -> String? {
            guard let result, let text = PQresultErrorField(result, code) else { return nil }
            return String(cString: text)
        }
        guard let state = field(Self.sqlState) else {
            self.init(connection: connection, operation: operation)
            return
        }
        let message: String
        switch state.prefix(2) {
        case "08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58":
            message = field(Self.primary) ?? ""
        default:
            let names = [Self.tableName, Self.columnName, Self.constraintName].compactMap(field)
            message = names.joined(separator: " ")
        }
        self.init(code: Code(rawValue: state), operation: operation, message: message)
    }

    /// From a connection that failed or broke; libpq's text names hosts, users and databases.
    init(connection: OpaquePointer?, operation: String) {
        code = .connectionFailure
        self.operation = operation
        // The first line says what happened, the others guess why.
        var text: Substring = ""
        if let connection, let raw = PQerrorMessage(connection) {
            text = String(cString: raw).split(whereSeparator: \.isNewline).first ?? ""
        }
        message = String(text)
    }

    // postgres_ext.h; macros of characters are not imported.
    private static let sqlState = Int32(UInt8(ascii: "C"))
    private static let primary = Int32(UInt8(ascii: "M"))
    private static let tableName = Int32(UInt8(ascii: "t"))
    private static let columnName = Int32(UInt8(ascii: "c"))
    private static let constraintName = Int32(UInt8(ascii: "n"))
}
