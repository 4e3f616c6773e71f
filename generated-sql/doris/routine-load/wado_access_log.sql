-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE ROUTINE LOAD wado_access_load ON wado_access_log
COLUMNS (
    tenant_id,
    request_time,
    trace_id,
    worker_node_id,
    method,
    operation,
    path,
    study_uid,
    series_uid,
    sop_uid,
    status,
    bytes_sent,
    duration_us,
    remote_address,
    user_agent
)
PROPERTIES (
    "desired_concurrent_number" = "3",
    "max_batch_interval" = "10",
    "max_batch_rows" = "300000",
    "max_batch_size" = "209715200",
    "max_error_number" = "1000",
    "format" = "json",
    "jsonpaths" = "[\"$.tenant_id\",\"$.request_time\",\"$.trace_id\",\"$.worker_node_id\",\"$.method\",\"$.operation\",\"$.path\",\"$.study_uid\",\"$.series_uid\",\"$.sop_uid\",\"$.status\",\"$.bytes_sent\",\"$.duration_us\",\"$.remote_address\",\"$.user_agent\"]",
    "strip_outer_array" = "false",
    "strict_mode" = "false",
    "timezone" = "UTC"
)
FROM KAFKA (
    "kafka_broker_list" = "127.0.0.1:9092",
    "kafka_topic" = "webapi_access_queue",
    "property.kafka_default_offsets" = "OFFSET_BEGINNING"
);
