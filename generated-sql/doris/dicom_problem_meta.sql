-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS dicom_problem_meta (
    tenant_id       VARCHAR(256)  NOT NULL,
    study_uid       VARCHAR(64)   NOT NULL COMMENT "Empty where it is unknown",
    series_uid      VARCHAR(64)   NOT NULL COMMENT "Empty where it is unknown",
    sop_uid         VARCHAR(64)   NOT NULL COMMENT "Empty where it is unknown",
    occasion        VARCHAR(144)  NOT NULL COMMENT "The trace of an instance whose SOP Instance UID is unknown; else empty",
    rule            VARCHAR(256)  NOT NULL COMMENT "What was broken; docs/problems.md has all",
    tag_path        VARCHAR(1024) NOT NULL COMMENT "The element, such as (0040,0275)[0](0040,0007); empty where it is the instance as a whole",
    table_name      VARCHAR(256)  NOT NULL COMMENT "Of the column that could not take the value; else empty",
    column_name     VARCHAR(256)  NOT NULL COMMENT "The column that could not take the value; else empty",
    severity        VARCHAR(64)   NOT NULL COMMENT "info, warning, error or refused",
    state           VARCHAR(64)   NOT NULL DEFAULT "open" COMMENT "open or cleared",
    occurrences     BIGINT        NOT NULL DEFAULT "1" COMMENT "How often in the instance",
    detail          VARCHAR(1024) NULL     COMMENT "Offsets, lengths, codes; never a value",
    program         VARCHAR(256)  NOT NULL COMMENT "Who saw it, or cleared it",
    program_version VARCHAR(256)  NOT NULL,
    trace_id        VARCHAR(144)  NOT NULL COMMENT "Of the reception it was last seen at; empty where it is unknown",
    source_ip       VARCHAR(180)  NULL     COMMENT "Of the sender",
    source_ae       VARCHAR(256)  NULL     COMMENT "Calling AE title of the sender",
    worker_node_id  VARCHAR(256)  NOT NULL COMMENT "Where it was seen",
    created_time    DATETIME(6)   NOT NULL COMMENT "When the instance was received or refused (UTC)",
    updated_time    DATETIME(6)   NOT NULL COMMENT "When it was last seen or cleared (UTC)"
)
ENGINE=OLAP
UNIQUE KEY(tenant_id, study_uid, series_uid, sop_uid, occasion, rule, tag_path, table_name, column_name)
COMMENT "What was odd with instances, one row per instance, rule and place. It never holds a value, which may be a patient's."
DISTRIBUTED BY HASH(sop_uid) BUCKETS 8
PROPERTIES (
    "replication_num" = "1",
    "enable_unique_key_merge_on_write" = "true",
    "light_schema_change" = "true",
    "function_column.sequence_col" = "updated_time"
);
