-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS dicom_state_meta (
    tenant_id                           varchar(64) COLLATE "C"    NOT NULL,
    study_uid                           varchar(64) COLLATE "C"    NOT NULL,
    series_uid                          varchar(64) COLLATE "C"    NOT NULL,
    study_uid_hash                      varchar(20) COLLATE "C"    NOT NULL,
    series_uid_hash                     varchar(20) COLLATE "C"    NOT NULL,
    representative_sop_uid              varchar(64) COLLATE "C"    NOT NULL,
    patient_id                          varchar(64) COLLATE "C",
    issuer_of_patient_id                varchar(64) COLLATE "C",
    patient_name                        varchar(194) COLLATE "C",
    patient_sex                         varchar(16) COLLATE "C",
    patient_birth_date                  date,
    patient_birth_time                  time,
    patient_age                         varchar(4) COLLATE "C",
    patient_size                        double precision,
    patient_weight                      double precision,
    pregnancy_status                    integer,
    study_date                          date,
    study_date_origin                   varchar(16) COLLATE "C",
    study_time                          time,
    accession_number                    varchar(64) COLLATE "C",
    study_id                            varchar(64) COLLATE "C",
    study_description                   varchar(64) COLLATE "C",
    referring_physician_name            varchar(194) COLLATE "C",
    procedure_code                      varchar(16)[] COLLATE "C",
    procedure_code_meaning              varchar(64)[] COLLATE "C",
    reading_physicians_name             varchar(194)[] COLLATE "C",
    modality                            varchar(16) COLLATE "C",
    series_number                       integer,
    series_date                         date,
    series_time                         time,
    series_description                  varchar(256) COLLATE "C",
    body_part_examined                  varchar(64) COLLATE "C",
    protocol_name                       varchar(64) COLLATE "C",
    institution_name                    varchar(64) COLLATE "C",
    timezone_offset_from_utc            varchar(16) COLLATE "C",
    performed_procedure_step_start_date date,
    performed_procedure_step_start_time time,
    requested_procedure_id              varchar(16)[] COLLATE "C",
    scheduled_procedure_step_id         varchar(16)[] COLLATE "C",
    series_related_instances            integer,
    created_time                        timestamp with time zone   NOT NULL,
    updated_time                        timestamp with time zone   NOT NULL,
    PRIMARY KEY (tenant_id, study_uid, series_uid)
);

CREATE INDEX IF NOT EXISTS dicom_state_meta_series_uid_idx ON dicom_state_meta (tenant_id, series_uid);
CREATE INDEX IF NOT EXISTS dicom_state_meta_patient_id_idx ON dicom_state_meta (tenant_id, patient_id);
CREATE INDEX IF NOT EXISTS dicom_state_meta_patient_name_idx ON dicom_state_meta (tenant_id, lower(patient_name));
CREATE INDEX IF NOT EXISTS dicom_state_meta_study_date_idx ON dicom_state_meta (tenant_id, study_date);
CREATE INDEX IF NOT EXISTS dicom_state_meta_accession_number_idx ON dicom_state_meta (tenant_id, accession_number);
CREATE INDEX IF NOT EXISTS dicom_state_meta_study_id_idx ON dicom_state_meta (tenant_id, study_id);
CREATE INDEX IF NOT EXISTS dicom_state_meta_procedure_code_idx ON dicom_state_meta USING gin (procedure_code);

