-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE ROUTINE LOAD medical_problem_load ON dicom_problem_meta
COLUMNS (
    tenant_id,
    study_uid,
    series_uid,
    sop_uid,
    occasion,
    rule,
    tag_path,
    table_name,
    column_name,
    severity,
    state,
    occurrences,
    detail,
    program,
    program_version,
    trace_id,
    source_ip,
    source_ae,
    worker_node_id,
    created_time,
    updated_time
)
PROPERTIES (
    "desired_concurrent_number" = "3",
    "max_batch_interval" = "10",
    "max_batch_rows" = "300000",
    "max_batch_size" = "209715200",
    "max_error_number" = "1000",
    "format" = "json",
    "jsonpaths" = "[\"$.tenant_id\",\"$.study_uid\",\"$.series_uid\",\"$.sop_uid\",\"$.occasion\",\"$.rule\",\"$.tag_path\",\"$.table_name\",\"$.column_name\",\"$.severity\",\"$.state\",\"$.occurrences\",\"$.detail\",\"$.program\",\"$.program_version\",\"$.trace_id\",\"$.source_ip\",\"$.source_ae\",\"$.worker_node_id\",\"$.created_time\",\"$.updated_time\"]",
    "strip_outer_array" = "false",
    "strict_mode" = "false",
    "timezone" = "UTC"
)
FROM KAFKA (
    "kafka_broker_list" = "127.0.0.1:9092",
    "kafka_topic" = "dicom_problem_queue",
    "property.kafka_default_offsets" = "OFFSET_BEGINNING"
);
