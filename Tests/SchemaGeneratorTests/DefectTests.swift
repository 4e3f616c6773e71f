import Foundation
import SchemaGenerator
import Testing

/// The defects of hand-kept SQL, each of which the generator refuses or avoids.
@Suite struct DefectTests {
    let sql: [String: String]

    init() throws { sql = try ProjectSpec.sql() }

    private func columns(_ name: String) throws -> [ProjectSpec.Column] {
        ProjectSpec.columns(of: try #require(sql[name]))
    }

    /// The names between the brackets after COLUMNS.
    private func loaded(_ table: String) throws -> [String] {
        let text = try #require(sql["doris/routine-load/\(table).sql"])
        let lines = text.split(separator: "\n").drop { !$0.hasPrefix("COLUMNS") }.dropFirst().prefix { $0 != ")" }
        return lines.map { $0.trimmingCharacters(in: [" ", ",", "`"]) }
    }

    private static let dorisTables = [
        "dicom_state_meta", "dicom_object_meta", "dicom_image_meta", "wado_access_log", "dicom_problem_meta",
    ]
    private static let postgresTables = dorisTables + ["dicom_json_meta"]

    @Test("1: a load lists exactly the columns that its table has", arguments: dorisTables)
    func loadsAndTablesAgree(_ table: String) throws {
        let columns = try columns("doris/\(table).sql").map(\.name)
        #expect(try loaded(table) == columns)
        let paths = columns.map { "\\\"$.\($0)\\\"" }.joined(separator: ",")
        #expect(sql["doris/routine-load/\(table).sql"]?.contains("\"jsonpaths\" = \"[\(paths)]\"") == true)
    }

    @Test("2, 3, 16, 17: a column that stands in several tables has one type and one width everywhere")
    func oneTypeEach() throws {
        for (store, tables) in [("postgres", Self.postgresTables), ("doris", Self.dorisTables)] {
            var types: [String: Set<String>] = [:]
            for table in tables {
                for column in try columns("\(store)/\(table).sql") {
                    types[column.name, default: []].insert(column.type)
                }
            }
            #expect(types.filter { $0.value.count > 1 } == [:], "\(store)")
        }
    }

    @Test("3, 13: what DICOM lets be empty may be NULL", arguments: ["postgres", "doris"])
    func emptyIsNormal(_ store: String) throws {
        for table in Self.dorisTables {
            for column in try columns("\(store)/\(table).sql")
            where ["accession_number", "study_date", "study_date_origin", "patient_id", "study_id"].contains(
                column.name)
            {
                #expect(column.isNullable, "\(table).\(column.name)")
            }
        }
    }

    @Test("4: no list ends with a comma")
    func noTrailingComma() {
        for (name, text) in sql {
            let bare = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            #expect(!bare.contains(", )") && !bare.contains(",)"), "\(name)")
        }
    }

    @Test("5: Doris' tables are UNIQUE, so that a message that comes again counts once", arguments: dorisTables)
    func replaysCountOnce(_ table: String) throws {
        let text = try #require(sql["doris/\(table).sql"])
        #expect(text.contains("\nUNIQUE KEY(") && !text.contains("DUPLICATE KEY"))
        #expect(text.contains("\"enable_unique_key_merge_on_write\" = \"true\""))
        let duplicate = SpecSamples.spec().replacing("buckets: 4", with: "buckets: 4, model: duplicate")
        #expect(try SpecSamples.diagnose(duplicate).first?.contains("the model can only be unique") == true)
    }

    @Test("5: an instance that is sent again is the same row", arguments: ["dicom_object_meta", "dicom_image_meta"])
    func resentInstancesCountOnce(_ table: String) throws {
        let key = "(tenant_id, study_uid, series_uid, sop_uid)"
        #expect(sql["doris/\(table).sql"]?.contains("UNIQUE KEY\(key)") == true)
        #expect(sql["postgres/\(table).sql"]?.contains("PRIMARY KEY \(key)") == true)
        #expect(sql["doris/\(table).sql"]?.contains("PARTITION BY") == false)
    }

    @Test("6: Doris counts bytes, so its texts are four times as wide; UIDs and hashes are ASCII by their rule")
    func widthsAreBytesInDoris() throws {
        for table in Self.dorisTables {
            let doris = try columns("doris/\(table).sql")
            for column in try columns("postgres/\(table).sql") where column.type.hasPrefix("varchar") {
                let isArray = column.type.hasSuffix("[]")
                let characters = try #require(Int(column.type.dropFirst(8).dropLast(isArray ? 3 : 1)))
                let other = try #require(doris.first { $0.name == column.name })
                let isASCII =
                    column.name.hasSuffix("uid") || column.name.hasSuffix("hash") || column.name == "target_ts"
                    || column.name == "patient_age"
                let type = "VARCHAR(\(isASCII ? characters : characters * 4))"
                #expect(other.type == (isArray ? "ARRAY<\(type)>" : type), "\(table).\(column.name)")
            }
        }
    }

    @Test("7: a time is `time` in PostgreSQL and a text as wide as HH:MM:SS.ffffff in Doris, everywhere")
    func timesHaveOneRule() throws {
        for table in Self.dorisTables {
            let doris = try columns("doris/\(table).sql")
            for column in try columns("postgres/\(table).sql") where column.type == "time" {
                #expect(doris.first { $0.name == column.name }?.type == "VARCHAR(15)")
            }
        }
        #expect(try SpecSamples.diagnose(SpecSamples.spec("name: t, tag: StudyTime, type: varchar")).count == 1)
    }

    @Test("8: patients, dates and accession numbers have an index, and no index repeats the key")
    func indexesServeSearches() throws {
        let text = try #require(sql["postgres/dicom_state_meta.sql"])
        for column in ["patient_id", "lower(patient_name)", "study_date", "accession_number"] {
            #expect(text.contains(" ON dicom_state_meta (tenant_id, \(column));"), "\(column)")
        }
        #expect(!text.contains("UNIQUE INDEX"))
        let repeating = SpecSamples.spec().replacing("about:", with: "indexes: [[tenant_id, study_uid]]\n    about:")
        #expect(try SpecSamples.diagnose(repeating).first?.contains("the key serves this index already") == true)
    }

    @Test("9: names are in quotes where the database reserves them, and nowhere else")
    func quotesByRule() throws {
        #expect(sql["doris/dicom_image_meta.sql"]?.contains("\n    columns ") == true)
        #expect(sql["doris/routine-load/dicom_image_meta.sql"]?.contains("\n    columns,\n") == true)
        let reserved = try SpecSamples.sql(SpecSamples.spec("name: tablet, tag: PatientID", "name: user, tag: StudyID"))
        #expect(reserved["postgres/things.sql"]?.contains("\n    tablet ") == true)
        #expect(reserved["postgres/things.sql"]?.contains("\n    \"user\" ") == true)
        #expect(reserved["doris/things.sql"]?.contains("\n    `tablet` ") == true)
        #expect(reserved["doris/things.sql"]?.contains("\n    user ") == true)
    }

    @Test("10: the comment of `width` says that it holds the rows", arguments: ["postgres", "doris"])
    func widthIsHonest(_ store: String) {
        #expect(sql["\(store)/dicom_image_meta.sql"]?.contains("Rows (0028,0010): The number of rows") == true)
    }

    @Test("11: buckets, distribution and replicas are in the spec, and one bucket for a tenant is refused")
    func distributionIsInTheSpec() throws {
        for table in Self.dorisTables {
            let text = try #require(sql["doris/\(table).sql"])
            #expect(!text.contains("HASH(tenant_id)") && !text.contains("BUCKETS 1\n"), "\(table)")
        }
        let spec = SpecSamples.spec().replacing("buckets: 4", with: "buckets: 12, replicas: 3")
        let text = try #require(try SpecSamples.sql(spec)["doris/things.sql"])
        #expect(
            text.contains("DISTRIBUTED BY HASH(study_uid) BUCKETS 12\n") && text.contains("\"replication_num\" = \"3\"")
        )
        let byTenant = spec.replacing("[study_uid]", with: "[tenant_id]")
        #expect(try SpecSamples.diagnose(byTenant).first?.contains("in one bucket, on one disk") == true)
    }