COMMENT ON TABLE dicom_state_meta IS 'One row per series, the main index. Its attributes are those of the instance with the lowest SOP Instance UID.';
COMMENT ON COLUMN dicom_state_meta.study_uid IS 'StudyInstanceUID (0020,000D)';
COMMENT ON COLUMN dicom_state_meta.series_uid IS 'SeriesInstanceUID (0020,000E)';
COMMENT ON COLUMN dicom_state_meta.study_uid_hash IS 'SeaHash of study_uid in 20 digits';
COMMENT ON COLUMN dicom_state_meta.series_uid_hash IS 'SeaHash of series_uid in 20 digits';
COMMENT ON COLUMN dicom_state_meta.representative_sop_uid IS 'SOPInstanceUID (0008,0018): The instance whose attributes the row has';
COMMENT ON COLUMN dicom_state_meta.patient_id IS 'PatientID (0010,0020)';
COMMENT ON COLUMN dicom_state_meta.issuer_of_patient_id IS 'IssuerOfPatientID (0010,0021)';
COMMENT ON COLUMN dicom_state_meta.patient_name IS 'PatientName (0010,0010)';
COMMENT ON COLUMN dicom_state_meta.patient_sex IS 'PatientSex (0010,0040)';
COMMENT ON COLUMN dicom_state_meta.patient_birth_date IS 'PatientBirthDate (0010,0030)';
COMMENT ON COLUMN dicom_state_meta.patient_birth_time IS 'PatientBirthTime (0010,0032)';
COMMENT ON COLUMN dicom_state_meta.patient_age IS 'PatientAge (0010,1010)';
COMMENT ON COLUMN dicom_state_meta.patient_size IS 'PatientSize (0010,1020)';
COMMENT ON COLUMN dicom_state_meta.patient_weight IS 'PatientWeight (0010,1030)';
COMMENT ON COLUMN dicom_state_meta.pregnancy_status IS 'PregnancyStatus (0010,21C0)';
COMMENT ON COLUMN dicom_state_meta.study_date IS 'StudyDate (0008,0020)';
COMMENT ON COLUMN dicom_state_meta.study_date_origin IS 'StudyDate (0008,0020): StudyDate as it was received';
COMMENT ON COLUMN dicom_state_meta.study_time IS 'StudyTime (0008,0030)';
COMMENT ON COLUMN dicom_state_meta.accession_number IS 'AccessionNumber (0008,0050)';
COMMENT ON COLUMN dicom_state_meta.study_id IS 'StudyID (0020,0010)';
COMMENT ON COLUMN dicom_state_meta.study_description IS 'StudyDescription (0008,1030)';
COMMENT ON COLUMN dicom_state_meta.referring_physician_name IS 'ReferringPhysicianName (0008,0090)';
COMMENT ON COLUMN dicom_state_meta.procedure_code IS 'ProcedureCodeSequence[*].CodeValue (0008,0100)';
COMMENT ON COLUMN dicom_state_meta.procedure_code_meaning IS 'ProcedureCodeSequence[*].CodeMeaning (0008,0104)';
COMMENT ON COLUMN dicom_state_meta.reading_physicians_name IS 'NameOfPhysiciansReadingStudy, all values (0008,1060)';
COMMENT ON COLUMN dicom_state_meta.modality IS 'Modality (0008,0060)';
COMMENT ON COLUMN dicom_state_meta.series_number IS 'SeriesNumber (0020,0011)';
COMMENT ON COLUMN dicom_state_meta.series_date IS 'SeriesDate (0008,0021)';
COMMENT ON COLUMN dicom_state_meta.series_time IS 'SeriesTime (0008,0031)';
COMMENT ON COLUMN dicom_state_meta.series_description IS 'SeriesDescription (0008,103E)';
COMMENT ON COLUMN dicom_state_meta.body_part_examined IS 'BodyPartExamined (0018,0015)';
COMMENT ON COLUMN dicom_state_meta.protocol_name IS 'ProtocolName (0018,1030)';
COMMENT ON COLUMN dicom_state_meta.institution_name IS 'InstitutionName (0008,0080)';
COMMENT ON COLUMN dicom_state_meta.timezone_offset_from_utc IS 'TimezoneOffsetFromUTC (0008,0201)';
COMMENT ON COLUMN dicom_state_meta.performed_procedure_step_start_date IS 'PerformedProcedureStepStartDate (0040,0244)';
COMMENT ON COLUMN dicom_state_meta.performed_procedure_step_start_time IS 'PerformedProcedureStepStartTime (0040,0245)';
COMMENT ON COLUMN dicom_state_meta.requested_procedure_id IS 'RequestAttributesSequence[*].RequestedProcedureID (0040,1001)';
COMMENT ON COLUMN dicom_state_meta.scheduled_procedure_step_id IS 'RequestAttributesSequence[*].ScheduledProcedureStepID (0040,0009)';
COMMENT ON COLUMN dicom_state_meta.series_related_instances IS 'Instances of the series as last counted';
COMMENT ON COLUMN dicom_state_meta.created_time IS 'When its first instance was received (UTC)';
COMMENT ON COLUMN dicom_state_meta.updated_time IS 'When the row was last written (UTC)';

