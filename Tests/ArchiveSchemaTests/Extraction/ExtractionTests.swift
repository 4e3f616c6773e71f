import ArchiveSchema
import DICOMCore
import DICOMDictionary
import Testing

@Suite struct ExtractionTests {
    @Test func aRowIsMadeOfADataSet() throws {
        let dataSet = try Samples.dataSet()
        var problems: [ColumnProblem] = []
        let row = try DicomStateMetaRow(extracting: dataSet, from: Samples.context, problems: &problems)
        #expect(problems == [])
        #expect(row.tenantID == "1234567890")
        #expect(row.studyUID == "1.2.3")
        #expect(row.studyUIDHash == SeaHash.decimal("1.2.3"))
        #expect(row.representativeSOPUID == "1.2.3.4.5")
        #expect(row.patientName == "DOE^JANE")
        #expect(row.patientID == nil)
        #expect(row.studyDate == CalendarDate(year: 2024, month: 2, day: 29))
        #expect(row.studyDateOrigin == "20240229")
        #expect(row.seriesNumber == 7)
        #expect(row.requestedProcedureID == ["RP1"])
        var bytes: [UInt8] = []
        row.encodeJSON(into: &bytes)
        #expect(try DicomStateMetaRow(json: bytes) == row)
    }

    @Test func allItemsAndAllValuesBecomeArrays() throws {
        let dataSet = try Samples.dataSet {
            let items = [("P1", "Head"), ("", "Neck"), ("P3", "")].map { code, meaning in
                var item = DataSetBuilder()
                if !code.isEmpty { item.set(.codeValue, code) }
                if !meaning.isEmpty { item.set(.codeMeaning, meaning) }
                return item
            }
            $0.set(.procedureCodeSequence, items: items)
            $0.set(.nameOfPhysiciansReadingStudy, ["A^B", "C^D"])
        }
        var problems: [ColumnProblem] = []
        let row = try DicomStateMetaRow(extracting: dataSet, from: Samples.context, problems: &problems)
        #expect(row.procedureCode == ["P1", nil, "P3"] && row.procedureCodeMeaning == ["Head", "Neck", nil])
        #expect(row.readingPhysiciansName == ["A^B", "C^D"] && problems == [])
        var bytes: [UInt8] = []
        row.encodeJSON(into: &bytes)
        #expect(
            String(decoding: bytes, as: UTF8.self).contains(
                #""procedure_code":["P1",null,"P3"],"procedure_code_meaning":["Head","Neck",null]"#))
        #expect(try DicomStateMetaRow(json: bytes) == row)
        let without = try DicomStateMetaRow(
            extracting: try Samples.dataSet(), from: Samples.context, problems: &problems)
        #expect(without.procedureCode == nil && without.readingPhysiciansName == nil)
    }

    @Test func anInstanceWithoutItsKeysIsRefused() throws {
        let dataSet = try Samples.dataSet { $0.remove(.seriesInstanceUID) }
        var problems: [ColumnProblem] = []
        #expect {
            try DicomStateMetaRow(extracting: dataSet, from: Samples.context, problems: &problems)
        } throws: { error in
            (error as? ExtractionError)?.description
                == "(0020,000E) has no value, and dicom_state_meta.series_uid cannot be without one"
        }
    }
}

enum Samples {
    static let context = InstanceContext(
        tenantID: "1234567890", traceID: "01890a5d-ac96-774b-bcce-b302099a8057", workerNodeID: "node-1",
        transferSyntaxUID: "1.2.840.10008.1.2.1", sopClassUID: "1.2.840.10008.5.1.4.1.1.2",
        filePath: "1234567890/00/1.2.3/1.2.3.4/1.2.3.4.5.dcm", fileSize: 525_000, sourceIP: "fe80::1",
        sourceAE: "MODALITY", receivedTime: Timestamp(microsecondsSince1970: 1_700_000_000_000_001))

    static func dataSet(_ change: (inout DataSetBuilder) -> Void = { _ in }) throws -> DataSet {
        var builder = DataSetBuilder()
        builder.set(.sopClassUID, "1.2.840.10008.5.1.4.1.1.2")
        builder.set(.sopInstanceUID, "1.2.3.4.5")
        builder.set(.studyDate, "20240229")
        builder.set(.studyTime, "102030.5")
        builder.set(.modality, "CT")
        builder.set(.patientName, "DOE^JANE")
        builder.set(.studyInstanceUID, "1.2.3")
        builder.set(.seriesInstanceUID, "1.2.3.4")
        builder.set(.seriesNumber, "7")
        var item = DataSetBuilder()
        item.set(.requestedProcedureID, "RP1")
        builder.set(.requestAttributesSequence, items: [item])
        change(&builder)
        let bytes = builder.encoded(in: .explicitVRLittleEndian)
        return try DataSet(bytes: bytes, transferSyntax: .explicitVRLittleEndian)
    }
}