    @Test("12: what Doris computes on load is told apart from what services send")
    func computedIsToldApart() throws {
        for table in Self.dorisTables { #expect(try loaded(table).allSatisfy { !$0.contains("=") }) }
        let spec = SpecSamples.spec("name: loaded_time, load: NOW(), type: timestamp")
        let files = try SpecSamples.sql(spec)
        #expect(files["doris/routine-load/things.sql"]?.contains("    study_uid,\n    loaded_time = NOW()\n)") == true)
        #expect(files["doris/routine-load/things.sql"]?.contains("$.loaded_time") == false)
        #expect(files["postgres/things.sql"]?.contains("loaded_time") == false)
        #expect(try SpecSamples.swift(spec)["ArchiveSchema+Rows.swift"]?.contains("loadedTime") == false)
    }

    @Test("A partition's column is a key column and never NULL, in both databases")
    func partitionsHaveAPlaceForEveryRow() throws {
        let doris = try #require(sql["doris/wado_access_log.sql"])
        #expect(doris.contains("UNIQUE KEY(tenant_id, request_time, trace_id)"))
        #expect(doris.contains("AUTO PARTITION BY RANGE (date_trunc(request_time, 'month')) ()\n"))
        let postgres = try #require(sql["postgres/wado_access_log.sql"])
        #expect(
            postgres.contains("PRIMARY KEY (tenant_id, request_time, trace_id)\n) PARTITION BY RANGE (request_time);"))
        #expect(postgres.contains("PARTITION OF wado_access_log DEFAULT;"))
        #expect(try columns("doris/wado_access_log.sql").first { $0.name == "request_time" }?.isNullable == false)
    }

