internal import ArchiveSchema
import CLibPQ
import ServiceKit

#if canImport(Glibc)
    import Glibc
#endif

/// One session. Owns its `PGconn`, and is used by one thread at a time: whoever made it, or got it from a pool.
public final class PostgresConnection: @unchecked Sendable {
    private let raw: OpaquePointer
    /// Names of prepared statements by their text, oldest first in `statementOrder`.
    private var statements: [String: String] = [:]
    private var statementOrder: [String] = []
    private var nextStatement = 0
    /// As it was given.
    let connectionString: String
    private var parameterBytes: [UInt8] = []
    private var done: Set<String> = []

    /// Milliseconds that an answer is waited for; nil: until it comes. A server that is late has stopped altogether, since
    /// it ends statements itself (`statement_timeout`): the session is thrown away.
    var answerLimit: Int?

    /// True when no pool lends this session again.
    private(set) var isRetired = false

    /// Prepared statements kept for a session; the oldest goes first.
    static let statementLimit = 200

    /// Connects.
    /// - Parameter connectionString: libpq's `key=value` form or a URI; keep-alives and a time limit of 10 s for
    ///   connecting are added.
    public init(_ connectionString: String, applicationName: String = "wado") throws(PostgresError) {
        let keys = [
            "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
            "tcp_user_timeout", "fallback_application_name", "client_encoding", "dbname",
        ]
        // `dbname` is expanded last, so what it says wins over the defaults before it.
        let values = ["10", "1", "30", "10", "3", "60000", applicationName, "UTF8", connectionString]
        let connection = Self.withCStrings(keys) { keys in
            Self.withCStrings(values) { values in PQconnectdbParams(keys, values, 1) }
        }
        guard let connection else {
            throw PostgresError(code: .connectionFailure, operation: "connect", message: "out of memory")
        }
        raw = connection
        self.connectionString = connectionString
        guard PQstatus(connection) == CONNECTION_OK else {
            // All properties are set, so deinit runs and frees the connection.
            throw PostgresError(connection: connection, operation: "connect")
        }
        // Notices may quote values; nobody reads them.
        PQsetNoticeProcessor(connection, { _, _ in }, nil)
    }

    deinit { PQfinish(raw) }

    /// False once the session is lost; it never comes back, make a new one.
    public var isAlive: Bool { PQstatus(raw) == CONNECTION_OK }
    /// Has the session end when it goes back to its pool, and with it its locks and temporary tables.
    func retire() { isRetired = true }
    /// True between BEGIN and COMMIT, also after an error there.
    public var isInTransaction: Bool { PQtransactionStatus(raw) != PQTRANS_IDLE }
    /// The process of the server that serves this session.
    public var backendProcess: Int32 { PQbackendPID(raw) }

    /// Major version times 10,000 plus minor, such as 150014.
    public var serverVersion: Int { Int(PQserverVersion(raw)) }

    /// Runs statements without parameters, several if separated by semicolons.
    @discardableResult
    public func run(_ sql: String, operation: String) throws(PostgresError) -> PostgresResult {
        try check(try answer(PQsendQuery(raw, sql), operation: operation), operation: operation)
    }

    /// Runs one statement without parameters that may take long.
    /// - Parameter everySecond: is asked meanwhile whether to go on; if not, the statement is cancelled.
    func run(
        _ sql: String, operation: String, everySecond goesOn: () -> Bool
    ) throws(PostgresError) {
        guard PQsendQuery(raw, sql) == 1 else { throw PostgresError(connection: raw, operation: operation) }
        var isCancelled = false
        while PQisBusy(raw) == 1 {
            if !(try readInput(milliseconds: 1_000, operation: operation)), !isCancelled, !goesOn() {
                isCancelled = true
                cancel()
            }
        }
        // The first result is the statement's; libpq wants all of them taken.
        let result = PQgetResult(raw)
        while let more = PQgetResult(raw) { PQclear(more) }
        try check(result, operation: operation)
    }

    private func cancel() {
        guard let handle = PQgetCancel(raw) else { return }
        defer { PQfreeCancel(handle) }
        var text = [CChar](repeating: 0, count: 256)
        _ = PQcancel(handle, &text, Int32(text.count))
    }

