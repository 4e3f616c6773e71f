import ArchiveSchema
import DICOMDictionary
import DICOMWeb
import ServiceKit
import Synchronization

/// Which columns are not filled in everywhere, as the database said a few seconds ago: one short question now and then,
/// whatever the number of searches.
final class IncompleteColumns: Sendable {
    struct Entry: Sendable {
        /// Both empty: everything.
        var table: String
        var column: String
        /// Empty: of all tenants.
        var tenantID: String
    }

    private struct State {
        var entries: [Entry] = []
        var nextLook = 0
    }

    private static let milliseconds = 3_000
    private let state = Mutex(State())

    /// Has a session answer.
    typealias Ask = (_ body: (PostgresConnection) throws(PostgresError) -> [Entry]) throws(PostgresError) -> [Entry]

    /// What an answer to this search has to say of itself (PS3.18 8.3.4.4).
    func warnings(for query: QIDOQuery, tenantID: String, ask: Ask) -> [String] {
        entries(ask).filter { $0.tenantID.isEmpty || $0.tenantID == tenantID }.compactMap { entry in
            if entry.table.isEmpty { return "The index is being made anew: results may be incomplete" }
            guard entry.table == DicomStateMetaRow.table.name,
                let column = DicomStateMetaRow.table.column(entry.column), Self.concerns(query, column),
                let tag = column.path.last
            else { return nil }
            let name = DataDictionary.entry(for: tag)?.keyword ?? column.name
            return "\(name) is not filled in for all older instances yet: results may be incomplete"
        }
    }

    /// Matched, or part of the answer. What searches for instances return comes from their own metadata.
    private static func concerns(_ query: QIDOQuery, _ column: ColumnSchema) -> Bool {
        let isMatched = query.matches.contains { match in
            guard match.matching != .universal, let key = ArchiveSchema.searchKey(match.path.tags) else { return false }
            return key.table == DicomStateMetaRow.table.name && key.column == column.name
        }
        if isMatched { return true }
        guard let level = column.level, let root = column.path.first, query.level != .instances else { return false }
        return level <= (query.level == .studies ? .study : .series)
            && (query.includesAll || query.returnedTags.contains(root))
    }

    private func entries(_ ask: Ask) -> [Entry] {
        let now = MonotonicClock.milliseconds
        let isDue = state.withLock { state in
            guard now >= state.nextLook else { return false }
            // Who comes meanwhile takes what was known before.
            state.nextLook = now + Self.milliseconds
            return true
        }
        if isDue, let entries = try? ask(Self.read) { state.withLock { $0.entries = entries } }
        return state.withLock { $0.entries }
    }

    private static func read(_ connection: PostgresConnection) throws(PostgresError) -> [Entry] {
        let result = try connection.query(
            "SELECT table_name, column_name, tenant_id FROM incomplete_column ORDER BY 1, 2, 3",
            operation: "look for incomplete columns")
        return (0..<result.rowCount).map { row in
            Entry(
                table: result.string(row, 0) ?? "", column: result.string(row, 1) ?? "",
                tenantID: result.string(row, 2) ?? "")
        }
    }
}
