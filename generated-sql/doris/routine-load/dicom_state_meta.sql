-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE ROUTINE LOAD medical_state_load ON dicom_state_meta
COLUMNS (
    tenant_id,
    study_uid,
    series_uid,
    study_uid_hash,
    series_uid_hash,
    representative_sop_uid,
    patient_id,
    issuer_of_patient_id,
    patient_name,
    patient_sex,
    patient_birth_date,
    patient_birth_time,
    patient_age,
    patient_size,
    patient_weight,
    pregnancy_status,
    study_date,
    study_date_origin,
    study_time,
    accession_number,
    study_id,
    study_description,
    referring_physician_name,
    procedure_code,
    procedure_code_meaning,
    reading_physicians_name,
    modality,
    series_number,
    series_date,
    series_time,
    series_description,
    body_part_examined,
    protocol_name,
    institution_name,
    timezone_offset_from_utc,
    performed_procedure_step_start_date,
    performed_procedure_step_start_time,
    requested_procedure_id,
    scheduled_procedure_step_id,
    series_related_instances,
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
    "jsonpaths" = "[\"$.tenant_id\",\"$.study_uid\",\"$.series_uid\",\"$.study_uid_hash\",\"$.series_uid_hash\",\"$.representative_sop_uid\",\"$.patient_id\",\"$.issuer_of_patient_id\",\"$.patient_name\",\"$.patient_sex\",\"$.patient_birth_date\",\"$.patient_birth_time\",\"$.patient_age\",\"$.patient_size\",\"$.patient_weight\",\"$.pregnancy_status\",\"$.study_date\",\"$.study_date_origin\",\"$.study_time\",\"$.accession_number\",\"$.study_id\",\"$.study_description\",\"$.referring_physician_name\",\"$.procedure_code\",\"$.procedure_code_meaning\",\"$.reading_physicians_name\",\"$.modality\",\"$.series_number\",\"$.series_date\",\"$.series_time\",\"$.series_description\",\"$.body_part_examined\",\"$.protocol_name\",\"$.institution_name\",\"$.timezone_offset_from_utc\",\"$.performed_procedure_step_start_date\",\"$.performed_procedure_step_start_time\",\"$.requested_procedure_id\",\"$.scheduled_procedure_step_id\",\"$.series_related_instances\",\"$.created_time\",\"$.updated_time\"]",
    "strip_outer_array" = "false",
    "strict_mode" = "false",
    "timezone" = "UTC"
)
FROM KAFKA (
    "kafka_broker_list" = "127.0.0.1:9092",
    "kafka_topic" = "dicom_state_queue",
    "property.kafka_default_offsets" = "OFFSET_BEGINNING"
);