    @Test("14: no column is filled nowhere: each says what fills it")
    func everyColumnHasASource() throws {
        #expect(try SpecSamples.diagnose(SpecSamples.spec("name: pregnancy_status, type: int")).count == 1)
        #expect(sql["doris/dicom_state_meta.sql"]?.contains("PregnancyStatus (0010,21C0)") == true)
    }

    @Test("15: the access log's message has the columns of its table")
    func accessLogAgrees() throws {
        #expect(try loaded("wado_access_log") == columns("postgres/wado_access_log.sql").map(\.name))
    }

    @Test("17: an IPv6 address fits")
    func addressesFit() throws {
        #expect(try columns("postgres/dicom_object_meta.sql").first { $0.name == "source_ip" }?.type == "varchar(45)")
        #expect(
            try columns("postgres/wado_access_log.sql").first { $0.name == "remote_address" }?.type == "varchar(45)")
    }

    @Test("18: the transfer syntax is not looked for in the data set")
    func transferSyntaxIsOfTheMeta() throws {
        let wrong = SpecSamples.spec("name: transfer_syntax_uid, tag: TransferSyntaxUID")
        #expect(try SpecSamples.diagnose(wrong).first?.contains("which no data set has") == true)
        let right = SpecSamples.spec("name: transfer_syntax_uid, from: transfer_syntax_uid")
        let rows = try #require(try SpecSamples.swift(right)["ArchiveSchema+Rows.swift"])
        #expect(rows.contains("transferSyntaxUID: _instance.transferSyntaxUID"))
    }

    @Test("19: moments have a zone in PostgreSQL, and are UTC in Doris")
    func momentsAreUTC() throws {
        for table in Self.postgresTables {
            let text = try #require(sql["postgres/\(table).sql"])
            for line in text.split(separator: "\n") where line.contains("_time ") && line.contains(" timestamp") {
                #expect(line.contains("timestamp with time zone"), "\(line)")
            }
        }
        for table in Self.dorisTables {
            #expect(sql["doris/routine-load/\(table).sql"]?.contains("\"timezone\" = \"UTC\"") == true)
        }
    }
}
