-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS dicom_object_meta (
    tenant_id           varchar(64) COLLATE "C"   NOT NULL,
    study_uid           varchar(64) COLLATE "C"   NOT NULL,
    series_uid          varchar(64) COLLATE "C"   NOT NULL,
    sop_uid             varchar(64) COLLATE "C"   NOT NULL,
    patient_id          varchar(64) COLLATE "C",
    file_size           bigint                    NOT NULL,
    file_path           varchar(1024) COLLATE "C" NOT NULL,
    transfer_syntax_uid varchar(64) COLLATE "C"   NOT NULL,
    number_of_frames    integer,
    created_time        timestamp with time zone  NOT NULL,
    series_uid_hash     varchar(20) COLLATE "C"   NOT NULL,
    study_uid_hash      varchar(20) COLLATE "C"   NOT NULL,
    accession_number    varchar(64) COLLATE "C",
    target_ts           varchar(64) COLLATE "C",
    study_date          date,
    transfer_status     varchar(64) COLLATE "C"   NOT NULL DEFAULT 'NoNeedTransfer',
    source_ip           varchar(45) COLLATE "C",
    source_ae           varchar(64) COLLATE "C",
    trace_id            varchar(36) COLLATE "C"   NOT NULL,
    worker_node_id      varchar(64) COLLATE "C"   NOT NULL,
    PRIMARY KEY (tenant_id, study_uid, series_uid, sop_uid)
);

CREATE INDEX IF NOT EXISTS dicom_object_meta_created_time_idx ON dicom_object_meta (tenant_id, created_time);
CREATE INDEX IF NOT EXISTS dicom_object_meta_trace_id_idx ON dicom_object_meta (trace_id);

COMMENT ON TABLE dicom_object_meta IS 'One row per stored instance, with where it came from and where it is.';
COMMENT ON COLUMN dicom_object_meta.study_uid IS 'StudyInstanceUID (0020,000D)';
COMMENT ON COLUMN dicom_object_meta.series_uid IS 'SeriesInstanceUID (0020,000E)';
COMMENT ON COLUMN dicom_object_meta.sop_uid IS 'SOPInstanceUID (0008,0018)';
COMMENT ON COLUMN dicom_object_meta.patient_id IS 'PatientID (0010,0020)';
COMMENT ON COLUMN dicom_object_meta.file_size IS 'Bytes';
COMMENT ON COLUMN dicom_object_meta.file_path IS 'Below the folder of the store';
COMMENT ON COLUMN dicom_object_meta.transfer_syntax_uid IS 'Of the file meta information';
COMMENT ON COLUMN dicom_object_meta.number_of_frames IS 'NumberOfFrames (0028,0008)';
COMMENT ON COLUMN dicom_object_meta.created_time IS 'When it was received (UTC)';
COMMENT ON COLUMN dicom_object_meta.series_uid_hash IS 'SeaHash of series_uid in 20 digits';
COMMENT ON COLUMN dicom_object_meta.study_uid_hash IS 'SeaHash of study_uid in 20 digits';
COMMENT ON COLUMN dicom_object_meta.accession_number IS 'AccessionNumber (0008,0050)';
COMMENT ON COLUMN dicom_object_meta.target_ts IS 'The transfer syntax it is to be changed to';
COMMENT ON COLUMN dicom_object_meta.study_date IS 'StudyDate (0008,0020)';
COMMENT ON COLUMN dicom_object_meta.transfer_status IS 'NoNeedTransfer, NeedTransfer, Success or Failed';
COMMENT ON COLUMN dicom_object_meta.source_ip IS 'Of the sender, IPv4 or IPv6';
COMMENT ON COLUMN dicom_object_meta.source_ae IS 'Calling AE title of the sender';
COMMENT ON COLUMN dicom_object_meta.trace_id IS 'UUID version 7 of the reception, the same in all that follows from it';
COMMENT ON COLUMN dicom_object_meta.worker_node_id IS 'Who received it';
