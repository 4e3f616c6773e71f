import Testing

/// What is said of a wrong column, whole, each on line 12 of the sample.
@Suite struct ColumnDiagnosticsTests {
    @Test func aGoodSpecIsAccepted() throws {
        #expect(try SpecSamples.diagnose(SpecSamples.spec("name: patient_id, tag: PatientID")) == [])
    }

    @Test(arguments: [
        (
            "name: patient_name, tag: PatientsName",
            "12:35: error: the dictionary has no keyword `PatientsName`; did you mean `PatientName`?"
        ),
        (
            "name: x, tag: QuiteUnlikeAnything",
            "12:24: error: the dictionary has no keyword `QuiteUnlikeAnything`"
        ),
        (
            "name: x, tag: '(0011,0010)'",
            "12:24: error: (0011,0010) is private, and its block differs from file to file; name its creator instead, as in (0011,\"CREATOR\",10)"
        ),
        (
            "name: x, tag: '(0029,\"ACME 1.2\",08)'",
            "12:24: error: no dictionary tells the VR of a private element; add a `vr:`, such as `vr: LO`"
        ),
        ("name: x, tag: '(0029,\"ACME\",08)', vr: CX", "12:48: error: no VR `CX`; did you mean `CS`?"),
        (
            "name: x, tag: '(0029,\"ACME\",08)', vr: SQ",
            "12:24: error: (0029,\"ACME\",08) is a sequence; take an attribute of an item, as in (0029,\"ACME\",08)[0].CodeValue"
        ),
        (
            "name: x, tag: '(0029,\"ACME\",08)', vr: CS, vm: some",
            "12:56: error: `some` is no VM; write 1, 3, 1-n or 2-4, as the standard does"
        ),
        (
            "name: x, tag: '(0029,\"ACME\",08)', vr: CS, vm: 1-n",
            "12:24: error: (0029,\"ACME\",08) can have several values (VM 1-n); add `index: 0` for the first, `values: all` for all in an array, or `join: true` for all as one text"
        ),
        (
            "name: x, tag: '(0029,\"ACME\",1008)', vr: CS",
            "12:24: error: `(0029,\"ACME\",1008)` is no private tag; write (gggg,\"CREATOR\",ee): group and element in hexadecimal digits, without the block, and the creator as files have it"
        ),
        (
            "name: x, tag: '(0028,\"ACME\",08)', vr: CS",
            "12:24: error: group 0028 is not private; private groups are odd"
        ),
        (
            "name: x, tag: PatientID, vr: LO",
            "12:39: error: the dictionary tells VR and VM of PatientID; leave this out"
        ),
        (
            "name: x, tag: '(0029,\"ACME\",08)', vr: CS, level: instance, search: true",
            "12:77: error: instances are searched by tag, which a private element has another of in each file"
        ),
        ("name: x, from: service, type: int, vm: 1", "12:49: error: `vm` is for columns with `tag:`"),
        ("name: x, tag: '(0012,FFFF)'", "12:24: error: the dictionary has no (0012,FFFF)"),
        ("name: x, tag: '(0012)'", "12:24: error: `(0012)` is no tag; write (gggg,eeee) in hexadecimal digits"),
        (
            "name: x, tag: TransferSyntaxUID",
            "12:24: error: TransferSyntaxUID is file meta information, which no data set has; see `from: transfer_syntax_uid` and `from: sop_class_uid`"
        ),
        (
            "name: x, tag: 'DigitalSignaturesSequence[0].MACIDNumber'",
            "12:24: error: DigitalSignaturesSequence stands behind Pixel Data, where instances are not read"
        ),
        (
            "name: x, tag: '(7FE1,\"ACME\",10)', vr: LO",
            "12:24: error: (7FE1,\"ACME\",10) stands behind Pixel Data, where instances are not read"
        ),
        (
            "name: x, tag: OverlayRows",
            "12:24: error: OverlayRows stands in repeating groups; one column cannot hold them"
        ),
        (
            "name: x, tag: PatientName, type: double",
            "12:43: error: PatientName is PN, which cannot become double; it can become text(N)"
        ),
        (
            "name: x, tag: StudyDate, type: int",
            "12:41: error: StudyDate is DA, which cannot become int; it can become date, text(N)"
        ),
        (
            "name: x, tag: Rows, type: text(8)",
            "12:36: error: Rows is US, which cannot become text(8); it can become int, bigint, double"
        ),
        (
            "name: x, tag: Rows, type: integer",
            "12:36: error: no type `integer`; known are text(N), uid, int, bigint, double, date, time, timestamp"
        ),
        ("name: x, tag: Rows, type: duoble", "12:36: error: no type `duoble`; did you mean `double`?"),
        (
            "name: x, tag: PatientName, type: text(20000)",
            "12:43: error: text(20000) is longer than 16383, the most that Doris can hold"
        ),
        ("name: x, tag: PatientName, type: text(0)", "12:43: error: no type `text(0)`; did you mean `text(N)`?"),
        (
            "name: x, tag: ImageType",
            "12:24: error: ImageType can have several values (VM 2-n); add `index: 0` for the first, `values: all` for all in an array, or `join: true` for all as one text"
        ),
        (
            // The registry says 1-n, and an ST has one value.
            "name: x, tag: DataStreamingProtocol, index: 1",
            "12:54: error: DataStreamingProtocol has one value only; leave this out"
        ),
        (
            "name: x, tag: StudyID, level: study, search: true, stores: [doris]",
            "12:55: error: searches are answered by PostgreSQL, and the column is not there"
        ),
        (
            "name: x, tag: ImageType, values: first",
            "12:43: error: `values` can only be all, and this is `first`"
        ),
        ("name: x, tag: PatientID, values: all", "12:43: error: PatientID has one value only; leave this out"),
        (
            "name: x, tag: ImageType, values: all, index: 1",
            "12:55: error: `index` takes one value, `join` all as one text and `values` all as an array; use one of them"
        ),
        (
            "name: x, tag: 'ReferencedStudySequence[*].OtherPatientNames', values: all",
            "12:80: error: [*] makes an array with one element of each item; take one value of each by `index: N`, or all as one text by `join: true`"
        ),
        (
            "name: x, tag: 'ReferencedStudySequence[*].OtherPatientNames'",
            "12:24: error: OtherPatientNames can have several values (VM 1-n); add `index: 0` for the first or `join: true` for all as one text"
        ),
        (
            "name: x, tag: ImageType, values: all, type: text(1025)",
            "12:54: error: text(1025) is longer than 1024, the most that an element of an array can have"
        ),
        (
            "name: x, tag: ImageType, values: all, type: int",
            "12:54: error: ImageType is CS, which cannot become int; it can become text(N)"
        ),
        (
            "name: x, tag: ImageType, values: all, level: study, search: wildcard",
            "12:70: error: `search` must be true or false, and this is `wildcard`"
        ),
        ("name: x, from: tenant, values: all", "12:41: error: `values` is for columns with `tag:`"),
        (
            "name: x, tag: ImageType, join: true",
            "12:16: error: `join` needs a `type: text(N)` with room for all values"
        ),
        (
            "name: x, tag: ImageType, join: true, index: 1, type: text(64)",
            "12:54: error: `index` takes one value, `join` all as one text and `values` all as an array; use one of them"
        ),
        ("name: x, tag: PatientID, index: 1", "12:42: error: PatientID has one value only; leave this out"),
        (
            "name: x, tag: RedPaletteColorLookupTableDescriptor, join: true, type: text(64)",
            "12:24: error: RedPaletteColorLookupTableDescriptor is US, whose values are no text and cannot be joined"
        ),
        ("name: x, tag: PixelData", "12:24: error: PixelData is OB or OW, which no column can hold"),
        (
            "name: x, tag: ProcedureCodeSequence",
            "12:24: error: ProcedureCodeSequence is a sequence; take an attribute of an item, as in ProcedureCodeSequence[0].CodeValue"
        ),
        (
            "name: x, tag: 'ProcedureCodeSequence[0]'",
            "12:24: error: ProcedureCodeSequence[0] is an item; say which attribute of it, as in ProcedureCodeSequence[0].CodeValue"
        ),
        (
            "name: x, tag: ProcedureCodeSequence.CodeValue",
            "12:24: error: ProcedureCodeSequence is a sequence; say which item, ProcedureCodeSequence[0] for the first or ProcedureCodeSequence[*] for all"
        ),
        (
            "name: x, tag: 'PatientName[0].CodeValue'",
            "12:24: error: PatientName is PN and no sequence, so nothing can be inside of it"
        ),
        (
            "name: x, tag: 'ProcedureCodeSequence[first].CodeValue'",
            "12:24: error: `ProcedureCodeSequence[first]` must end in an item's number, [0] for the first, or in [*] for all"
        ),
        (
            "name: x, tag: 'ImageType[1]'",
            "12:24: error: ImageType is no sequence; for one of several values write `index: N`, for all `values: all`"
        ),
        (
            "name: x, tag: SelectorUTValue",
            "12:16: error: SelectorUTValue is UT, whose length has no bound; add a `type: text(N)`"
        ),
        (
            "name: study_uid, tag: StudyInstanceUID",
            "12:16: error: column `study_uid` is here twice; the first is on line 11"
        ),
        (
            "name: Patient-ID, tag: PatientID",
            "12:16: error: `Patient-ID` is no name for a column; take small letters, digits and single underscores, a letter first, at most 63"
        ),
        ("name: mv_id, tag: PatientID", "12:16: error: `mv_id` starts with mv_ or mva_, which Doris keeps for itself"),
        (
            "name: study_u_i_d, tag: PatientID",
            "12:16: error: `study_u_i_d` and `study_uid` would both be studyUID in Swift"
        ),
        ("name: x", "12:16: error: column `x` needs `tag:`, `from:` or `load:`, which says what fills it"),
        (
            "name: x, tag: PatientID, from: tenant",
            "12:16: error: column `x` can have one of `tag:`, `from:` and `load:` only"
        ),
        ("tag: PatientID", "12:9: error: a column without `name`"),
        ("name: x, tga: PatientID", "12:19: error: a column has no key `tga`; did you mean `tag`?"),
        ("name: x, from: tennant", "12:25: error: nothing is called `tennant`; did you mean `tenant`?"),
        (
            "name: x, from: hash(PatientID)",
            "12:25: error: `hash(PatientID)` needs a text column with `tag: PatientID` in the table"
        ),
        ("name: x, from: service", "12:16: error: column `x` needs a `type:`, since no VR tells it"),
        (
            "name: x, from: service, type: int, required: true",
            "12:16: error: `x` is required and set by a service; rows that are made from data sets need a `default:` for it"
        ),
        ("name: x, from: service, type: int, default: many", "12:54: error: `many` is no int"),
        ("name: x, tag: PatientID, default: none", "12:44: error: `default` is for columns with `from: service`"),
        ("name: x, from: file_size, type: int", "12:42: error: `file_size` is bigint and cannot become int"),
        ("name: x, from: tenant, level: study", "12:40: error: `level` is for columns with `tag:`"),
        (
            "name: x, tag: PatientID, search: true",
            "12:43: error: `search` needs a `level:`, the one the attribute is asked for at"
        ),
        (
            "name: x, tag: StudyDate, type: text(16), level: study, search: true",
            "12:73: error: searches for a date need a column of that type, and this is text(16)"
        ),
        (
            "name: x, tag: AcquisitionDateTime, level: instance, search: true",
            "12:70: error: a DT cannot be searched"
        ),
        ("name: x, tag: StudyDate, level: studdy", "12:42: error: no level `studdy`; did you mean `study`?"),
        ("name: x, tag: PatientID, required: yes", "12:45: error: `required` must be true or false, and this is `yes`"),
        (
            "name: x, tag: PatientID, since: 3",
            "12:16: error: `since: 3` is not between 1 and the spec's `version: 2`; raise `version` with it"
        ),
        (
            "name: x, tag: PatientID, renamed_from: study_uid",
            "12:49: error: `renamed_from: study_uid` is still a column of the table"
        ),
        ("name: x, tag: PatientID, comment: [a]", "12:44: error: `comment` must be a single value, and this is a list"),
        ("name: x, tag: PatientID, stores: [mysql]", "12:44: error: no store `mysql`; known are postgres, doris"),
    ])
    func says(_ column: String, _ message: String) throws {
        let found = try SpecSamples.diagnose(SpecSamples.spec(column))
        #expect(found == ["fields.yaml:\(message)"])
    }

