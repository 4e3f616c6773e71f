import ArchiveSchema
import DICOMDictionary
import TestSupport
import Testing

@Suite struct SchemaTests {
    @Test func tablesKnowThemselves() throws {
        #expect(
            ArchiveSchema.tables.map(\.name) == [
                "dicom_state_meta", "dicom_json_meta", "dicom_object_meta", "dicom_image_meta", "wado_access_log",
                "dicom_problem_meta",
            ])
        let state = try #require(ArchiveSchema.table("dicom_state_meta"))
        #expect(state.level == .series && state.topic == "dicom_state_queue")
        #expect(state.key == ["tenant_id", "study_uid", "series_uid"] && state.variants == "dicom_state_variant")
        #expect(state.postgresDDL?.hasPrefix("CREATE TABLE IF NOT EXISTS dicom_state_meta (\n    tenant_id ") == true)
        #expect(
            state.dorisDDL?.hasSuffix(");\n") == true && state.routineLoad?.hasPrefix("CREATE ROUTINE LOAD") == true)
        #expect(state.indexes.contains { $0.parts == ["tenant_id", "lower(patient_name)"] })
        let name = try #require(state.column("patient_name"))
        #expect(name.type == .text(194) && name.isNullable && name.vr == .pn && name.level == .patient)
        #expect(name.path == [.patientName] && name.isSearched && name.type.postgresOID == 1043)
        let code = try #require(state.column("procedure_code"))
        #expect(code.type == .array(.text(16)) && code.type.postgresName == "varchar(16)[]" && code.since == 2)
        #expect(code.type.dorisName == "ARRAY<VARCHAR(64)>" && code.type.postgresOID == 1015)
        #expect(code.path == [.procedureCodeSequence, .codeValue] && code.steps.first?.item == .all)
        #expect(state.column("requested_procedure_id")?.steps.map(\.item) == [.all, nil])
        #expect(state.indexes.first { $0.parts == ["procedure_code"] }?.method == .gin)
        #expect(state.retired.isEmpty)
        let json = try #require(ArchiveSchema.table("dicom_json_meta"))
        #expect(json.dorisDDL == nil && json.routineLoad == nil && json.topic == nil)
        #expect(json.column("json_status")?.defaultValue == "0" && json.column("json_status")?.isNullable == false)
    }

    @Test func whatQIDORequiresCanBeSearched() {
        for (tag, level) in [
            (Tag.studyDate, QueryLevel.study), (.studyTime, .study), (.accessionNumber, .study),
            (.modalitiesInStudy, .study),
            (.referringPhysicianName, .study), (.patientName, .patient), (.patientID, .patient),
            (.studyInstanceUID, .study), (.studyID, .study), (.modality, .series), (.seriesInstanceUID, .series),
            (.seriesNumber, .series), (.performedProcedureStepStartDate, .series),
            (.performedProcedureStepStartTime, .series), (.sopClassUID, .instance), (.sopInstanceUID, .instance),
            (.instanceNumber, .instance),
        ] {
            #expect(ArchiveSchema.searchKey([tag])?.level == level, "\(tag)")
        }
        let nested = ArchiveSchema.searchKey([.requestAttributesSequence, .scheduledProcedureStepID])
        #expect(nested?.column == "scheduled_procedure_step_id")
        #expect(ArchiveSchema.searchKey([.procedureCodeSequence, .codeValue])?.column == "procedure_code")
        #expect(nested?.keywords == ["RequestAttributesSequence", "ScheduledProcedureStepID"])
        #expect(ArchiveSchema.searchKey([.modalitiesInStudy])?.column == "modality")
        #expect(ArchiveSchema.searchKey([.patientAge]) == nil)
        #expect(QueryLevel.patient < .study && QueryLevel.series < .instance)
    }

    @Test func partitionsAreMonthsOfUTC() throws {
        let table = try #require(ArchiveSchema.table("wado_access_log"))
        #expect(table.partitionColumn == "request_time")
        #expect(
            try table.partitionDDL(of: #require(CalendarMonth("202612"))) == """
                CREATE TABLE IF NOT EXISTS wado_access_log_202612 PARTITION OF wado_access_log
                    FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');
                """)
        for text in ["202613", "202600", "000012", "20261", "2026-1", "99999"] { #expect(CalendarMonth(text) == nil) }
        let month = try #require(CalendarMonth("202611"))
        #expect(month.next.next.name == "202701" && month.advanced(by: -23).name == "202412" && month < month.next)
        #expect(CalendarMonth(Timestamp(microsecondsSince1970: -1)).name == "196912")
        #expect(month.advanced(by: -100_000).name == "000101")
        #expect(ArchiveSchema.table("dicom_object_meta")?.partitionDDL(of: month) == nil)
    }
}

@Suite struct DocumentationTests {
    @Test func everyRuleIsDocumented() throws {
        let text = String(decoding: try PackageFolder.bytes("docs/types.md"), as: UTF8.self)
        for rule in ValueRule.allCases { #expect(text.contains("`\(rule.rawValue)`"), "\(rule)") }
    }
}
