-- Generated from dictionary/fields.yaml by `swift package generate-sql`. Do not edit.

CREATE TABLE IF NOT EXISTS dicom_image_meta (
    tenant_id                  varchar(64) COLLATE "C"  NOT NULL,
    study_uid                  varchar(64) COLLATE "C"  NOT NULL,
    series_uid                 varchar(64) COLLATE "C"  NOT NULL,
    sop_uid                    varchar(64) COLLATE "C"  NOT NULL,
    patient_id                 varchar(64) COLLATE "C",
    study_uid_hash             varchar(20) COLLATE "C"  NOT NULL,
    series_uid_hash            varchar(20) COLLATE "C"  NOT NULL,
    study_date_origin          varchar(16) COLLATE "C",
    content_date               date,
    content_time               time,
    instance_number            integer,
    image_type                 varchar(128) COLLATE "C",
    image_orientation_patient  varchar(128) COLLATE "C",
    image_position_patient     varchar(64) COLLATE "C",
    slice_thickness            double precision,
    spacing_between_slices     double precision,
    slice_location             double precision,
    samples_per_pixel          integer,
    photometric_interpretation varchar(32) COLLATE "C",
    width                      integer,
    columns                    integer,
    bits_allocated             integer,
    bits_stored                integer,
    high_bit                   integer,
    pixel_representation       integer,
    number_of_frames           integer,
    rescale_intercept          double precision,
    rescale_slope              double precision,
    rescale_type               varchar(64) COLLATE "C",
    window_center              varchar(64) COLLATE "C",
    window_width               varchar(64) COLLATE "C",
    transfer_syntax_uid        varchar(64) COLLATE "C"  NOT NULL,
    pixel_data_location        varchar(512) COLLATE "C",
    thumbnail_location         varchar(512) COLLATE "C",
    sop_class_uid              varchar(64) COLLATE "C"  NOT NULL,
    image_status               varchar(32) COLLATE "C",
    space_size                 bigint                   NOT NULL,
    created_time               timestamp with time zone NOT NULL,
    updated_time               timestamp with time zone NOT NULL,
    PRIMARY KEY (tenant_id, study_uid, series_uid, sop_uid)
);

CREATE INDEX IF NOT EXISTS dicom_image_meta_sop_uid_idx ON dicom_image_meta (tenant_id, sop_uid);

COMMENT ON TABLE dicom_image_meta IS 'One row per instance, with what a viewer wants to know of its image.';
COMMENT ON COLUMN dicom_image_meta.study_uid IS 'StudyInstanceUID (0020,000D)';
COMMENT ON COLUMN dicom_image_meta.series_uid IS 'SeriesInstanceUID (0020,000E)';
COMMENT ON COLUMN dicom_image_meta.sop_uid IS 'SOPInstanceUID (0008,0018)';
COMMENT ON COLUMN dicom_image_meta.patient_id IS 'PatientID (0010,0020)';
COMMENT ON COLUMN dicom_image_meta.study_uid_hash IS 'SeaHash of study_uid in 20 digits';
COMMENT ON COLUMN dicom_image_meta.series_uid_hash IS 'SeaHash of series_uid in 20 digits';
COMMENT ON COLUMN dicom_image_meta.study_date_origin IS 'StudyDate (0008,0020): StudyDate as it was received';
COMMENT ON COLUMN dicom_image_meta.content_date IS 'ContentDate (0008,0023)';
COMMENT ON COLUMN dicom_image_meta.content_time IS 'ContentTime (0008,0033)';
COMMENT ON COLUMN dicom_image_meta.instance_number IS 'InstanceNumber (0020,0013)';
COMMENT ON COLUMN dicom_image_meta.image_type IS 'ImageType, all values (0008,0008)';
COMMENT ON COLUMN dicom_image_meta.image_orientation_patient IS 'ImageOrientationPatient, all values (0020,0037)';
COMMENT ON COLUMN dicom_image_meta.image_position_patient IS 'ImagePositionPatient, all values (0020,0032)';
COMMENT ON COLUMN dicom_image_meta.slice_thickness IS 'SliceThickness (0018,0050)';
COMMENT ON COLUMN dicom_image_meta.spacing_between_slices IS 'SpacingBetweenSlices (0018,0088)';
COMMENT ON COLUMN dicom_image_meta.slice_location IS 'SliceLocation (0020,1041)';
COMMENT ON COLUMN dicom_image_meta.samples_per_pixel IS 'SamplesPerPixel (0028,0002)';
COMMENT ON COLUMN dicom_image_meta.photometric_interpretation IS 'PhotometricInterpretation (0028,0004)';
COMMENT ON COLUMN dicom_image_meta.width IS 'Rows (0028,0010): The number of rows (0028,0010), which is the height; the name is kept for existing readers';
COMMENT ON COLUMN dicom_image_meta.columns IS 'Columns (0028,0011): The number of columns, which is the width';
COMMENT ON COLUMN dicom_image_meta.bits_allocated IS 'BitsAllocated (0028,0100)';
COMMENT ON COLUMN dicom_image_meta.bits_stored IS 'BitsStored (0028,0101)';
COMMENT ON COLUMN dicom_image_meta.high_bit IS 'HighBit (0028,0102)';
COMMENT ON COLUMN dicom_image_meta.pixel_representation IS 'PixelRepresentation (0028,0103)';
COMMENT ON COLUMN dicom_image_meta.number_of_frames IS 'NumberOfFrames (0028,0008)';
COMMENT ON COLUMN dicom_image_meta.rescale_intercept IS 'RescaleIntercept (0028,1052)';
COMMENT ON COLUMN dicom_image_meta.rescale_slope IS 'RescaleSlope (0028,1053)';
COMMENT ON COLUMN dicom_image_meta.rescale_type IS 'RescaleType (0028,1054)';
COMMENT ON COLUMN dicom_image_meta.window_center IS 'WindowCenter, all values (0028,1050)';
COMMENT ON COLUMN dicom_image_meta.window_width IS 'WindowWidth, all values (0028,1051)';
COMMENT ON COLUMN dicom_image_meta.transfer_syntax_uid IS 'Of the file meta information';
COMMENT ON COLUMN dicom_image_meta.pixel_data_location IS 'Where the pixel data is when it is not in the file';
COMMENT ON COLUMN dicom_image_meta.sop_class_uid IS 'SOPClassUID (0008,0016)';
COMMENT ON COLUMN dicom_image_meta.space_size IS 'Bytes of the file';
COMMENT ON COLUMN dicom_image_meta.created_time IS 'When it was received (UTC)';
COMMENT ON COLUMN dicom_image_meta.updated_time IS 'When the row was last written (UTC)';
