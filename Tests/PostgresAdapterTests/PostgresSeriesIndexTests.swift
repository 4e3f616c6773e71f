import Archive
import ArchiveSchema
import DICOMDictionary
import DICOMWeb
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Testing

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct PostgresSeriesIndexTests {
    struct Fixture {
        let pool: PostgresPool
        let store: PostgresIngestStore
        let index: PostgresSeriesIndex
        let queue: PostgresCompactionQueue

        init() throws {
            pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 4)
            store = PostgresIngestStore(pool: pool)
            index = PostgresSeriesIndex(pool: pool)
            queue = PostgresCompactionQueue(pool: pool)
        }

        func write(_ rows: [DicomStateMetaRow], count: Int = 1) throws {
            var batch = IngestBatch()
            batch.series = rows.map { SeriesUpdate(state: $0, instanceCount: count) }
            try store.write(batch)
        }

        func search(
            _ level: QIDOLevel = .studies, _ query: String = "", tenant: String = "t1", study: String? = nil
        ) throws -> [[String: Any]] {
            try answer(level, query, tenant: tenant, study: study).objects.map {
                try #require(try JSONSerialization.jsonObject(with: Data($0)) as? [String: Any])
            }
        }

        func answer(
            _ level: QIDOLevel = .studies, _ query: String = "", tenant: String = "t1", study: String? = nil
        ) throws -> IndexAnswer {
            try index.search(
                QIDOQuery(level: level, studyUID: study, query: query), tenantID: tenant,
                retrieveRoot: "http://x/dicom-web"
            )
        }

        func studies(_ query: String, tenant: String = "t1") throws -> [String] {
            try search(.studies, query, tenant: tenant).map { Self.value($0, "0020000D") as? String ?? "" }
        }

        static func value(_ object: [String: Any], _ tag: String) -> Any? {
            ((object[tag] as? [String: Any])?["Value"] as? [Any])?.first
        }
    }

    private func row(
        _ study: String, _ series: String, sop: String = "1.1", tenant: String = "t1",
        _ change: (inout DicomStateMetaRow) -> Void = { _ in }
    ) -> DicomStateMetaRow {
        let time = Timestamp(microsecondsSince1970: 1_700_000_000_000_000)
        var row = DicomStateMetaRow(
            tenantID: tenant, studyUID: study, seriesUID: series, studyUIDHash: SeaHash.decimal(study),
            seriesUIDHash: SeaHash.decimal(series), representativeSOPUID: sop, createdTime: time, updatedTime: time)
        change(&row)
        return row
    }

    /// A server that is stopped (SIGSTOP, a frozen machine) does not end a statement that takes too long.
    @Test func aServerThatStoodStillIsGivenUp() throws {
        let pool = PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 1)
        var configuration = PostgresSeriesIndex.Configuration()
        (configuration.timeoutMilliseconds, configuration.graceMilliseconds) = (2_000, 500)
        let index = PostgresSeriesIndex(pool: pool, configuration: configuration)
        let query = try QIDOQuery(level: .studies, query: "PatientName=A*")
        for ask: () throws -> Void in [
            { _ = try index.search(query, tenantID: "t1", retrieveRoot: nil) },
            { _ = try index.series(ofStudy: "1.2", tenantID: "t1") },
        ] {
            try ask()
            let process = try pool.withConnection { $0.backendProcess }
            #expect(kill(process, SIGSTOP) == 0)
            defer { kill(process, SIGCONT) }
            // Who waits for ever gets an answer then, and the test fails instead of standing still.
            DispatchQueue.global().asyncAfter(deadline: .now() + 60) { kill(process, SIGCONT) }
            let error = #expect(throws: PostgresError.self) { try ask() }
            // Another attempt of its own would only take as long again.
            #expect(error?.code == .queryCanceled && error?.isRetriable == true)
            // Others get a session that works.
            try ask()
            #expect(try pool.withConnection { $0.backendProcess } != process)
        }
    }

    @Test func theRepresentativeGivesTheValues() throws {
        let fixture = try Fixture()
        func description() throws -> String? {
            Fixture.value(try fixture.search(.series)[0], "0008103E") as? String
        }
        try fixture.write([row("1.2", "1.3", sop: "1.5") { $0.seriesDescription = "five" }])
        #expect(try description() == "five")
        // Byte order: 1.10 is lower than 1.5. Later and higher ones change nothing but the count.
        try fixture.write([row("1.2", "1.3", sop: "1.10") { $0.seriesDescription = "ten" }], count: 2)
        try fixture.write([row("1.2", "1.3", sop: "1.9") { $0.seriesDescription = "nine" }], count: 3)
        #expect(try description() == "ten")
        #expect(Fixture.value(try fixture.search(.series)[0], "00201209") as? Int == 3)
        // The representative sent again replaces its values, also by none; the count never falls.
        try fixture.write([row("1.2", "1.3", sop: "1.10")], count: 2)
        #expect(try description() == nil)
        #expect(Fixture.value(try fixture.search(.series)[0], "00201209") as? Int == 3)
        #expect(try fixture.index.counts(tenantID: "t1") == IndexCounts(studies: 1, series: 1, instances: 3))
    }

    @Test func writingTheSameAgainChangesNothing() throws {
        let fixture = try Fixture()
        var batch = IngestBatch()
        batch.series = [SeriesUpdate(state: row("1.2", "1.3"), instanceCount: 2)]
        let time = Timestamp(microsecondsSince1970: 1_700_000_000_000_000)
        for number in 1...2 {
            batch.logs.objects.append(
                DicomObjectMetaRow(
                    tenantID: "t1", studyUID: "1.2", seriesUID: "1.3", sopUID: "1.4.\(number)", fileSize: 10,
                    filePath: "p", transferSyntaxUID: "1.2.840.10008.1.2.1", createdTime: time,
                    seriesUIDHash: "0", studyUIDHash: "0", transferStatus: "NoNeedTransfer", traceID: "trace-\(number)",
                    workerNodeID: "n"))
        }
        // The same instance twice in one batch.
        batch.logs.objects.append(batch.logs.objects[0])
        try fixture.store.write(batch)
        func state() throws -> [String] {
            try fixture.pool.withConnection { connection throws(PostgresError) in
                let result = try connection.query(
                    """
                    SELECT xmin::text || t::text FROM dicom_state_meta t UNION ALL
                    SELECT xmin::text || t::text FROM dicom_object_meta t ORDER BY 1
                    """, operation: "test")
                return (0..<result.rowCount).map { result.string($0, 0) ?? "" }
            }
        }
        let before = try state()
        #expect(before.count == 3)
        try fixture.store.write(batch)
        #expect(try state() == before)
        // An older event that comes late does not replace a newer one.
        var older = IngestBatch()
        older.logs.objects = [batch.logs.objects[0]]
        older.logs.objects[0].createdTime = Timestamp(microsecondsSince1970: 1_600_000_000_000_000)
        older.logs.objects[0].fileSize = 99
        try fixture.store.write(older)
        #expect(try state() == before)
    }

    @Test func studiesAnswerWithTheLowestSeriesAndAreFoundByAny() throws {
        let fixture = try Fixture()
        try fixture.write(
            [
                row("1.2", "1.2.9") { ($0.patientID, $0.modality, $0.studyDescription) = ("P9", "MR", "nine") },
                row("1.2", "1.2.10") { ($0.patientID, $0.modality, $0.studyDescription) = ("P10", "CT", "ten") },
                row("1.3", "1.3.1") { ($0.patientID, $0.modality) = ("P9", "US") },
            ], count: 5)
        let found = try fixture.search(.studies, "PatientID=P9&includefield=StudyDescription")
        #expect(found.count == 2)
        #expect(Fixture.value(found[0], "00100020") as? String == "P10")
        #expect(Fixture.value(found[0], "00081030") as? String == "ten")
        #expect(Fixture.value(found[0], "00201206") as? Int == 2)
        #expect(Fixture.value(found[0], "00201208") as? Int == 10)
        #expect((found[0]["00080061"] as? [String: Any])?["Value"] as? [String] == ["CT", "MR"])
        #expect(Fixture.value(found[0], "00081190") as? String == "http://x/dicom-web/studies/1.2")
        #expect(try fixture.studies("ModalitiesInStudy=CT") == ["1.2"])
        #expect(try fixture.studies("ModalitiesInStudy=US,MR") == ["1.2", "1.3"])
        #expect(try fixture.studies("Modality=MR") == ["1.2"])
        #expect(try fixture.studies("PatientID=P10&ModalitiesInStudy=MR") == ["1.2"])
        let series = try fixture.search(.series, "", study: "1.2")
        #expect(series.map { Fixture.value($0, "0020000E") as? String } == ["1.2.10", "1.2.9"])
        #expect(Fixture.value(series[0], "00081190") as? String == "http://x/dicom-web/studies/1.2/series/1.2.10")
        #expect(series[0]["00100020"] == nil)
        #expect(Fixture.value(try fixture.search(.series, "Modality=CT")[0], "00100020") as? String == "P10")
    }

    @Test func matching() throws {
        let fixture = try Fixture()
        func day(_ text: String) -> CalendarDate? { CalendarDate(text) }
        try fixture.write([
            row("1.1", "1") {
                $0.patientName = "Doe^Jane^Q=山田^太郎"
                $0.patientID = "A%1"
                $0.studyDate = day("2024-02-29")
                $0.studyTime = ClockTime("10:15:00")
                $0.accessionNumber = "ACC\"1\\2"
                $0.seriesNumber = 7
            },
            row("1.2", "1") {
                $0.patientName = "DOE^JANET"
                $0.patientID = "A_2"
                $0.studyDate = day("2023-12-31")
                $0.studyTime = ClockTime("23:59:59.5")
            },
            row("1.3", "1") {
                $0.patientName = "Müller^Jörg"
                $0.patientID = "a%1"
                $0.studyDescription = "x"
            },
            row("1.4", "1") { $0.patientName = "van der Berg^Doe" },
        ])
        let cases: [(String, [String])] = [
            ("", ["1.1", "1.2", "1.3", "1.4"]),
            ("PatientName=doe^jane^q", ["1.1"]), ("PatientName=DOE%20JANE%20Q", ["1.1"]),
            ("PatientName=doe^jane", []), ("PatientName=doe^jane*", ["1.1", "1.2"]),
            ("PatientName=*JANE*", ["1.1", "1.2"]), ("PatientName=doe^jane?", ["1.2"]),
            ("PatientName=*doe", ["1.4"]), ("PatientName=山田^太郎", ["1.1"]), ("PatientName=山田*", ["1.1"]),
            ("PatientName=MÜLLER*", ["1.3"]), ("PatientName=m*jörg", ["1.3"]),
            ("PatientName=*", ["1.1", "1.2", "1.3", "1.4"]),
            ("PatientName=.*", []), ("PatientName=doe%2B*", []), ("PatientName=(*", []),
            ("PatientName=jan%20doe&fuzzymatching=true", ["1.1", "1.2"]),
            ("PatientName=berg&fuzzymatching=true", ["1.4"]),
            ("PatientID=A%251", ["1.1"]), ("PatientID=A%25*", ["1.1"]), ("PatientID=A_*", ["1.2"]),
            ("PatientID=A?1", ["1.1"]),
            ("PatientID=?%251", ["1.1", "1.3"]), ("PatientID=*", ["1.1", "1.2", "1.3", "1.4"]),
            ("StudyDate=20240229", ["1.1"]), ("StudyDate=20231231-20240228", ["1.2"]), ("StudyDate=20240101-", ["1.1"]),
            ("StudyDate=-20240101", ["1.2"]), ("StudyTime=1015", ["1.1"]), ("StudyTime=2359-235959.9", ["1.2"]),
            ("StudyInstanceUID=1.2,1.4,9", ["1.2", "1.4"]), ("StudyInstanceUID=1.3", ["1.3"]),
            ("SeriesNumber=7", ["1.1"]), ("StudyDescription=x", ["1.3"]), ("StudyDescription=X", []),
            ("AccessionNumber=ACC\"1%5C2", ["1.1"]), ("PatientID=';DROP%20TABLE%20dicom_state_meta--", []),
            ("limit=2", ["1.1", "1.2"]), ("limit=2&offset=1", ["1.2", "1.3"]), ("offset=4", []), ("limit=0", []),
        ]
        for (query, expected) in cases {
            #expect(try fixture.studies(query) == expected, "\(query)")
            // The index and the matcher of instances agree on series, too.
            #expect(try fixture.search(.series, query).count == expected.count, "series: \(query)")
        }
        #expect(try fixture.answer(.studies, "limit=2").isPartial)
        #expect(try !fixture.answer(.studies, "limit=4").isPartial)
        // What the index does not know is said, and does not hide anything.
        let unknown = try fixture.answer(.studies, "ImageComments=x&SOPInstanceUID=1.2")
        #expect(unknown.objects.count == 4 && unknown.warnings.count == 2)
    }

    @Test func answersAreCompleteDICOMJSON() throws {
        let fixture = try Fixture()
        try fixture.write([
            row("1.1", "1.1.1") {
                $0.patientName = "Doe^\"J\\\u{1}=山田=やまだ"
                $0.patientBirthDate = CalendarDate("1970-01-01")
                $0.patientSize = 1.75
                $0.studyTime = ClockTime("10:15:00.25")
                $0.seriesNumber = -3
                $0.requestedProcedureID = ["RP", nil]
                $0.scheduledProcedureStepID = [nil, "STEP2"]
                $0.pregnancyStatus = 4
            }
        ])
        let object = try fixture.search(.series, "includefield=all")[0]
        #expect(object["00100030"] as? NSDictionary == ["vr": "DA", "Value": ["19700101"]])
        #expect(object["00080030"] as? NSDictionary == ["vr": "TM", "Value": ["101500.25"]])
        #expect(object["00101020"] as? NSDictionary == ["vr": "DS", "Value": [1.75]])
        #expect(object["001021C0"] as? NSDictionary == ["vr": "US", "Value": [4]])
        #expect(object["00200011"] as? NSDictionary == ["vr": "IS", "Value": [-3]])
        #expect(object["00080050"] as? NSDictionary == ["vr": "SH"])
        #expect(
            object["00400275"] as? NSDictionary
                == [
                    "vr": "SQ",
                    "Value": [
                        ["00400009": ["vr": "SH"], "00401001": ["vr": "SH", "Value": ["RP"]]],
                        ["00400009": ["vr": "SH", "Value": ["STEP2"]], "00401001": ["vr": "SH"]],
                    ],
                ])
        for (name, value, count) in [
            ("ScheduledProcedureStepID", "STEP2", 1), ("ScheduledProcedureStepID", "STEP*", 1),
            ("RequestedProcedureID", "RP", 1), ("RequestedProcedureID", "STEP2", 0),
        ] {
            let found = try fixture.search(.series, "RequestAttributesSequence.\(name)=\(value)")
            #expect(found.count == count, "\(name)=\(value)")
        }
        #expect(object["00080005"] as? NSDictionary == ["vr": "CS", "Value": ["ISO_IR 192"]])
        // One backslash ends a value, so this name is two.
        let names = (object["00100010"] as? [String: Any])?["Value"] as? [[String: String]]
        #expect(names?.first?["Alphabetic"] == "Doe^\"J")
        let text = String(decoding: try fixture.answer(.series, "includefield=all").objects[0], as: UTF8.self)
        let tags = text.matches(of: /"([0-9A-F]{8})":/).map { String($0.1) }.filter {
            $0 != "00401001" && $0 != "00400009"
        }
        #expect(tags == tags.sorted() && tags.count > 25)
    }

    @Test func tenantsNeverMeet() throws {
        let fixture = try Fixture()
        try fixture.write([
            row("1.1", "1.1.1") { $0.patientID = "A" }, row("1.1", "1.1.1", tenant: "t2") { $0.patientID = "B" },
        ])
        try fixture.write([row("1.5", "1.5.1", tenant: "t2")], count: 7)
        for (tenant, patient, studies) in [("t1", "A", 1), ("t2", "B", 2)] {
            let all = try fixture.search(.studies, "", tenant: tenant)
            #expect(all.count == studies)
            #expect(Fixture.value(all[0], "00100020") as? String == patient)
            #expect(Fixture.value(all[0], "00201206") as? Int == 1)
        }
        #expect(try fixture.studies("PatientID=B").isEmpty)
        #expect(try fixture.studies("StudyInstanceUID=1.5").isEmpty)
        #expect(try fixture.search(.series, "", study: "1.5").isEmpty)
        #expect(try fixture.index.series(ofStudy: "1.5", tenantID: "t1").isEmpty)
        #expect(
            try fixture.index.seriesMatching(
                QIDOQuery(level: .instances, query: ""), tenantID: "t1", after: nil, limit: 9
            ).count == 1)
        #expect(try fixture.index.counts(tenantID: "t1").instances == 1)
        #expect(try fixture.index.counts(tenantID: nil) == IndexCounts(studies: 3, series: 3, instances: 9))
        #expect(try fixture.search(.studies, "", tenant: "").isEmpty)
    }

    @Test func pagesOfMatchingSeries() throws {
        let fixture = try Fixture()
        try fixture.write((0..<25).map { row("1.\($0 % 5)", "2.\($0)") })
        var all: [SeriesIdentity] = []
        while true {
            let page = try fixture.index.seriesMatching(
                QIDOQuery(level: .instances, query: "SOPClassUID=1.2"), tenantID: "t1", after: all.last, limit: 4)
            if page.isEmpty { break }
            all += page.map(\.series)
        }
        #expect(Set(all).count == 25 && all.count == 25)
        #expect(
            try fixture.index.series(ofStudy: "1.3", tenantID: "t1").map(\.series.seriesUID) == [
                "2.13", "2.18", "2.23", "2.3", "2.8",
            ])
    }

    @Test func theCompactionQueue() throws {
        let fixture = try Fixture()
        try fixture.write((0..<5).map { row("1.1", "2.\($0)") }, count: 3)
        #expect(try fixture.queue.waiting() == 5)
        #expect(try fixture.queue.take(limit: 10, idleMicroseconds: 3_600_000_000) { _ in [] } == 0)
        let second = PostgresCompactionQueue(pool: PostgresPool(fixture.pool.connectionString, limit: 1))
        let lent = try fixture.queue.take(limit: 3, idleMicroseconds: 0) { tasks in
            // Another worker gets the others only.
            let others = try second.take(limit: 10, idleMicroseconds: 0) { others in
                #expect(Set(others.map(\.series)).isDisjoint(with: tasks.map(\.series)))
                return others.map { _ in .done(instanceCount: 4) }
            }
            #expect(others == 2)
            // One of ours changes meanwhile, and is not blocked by that.
            try fixture.write([row("1.1", tasks[0].series.seriesUID)], count: 9)
            return [.done(instanceCount: 3), .done(instanceCount: 2), .failed]
        }
        #expect(lent == 3)
        #expect(try fixture.queue.waiting() == 2)
        let counts = try fixture.index.series(ofStudy: "1.1", tenantID: "t1").map(\.instanceCount).sorted()
        // 9 was written meanwhile and stays; 2 is the exact count; 3 failed and stays as it was.
        #expect(counts == [2, 3, 4, 4, 9])
        // The failed one waits for its time; the changed one is there at once. An error in between loses nothing.
        struct Stop: Error {}
        #expect(throws: Stop.self) {
            _ = try fixture.queue.take(limit: 10, idleMicroseconds: 0) { tasks in
                #expect(tasks.count == 1)
                throw Stop()
            }
        }
        #expect(try fixture.queue.waiting() == 2)
    }

    /// When a session cannot give its series free, others get them all the same.
    @Test func aFailedCompactionHoldsNoSeries() throws {
        let fixture = try Fixture()
        try fixture.write((0..<5).map { row("1.1", "2.\($0)") }, count: 3)
        let connection = try PostgresConnection(fixture.pool.connectionString)
        try connection.run(
            """
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $body$;
            CREATE TRIGGER full_disk BEFORE UPDATE ON dicom_json_meta EXECUTE FUNCTION full_disk()
            """, operation: "test")
        #expect(throws: PostgresError.self) {
            try fixture.queue.take(limit: 10, idleMicroseconds: 0) { $0.map { _ in .done(instanceCount: 3) } }
        }
        try connection.run("DROP TRIGGER full_disk ON dicom_json_meta", operation: "test")
        let second = PostgresCompactionQueue(pool: PostgresPool(fixture.pool.connectionString, limit: 1))
        var taken = 0
        // The server ends the first session in its own time.
        for _ in 0..<200 where taken < 5 {
            taken += try second.take(limit: 10, idleMicroseconds: 0) { $0.map { _ in .done(instanceCount: 3) } }
            if taken < 5 { usleep(20_000) }
        }
        #expect(taken == 5)
        #expect(try fixture.queue.waiting() == 0)
    }
}
