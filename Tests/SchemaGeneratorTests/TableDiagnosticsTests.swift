import Testing

/// What is said of a wrong table: the sample with one piece replaced.
@Suite struct TableDiagnosticsTests {
    static let columns = ["name: patient_id, tag: PatientID", "name: moment, from: received_time"]

    @Test(arguments: [
        (
            "key: [tenant_id, study_uid]", "key: [tenant_id, patient_id]",
            [
                "6:11: error: Doris wants the key [tenant_id, patient_id] to be the first columns in that order, and they are [tenant_id, study_uid]; move the columns",
                "6:22: error: key column `patient_id` may be NULL; make its column `required: true`, or take it out of the key",
                "7:29: error: `study_uid` is not in the key, and Doris distributes a unique table by key columns only",
            ]
        ),
        (
            "key: [tenant_id, study_uid]", "key: [study_uid, tenant_id]",
            [
                "6:11: error: Doris wants the key [study_uid, tenant_id] to be the first columns in that order, and they are [tenant_id, study_uid]; move the columns"
            ]
        ),
        (
            "key: [tenant_id, study_uid]", "key: [tenant_id, study_uid, stuudy_id]",
            [
                "6:33: error: key column `stuudy_id` is no column of `things`; did you mean `study_uid`?"
            ]
        ),
        (
            "    key: [tenant_id, study_uid]\n", "",
            [
                "3:3: error: table `things` has no `key:`",
                "6:29: error: `study_uid` is not in the key, and Doris distributes a unique table by key columns only",
            ]
        ),
        ("about: Things.", "about: ''", ["3:3: error: table `things` has no `about:`, one sentence for its readers"]),
        ("stores: [postgres, doris]", "stores: []", ["3:3: error: `stores` must name postgres, doris, or both"]),
        (
            "distribute_by: [study_uid]", "distribute_by: [tenant_id]",
            [
                "7:29: error: by `tenant_id` alone a tenant's rows are all in one bucket, on one disk; take study_uid"
            ]
        ),
        ("buckets: 4", "buckets: 1", ["7:50: error: `buckets` must be from 2 to 768: one bucket is one disk"]),
        (
            "buckets: 4", "buckets: 4, model: duplicate",
            [
                "7:60: error: the model can only be unique, and this is `duplicate`: a duplicate key only sorts, and a message that comes again would count twice"
            ]
        ),
        (
            "buckets: 4", "buckets: 4, sequence: patient_id",
            [
                "7:63: error: the sequence column must be a whole number or a moment, and `patient_id` is text(64)",
                "7:63: error: the sequence column `patient_id` decides which row stays and must always be sent",
            ]
        ),
        (
            "doris: {distribute_by: [study_uid], buckets: 4}",
            "partition: {by: moment, every: month}\n    doris: {distribute_by: [study_uid], buckets: 4}",
            [
                "7:21: error: `moment` must be in the key: both databases can only keep a key unique within a partition"
            ]
        ),
        (
            "doris: {distribute_by: [study_uid], buckets: 4}",
            "partition: {by: patient_id, every: week}\n    doris: {distribute_by: [study_uid], buckets: 4}",
            [
                "7:21: error: partitions by month need a timestamp, and `patient_id` is text(64)",
                "7:21: error: `patient_id` may be NULL, and a row without it would have no partition",
                "7:21: error: `patient_id` must be in the key: both databases can only keep a key unique within a partition",
                "7:40: error: `every` can only be month, and this is `week`",
            ]
        ),
        (
            "topic: things}", "topic: things, columns: [tenant_id, study_uid, patient_id, moment, local]}",
            [
                "8:97: error: the load lists `local`, which the table of Doris does not have; Doris would read it and drop it without a word"
            ]
        ),
        (
            "topic: things}", "topic: things, columns: [tenant_id, study_uid, moment]}",
            ["8:11: error: the load leaves out `patient_id`, which then would always be NULL; add it"]
        ),
        ("topic: things}", "topic: 'a b'}", ["8:37: error: `a b` is no name for a topic"]),
        (
            "load: {job: things_load, topic: things}", "load: {topic: things}",
            ["8:11: error: `load` needs `job:` and `topic:`"]
        ),
        (
            "topic: things}", "topic: things, properties: {max_batch_rows: 10}}",
            ["8:11: error: `max_batch_rows` must be from 200000 to 1000000000, and is `10`"]
        ),
        (
            "topic: things}", "topic: things, properties: {max_batch_row: 10}}",
            ["8:58: error: job properties has no key `max_batch_row`; did you mean `max_batch_rows`?"]
        ),
        (
            "stores: [postgres, doris]",
            "indexes: [[tenant_id, study_uid], [lower(moment)]]\n    stores: [postgres, doris]",
            [
                "5:16: error: the key serves this index already; leave it out",
                "5:40: error: lower(moment) is for text, and `moment` is timestamp",
            ]
        ),
        (
            "about: Things.", "about: Things.\n    abuot: Things.",
            ["5:5: error: table `things` has no key `abuot`; did you mean `about`?"]
        ),
        (
            "about: Things.", "about: Things.\n    about: Things.",
            ["5:5: error: `about` is here twice; the first is on line 4"]
        ),
        ("tables:", "tabels:", ["2:1: error: the spec has no key `tabels`; did you mean `tables`?"]),
        ("version: 2", "version: two", ["1:10: error: `version` must be a whole number from 0 up, and this is `two`"]),
    ])
    func says(_ old: String, _ new: String, _ messages: [String]) throws {
        let sample = SpecSamples.spec(
            Self.columns[0], Self.columns[1], "name: local, from: service, type: int, stores: [postgres]")
        #expect(sample.contains(old))
        let found = try SpecSamples.diagnose(sample.replacing(old, with: new))
        #expect(found == messages.map { "fields.yaml:\($0)" })
    }

