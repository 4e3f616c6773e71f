import ArchiveSchema
import TestSupport
import Testing

/// What the programs tell Doris is what `generated-sql/` shows, but for what settings change.
@Suite struct DorisSchemaTests {
    private static let tables = ArchiveSchema.tables.filter { $0.doris != nil }

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

    @Test func settingsDecideHowATableIsSpread() throws {
        let doris = try #require(ArchiveSchema.table("dicom_image_meta")?.doris)
        #expect(doris.buckets == 32 && doris.replicas == 1 && doris.sequenceColumn == "updated_time")
        #expect(doris.distributedBy == ["study_uid"])
        let ddl = doris.ddl(replicas: 3, buckets: 4)
        #expect(ddl.contains("\nDISTRIBUTED BY HASH(study_uid) BUCKETS 4\nPROPERTIES (\n"))
        #expect(ddl.contains("    \"replication_num\" = \"3\",\n"))
        #expect(
            ddl.replacing("BUCKETS 4\n", with: "BUCKETS 32\n").replacing("= \"3\"", with: "= \"1\"") == doris.ddl())
    }

    @Test func settingsDecideHowAJobLoads() throws {
        let load = try #require(ArchiveSchema.table("wado_access_log")?.load)
        #expect(load.job == "wado_access_load" && load.table == "wado_access_log" && load.computed == [])
        #expect(load.topic == "webapi_access_queue" && load.brokers == "127.0.0.1:9092")
        #expect(load.columns == WadoAccessLogRow.table.columns.map(\.name))
        let statement = load.statement(
            job: "wado_access_load_2", properties: ["max_error_number": "0", "exec_mem_limit": "2147483648"],
            source: [
                ("kafka_broker_list", "a:1,b:2"), ("kafka_partitions", "0,1"), ("kafka_offsets", "41,OFFSET_BEGINNING"),
                ("property.sasl.password", "q\"uo\\te"),
            ])
        #expect(statement.hasPrefix("CREATE ROUTINE LOAD wado_access_load_2 ON wado_access_log\nCOLUMNS (\n"))
        #expect(statement.contains("\"max_error_number\" = \"0\",\n") && !statement.contains("= \"1000\""))
        #expect(statement.contains("\"timezone\" = \"UTC\",\n    \"exec_mem_limit\" = \"2147483648\"\n)"))
        #expect(
            statement.hasSuffix(
                """
                FROM KAFKA (
                    "kafka_broker_list" = "a:1,b:2",
                    "kafka_topic" = "webapi_access_queue",
                    "kafka_partitions" = "0,1",
                    "kafka_offsets" = "41,OFFSET_BEGINNING",
                    "property.sasl.password" = "q\\"uo\\\\te"
                );

                """))
    }

    @Test func typesHaveNamesInDoris() throws {
        for table in Self.tables {
            let ddl = try #require(table.dorisDDL).split(separator: "\n").map { $0.split(separator: " ") }
            for column in table.columns where column.isInDoris {
                let line = ddl.first {
                    $0.first.map { $0 == column.name || $0 == DorisText.name(column.name) } ?? false
                }
                #expect(line?.dropFirst().first.map(String.init) == column.type.dorisName, "\(column.name)")
            }
        }
    }
}
