// DICOMCore
