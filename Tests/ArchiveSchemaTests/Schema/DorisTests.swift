import ArchiveSchema
import TestSupport
import Testing

/// What the programs know of Doris is what `generated-sql/` shows.
@Suite struct DorisTests {
    private static let tables = ArchiveSchema.tables.filter { $0.dorisDDL != nil }

    /// Without its first line, which says where it comes from.
    private func committed(_ path: String) throws -> String {
        let text = String(decoding: try PackageFolder.bytes("generated-sql/doris/\(path).sql"), as: UTF8.self)
        return text.split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false).dropFirst(2).joined()
    }

    @Test func statementsAreTheCommittedOnes() throws {
        #expect(Self.tables.count > 3)
        for table in Self.tables {
            #expect(try table.dorisDDL == committed(table.name), "\(table.name)")
            #expect(try table.routineLoad == committed("routine-load/\(table.name)"), "\(table.name)")
        }
    }

    @Test func theLoadIsTheSpecs() throws {
        let load = try #require(ArchiveSchema.table("wado_access_log")?.load)
        #expect(load.job == "wado_access_load" && load.table == "wado_access_log" && load.computed == [])
        #expect(load.topic == "webapi_access_queue" && load.brokers == "127.0.0.1:9092")
        #expect(load.columns == WadoAccessLogRow.table.columns.map(\.name))
    }

    @Test func typesHaveNamesInDoris() throws {
        for table in Self.tables {
            let ddl = try #require(table.dorisDDL).split(separator: "\n").map { $0.split(separator: " ") }
            for column in table.columns where column.isInDoris {
                let line = ddl.first {
                    $0.first.map { $0 == column.name || $0 == "`\(column.name)`" } ?? false
                }
                #expect(line?.dropFirst().first.map(String.init) == column.type.dorisName, "\(column.name)")
            }
        }
    }
}
