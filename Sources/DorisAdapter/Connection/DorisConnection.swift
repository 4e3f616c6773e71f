import CLibMariaDB
import ServiceKit

/// The rows of a statement, as text.
public struct DorisResult: Sendable {
    /// The titles of the columns.
    public let titles: [String]
    public let rows: [[String?]]

    package init(titles: [String], rows: [[String?]]) {
        self.titles = titles
        self.rows = rows
    }

    /// The value under a title, whatever its place: versions of Doris differ in those. Nil for NULL and unknown titles.
    public func value(_ row: Int, _ title: String) -> String? {
        guard rows.indices.contains(row), let column = titles.firstIndex(of: title) else { return nil }
        return rows[row][column]
    }
}

/// One session with a frontend. Owns its `MYSQL`, and is used by one thread at a time.
public final class DorisConnection {
    private let raw: UnsafeMutablePointer<MYSQL>
    private let configuration: DorisConfiguration

    /// Rows of an answer at most: a catalogue has far fewer.
    static let rowLimit = 200_000
    /// Bytes of a row at most.
    private static let packetLimit: UInt = 64 << 20

    /// The library is made ready once, before threads use it.
    private static let isReady: Bool = mysql_server_init(0, nil, nil) == 0

    /// Connects, without choosing a database: it may not be there yet.
    public init(_ configuration: DorisConfiguration) throws(DorisError) {
        guard Self.isReady, let raw = mysql_init(nil) else {
            throw DorisError(code: 2008, operation: "connect", message: "out of memory")
        }
        self.raw = raw
        self.configuration = configuration
        option(MYSQL_OPT_CONNECT_TIMEOUT, UInt32(clamping: configuration.connectSeconds))
        option(MYSQL_OPT_READ_TIMEOUT, UInt32(clamping: configuration.statementSeconds))
        option(MYSQL_OPT_WRITE_TIMEOUT, UInt32(clamping: configuration.statementSeconds))
        // No server may ask for files of this machine.
        option(MYSQL_OPT_LOCAL_INFILE, UInt32(0))
        option(MYSQL_OPT_MAX_ALLOWED_PACKET, Self.packetLimit)
        mysql_options(raw, MYSQL_SET_CHARSET_NAME, "utf8mb4")
        let isOn: CChar = 1
        switch configuration.tls {
        case .off: break
        case .required: option(MYSQL_OPT_SSL_ENFORCE, isOn)
        case .verified(let authorities):
            option(MYSQL_OPT_SSL_ENFORCE, isOn)
            option(MYSQL_OPT_SSL_VERIFY_SERVER_CERT, isOn)
            mysql_options(raw, MYSQL_OPT_SSL_CA, authorities ?? "/etc/ssl/certs/ca-certificates.crt")
        }
        let connected = mysql_real_connect(
            raw, configuration.host, configuration.user, configuration.password, nil,
            UInt32(clamping: configuration.port), nil, 0)
        // All properties are set, so deinit runs and closes.
        guard connected != nil else { throw error("connect") }
        // The library takes a server without TLS for good unless it has to check its certificate.
        guard configuration.tls == .off || mysql_get_ssl_cipher(raw) != nil else {
            throw DorisError(code: 2026, operation: "connect", message: "the server does not speak TLS")
        }
    }

    deinit { mysql_close(raw) }

    /// Runs one statement.
    /// - Parameter operation: what we are doing, for errors.
    @discardableResult
    public func run(_ sql: String, operation: String) throws(DorisError) -> DorisResult {
        guard !configuration.stop.isStopped else {
            throw DorisError(code: 2013, operation: operation, message: "the program ends")
        }
        try configuration.willRun(sql)
        let status = sql.utf8CString.withUnsafeBufferPointer { bytes in
            mysql_real_query(raw, bytes.baseAddress, UInt(bytes.count - 1))
        }
        guard status == 0 else { throw error(operation) }
        guard let result = mysql_use_result(raw) else {
            guard mysql_errno(raw) == 0 else { throw error(operation) }
            return DorisResult(titles: [], rows: [])
        }
        // Reads what is left of the answer, too.
        defer { mysql_free_result(result) }
        let count = Int(mysql_num_fields(result))
        var titles: [String] = []
        while titles.count < count, let field = mysql_fetch_field(result), let name = field.pointee.name {
            titles.append(String(cString: name))
        }
        var rows: [[String?]] = []
        while let row = mysql_fetch_row(result) {
            guard let lengths = mysql_fetch_lengths(result), rows.count < Self.rowLimit else {
                throw DorisError(
                    code: DorisError.unexpectedAnswer, operation: operation, message: "the answer is too long")
            }
            rows.append(
                (0..<count).map { column in
                    row[column].map { value in
                        String(
                            decoding: UnsafeRawBufferPointer(start: value, count: Int(lengths[column])), as: UTF8.self)
                    }
                })
        }
        guard mysql_errno(raw) == 0 else { throw error(operation) }
        return DorisResult(titles: titles, rows: rows)
    }

    private func option<Value: BitwiseCopyable>(_ option: mysql_option, _ value: Value) {
        withUnsafeBytes(of: value) { _ = mysql_options(raw, option, $0.baseAddress) }
    }

    private func error(_ operation: String) -> DorisError {
        let text = mysql_error(raw).map { String(cString: $0) } ?? ""
        return DorisError(
            code: Int(mysql_errno(raw)), operation: operation,
            message: configuration.redacted(configuration.advised(DorisError.plain(text))))
    }
}
