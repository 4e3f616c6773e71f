import Archive
import ArchiveSchema
import DICOMWeb
import PostgresAdapter
import PostgresTestSupport
import Testing

/// Series whose instances disagree on what they are searched by.
@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct SeriesVariantsTests {
    private static func row(_ number: Int, patient: String? = nil, series: String = "1.2.1") -> DicomStateMetaRow {
        let time = Timestamp(microsecondsSince1970: 1_700_000_000_000_000)
        return DicomStateMetaRow(
            tenantID: "t1", studyUID: "1.2", seriesUID: series, studyUIDHash: "", seriesUIDHash: "",
            representativeSOPUID: "1.9.\(number)", patientID: patient ?? "P\(number)",
            patientName: "Name\(number)^X", studyDate: CalendarDate("2024-03-0\(number)"), modality: "M\(number)",
            createdTime: time, updatedTime: time)
    }

    private static func write(
        _ rows: [DicomStateMetaRow], count: Int, _ pool: PostgresPool
    ) throws {
        var rows = rows.sorted { $0.representativeSOPUID < $1.representativeSOPUID }
        var batch = IngestBatch()
        let first = rows.removeFirst()
        batch.series = [SeriesUpdate(state: first, variants: rows, instanceCount: count)]
        try PostgresIngestStore(pool: pool).write(batch)
    }

    /// Each row of the table of variants, in order.
    private static func variants(_ pool: PostgresPool) throws -> [String] {
        try pool.withConnection { connection throws(PostgresError) in
            let result = try connection.query(
                "SELECT v::text FROM dicom_state_variant v ORDER BY series_uid, patient_id, variant_hash",
                operation: "test")
            return (0..<result.rowCount).map { result.string($0, 0) ?? "" }
        }
    }

    private static func studies(_ pool: PostgresPool, _ level: QIDOLevel, _ query: String) throws -> [String] {
        try PostgresSeriesIndex(pool: pool).search(
            QIDOQuery(level: level, query: query), tenantID: "t1", retrieveRoot: nil
        ).objects.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func pool() throws -> PostgresPool {
        PostgresPool(try TestPostgres.makeArchiveDatabase(), limit: 2)
    }

    /// Instances by number: those between the same brackets come in one batch.
    @Test(arguments: [
        [[1], [2], [3]], [[1], [3], [2]], [[2], [1], [3]], [[2], [3], [1]], [[3], [1], [2]], [[3], [2], [1]],
        [[1, 2, 3]], [[1, 2], [3]], [[2, 3], [1]], [[1, 3], [2]], [[2], [1, 3]],
    ])
    func allAreFoundWhicheverCameFirst(_ order: [[Int]]) throws {
        let pool = try Self.pool()
        var count = 0
        for _ in 0..<2 {
            for batch in order {
                count = min(3, count + batch.count)
                try Self.write(batch.map { Self.row($0) }, count: count, pool)
            }
        }
        let shown = try Self.studies(pool, .studies, "")
        #expect(shown.count == 1 && shown[0].contains("\"P1\"") && !shown[0].contains("\"P2\""))
        for number in 1...3 {
            for query in [
                "PatientID=P\(number)", "PatientID=P\(number)&StudyDate=2024030\(number)",
                "PatientName=name\(number)^*",
                "StudyDate=2024030\(number)", "ModalitiesInStudy=M\(number)", "Modality=M\(number)",
                "StudyDate=2024030\(number)-2024030\(number)&StudyInstanceUID=1.2", "PatientID=*\(number)",
            ] {
                #expect(try Self.studies(pool, .studies, query) == shown, "\(query)")
                #expect(try Self.studies(pool, .series, query).count == 1, "\(query)")
                let found = try PostgresSeriesIndex(pool: pool).seriesMatching(
                    QIDOQuery(level: .instances, query: query), tenantID: "t1", after: nil, limit: 9)
                #expect(found.map(\.series.seriesUID) == ["1.2.1"] && found.first?.hasVariants == true, "\(query)")
                #expect(
                    try PostgresSeriesIndex(pool: pool).seriesMatching(
                        QIDOQuery(level: .instances, query: query), tenantID: "t1", after: found.last?.series, limit: 9
                    ).isEmpty)
                #expect(
                    try PostgresSeriesIndex(pool: pool).search(
                        QIDOQuery(level: .studies, query: query), tenantID: "t2", retrieveRoot: nil
                    ).objects.isEmpty)
            }
        }
        // No instance has both; and one more that nobody has.
        for query in ["PatientID=P1&StudyDate=20240302", "PatientID=P3&StudyDate=20240302", "PatientID=P4"] {
            #expect(try Self.studies(pool, .studies, query).isEmpty, "\(query)")
            #expect(try Self.studies(pool, .series, query).isEmpty, "\(query)")
        }
        #expect(
            try PostgresSeriesIndex(pool: pool).counts(tenantID: "t1")
                == IndexCounts(studies: 1, series: 1, instances: 3))
        #expect(try Self.studies(pool, .studies, "PatientID=P*&limit=1&offset=1").isEmpty)
        // Everything comes once more and changes nothing.
        let before = try Self.variants(pool)
        #expect(before.count >= 2)
        for batch in order { try Self.write(batch.map { Self.row($0) }, count: 3, pool) }
        #expect(try Self.variants(pool) == before)
    }

    @Test func agreeingSeriesHaveNone() throws {
        let pool = try Self.pool()
        for number in [3, 1, 2, 1] {
            var row = Self.row(1)
            row.representativeSOPUID = "1.9.\(number)"
            // What no search compares may differ.
            row.protocolName = "protocol \(number)"
            row.patientAge = "00\(number)Y"
            try Self.write([row], count: 3, pool)
        }
        #expect(try Self.variants(pool).isEmpty)
        let found = try PostgresSeriesIndex(pool: pool).seriesMatching(
            QIDOQuery(level: .instances, query: "PatientID=P1"), tenantID: "t1", after: nil, limit: 9)
        #expect(found.map(\.hasVariants) == [false])
    }

    @Test func theOnlyInstanceCorrectedLeavesNothing() throws {
        let pool = try Self.pool()
        try Self.write([Self.row(1)], count: 1, pool)
        try Self.write([Self.row(1, patient: "corrected")], count: 1, pool)
        #expect(try Self.variants(pool).isEmpty)
        #expect(try Self.studies(pool, .studies, "PatientID=P1").isEmpty)
        #expect(try Self.studies(pool, .studies, "PatientID=corrected").count == 1)
    }

    @Test func otherSeriesAreNotTouched() throws {
        let pool = try Self.pool()
        try Self.write([Self.row(1, series: "1.2.2")], count: 1, pool)
        try Self.write([Self.row(1), Self.row(2)], count: 2, pool)
        #expect(try Self.variants(pool).count == 1)
        #expect(try Self.studies(pool, .series, "PatientID=P1").count == 2)
        #expect(try Self.studies(pool, .series, "PatientID=P2").count == 1)
        #expect(try Self.studies(pool, .studies, "PatientID=P2").count == 1)
    }
}