    @Test func aRetiredTagIsAWarningOnly() throws {
        let spec = SpecSamples.spec("name: x, tag: OtherPatientIDs, join: true, type: text(64)")
        #expect(
            try SpecSamples.diagnose(spec) == [
                "fields.yaml:12:24: warning: OtherPatientIDs is retired; few instances will have it"
            ])
        #expect(try SpecSamples.sql(spec)["postgres/things.sql"]?.contains("\n    x ") == true)
    }

    @Test func severalErrorsAreSaidAtOnceInTheirOrder() throws {
        let spec = SpecSamples.spec(
            "name: a, tag: PatientsName", "name: B, tag: PatientID", "name: c, tag: Rows, type: date")
        #expect(
            try SpecSamples.diagnose(spec) == [
                "fields.yaml:12:24: error: the dictionary has no keyword `PatientsName`; did you mean `PatientName`?",
                "fields.yaml:13:16: error: `B` is no name for a column; take small letters, digits and single underscores, "
                    + "a letter first, at most 63",
                "fields.yaml:14:36: error: Rows is US, which cannot become date; it can become int, bigint, double",
            ])
    }

    @Test func reservedNamesAreQuotedNotRefused() throws {
        let sql = try SpecSamples.sql(
            SpecSamples.spec("name: order, tag: PatientID", "name: rows, tag: Rows", "name: columns, tag: Columns"))
        let postgres = try #require(sql["postgres/things.sql"])
        let doris = try #require(sql["doris/things.sql"])
        let load = try #require(sql["doris/routine-load/things.sql"])
        #expect(postgres.contains("\n    \"order\" ") && postgres.contains("\n    rows "))
        #expect(doris.contains("\n    `order` ") && doris.contains("\n    `rows` ") && doris.contains("\n    columns "))
        #expect(load.contains("\n    `order`,\n    `rows`,\n    columns\n") && load.contains("\\\"$.order\\\""))
    }
}
