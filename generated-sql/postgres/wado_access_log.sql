-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS wado_access_log (
    tenant_id      varchar(64) COLLATE "C"   NOT NULL,
    request_time   timestamp with time zone  NOT NULL,
    trace_id       varchar(36) COLLATE "C"   NOT NULL,
    worker_node_id varchar(64) COLLATE "C"   NOT NULL,
    method         varchar(16) COLLATE "C"   NOT NULL,
    operation      varchar(32) COLLATE "C"   NOT NULL,
    path           varchar(1024) COLLATE "C",
    study_uid      varchar(64) COLLATE "C",
    series_uid     varchar(64) COLLATE "C",
    sop_uid        varchar(64) COLLATE "C",
    status         integer                   NOT NULL,
    bytes_sent     bigint                    NOT NULL DEFAULT 0,
    duration_us    bigint                    NOT NULL DEFAULT 0,
    remote_address varchar(45) COLLATE "C",
    user_agent     varchar(256) COLLATE "C",
    PRIMARY KEY (tenant_id, request_time, trace_id)
) PARTITION BY RANGE (request_time);

-- Rows of a month that has no partition yet.
CREATE TABLE IF NOT EXISTS wado_access_log_default PARTITION OF wado_access_log DEFAULT;

CREATE INDEX IF NOT EXISTS wado_access_log_study_uid_idx ON wado_access_log (tenant_id, study_uid);

COMMENT ON TABLE wado_access_log IS 'One row per request of DICOMweb. No patient data, so no query of a URL.';
COMMENT ON COLUMN wado_access_log.request_time IS 'When the request was received (UTC)';
COMMENT ON COLUMN wado_access_log.trace_id IS 'UUID version 7 of the request';
COMMENT ON COLUMN wado_access_log.worker_node_id IS 'Who answered';
COMMENT ON COLUMN wado_access_log.method IS 'HTTP method';
COMMENT ON COLUMN wado_access_log.operation IS 'What was asked for: metadata, frames, search-studies, ...';
COMMENT ON COLUMN wado_access_log.path IS 'Without the query';
COMMENT ON COLUMN wado_access_log.status IS 'HTTP status';
COMMENT ON COLUMN wado_access_log.bytes_sent IS 'Bytes of the body';
COMMENT ON COLUMN wado_access_log.duration_us IS 'Microseconds from the request to the last byte';