    /// Runs one statement; it is prepared at its first use in this session. A parameter that may be NULL is cast in
    /// the text (`$1::text`), since the first use settles the types.
    @discardableResult
    public func query(
        _ sql: String, _ parameters: [PostgresValue] = [], operation: String
    ) throws(PostgresError) -> PostgresResult {
        let name = try prepare(sql, parameters, operation: operation)
        let isSent = withParameters(parameters) { count, values, lengths, formats in
            PQsendQueryPrepared(raw, name, count, values, lengths, formats, 1)
        }
        do {
            return try check(try answer(isSent, operation: operation), operation: operation)
        } catch {
            // The table changed under the plan, or somebody deallocated it: the next use prepares anew.
            if error.code == .notSupported || error.code == .missingStatement { forget(sql) }
            throw error
        }
    }

    /// Runs one statement that is planned for just these parameters: for patterns and ranges, where one plan for all
    /// values is a bad one.
    @discardableResult
    public func queryOnce(
        _ sql: String, _ parameters: [PostgresValue], operation: String
    ) throws(PostgresError) -> PostgresResult {
        let types = parameters.map { Oid($0.oid) }
        let isSent = withParameters(parameters) { count, values, lengths, formats in
            PQsendQueryParams(raw, sql, count, types, values, lengths, formats, 1)
        }
        return try check(try answer(isSent, operation: operation), operation: operation)
    }

    /// Runs statements that a session needs once (temporary tables); not inside a transaction, which could take them
    /// back.
    func once(_ sql: String, operation: String) throws(PostgresError) {
        if done.contains(sql) { return }
        try run(sql, operation: operation)
        done.insert(sql)
    }

    /// Runs `body` in a transaction; rolls back when it throws.
    public func transaction<R>(
        _ body: (PostgresConnection) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        try run("BEGIN", operation: "begin")
        do {
            let value = try body(self)
            try run("COMMIT", operation: "commit")
            return value
        } catch {
            if isAlive && isInTransaction { PQclear(PQexec(raw, "ROLLBACK")) }
            throw error
        }
    }

    /// Sends rows by COPY in binary.
    /// - Parameters:
    ///   - sql: `COPY table (columns) FROM STDIN (FORMAT binary)`.
    ///   - tuples: binary tuples one after the other, without the stream's header and trailer.
    public func copyIn(_ sql: String, tuples: [UInt8], operation: String) throws(PostgresError) {
        try check(
            try answer(PQsendQuery(raw, sql), operation: operation), expecting: PGRES_COPY_IN, operation: operation)
        var isSent = put(CopyFormat.header[...])
        var start = 0
        while isSent && start < tuples.count {
            let end = min(start + (1 << 20), tuples.count)
            isSent = put(tuples[start..<end])
            start = end
        }
        isSent = isSent && put(CopyFormat.trailer[...])
        guard isSent, PQputCopyEnd(raw, nil) == 1 else {
            throw PostgresError(connection: raw, operation: operation)
        }
        var failure: PostgresError?
        while let result = PQgetResult(raw) {
            if PQresultStatus(result) != PGRES_COMMAND_OK && failure == nil {
                failure = PostgresError(result: result, connection: raw, operation: operation)
            }
            PQclear(result)
        }
        if let failure { throw failure }
    }

    private func put(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.withUnsafeBytes { buffer in
            PQputCopyData(raw, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(buffer.count)) == 1
        }
    }

    /// Waits for a NOTIFY on a channel that this session listens on.
    /// - Returns: the channels heard, without repeats; empty when the time was over.
    public func waitForNotification(timeoutMilliseconds: Int) throws(PostgresError) -> Set<String> {
        var heard = try notifications()
        if !heard.isEmpty { return heard }
        var descriptor = pollfd(fd: PQsocket(raw), events: Int16(POLLIN), revents: 0)
        guard descriptor.fd >= 0 else { throw PostgresError(connection: raw, operation: "wait") }
        let ready = poll(&descriptor, 1, Int32(clamping: max(0, timeoutMilliseconds)))
        if ready > 0 { heard = try notifications() }
        return heard
    }

    /// The notifications that have arrived, without waiting.
    private func notifications() throws(PostgresError) -> Set<String> {
        guard PQconsumeInput(raw) == 1 else { throw PostgresError(connection: raw, operation: "wait") }
        var heard: Set<String> = []
        while let notification = PQnotifies(raw) {
            if let name = notification.pointee.relname { heard.insert(String(cString: name)) }
            PQfreemem(notification)
        }
        return heard
    }

    private func prepare(
        _ sql: String, _ parameters: [PostgresValue], operation: String
    ) throws(PostgresError) -> String {
        if let name = statements[sql] { return name }
        if statementOrder.count >= Self.statementLimit {
            let oldest = statementOrder.removeFirst()
            if let name = statements.removeValue(forKey: oldest) {
                try run("DEALLOCATE \(name)", operation: "deallocate")
            }
        }
        nextStatement += 1
        let name = "s\(nextStatement)"
        let types = parameters.map { Oid($0.oid) }
        let isSent = PQsendPrepare(raw, name, sql, Int32(types.count), types)
        try check(try answer(isSent, operation: operation), operation: operation)
        statements[sql] = name
        statementOrder.append(sql)
        return name
    }

