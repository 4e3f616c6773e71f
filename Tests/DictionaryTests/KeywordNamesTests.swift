import Dictionary
import TestSupport
import Testing

@Suite struct KeywordNamesTests {
    @Test(arguments: [
        ("PatientName", "patientName", "patient_name"),
        ("SOPInstanceUID", "sopInstanceUID", "sop_instance_uid"),
        ("StudyInstanceUID", "studyInstanceUID", "study_instance_uid"),
        ("KVP", "kvp", "kvp"),
        ("Rows", "rows", "rows"),
        ("DICOMMediaRetrievalSequence", "dicomMediaRetrievalSequence", "dicom_media_retrieval_sequence"),
        ("OtherPatientIDs", "otherPatientIDs", "other_patient_ids"),
        ("OtherPatientIDsSequence", "otherPatientIDsSequence", "other_patient_ids_sequence"),
        ("IDsOfOthers", "idsOfOthers", "ids_of_others"),
        ("RTAssertionsSequence", "rtAssertionsSequence", "rt_assertions_sequence"),
        ("XRayTubeCurrent", "xRayTubeCurrent", "x_ray_tube_current"),
        ("XRayTubeCurrentInmA", "xRayTubeCurrentInmA", "x_ray_tube_current_in_ma"),
        ("ExposureInuAs", "exposureInuAs", "exposure_in_uas"),
        ("EntranceDoseInmGy", "entranceDoseInmGy", "entrance_dose_in_mgy"),
        ("PrinterStatusInfo", "printerStatusInfo", "printer_status_info"),
        ("XRay3DFrameTypeSequence", "xRay3DFrameTypeSequence", "x_ray_3d_frame_type_sequence"),
        ("3DRenderingType", "_3dRenderingType", "_3d_rendering_type"),
        ("HL7InstanceIdentifier", "hl7InstanceIdentifier", "hl7_instance_identifier"),
        ("TMLinePositionX0Retired", "tmLinePositionX0Retired", "tm_line_position_x0_retired"),
        ("WedgeElement1Position", "wedgeElement1Position", "wedge_element_1_position"),
        ("FocalLengthIn35mmFilm", "focalLengthIn35mmFilm", "focal_length_in_35mm_film"),
        ("B1rms", "b1rms", "b1rms"),
        ("T2Preparation", "t2Preparation", "t2_preparation"),
        ("CTDIvol", "ctdivol", "ctdivol"),
        ("CTDIvolNotificationTrigger", "ctdivolNotificationTrigger", "ctdivol_notification_trigger"),
        ("CTDIPhantomTypeCodeSequence", "ctdiPhantomTypeCodeSequence", "ctdi_phantom_type_code_sequence"),
        ("CIExyWhitePoint", "ciexyWhitePoint", "ciexy_white_point"),
        ("dBdt", "dbdt", "dbdt"),
        ("FNumber", "fNumber", "f_number"),
        (
            "CArmPositionerTabletopRelationship", "cArmPositionerTabletopRelationship",
            "c_arm_positioner_tabletop_relationship"
        ),
        (
            "SOPInstanceUIDOfConcatenationSource", "sopInstanceUIDOfConcatenationSource",
            "sop_instance_uid_of_concatenation_source"
        ),
        (
            "OCTBscanAnalysisAcquisitionParametersSequence", "octBscanAnalysisAcquisitionParametersSequence",
            "oct_bscan_analysis_acquisition_parameters_sequence"
        ),
        ("JPEG2000MCLossless", "jpeg2000mcLossless", "jpeg2000mc_lossless"),
        ("ITIS_TSN", "itisTSN", "itis_tsn"),
        ("dicomAETitle", "dicomAETitle", "dicom_ae_title"),
        ("", "", ""),
    ])
    func rule(_ keyword: String, _ swift: String, _ sql: String) {
        #expect(KeywordNames.swiftName(keyword) == swift)
        #expect(KeywordNames.sqlName(keyword) == sql)
    }

    @Test func reservedWordsAreQuotedInSwiftOnly() {
        #expect(KeywordNames.swiftIdentifier("Import") == "`import`")
        #expect(KeywordNames.swiftIdentifier("Protocol") == "`protocol`")
        #expect(KeywordNames.swiftName("Protocol") == "protocol")
        #expect(KeywordNames.swiftIdentifier("Item") == "item")
    }

    /// No two keywords of the standard become one name, in either language, and each is legal unquoted.
    @Test func namesAreUniqueAndLegal() throws {
        let registry = try CurrentEditionTests.registry.get()
        for keywords in [registry.elements.map(\.keyword), registry.uids.map(\.keyword)] {
            let keywords = keywords.filter { !$0.isEmpty }
            #expect(Set(keywords.map(KeywordNames.swiftName)).count == keywords.count)
            #expect(Set(keywords.map(KeywordNames.sqlName)).count == keywords.count)
            for keyword in keywords {
                #expect(KeywordNames.swiftName(keyword).wholeMatch(of: /[a-z][A-Za-z0-9]*/) != nil, "\(keyword)")
                #expect(
                    KeywordNames.sqlName(keyword).wholeMatch(of: /[a-z][a-z0-9]*(_[a-z0-9]+)*/) != nil, "\(keyword)")
            }
        }
    }
}

@Suite struct NearestKeywordTests {
    @Test(arguments: [
        ("PatientNme", "PatientName"),
        ("PatientsName", "PatientName"),
        ("patientname", "PatientName"),
        ("patient_name", "PatientName"),
        ("Moadlity", "Modality"),
        ("StudyInstanceUId", "StudyInstanceUID"),
        ("StudyInstaceUID", "StudyInstanceUID"),
        ("KPV", "KVP"),
        ("Manufacturers", "Manufacturer"),
    ])
    func suggests(_ written: String, _ keyword: String) throws {
        #expect(try CurrentEditionTests.registry.get().nearestKeyword(to: written) == keyword)
    }

    @Test(arguments: ["", "_", "Xyzzyplugh", "SomethingQuiteUnlikeAnything"])
    func isSilent(_ written: String) throws {
        #expect(try CurrentEditionTests.registry.get().nearestKeyword(to: written) == nil)
    }

    @Test func equallyNearIsTheFirstInOrder() {
        #expect(nearest(to: "bat", among: ["cat", "hat", "bad"]) == "bad")
        #expect(nearest(to: "cat", among: ["CAT"]) == "CAT")
    }
}
