-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS dicom_image_meta (
    tenant_id                  VARCHAR(256)  NOT NULL,
    study_uid                  VARCHAR(64)   NOT NULL COMMENT "StudyInstanceUID (0020,000D)",
    series_uid                 VARCHAR(64)   NOT NULL COMMENT "SeriesInstanceUID (0020,000E)",
    sop_uid                    VARCHAR(64)   NOT NULL COMMENT "SOPInstanceUID (0008,0018)",
    patient_id                 VARCHAR(256)  NULL     COMMENT "PatientID (0010,0020)",
    study_uid_hash             VARCHAR(20)   NOT NULL COMMENT "SeaHash of study_uid in 20 digits",
    series_uid_hash            VARCHAR(20)   NOT NULL COMMENT "SeaHash of series_uid in 20 digits",
    study_date_origin          VARCHAR(64)   NULL     COMMENT "StudyDate (0008,0020): StudyDate as it was received",
    content_date               DATE          NULL     COMMENT "ContentDate (0008,0023)",
    content_time               VARCHAR(15)   NULL     COMMENT "ContentTime (0008,0033)",
    instance_number            INT           NULL     COMMENT "InstanceNumber (0020,0013)",
    image_type                 VARCHAR(512)  NULL     COMMENT "ImageType, all values (0008,0008)",
    image_orientation_patient  VARCHAR(512)  NULL     COMMENT "ImageOrientationPatient, all values (0020,0037)",
    image_position_patient     VARCHAR(256)  NULL     COMMENT "ImagePositionPatient, all values (0020,0032)",
    slice_thickness            DOUBLE        NULL     COMMENT "SliceThickness (0018,0050)",
    spacing_between_slices     DOUBLE        NULL     COMMENT "SpacingBetweenSlices (0018,0088)",
    slice_location             DOUBLE        NULL     COMMENT "SliceLocation (0020,1041)",
    samples_per_pixel          INT           NULL     COMMENT "SamplesPerPixel (0028,0002)",
    photometric_interpretation VARCHAR(128)  NULL     COMMENT "PhotometricInterpretation (0028,0004)",
    width                      INT           NULL     COMMENT "Rows (0028,0010): The number of rows (0028,0010), which is the height; the name is kept for existing readers",
    columns                    INT           NULL     COMMENT "Columns (0028,0011): The number of columns, which is the width",
    bits_allocated             INT           NULL     COMMENT "BitsAllocated (0028,0100)",
    bits_stored                INT           NULL     COMMENT "BitsStored (0028,0101)",
    high_bit                   INT           NULL     COMMENT "HighBit (0028,0102)",
    pixel_representation       INT           NULL     COMMENT "PixelRepresentation (0028,0103)",
    number_of_frames           INT           NULL     COMMENT "NumberOfFrames (0028,0008)",
    rescale_intercept          DOUBLE        NULL     COMMENT "RescaleIntercept (0028,1052)",
    rescale_slope              DOUBLE        NULL     COMMENT "RescaleSlope (0028,1053)",
    rescale_type               VARCHAR(256)  NULL     COMMENT "RescaleType (0028,1054)",
    window_center              VARCHAR(256)  NULL     COMMENT "WindowCenter, all values (0028,1050)",
    window_width               VARCHAR(256)  NULL     COMMENT "WindowWidth, all values (0028,1051)",
    transfer_syntax_uid        VARCHAR(64)   NOT NULL COMMENT "Of the file meta information",
    pixel_data_location        VARCHAR(2048) NULL     COMMENT "Where the pixel data is when it is not in the file",
    thumbnail_location         VARCHAR(2048) NULL,
    sop_class_uid              VARCHAR(64)   NOT NULL COMMENT "SOPClassUID (0008,0016)",
    image_status               VARCHAR(128)  NULL,
    space_size                 BIGINT        NOT NULL COMMENT "Bytes of the file",
    created_time               DATETIME(6)   NOT NULL COMMENT "When it was received (UTC)",
    updated_time               DATETIME(6)   NOT NULL COMMENT "When the row was last written (UTC)"
)
ENGINE=OLAP
UNIQUE KEY(tenant_id, study_uid, series_uid, sop_uid)
COMMENT "One row per instance, with what a viewer wants to know of its image."
DISTRIBUTED BY HASH(study_uid) BUCKETS 32
PROPERTIES (
    "replication_num" = "1",
    "enable_unique_key_merge_on_write" = "true",
    "light_schema_change" = "true",
    "function_column.sequence_col" = "updated_time"
);
