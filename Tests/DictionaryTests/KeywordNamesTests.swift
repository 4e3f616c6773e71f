import Dictionary
import TestSupport
import Testing

@Suite struct KeywordNamesTests {
    @Test(arguments: [
        ("PatientName", "patientName"),
        ("SOPInstanceUID", "sopInstanceUID"),
        ("StudyInstanceUID", "studyInstanceUID"),
        ("KVP", "kvp"),
        ("Rows", "rows"),
        ("DICOMMediaRetrievalSequence", "dicomMediaRetrievalSequence"),
        ("OtherPatientIDs", "otherPatientIDs"),
        ("OtherPatientIDsSequence", "otherPatientIDsSequence"),
        ("IDsOfOthers", "idsOfOthers"),
        ("RTAssertionsSequence", "rtAssertionsSequence"),
        ("XRayTubeCurrent", "xRayTubeCurrent"),
        ("XRayTubeCurrentInmA", "xRayTubeCurrentInmA"),
        ("ExposureInuAs", "exposureInuAs"),
        ("EntranceDoseInmGy", "entranceDoseInmGy"),
        ("PrinterStatusInfo", "printerStatusInfo"),
        ("XRay3DFrameTypeSequence", "xRay3DFrameTypeSequence"),
        ("3DRenderingType", "_3dRenderingType"),
        ("HL7InstanceIdentifier", "hl7InstanceIdentifier"),
        ("TMLinePositionX0Retired", "tmLinePositionX0Retired"),
        ("WedgeElement1Position", "wedgeElement1Position"),
        ("FocalLengthIn35mmFilm", "focalLengthIn35mmFilm"),
        ("B1rms", "b1rms"),
        ("T2Preparation", "t2Preparation"),
        ("CTDIvol", "ctdivol"),
        ("CTDIvolNotificationTrigger", "ctdivolNotificationTrigger"),
        ("CTDIPhantomTypeCodeSequence", "ctdiPhantomTypeCodeSequence"),
        ("CIExyWhitePoint", "ciexyWhitePoint"),
        ("dBdt", "dbdt"),
        ("FNumber", "fNumber"),
        ("CArmPositionerTabletopRelationship", "cArmPositionerTabletopRelationship"),
        ("SOPInstanceUIDOfConcatenationSource", "sopInstanceUIDOfConcatenationSource"),
        ("OCTBscanAnalysisAcquisitionParametersSequence", "octBscanAnalysisAcquisitionParametersSequence"),
        ("JPEG2000MCLossless", "jpeg2000mcLossless"),
        ("ITIS_TSN", "itisTSN"),
        ("dicomAETitle", "dicomAETitle"),
        ("", ""),
    ])
    func rule(_ keyword: String, _ swift: String) {
        #expect(KeywordNames.swiftName(keyword) == swift)
    }

    @Test func reservedWordsAreQuoted() {
        #expect(KeywordNames.swiftIdentifier("Import") == "`import`")
        #expect(KeywordNames.swiftIdentifier("Protocol") == "`protocol`")
        #expect(KeywordNames.swiftName("Protocol") == "protocol")
        #expect(KeywordNames.swiftIdentifier("Item") == "item")
    }

    /// No two keywords of the standard become one name, and each is legal unquoted.
    @Test func namesAreUniqueAndLegal() throws {
        let registry = try CurrentEditionTests.registry.get()
        for keywords in [registry.elements.map(\.keyword), registry.uids.map(\.keyword)] {
            let keywords = keywords.filter { !$0.isEmpty }
            #expect(Set(keywords.map(KeywordNames.swiftName)).count == keywords.count)
            for keyword in keywords {
                #expect(KeywordNames.swiftName(keyword).wholeMatch(of: /[a-z][A-Za-z0-9]*/) != nil, "\(keyword)")
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
