// DICOMWeb
