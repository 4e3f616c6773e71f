internal import DICOMNetwork

/// Answered to a C-STORE instead of success, and a row of `dicom_problem_meta`.
package struct Refusal: Error {
    /// Why, by the names of docs/problems.md.
    package enum Rule: String, CaseIterable, Sendable {
        case tenantNotAdmitted = "tenant-not-admitted"
        case invalidInstanceUID = "sop-instance-uid-invalid"
        case invalidStudyUID = "study-uid-invalid"
        case invalidSeriesUID = "series-uid-invalid"
        case missingInstanceUID = "sop-instance-uid-missing"
        case otherInstanceUID = "sop-instance-uid-differs"
        case otherSOPClass = "sop-class-differs"
        case classNotInContext = "sop-class-not-in-context"
        case noDataSet = "no-data-set"
        case unreadable = "data-set-unreadable"
        case keyInvalid = "key-invalid"
        case tooManyPending = "too-many-pending"
        case diskFull = "disk-full"
        case tooLarge = "instance-too-large"
        case metadataTooLong = "metadata-too-long"
        case storageFailed = "storage-failed"
        case notFiledInTime = "not-filed-in-time"
        case otherDataSetStored = "other-data-set-stored"

        var status: UInt16 {
            switch self {
            case .tenantNotAdmitted: DIMSEStatus.notAuthorized
            case .tooManyPending, .diskFull, .tooLarge, .metadataTooLong: DIMSEStatus.outOfResources
            case .storageFailed, .notFiledInTime: DIMSEStatus.processingFailure
            case .missingInstanceUID, .otherInstanceUID, .otherSOPClass: DIMSEStatus.dataSetDoesNotMatch
            case .classNotInContext: DIMSEStatus.sopClassNotSupported
            case .otherDataSetStored: DIMSEStatus.duplicateSOPInstance
            case .invalidInstanceUID, .invalidStudyUID, .invalidSeriesUID, .noDataSet, .unreadable, .keyInvalid:
                DIMSEStatus.cannotUnderstand
            }
        }
    }

    var rule: Rule
    /// The Error Comment of the answer.
    var comment: String
    /// The element that is to blame.
    var tagPath: String

    init(_ rule: Rule, _ comment: String, tagPath: String = "") {
        self.rule = rule
        self.comment = comment
        self.tagPath = tagPath
    }

    var status: DIMSEStatus { DIMSEStatus(rule.status, comment) }
}
