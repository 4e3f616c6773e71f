-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS dicom_object_meta (
    tenant_id           VARCHAR(256)  NOT NULL,
    study_uid           VARCHAR(64)   NOT NULL COMMENT "StudyInstanceUID (0020,000D)",
    series_uid          VARCHAR(64)   NOT NULL COMMENT "SeriesInstanceUID (0020,000E)",
    sop_uid             VARCHAR(64)   NOT NULL COMMENT "SOPInstanceUID (0008,0018)",
    patient_id          VARCHAR(256)  NULL     COMMENT "PatientID (0010,0020)",
    file_size           BIGINT        NOT NULL COMMENT "Bytes",
    file_path           VARCHAR(4096) NOT NULL COMMENT "Below the folder of the store",
    transfer_syntax_uid VARCHAR(64)   NOT NULL COMMENT "Of the file meta information",
    number_of_frames    INT           NULL     COMMENT "NumberOfFrames (0028,0008)",
    created_time        DATETIME(6)   NOT NULL COMMENT "When it was received (UTC)",
    series_uid_hash     VARCHAR(20)   NOT NULL COMMENT "SeaHash of series_uid in 20 digits",
    study_uid_hash      VARCHAR(20)   NOT NULL COMMENT "SeaHash of study_uid in 20 digits",
    accession_number    VARCHAR(256)  NULL     COMMENT "AccessionNumber (0008,0050)",
    target_ts           VARCHAR(64)   NULL     COMMENT "The transfer syntax it is to be changed to",
    study_date          DATE          NULL     COMMENT "StudyDate (0008,0020)",
    transfer_status     VARCHAR(256)  NOT NULL DEFAULT "NoNeedTransfer" COMMENT "NoNeedTransfer, NeedTransfer, Success or Failed",
    source_ip           VARCHAR(180)  NULL     COMMENT "Of the sender, IPv4 or IPv6",
    source_ae           VARCHAR(256)  NULL     COMMENT "Calling AE title of the sender",
    trace_id            VARCHAR(144)  NOT NULL COMMENT "UUID version 7 of the reception, the same in all that follows from it",
    worker_node_id      VARCHAR(256)  NOT NULL COMMENT "Who received it"
)
ENGINE=OLAP
UNIQUE KEY(tenant_id, study_uid, series_uid, sop_uid)
COMMENT "One row per stored instance, with where it came from and where it is."
DISTRIBUTED BY HASH(study_uid) BUCKETS 32
PROPERTIES (
    "replication_num" = "1",
    "enable_unique_key_merge_on_write" = "true",
    "light_schema_change" = "true",
    "function_column.sequence_col" = "created_time"
);
