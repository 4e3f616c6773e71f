-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS dicom_state_meta (
    tenant_id                           VARCHAR(256)        NOT NULL,
    study_uid                           VARCHAR(64)         NOT NULL COMMENT "StudyInstanceUID (0020,000D)",
    series_uid                          VARCHAR(64)         NOT NULL COMMENT "SeriesInstanceUID (0020,000E)",
    study_uid_hash                      VARCHAR(20)         NOT NULL COMMENT "SeaHash of study_uid in 20 digits",
    series_uid_hash                     VARCHAR(20)         NOT NULL COMMENT "SeaHash of series_uid in 20 digits",
    representative_sop_uid              VARCHAR(64)         NOT NULL COMMENT "SOPInstanceUID (0008,0018): The instance whose attributes the row has",
    patient_id                          VARCHAR(256)        NULL     COMMENT "PatientID (0010,0020)",
    issuer_of_patient_id                VARCHAR(256)        NULL     COMMENT "IssuerOfPatientID (0010,0021)",
    patient_name                        VARCHAR(776)        NULL     COMMENT "PatientName (0010,0010)",
    patient_sex                         VARCHAR(64)         NULL     COMMENT "PatientSex (0010,0040)",
    patient_birth_date                  DATE                NULL     COMMENT "PatientBirthDate (0010,0030)",
    patient_birth_time                  VARCHAR(15)         NULL     COMMENT "PatientBirthTime (0010,0032)",
    patient_age                         VARCHAR(4)          NULL     COMMENT "PatientAge (0010,1010)",
    patient_size                        DOUBLE              NULL     COMMENT "PatientSize (0010,1020)",
    patient_weight                      DOUBLE              NULL     COMMENT "PatientWeight (0010,1030)",
    pregnancy_status                    INT                 NULL     COMMENT "PregnancyStatus (0010,21C0)",
    study_date                          DATE                NULL     COMMENT "StudyDate (0008,0020)",
    study_date_origin                   VARCHAR(64)         NULL     COMMENT "StudyDate (0008,0020): StudyDate as it was received",
    study_time                          VARCHAR(15)         NULL     COMMENT "StudyTime (0008,0030)",
    accession_number                    VARCHAR(256)        NULL     COMMENT "AccessionNumber (0008,0050)",
    study_id                            VARCHAR(256)        NULL     COMMENT "StudyID (0020,0010)",
    study_description                   VARCHAR(256)        NULL     COMMENT "StudyDescription (0008,1030)",
    referring_physician_name            VARCHAR(776)        NULL     COMMENT "ReferringPhysicianName (0008,0090)",
    procedure_code                      ARRAY<VARCHAR(64)>  NULL     COMMENT "ProcedureCodeSequence[*].CodeValue (0008,0100)",
    procedure_code_meaning              ARRAY<VARCHAR(256)> NULL     COMMENT "ProcedureCodeSequence[*].CodeMeaning (0008,0104)",
    reading_physicians_name             ARRAY<VARCHAR(776)> NULL     COMMENT "NameOfPhysiciansReadingStudy, all values (0008,1060)",
    modality                            VARCHAR(64)         NULL     COMMENT "Modality (0008,0060)",
    series_number                       INT                 NULL     COMMENT "SeriesNumber (0020,0011)",
    series_date                         DATE                NULL     COMMENT "SeriesDate (0008,0021)",
    series_time                         VARCHAR(15)         NULL     COMMENT "SeriesTime (0008,0031)",
    series_description                  VARCHAR(1024)       NULL     COMMENT "SeriesDescription (0008,103E)",
    body_part_examined                  VARCHAR(256)        NULL     COMMENT "BodyPartExamined (0018,0015)",
    protocol_name                       VARCHAR(256)        NULL     COMMENT "ProtocolName (0018,1030)",
    institution_name                    VARCHAR(256)        NULL     COMMENT "InstitutionName (0008,0080)",
    timezone_offset_from_utc            VARCHAR(64)         NULL     COMMENT "TimezoneOffsetFromUTC (0008,0201)",
    performed_procedure_step_start_date DATE                NULL     COMMENT "PerformedProcedureStepStartDate (0040,0244)",
    performed_procedure_step_start_time VARCHAR(15)         NULL     COMMENT "PerformedProcedureStepStartTime (0040,0245)",
    requested_procedure_id              ARRAY<VARCHAR(64)>  NULL     COMMENT "RequestAttributesSequence[*].RequestedProcedureID (0040,1001)",
    scheduled_procedure_step_id         ARRAY<VARCHAR(64)>  NULL     COMMENT "RequestAttributesSequence[*].ScheduledProcedureStepID (0040,0009)",
    series_related_instances            INT                 NULL     COMMENT "Instances of the series as last counted",
    created_time                        DATETIME(6)         NOT NULL COMMENT "When its first instance was received (UTC)",
    updated_time                        DATETIME(6)         NOT NULL COMMENT "When the row was last written (UTC)"
)
ENGINE=OLAP
UNIQUE KEY(tenant_id, study_uid, series_uid)
COMMENT "One row per series, the main index. Its attributes are those of the instance with the lowest SOP Instance UID."
DISTRIBUTED BY HASH(study_uid) BUCKETS 16
PROPERTIES (
    "replication_num" = "1",
    "enable_unique_key_merge_on_write" = "true",
    "light_schema_change" = "true",
    "function_column.sequence_col" = "updated_time"
);