CREATE TABLE IF NOT EXISTS dicom_state_variant (
    tenant_id                           varchar(64) COLLATE "C"    NOT NULL,
    study_uid                           varchar(64) COLLATE "C"    NOT NULL,
    series_uid                          varchar(64) COLLATE "C"    NOT NULL,
    study_uid_hash                      varchar(20) COLLATE "C"    NOT NULL,
    series_uid_hash                     varchar(20) COLLATE "C"    NOT NULL,
    representative_sop_uid              varchar(64) COLLATE "C"    NOT NULL,
    patient_id                          varchar(64) COLLATE "C",
    issuer_of_patient_id                varchar(64) COLLATE "C",
    patient_name                        varchar(194) COLLATE "C",
    patient_sex                         varchar(16) COLLATE "C",
    patient_birth_date                  date,
    patient_birth_time                  time,
    patient_age                         varchar(4) COLLATE "C",
    patient_size                        double precision,
    patient_weight                      double precision,
    pregnancy_status                    integer,
    study_date                          date,
    study_date_origin                   varchar(16) COLLATE "C",
    study_time                          time,
    accession_number                    varchar(64) COLLATE "C",
    study_id                            varchar(64) COLLATE "C",
    study_description                   varchar(64) COLLATE "C",
    referring_physician_name            varchar(194) COLLATE "C",
    procedure_code                      varchar(16)[] COLLATE "C",
    procedure_code_meaning              varchar(64)[] COLLATE "C",
    reading_physicians_name             varchar(194)[] COLLATE "C",
    modality                            varchar(16) COLLATE "C",
    series_number                       integer,
    series_date                         date,
    series_time                         time,
    series_description                  varchar(256) COLLATE "C",
    body_part_examined                  varchar(64) COLLATE "C",
    protocol_name                       varchar(64) COLLATE "C",
    institution_name                    varchar(64) COLLATE "C",
    timezone_offset_from_utc            varchar(16) COLLATE "C",
    performed_procedure_step_start_date date,
    performed_procedure_step_start_time time,
    requested_procedure_id              varchar(16)[] COLLATE "C",
    scheduled_procedure_step_id         varchar(16)[] COLLATE "C",
    series_related_instances            integer,
    created_time                        timestamp with time zone   NOT NULL,
    updated_time                        timestamp with time zone   NOT NULL,
    variant_hash                        varchar(20) COLLATE "C"    NOT NULL,
    PRIMARY KEY (tenant_id, study_uid, series_uid, variant_hash)
);

CREATE INDEX IF NOT EXISTS dicom_state_variant_series_uid_idx ON dicom_state_variant (tenant_id, series_uid);
CREATE INDEX IF NOT EXISTS dicom_state_variant_patient_id_idx ON dicom_state_variant (tenant_id, patient_id);
CREATE INDEX IF NOT EXISTS dicom_state_variant_patient_name_idx ON dicom_state_variant (tenant_id, lower(patient_name));
CREATE INDEX IF NOT EXISTS dicom_state_variant_study_date_idx ON dicom_state_variant (tenant_id, study_date);
CREATE INDEX IF NOT EXISTS dicom_state_variant_accession_number_idx ON dicom_state_variant (tenant_id, accession_number);
CREATE INDEX IF NOT EXISTS dicom_state_variant_study_id_idx ON dicom_state_variant (tenant_id, study_id);
CREATE INDEX IF NOT EXISTS dicom_state_variant_procedure_code_idx ON dicom_state_variant USING gin (procedure_code);

