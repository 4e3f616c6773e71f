-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS dicom_json_meta (
    tenant_id         varchar(64) COLLATE "C"  NOT NULL,
    study_uid         varchar(64) COLLATE "C"  NOT NULL,
    series_uid        varchar(64) COLLATE "C"  NOT NULL,
    study_uid_hash    varchar(20) COLLATE "C"  NOT NULL,
    series_uid_hash   varchar(20) COLLATE "C"  NOT NULL,
    study_date_origin varchar(16) COLLATE "C",
    flag_time         timestamp with time zone NOT NULL,
    created_time      timestamp with time zone NOT NULL,
    json_status       integer                  NOT NULL DEFAULT 0,
    retry_times       integer                  NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, study_uid, series_uid)
);

CREATE INDEX IF NOT EXISTS dicom_json_meta_json_status_flag_time_idx ON dicom_json_meta (json_status, flag_time);

COMMENT ON TABLE dicom_json_meta IS 'One row per series whose metadata changed; the webworker''s list of work.';
COMMENT ON COLUMN dicom_json_meta.study_uid IS 'StudyInstanceUID (0020,000D)';
COMMENT ON COLUMN dicom_json_meta.series_uid IS 'SeriesInstanceUID (0020,000E)';
COMMENT ON COLUMN dicom_json_meta.study_uid_hash IS 'SeaHash of study_uid in 20 digits';
COMMENT ON COLUMN dicom_json_meta.series_uid_hash IS 'SeaHash of series_uid in 20 digits';
COMMENT ON COLUMN dicom_json_meta.study_date_origin IS 'StudyDate (0008,0020): StudyDate as it was received';
COMMENT ON COLUMN dicom_json_meta.flag_time IS 'When the last change was noted (UTC)';
COMMENT ON COLUMN dicom_json_meta.created_time IS 'When the first change was noted (UTC)';
COMMENT ON COLUMN dicom_json_meta.json_status IS '0 waiting, 1 done';
COMMENT ON COLUMN dicom_json_meta.retry_times IS 'Failed attempts';
