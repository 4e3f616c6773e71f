-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE ROUTINE LOAD medical_image_load ON dicom_image_meta
COLUMNS (
    tenant_id,
    study_uid,
    series_uid,
    sop_uid,
    patient_id,
    study_uid_hash,
    series_uid_hash,
    study_date_origin,
    content_date,
    content_time,
    instance_number,
    image_type,
    image_orientation_patient,
    image_position_patient,
    slice_thickness,
    spacing_between_slices,
    slice_location,
    samples_per_pixel,
    photometric_interpretation,
    width,
    columns,
    bits_allocated,
    bits_stored,
    high_bit,
    pixel_representation,
    number_of_frames,
    rescale_intercept,
    rescale_slope,
    rescale_type,
    window_center,
    window_width,
    transfer_syntax_uid,
    pixel_data_location,
    thumbnail_location,
    sop_class_uid,
    image_status,
    space_size,
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
    "jsonpaths" = "[\"$.tenant_id\",\"$.study_uid\",\"$.series_uid\",\"$.sop_uid\",\"$.patient_id\",\"$.study_uid_hash\",\"$.series_uid_hash\",\"$.study_date_origin\",\"$.content_date\",\"$.content_time\",\"$.instance_number\",\"$.image_type\",\"$.image_orientation_patient\",\"$.image_position_patient\",\"$.slice_thickness\",\"$.spacing_between_slices\",\"$.slice_location\",\"$.samples_per_pixel\",\"$.photometric_interpretation\",\"$.width\",\"$.columns\",\"$.bits_allocated\",\"$.bits_stored\",\"$.high_bit\",\"$.pixel_representation\",\"$.number_of_frames\",\"$.rescale_intercept\",\"$.rescale_slope\",\"$.rescale_type\",\"$.window_center\",\"$.window_width\",\"$.transfer_syntax_uid\",\"$.pixel_data_location\",\"$.thumbnail_location\",\"$.sop_class_uid\",\"$.image_status\",\"$.space_size\",\"$.created_time\",\"$.updated_time\"]",
    "strip_outer_array" = "false",
    "strict_mode" = "false",
    "timezone" = "UTC"
)
FROM KAFKA (
    "kafka_broker_list" = "127.0.0.1:9092",
    "kafka_topic" = "dicom_image_queue",
    "property.kafka_default_offsets" = "OFFSET_BEGINNING"
);