    private func forget(_ sql: String) {
        guard let name = statements.removeValue(forKey: sql) else { return }
        statementOrder.removeAll { $0 == sql }
        _ = try? run("DEALLOCATE \(name)", operation: "deallocate")
    }

    /// Waits for the answer to what was sent, within `answerLimit`: that to the last statement, or an error.
    private func answer(_ isSent: Int32, operation: String) throws(PostgresError) -> OpaquePointer? {
        guard isSent == 1 else { throw PostgresError(connection: raw, operation: operation) }
        let deadline = answerLimit.map { MonotonicClock.milliseconds + $0 }
        var last: OpaquePointer?
        do throws(PostgresError) {
            while true {
                while let deadline, PQisBusy(raw) == 1 {
                    let left = deadline - MonotonicClock.milliseconds
                    guard left > 0 else { throw giveUp(operation) }
                    _ = try readInput(milliseconds: left, operation: operation)
                }
                guard let next = PQgetResult(raw) else { return last }
                PQclear(last)
                last = next
                // Rows come next, and no other result before them.
                let status = PQresultStatus(next)
                if status == PGRES_COPY_IN || status == PGRES_COPY_OUT { return next }
            }
        } catch {
            PQclear(last)
            throw error
        }
    }

    /// - Returns: false when nothing came in time.
    private func readInput(milliseconds: Int, operation: String) throws(PostgresError) -> Bool {
        var descriptor = pollfd(fd: PQsocket(raw), events: Int16(POLLIN), revents: 0)
        if poll(&descriptor, 1, Int32(clamping: milliseconds)) == 0 { return false }
        guard PQconsumeInput(raw) == 1 else { throw PostgresError(connection: raw, operation: operation) }
        return true
    }

    /// Cuts the session, without a word to a server that does not listen; libpq then sees that it is lost.
    private func giveUp(_ operation: String) -> PostgresError {
        shutdown(PQsocket(raw), Int32(SHUT_RDWR))
        _ = PQconsumeInput(raw)
        return PostgresError(code: .queryCanceled, operation: operation, message: "the server does not answer")
    }

    @discardableResult
    private func check(
        _ result: OpaquePointer?, expecting expected: ExecStatusType? = nil, operation: String
    ) throws(PostgresError) -> PostgresResult {
        guard let result else { throw PostgresError(connection: raw, operation: operation) }
        let status = PQresultStatus(result)
        let isGood = expected.map { status == $0 } ?? (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        if isGood { return PostgresResult(owning: result) }
        let error = PostgresError(result: result, connection: raw, operation: operation)
        PQclear(result)
        throw error
    }

    /// Lays the parameters out in one buffer and lends libpq's arrays of pointers to it.
    private func withParameters<R>(
        _ parameters: [PostgresValue],
        _ body: (
            Int32, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?
        ) -> R
    ) -> R {
        if parameters.isEmpty { return body(0, nil, nil, nil) }
        parameterBytes.removeAll(keepingCapacity: parameterBytes.capacity < 1 << 20)
        var ends: [Int] = []
        ends.reserveCapacity(parameters.count)
        for parameter in parameters {
            parameter.encode(into: &parameterBytes)
            ends.append(parameterBytes.count)
        }
        // An empty string needs an address too: a null pointer would be NULL.
        parameterBytes.append(0)
        return parameterBytes.withUnsafeBytes { bytes in
            let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            var values: [UnsafePointer<CChar>?] = []
            var lengths: [Int32] = []
            var start = 0
            for (index, end) in ends.enumerated() {
                if case .null = parameters[index] { values.append(nil) } else { values.append(base.map { $0 + start }) }
                lengths.append(Int32(truncatingIfNeeded: end - start))
                start = end
            }
            return body(Int32(ends.count), values, lengths, [Int32](repeating: 1, count: ends.count))
        }
    }

    private static func withCStrings<R>(
        _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> R
    ) -> R {
        let copies: [UnsafePointer<CChar>?] = strings.map { strdup($0).map { UnsafePointer($0) } } + [nil]
        defer { for copy in copies { free(UnsafeMutablePointer(mutating: copy)) } }
        return copies.withUnsafeBufferPointer { buffer in
            // Never empty: it ends with the null pointer.
            body(buffer.baseAddress.unsafelyUnwrapped)
        }
    }
}
