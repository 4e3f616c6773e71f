import ArchiveSchema
import DorisAdapter
import Testing

@Suite struct DefinitionTests {
    @Test func everyGeneratedTableIsRead() throws {
        let tables = ArchiveSchema.tables.filter { $0.dorisDDL != nil }
        #expect(tables.count >= 4)
        for table in tables {
            let read = try TableDefinition(reading: #require(table.dorisDDL))
            #expect(read.name == table.name)
            #expect(read.columns.map(\.name) == table.columns.filter(\.isInDoris).map(\.name))
            #expect(read.key == table.key)
            #expect(read.model == "UNIQUE")
            #expect(read.comment == table.about)
            for column in read.columns {
                let schema = try #require(table.column(column.name))
                #expect(column.isNullable == schema.isNullable)
                #expect(column.comment == schema.comment)
                #expect(!column.type.isEmpty)
            }
            // What it writes, it reads as the same.
            #expect(try TableDefinition(reading: read.createStatement) == read)
        }
        let log = try TableDefinition(reading: #require(ArchiveSchema.table("wado_access_log")?.dorisDDL))
        #expect(log.partition == "AUTO RANGE(date_trunc(request_time, \"month\"))")
        #expect(log.distribution == ["trace_id"])
        #expect(log.column("status")?.type == "INT")
        #expect(log.column("bytes_sent")?.defaultValue == "0")
        let state = try TableDefinition(reading: #require(ArchiveSchema.table("dicom_state_meta")?.dorisDDL))
        #expect(state.properties["function_column.sequence_col"] == "updated_time")
        #expect(state.column("created_time")?.type == "DATETIME(6)")
    }

    @Test func everyGeneratedLoadIsWritten() throws {
        for table in ArchiveSchema.tables {
            guard let generated = table.load else { continue }
            let load = LoadDefinition(generated)
            #expect(load.table == table.name)
            #expect(load.topic == table.topic)
            #expect(Set(load.columns.map(\.name)) == Set(table.columns.filter(\.isInDoris).map(\.name)))
            let statement = load.createStatement(from: nil)
            #expect(statement.hasPrefix("CREATE ROUTINE LOAD `\(generated.job)` ON `\(table.name)`\nCOLUMNS (\n"))
            #expect(statement.contains("    \"format\" = \"json\",\n"))
            #expect(statement.contains("\"property.kafka_default_offsets\" = \"OFFSET_BEGINNING\"\n)"))
            #expect(!statement.contains("kafka_partitions"))
            #expect(statement.hasSuffix("COMMENT \"\(load.mark(isPinned: false).text)\""))
        }
    }

    @Test func whatDorisShowsIsRead() throws {
        let table = try TableDefinition(
            reading: """
                CREATE TABLE `t` (
                  `k` varchar(64) NOT NULL COMMENT "it's \\"k\\"",
                  `at` datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
                  `n` int NULL DEFAULT "-1",
                  `d` decimalv3(10, 2) NULL DEFAULT 1.5,
                  `x` text REPLACE NULL,
                  `a` array<varchar(64)> NULL,
                  INDEX idx_k (`k`) USING INVERTED COMMENT 'i, j'
                ) ENGINE=OLAP
                UNIQUE KEY(`k`, `at`)
                COMMENT 'a table''s'
                AUTO PARTITION BY RANGE (date_trunc(`at`, 'month'))
                (PARTITION p20240101000000 VALUES [('2024-01-01'), ('2024-02-01')),
                PARTITION p20240201000000 VALUES [('2024-02-01'), ('2024-03-01')))
                DISTRIBUTED BY HASH(`k`) BUCKETS AUTO
                PROPERTIES (
                "replication_allocation" = "tag.location.default: 3",
                "partition.retention_count" = "12"
                );
                """)
        #expect(
            table.columns.map(\.type) == [
                "VARCHAR(64)", "DATETIME(6)", "INT", "DECIMAL(10,2)", "STRING", "ARRAY<VARCHAR(64)>",
            ])
        #expect(table.columns.map(\.defaultValue) == [nil, "CURRENT_TIMESTAMP(6)", "-1", "1.5", nil, nil])
        #expect(table.columns[0].comment == "it's \"k\"")
        #expect(table.comment == "a table's")
        #expect(table.partition == "AUTO RANGE(date_trunc(at, \"month\"))")
        #expect(table.buckets == "AUTO")
        #expect(table.properties["replication_allocation"] == "tag.location.default: 3")
    }

    @Test(arguments: [
        "", "CREATE", "CREATE TABLE", "CREATE TABLE t", "CREATE TABLE t (", "CREATE TABLE t (a INT",
        "CREATE TABLE t (a INT)) x",
        "CREATE TABLE t (a VARCHAR(", "CREATE TABLE t (a ARRAY<", "CREATE TABLE t (a INT DEFAULT", "CREATE TABLE t (`a",
        "CREATE TABLE t (a INT) PROPERTIES (\"a\" =", "CREATE TABLE t (a INT) PARTITION BY RANGE (x",
        "CREATE TABLE t (a INT) COMMENT", "CREATE TABLE t (a INT COMMENT \"",
    ])
    func whatIsBrokenIsAnError(_ text: String) {
        #expect(throws: SQLReadingError.self) { try TableDefinition(reading: text) }
    }

    @Test func cutsOfAStatementNeverHang() throws {
        let whole = Array(try #require(ArchiveSchema.table("wado_access_log")?.dorisDDL).utf8)
        for end in whole.indices { _ = try? TableDefinition(reading: String(decoding: whole[..<end], as: UTF8.self)) }
    }

    @Test func textsAreQuoted() {
        #expect(DorisText.string("a\"b\\c\nd'e") == #""a\"b\\c\nd'e""#)
        // An accent on a quote does not hide it.
        #expect(Array(DorisText.string("\"\u{301}").unicodeScalars) == ["\"", "\\", "\"", "\u{301}", "\""])
        #expect(Array(DorisText.name("`\u{301}").unicodeScalars) == ["`", "`", "`", "\u{301}", "`"])
    }

    @Test func theMarkOfAJobTellsItsDefinition() throws {
        var load = LoadDefinition(try #require(ArchiveSchema.table("wado_access_log")?.load))
        let mark = load.mark(isPinned: true)
        #expect(LoadMark(mark.text) == mark)
        #expect(LoadMark("somebody's own job") == nil)
        var located = load
        located.cluster = "MkU3OEVBNTcwNTJENDM2Qg"
        #expect(LoadMark(located.mark(isPinned: true).text) == located.mark(isPinned: true))
        #expect(LoadMark(located.mark(isPinned: false).text)?.cluster == located.cluster)
        #expect(located.mark(isPinned: true).fingerprint == mark.fingerprint)
        #expect(LoadMark("") == nil)
        // A password changes neither the mark nor can be guessed from it.
        load.clientProperties.append(("property.sasl.password", "one"))
        let first = load.mark(isPinned: true)
        load.clientProperties[load.clientProperties.count - 1].value = "two"
        #expect(load.mark(isPinned: true) == first)
        #expect(first != mark)
        load.columns.removeLast()
        #expect(load.mark(isPinned: true) != first)
    }

    @Test func settingsChangeTablesAndLoads() throws {
        var configuration = DorisConfiguration(host: "h", database: "d")
        configuration.replicas = 3
        configuration.buckets = 5
        configuration.logMonths = 13
        configuration.loadProperties = ["max_batch_interval": "30", "max_filter_ratio": "0.5"]
        configuration.brokers = "k1:9092,k2:9092"
        configuration.kafkaProperties = ["security.protocol": "SASL_SSL", "sasl.password": "pass\"word"]
        for table in ArchiveSchema.tables {
            guard let ddl = table.dorisDDL, let generated = table.load else { continue }
            let definition = try TableDefinition(reading: ddl).adapted(to: configuration)
            #expect(definition.properties["replication_num"] == "3")
            #expect(definition.buckets == "5")
            #expect(definition.properties["partition.retention_count"] == (definition.partition.isEmpty ? nil : "13"))
            let load = LoadDefinition(generated).adapted(to: configuration)
            let lines = load.createStatement(from: [1: .beginning, 0: .next(42)]).split(separator: "\n").map { line in
                line.trimmingPrefix("    ").trimmingSuffix(",")
            }
            #expect(lines.filter { $0.contains("max_batch_interval") } == [#""max_batch_interval" = "30""#])
            for line in [
                #""max_filter_ratio" = "0.5""#, #""kafka_broker_list" = "k1:9092,k2:9092""#,
                #""kafka_partitions" = "0,1""#, #""kafka_offsets" = "42,OFFSET_BEGINNING""#,
                #""property.security.protocol" = "SASL_SSL""#, #""property.sasl.password" = "pass\"word""#,
            ] { #expect(lines.contains(line)) }
        }
        // The statements that people see have no secret.
        let store = try DorisSchemaStore(configuration, exclusively: { work in try work() })
        #expect(store.statements.contains { $0.contains("\"property.sasl.password\" = \"******\"") })
        #expect(!store.statements.contains { $0.contains("word") && $0.contains("pass\\\"") })
    }
}

extension Substring {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : String(self)
    }
}