    @Test func anAttributeIsSearchedInOneColumnOnly() throws {
        let spec = SpecSamples.spec(
            "name: a, tag: PatientID, level: patient, search: true",
            "name: b, tag: AccessionNumber, level: study, search: true, also: {PatientID: study}")
        #expect(
            try SpecSamples.diagnose(spec) == [
                "fields.yaml:13:63: error: PatientID is searched in things.a already; take `search` out of one of them"
            ])
    }

    @Test func aRowHasNoAttributesFromBelow() throws {
        let spec = SpecSamples.spec("name: a, tag: InstanceNumber, level: instance").replacing(
            "about:", with: "level: series\n    about:")
        #expect(
            try SpecSamples.diagnose(spec) == [
                "fields.yaml:13:47: error: a row is one series, which has no attribute of the level instance"
            ])
    }

    @Test func arraysHaveAnIndexOfTheirElements() throws {
        let spec = SpecSamples.spec("name: types, tag: ImageType, values: all").replacing(
            "    doris: {", with: "    indexes: [[types]]\n    doris: {")
        let sql = try #require(try SpecSamples.sql(spec)["postgres/things.sql"])
        #expect(sql.contains("CREATE INDEX IF NOT EXISTS things_types_idx ON things USING gin (types);"))
        #expect(sql.contains("\n    types     varchar(16)[] COLLATE \"C\",\n"))
        #expect(
            try SpecSamples.sql(spec)["doris/things.sql"]?.contains("    types     ARRAY<VARCHAR(64)> NULL ") == true)
        #expect(
            try SpecSamples.diagnose(spec.replacing("[[types]]", with: "[[tenant_id, types]]")) == [
                "fields.yaml:7:27: error: `types` is an array, whose elements have an index of their own: write [types]"
            ])
        #expect(
            try SpecSamples.diagnose(spec.replacing("[[types]]", with: "[[lower(types)]]")) == [
                "fields.yaml:7:16: error: lower(types) is for text, and `types` is an array of text(16)"
            ])
        #expect(
            try SpecSamples.diagnose(
                spec.replacing("values: all", with: "values: all, type: text(600), required: true").replacing(
                    "key: [tenant_id, study_uid]", with: "key: [tenant_id, study_uid, types]")) == [
                    "fields.yaml:6:33: error: key column `types` is an array of text(600), which Doris takes in no key",
                    "fields.yaml:7:16: error: `types` has 600 characters; more than 512 fit no index",
                ])
    }

    @Test func variantsAreASecondTable() throws {
        let spec = SpecSamples.spec("name: a, tag: PatientID, level: patient, search: true").replacing(
            "    doris: {", with: "    indexes: [[tenant_id, a]]\n    variants: other_things\n    doris: {")
        let sql = try #require(try SpecSamples.sql(spec)["postgres/things.sql"])
        #expect(sql.contains("CREATE TABLE IF NOT EXISTS other_things ("))
        #expect(sql.contains("PRIMARY KEY (tenant_id, study_uid, variant_hash)"))
        #expect(sql.contains("CREATE INDEX IF NOT EXISTS other_things_a_idx ON other_things (tenant_id, a);"))
        #expect(try SpecSamples.sql(spec)["doris/things.sql"]?.contains("variant") == false)
        #expect(
            try SpecSamples.diagnose(spec.replacing("variants: other_things", with: "variants: things")) == [
                "fields.yaml:8:15: error: `things` is another table already"
            ])
        #expect(
            try SpecSamples.diagnose(
                spec.replacing("name: a,", with: "name: variant_hash,").replacing("id, a]", with: "id, variant_hash]"))
                == ["fields.yaml:14:16: error: `variant_hash` is a column that `variants` adds; take another name"])
        #expect(
            try SpecSamples.diagnose(spec.replacing(", search: true", with: "")) == [
                "fields.yaml:8:15: error: `variants` keeps values that are searched for, and no column outside the key has `search: true`"
            ])
        #expect(
            try SpecSamples.diagnose(spec.replacing("[postgres, doris]", with: "[doris]")).contains(
                "fields.yaml:8:15: error: `variants` is PostgreSQL's, and the table is not there"))
    }

    @Test func listsNameEachColumnOnce() throws {
        let spec = SpecSamples.spec().replacing("[study_uid], buckets", with: "[study_uid, study_uid], buckets")
        #expect(
            try SpecSamples.diagnose(spec) == ["fields.yaml:7:40: error: `study_uid` is in this list twice"])
    }

    @Test func twoTablesOfOneNameInSwift() throws {
        let table = """
            about: Things.
                stores: [postgres]
                key: [tenant_id]
                columns: [{name: tenant_id, from: tenant}]
            """
        let spec = "tables:\n  a1:\n    \(table)\n  a_1:\n    \(table)\n"
        #expect(
            try SpecSamples.diagnose(spec) == ["fields.yaml:7:3: error: `a_1` and `a1` would both be A1Row in Swift"])
    }
}
