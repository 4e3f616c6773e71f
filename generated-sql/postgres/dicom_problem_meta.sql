-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS dicom_problem_meta (
    tenant_id       varchar(64) COLLATE "C"  NOT NULL,
    study_uid       varchar(64) COLLATE "C"  NOT NULL,
    series_uid      varchar(64) COLLATE "C"  NOT NULL,
    sop_uid         varchar(64) COLLATE "C"  NOT NULL,
    occasion        varchar(36) COLLATE "C"  NOT NULL,
    rule            varchar(64) COLLATE "C"  NOT NULL,
    tag_path        varchar(256) COLLATE "C" NOT NULL,
    table_name      varchar(64) COLLATE "C"  NOT NULL,
    column_name     varchar(64) COLLATE "C"  NOT NULL,
    severity        varchar(16) COLLATE "C"  NOT NULL,
    state           varchar(16) COLLATE "C"  NOT NULL DEFAULT 'open',
    occurrences     bigint                   NOT NULL DEFAULT 1,
    detail          varchar(256) COLLATE "C",
    program         varchar(64) COLLATE "C"  NOT NULL,
    program_version varchar(64) COLLATE "C"  NOT NULL,
    trace_id        varchar(36) COLLATE "C"  NOT NULL,
    source_ip       varchar(45) COLLATE "C",
    source_ae       varchar(64) COLLATE "C",
    worker_node_id  varchar(64) COLLATE "C"  NOT NULL,
    created_time    timestamp with time zone NOT NULL,
    updated_time    timestamp with time zone NOT NULL,
    PRIMARY KEY (tenant_id, study_uid, series_uid, sop_uid, occasion, rule, tag_path, table_name, column_name)
);

CREATE INDEX IF NOT EXISTS dicom_problem_meta_sop_uid_idx ON dicom_problem_meta (tenant_id, sop_uid);
CREATE INDEX IF NOT EXISTS dicom_problem_meta_updated_time_idx ON dicom_problem_meta (updated_time);

COMMENT ON TABLE dicom_problem_meta IS 'What was odd with instances, one row per instance, rule and place. It never holds a value, which may be a patient''s.';
COMMENT ON COLUMN dicom_problem_meta.study_uid IS 'Empty where it is unknown';
COMMENT ON COLUMN dicom_problem_meta.series_uid IS 'Empty where it is unknown';
COMMENT ON COLUMN dicom_problem_meta.sop_uid IS 'Empty where it is unknown';
COMMENT ON COLUMN dicom_problem_meta.occasion IS 'The trace of an instance whose SOP Instance UID is unknown; else empty';
COMMENT ON COLUMN dicom_problem_meta.rule IS 'What was broken; docs/problems.md has all';
COMMENT ON COLUMN dicom_problem_meta.tag_path IS 'The element, such as (0040,0275)[0](0040,0007); empty where it is the instance as a whole';
COMMENT ON COLUMN dicom_problem_meta.table_name IS 'Of the column that could not take the value; else empty';
COMMENT ON COLUMN dicom_problem_meta.column_name IS 'The column that could not take the value; else empty';
COMMENT ON COLUMN dicom_problem_meta.severity IS 'info, warning, error or refused';
COMMENT ON COLUMN dicom_problem_meta.state IS 'open or cleared';
COMMENT ON COLUMN dicom_problem_meta.occurrences IS 'How often in the instance';
COMMENT ON COLUMN dicom_problem_meta.detail IS 'Offsets, lengths, codes; never a value';
COMMENT ON COLUMN dicom_problem_meta.program IS 'Who saw it, or cleared it';
COMMENT ON COLUMN dicom_problem_meta.trace_id IS 'Of the reception it was last seen at; empty where it is unknown';
COMMENT ON COLUMN dicom_problem_meta.source_ip IS 'Of the sender';
COMMENT ON COLUMN dicom_problem_meta.source_ae IS 'Calling AE title of the sender';
COMMENT ON COLUMN dicom_problem_meta.worker_node_id IS 'Where it was seen';
COMMENT ON COLUMN dicom_problem_meta.created_time IS 'When the instance was received or refused (UTC)';
COMMENT ON COLUMN dicom_problem_meta.updated_time IS 'When it was last seen or cleared (UTC)';
