-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS wado_access_log (
    tenant_id      VARCHAR(256)  NOT NULL,
    request_time   DATETIME(6)   NOT NULL COMMENT "When the request was received (UTC)",
    trace_id       VARCHAR(144)  NOT NULL COMMENT "UUID version 7 of the request",
    worker_node_id VARCHAR(256)  NOT NULL COMMENT "Who answered",
    method         VARCHAR(64)   NOT NULL COMMENT "HTTP method",
    operation      VARCHAR(128)  NOT NULL COMMENT "What was asked for: metadata, frames, search-studies, ...",
    path           VARCHAR(4096) NULL     COMMENT "Without the query",
    study_uid      VARCHAR(64)   NULL,
    series_uid     VARCHAR(64)   NULL,
    sop_uid        VARCHAR(64)   NULL,
    status         INT           NOT NULL COMMENT "HTTP status",
    bytes_sent     BIGINT        NOT NULL DEFAULT "0" COMMENT "Bytes of the body",
    duration_us    BIGINT        NOT NULL DEFAULT "0" COMMENT "Microseconds from the request to the last byte",
    remote_address VARCHAR(180)  NULL,
    user_agent     VARCHAR(1024) NULL
)
ENGINE=OLAP
UNIQUE KEY(tenant_id, request_time, trace_id)
COMMENT "One row per request of DICOMweb. No patient data, so no query of a URL."
AUTO PARTITION BY RANGE (date_trunc(request_time, 'month')) ()
DISTRIBUTED BY HASH(trace_id) BUCKETS 8
PROPERTIES (
    "replication_num" = "1",
    "enable_unique_key_merge_on_write" = "true",
    "light_schema_change" = "true"
);
