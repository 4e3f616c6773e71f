import Archive
import ArchiveSchema
import DICOMWeb
import PostgresAdapter
import PostgresTestSupport
import Testing

/// Jobs are taken up where they ended, and searches say what is not complete until they have.
@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct ReindexJournalTests {
    private let scope = ReindexJob.Scope(.columns, columns: ["dicom_state_meta.institution_name"])

    @Test func aJobIsTakenUpWhereItEnded() throws {
        let connection = try TestPostgres.makeArchiveDatabase()
        let position = SeriesIdentity(tenantID: "t1", studyUID: "1.2", seriesUID: "1.3")
        do {
            let journal = try ReindexJournal(connection)
            var job = try journal.begin(scope)
            #expect(job.position == nil && job.done == 0)
            job.position = position
            (job.done, job.changed, job.failed) = (100, 90, 3)
            try journal.advance(job)
            // While it runs, nobody else is at the same column; another one hinders nobody.
            #expect(throws: ReindexBusy.self) { try ReindexJournal(connection).begin(self.scope) }
            let other = ReindexJob.Scope(.columns, columns: ["dicom_state_meta.modality"])
            #expect(try ReindexJournal(connection).begin(other).position == nil)
        }
        let journal = try ReindexJournal(connection)
        let job = try journal.begin(scope)
        #expect(job.position == position)
        #expect((job.done, job.changed, job.failed) == (100, 90, 3))
        // What is asked for otherwise is another job.
        let part = ReindexJob.Scope(.columns, columns: scope.columns, tenantID: "t1")
        #expect(try journal.unfinished(part) == nil)
        try journal.finish(job)
        #expect(try journal.unfinished(scope) == nil)
        #expect(try journal.begin(scope).position == nil)
    }

    @Test func searchesSayWhichKeysAreIncomplete() throws {
        let connection = try TestPostgres.makeArchiveDatabase()
        let pool = PostgresPool(connection, limit: 2)
        func warnings(_ level: QIDOLevel, _ query: String, tenant: String = "t1") throws -> [String] {
            // A new one each time: what one has asked it remembers for some seconds.
            PostgresSeriesIndex(pool: pool).warnings(
                for: try QIDOQuery(level: level, query: query), tenantID: tenant)
        }
        #expect(try warnings(.series, "InstitutionName=North").isEmpty)
        let journal = try ReindexJournal(connection)
        let job = try journal.begin(scope)
        #expect(try warnings(.series, "InstitutionName=North").count == 1)
        #expect(try warnings(.series, "InstitutionName=North")[0].contains("InstitutionName"))
        #expect(try warnings(.series, "includefield=InstitutionName").count == 1)
        #expect(try warnings(.instances, "InstitutionName=North").count == 1)
        // Neither matched nor returned.
        #expect(try warnings(.studies, "PatientID=1").isEmpty)
        #expect(try warnings(.instances, "PatientID=1").isEmpty)
        try journal.finish(job)
        #expect(try warnings(.series, "InstitutionName=North").isEmpty)

        // Of one tenant, and of everything.
        let part = try journal.begin(ReindexJob.Scope(.columns, columns: scope.columns, tenantID: "t1"))
        #expect(try warnings(.series, "InstitutionName=North").count == 1)
        #expect(try warnings(.series, "InstitutionName=North", tenant: "t2").isEmpty)
        try journal.finish(part)
        _ = try journal.begin(scope)
        let files = try journal.begin(ReindexJob.Scope(.files))
        #expect(try warnings(.studies, "").count == 1)
        #expect(try warnings(.series, "InstitutionName=North").count == 2)
        try journal.finish(files)
        #expect(try warnings(.series, "InstitutionName=North").isEmpty)
    }

    @Test func whatARunHasNotFilledStaysIncomplete() throws {
        let connection = try TestPostgres.makeArchiveDatabase()
        let session = try PostgresConnection(connection)
        func isMarked() throws -> Bool {
            try session.run("SELECT FROM incomplete_column", operation: "read").rowCount > 0
        }
        let position = SeriesIdentity(tenantID: "t1", studyUID: "1.2", seriesUID: "1.3")
        let files = ReindexJob.Scope(.files)
        for scope in [scope, files] {
            do {
                let journal = try ReindexJournal(connection)
                var job = try journal.begin(scope)
                (job.position, job.done) = (position, 100)
                try journal.advance(job)
            }
            // A migration added the column anew since: what is done has no values of it.
            try session.run(
                """
                INSERT INTO incomplete_column (table_name, column_name) VALUES ('dicom_state_meta', 'institution_name')
                ON CONFLICT (table_name, column_name, tenant_id) DO UPDATE SET since_time = clock_timestamp()
                """, operation: "migrate")
            let journal = try ReindexJournal(connection)
            let job = try journal.begin(scope)
            #expect(job.position == nil && job.done == 0)
            // The same once more, while it runs.
            try session.run(
                "UPDATE incomplete_column SET since_time = clock_timestamp() WHERE column_name <> ''",
                operation: "migrate")
            try journal.finish(job)
            #expect(try isMarked())
        }
        let journal = try ReindexJournal(connection)
        var job = try journal.begin(scope)
        job.failed = 1
        try journal.finish(job)
        #expect(try isMarked())
        try journal.finish(try journal.begin(scope))
        #expect(try !isMarked())
    }

    /// "Of the last week" said again tomorrow is the job of yesterday, which goes on; another span is another job.
    @Test func aSpanOfTimeIsTheSameJobLater() throws {
        let connection = try TestPostgres.makeArchiveDatabase()
        let session = try PostgresConnection(connection)
        func ago(_ seconds: Int64, isRelative: Bool = true) -> ReindexJob.Scope {
            let since = Timestamp(microsecondsSince1970: Timestamp.now.microsecondsSince1970 - seconds * 1_000_000)
            return ReindexJob.Scope(.files, since: since, isSinceRelative: isRelative)
        }
        let journal = try ReindexJournal(connection)
        var job = try journal.begin(ago(604_800))
        let since = job.scope.since
        job.position = SeriesIdentity(tenantID: "t1", studyUID: "1.2", seriesUID: "1.3")
        try journal.advance(job)
        try session.run(
            """
            UPDATE reindex_job SET started_time = started_time - interval '1 day',
                since_time = since_time - interval '1 day'
            """, operation: "a day passes")
        let again = try #require(try journal.unfinished(ago(604_800)))
        #expect(again.position == job.position && again.id == job.id)
        #expect(
            again.scope.since?.microsecondsSince1970 == since.map { $0.microsecondsSince1970 - 86_400_000_000 })
        #expect(try journal.unfinished(ago(604_800, isRelative: false)) == nil)
        #expect(try journal.unfinished(ago(604_000)) == nil)
        #expect(try journal.unfinished(ReindexJob.Scope(.files)) == nil)
        try journal.finish(again)
        #expect(try journal.unfinished(ago(604_800)) == nil)
        // A moment is a moment.
        let moment = ReindexJob.Scope(.files, since: Timestamp(microsecondsSince1970: 1_700_000_000_000_000))
        let absolute = try journal.begin(moment)
        #expect(try journal.unfinished(moment)?.id == absolute.id)
    }

    /// What is done for one tenant is complete for it, though it was marked for all; the others' keys are not.
    @Test func oneTenantAfterTheOther() throws {
        let connection = try TestPostgres.makeArchiveDatabase()
        let session = try PostgresConnection(connection)
        var batch = IngestBatch()
        let time = Timestamp(microsecondsSince1970: 1_700_000_000_000_000)
        batch.series = ["t1", "t2", "t3"].map { tenant in
            SeriesUpdate(
                state: DicomStateMetaRow(
                    tenantID: tenant, studyUID: "1.2", seriesUID: "1.3", studyUIDHash: "", seriesUIDHash: "",
                    representativeSOPUID: "1.4", createdTime: time, updatedTime: time), instanceCount: 1)
        }
        try PostgresIngestStore(pool: PostgresPool(connection, limit: 1)).write(batch)
        try session.run(
            """
            INSERT INTO incomplete_column (table_name, column_name)
            VALUES ('dicom_state_meta', 'institution_name'), ('dicom_state_meta', 'modality')
            """, operation: "migrate")
        func marks() throws -> [String] {
            let result = try session.run(
                "SELECT column_name || ' ' || tenant_id FROM incomplete_column ORDER BY 1", operation: "read")
            return (0..<result.rowCount).map { result.string($0, 0) ?? "" }
        }
        let journal = try ReindexJournal(connection)
        func run(_ kind: ReindexJob.Scope.Kind, _ tenant: String) throws {
            let columns = kind == .columnsFromFiles ? scope.columns : []
            try journal.finish(try journal.begin(ReindexJob.Scope(kind, columns: columns, tenantID: tenant)))
        }
        try run(.columnsFromFiles, "t2")
        #expect(try marks() == ["institution_name t1", "institution_name t3", "modality "])
        try run(.files, "t1")
        #expect(try marks() == ["institution_name t3", "modality t2", "modality t3"])
        try run(.files, "t3")
        #expect(try marks() == ["modality t2"])
        // Trying problems again makes nothing complete, and nothing incomplete.
        let problems = try journal.begin(ReindexJob.Scope(.problems, tenantID: "t2"))
        #expect(throws: ReindexBusy.self) {
            try ReindexJournal(connection).begin(ReindexJob.Scope(.problems, columns: ["not-a-date"]))
        }
        try journal.finish(problems)
        #expect(try marks() == ["modality t2"])
    }

    @Test func aColumnThatIsAddedToRowsIsIncomplete() throws {
        let connection = try TestPostgres.makeArchiveDatabase()
        let session = try PostgresConnection(connection)
        func incompleteWithout(_ column: String) throws -> [String] {
            for table in ["dicom_state_meta", "dicom_state_variant"] {
                try session.run("ALTER TABLE \(table) DROP COLUMN \(column)", operation: "an older database")
            }
            try SchemaMigrator().migrate(PostgresConnection(connection))
            let result = try session.run(
                "SELECT table_name || '.' || column_name FROM incomplete_column ORDER BY 1", operation: "read")
            return (0..<result.rowCount).map { result.string($0, 0) ?? "" }
        }
        #expect(try incompleteWithout("institution_name").isEmpty)
        let time = Timestamp(microsecondsSince1970: 1_700_000_000_000_000)
        var batch = IngestBatch()
        batch.series = [
            SeriesUpdate(
                state: DicomStateMetaRow(
                    tenantID: "t1", studyUID: "1.2", seriesUID: "1.3", studyUIDHash: "", seriesUIDHash: "",
                    representativeSOPUID: "1.4", createdTime: time, updatedTime: time), instanceCount: 1)
        ]
        try PostgresIngestStore(pool: PostgresPool(connection, limit: 1)).write(batch)
        #expect(try incompleteWithout("institution_name") == ["dicom_state_meta.institution_name"])
        // Nothing of searches.
        #expect(try incompleteWithout("study_date_origin") == ["dicom_state_meta.institution_name"])
    }
}