COMMENT ON TABLE dicom_state_variant IS 'Searched values of instances that disagree with their row of dicom_state_meta: one row a set of values. Usually empty.';
COMMENT ON COLUMN dicom_state_variant.study_uid IS 'StudyInstanceUID (0020,000D)';
COMMENT ON COLUMN dicom_state_variant.series_uid IS 'SeriesInstanceUID (0020,000E)';
COMMENT ON COLUMN dicom_state_variant.study_uid_hash IS 'SeaHash of study_uid in 20 digits';
COMMENT ON COLUMN dicom_state_variant.series_uid_hash IS 'SeaHash of series_uid in 20 digits';
COMMENT ON COLUMN dicom_state_variant.representative_sop_uid IS 'SOPInstanceUID (0008,0018): The instance whose attributes the row has';
COMMENT ON COLUMN dicom_state_variant.patient_id IS 'PatientID (0010,0020)';
COMMENT ON COLUMN dicom_state_variant.issuer_of_patient_id IS 'IssuerOfPatientID (0010,0021)';
COMMENT ON COLUMN dicom_state_variant.patient_name IS 'PatientName (0010,0010)';
COMMENT ON COLUMN dicom_state_variant.patient_sex IS 'PatientSex (0010,0040)';
COMMENT ON COLUMN dicom_state_variant.patient_birth_date IS 'PatientBirthDate (0010,0030)';
COMMENT ON COLUMN dicom_state_variant.patient_birth_time IS 'PatientBirthTime (0010,0032)';
COMMENT ON COLUMN dicom_state_variant.patient_age IS 'PatientAge (0010,1010)';
COMMENT ON COLUMN dicom_state_variant.patient_size IS 'PatientSize (0010,1020)';
COMMENT ON COLUMN dicom_state_variant.patient_weight IS 'PatientWeight (0010,1030)';
COMMENT ON COLUMN dicom_state_variant.pregnancy_status IS 'PregnancyStatus (0010,21C0)';
COMMENT ON COLUMN dicom_state_variant.study_date IS 'StudyDate (0008,0020)';
COMMENT ON COLUMN dicom_state_variant.study_date_origin IS 'StudyDate (0008,0020): StudyDate as it was received';
COMMENT ON COLUMN dicom_state_variant.study_time IS 'StudyTime (0008,0030)';
COMMENT ON COLUMN dicom_state_variant.accession_number IS 'AccessionNumber (0008,0050)';
COMMENT ON COLUMN dicom_state_variant.study_id IS 'StudyID (0020,0010)';
COMMENT ON COLUMN dicom_state_variant.study_description IS 'StudyDescription (0008,1030)';
COMMENT ON COLUMN dicom_state_variant.referring_physician_name IS 'ReferringPhysicianName (0008,0090)';
COMMENT ON COLUMN dicom_state_variant.procedure_code IS 'ProcedureCodeSequence[*].CodeValue (0008,0100)';
COMMENT ON COLUMN dicom_state_variant.procedure_code_meaning IS 'ProcedureCodeSequence[*].CodeMeaning (0008,0104)';
COMMENT ON COLUMN dicom_state_variant.reading_physicians_name IS 'NameOfPhysiciansReadingStudy, all values (0008,1060)';
COMMENT ON COLUMN dicom_state_variant.modality IS 'Modality (0008,0060)';
COMMENT ON COLUMN dicom_state_variant.series_number IS 'SeriesNumber (0020,0011)';
COMMENT ON COLUMN dicom_state_variant.series_date IS 'SeriesDate (0008,0021)';
COMMENT ON COLUMN dicom_state_variant.series_time IS 'SeriesTime (0008,0031)';
COMMENT ON COLUMN dicom_state_variant.series_description IS 'SeriesDescription (0008,103E)';
COMMENT ON COLUMN dicom_state_variant.body_part_examined IS 'BodyPartExamined (0018,0015)';
COMMENT ON COLUMN dicom_state_variant.protocol_name IS 'ProtocolName (0018,1030)';
COMMENT ON COLUMN dicom_state_variant.institution_name IS 'InstitutionName (0008,0080)';
COMMENT ON COLUMN dicom_state_variant.timezone_offset_from_utc IS 'TimezoneOffsetFromUTC (0008,0201)';
COMMENT ON COLUMN dicom_state_variant.performed_procedure_step_start_date IS 'PerformedProcedureStepStartDate (0040,0244)';
COMMENT ON COLUMN dicom_state_variant.performed_procedure_step_start_time IS 'PerformedProcedureStepStartTime (0040,0245)';
COMMENT ON COLUMN dicom_state_variant.requested_procedure_id IS 'RequestAttributesSequence[*].RequestedProcedureID (0040,1001)';
COMMENT ON COLUMN dicom_state_variant.scheduled_procedure_step_id IS 'RequestAttributesSequence[*].ScheduledProcedureStepID (0040,0009)';
COMMENT ON COLUMN dicom_state_variant.series_related_instances IS 'Instances of the series as last counted';
COMMENT ON COLUMN dicom_state_variant.created_time IS 'When its first instance was received (UTC)';
COMMENT ON COLUMN dicom_state_variant.updated_time IS 'When the row was last written (UTC)';
COMMENT ON COLUMN dicom_state_variant.variant_hash IS 'SeaHash of the searched values in 20 digits';
