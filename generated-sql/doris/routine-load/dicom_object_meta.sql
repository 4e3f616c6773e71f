-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE ROUTINE LOAD medical_object_load ON dicom_object_meta
COLUMNS (
    tenant_id,
    study_uid,
    series_uid,
    sop_uid,
    patient_id,
    file_size,
    file_path,
    transfer_syntax_uid,
    number_of_frames,
    created_time,
    series_uid_hash,
    study_uid_hash,
    accession_number,
    target_ts,
    study_date,
    transfer_status,
    source_ip,
    source_ae,
    trace_id,
    worker_node_id
)
PROPERTIES (
    "desired_concurrent_number" = "3",
    "max_batch_interval" = "10",
    "max_batch_rows" = "300000",
    "max_batch_size" = "209715200",
    "max_error_number" = "1000",
    "format" = "json",
    "jsonpaths" = "[\"$.tenant_id\",\"$.study_uid\",\"$.series_uid\",\"$.sop_uid\",\"$.patient_id\",\"$.file_size\",\"$.file_path\",\"$.transfer_syntax_uid\",\"$.number_of_frames\",\"$.created_time\",\"$.series_uid_hash\",\"$.study_uid_hash\",\"$.accession_number\",\"$.target_ts\",\"$.study_date\",\"$.transfer_status\",\"$.source_ip\",\"$.source_ae\",\"$.trace_id\",\"$.worker_node_id\"]",
    "strip_outer_array" = "false",
    "strict_mode" = "false",
    "timezone" = "UTC"
)
FROM KAFKA (
    "kafka_broker_list" = "127.0.0.1:9092",
    "kafka_topic" = "log_queue",
    "property.kafka_default_offsets" = "OFFSET_BEGINNING"
);
