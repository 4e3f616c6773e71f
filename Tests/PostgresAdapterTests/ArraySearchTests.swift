import Archive
import ArchiveSchema
import DICOMWeb
import Foundation
import PostgresAdapter
import PostgresTestSupport
import Testing

/// Columns that are arrays, in searches and answers.
@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct ArraySearchTests {
    private typealias Fixture = PostgresSeriesIndexTests.Fixture

    private func row(
        _ study: String, _ series: String, sop: String = "1.1", _ change: (inout DicomStateMetaRow) -> Void = { _ in }
    ) -> DicomStateMetaRow {
        let time = Timestamp(microsecondsSince1970: 1_700_000_000_000_000)
        var row = DicomStateMetaRow(
            tenantID: "t1", studyUID: study, seriesUID: series, studyUIDHash: "", seriesUIDHash: "",
            representativeSOPUID: sop, createdTime: time, updatedTime: time)
        change(&row)
        return row
    }

    @Test func arraysMatchByAnyOfTheirValues() throws {
        let fixture = try Fixture()
        try fixture.write([
            row("1.1", "1") {
                $0.procedureCode = ["P1", nil, "P3_x"]
                $0.procedureCodeMeaning = ["Head", "Neck"]
                $0.readingPhysiciansName = ["Doe^Jane", nil, "Müller^Jörg=山田"]
            },
            row("1.2", "1") {
                $0.procedureCode = ["P3", "1234567890123456"]
                $0.readingPhysiciansName = ["DOE^JOHN"]
            },
            row("1.3", "1"),
        ])
        let cases: [(String, [String])] = [
            ("ProcedureCodeSequence.CodeValue=P1", ["1.1"]), ("00081032.00080100=P3", ["1.2"]),
            ("00081032.00080100=P3*", ["1.1", "1.2"]), ("00081032.CodeValue=P?_*", ["1.1"]),
            ("ProcedureCodeSequence.CodeValue=p1", []), ("ProcedureCodeSequence.CodeValue=12345678901234567", []),
            ("ProcedureCodeSequence.CodeValue=*", ["1.1", "1.2", "1.3"]),
            ("ProcedureCodeSequence.CodeValue=\"\"&emptyvaluematching=true", ["1.3"]),
            ("ProcedureCodeSequence.CodeValue=P3&NameOfPhysiciansReadingStudy=doe^*", ["1.2"]),
            ("NameOfPhysiciansReadingStudy=doe^jane", ["1.1"]), ("NameOfPhysiciansReadingStudy=DOE*", ["1.1", "1.2"]),
            ("NameOfPhysiciansReadingStudy=山田", ["1.1"]),
            ("NameOfPhysiciansReadingStudy=jör&fuzzymatching=true", ["1.1"]),
            ("NameOfPhysiciansReadingStudy=doe^jane^*jörg", []),
        ]
        for (query, expected) in cases { #expect(try fixture.studies(query) == expected, "\(query)") }
        let found = try fixture.search(
            .studies, "00081032.00080100=P1&includefield=NameOfPhysiciansReadingStudy,ProcedureCodeSequence")
        #expect(
            found.first?["00081032"] as? NSDictionary
                == [
                    "vr": "SQ",
                    "Value": [
                        ["00080100": ["vr": "SH", "Value": ["P1"]], "00080104": ["vr": "LO", "Value": ["Head"]]],
                        ["00080100": ["vr": "SH"], "00080104": ["vr": "LO", "Value": ["Neck"]]],
                        ["00080100": ["vr": "SH", "Value": ["P3_x"]], "00080104": ["vr": "LO"]],
                    ],
                ])
        #expect(
            found.first?["00081060"] as? NSDictionary
                == [
                    "vr": "PN",
                    "Value": [
                        ["Alphabetic": "Doe^Jane"], NSNull(),
                        ["Alphabetic": "Müller^Jörg", "Ideographic": "山田"],
                    ],
                ])
        #expect(try fixture.search(.studies, "includefield=all", study: nil)[2]["00081032"] == nil)
        // What instances disagree on is found too, and only what the row has is shown.
        var batch = IngestBatch()
        batch.series = [
            SeriesUpdate(
                state: row("1.4", "1", sop: "1.1") { $0.procedureCode = ["A"] },
                variants: [row("1.4", "1", sop: "1.2") { $0.procedureCode = ["B", "C"] }], instanceCount: 2)
        ]
        for _ in 0..<2 { try fixture.store.write(batch) }
        #expect(try fixture.studies("ProcedureCodeSequence.CodeValue=C") == ["1.4"])
        #expect(
            try fixture.search(.studies, "00081032.00080100=C").first?["00081032"] as? NSDictionary
                == ["vr": "SQ", "Value": [["00080100": ["vr": "SH", "Value": ["A"]], "00080104": ["vr": "LO"]]]])
    }
}
