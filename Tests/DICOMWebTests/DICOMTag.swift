import DICOMDictionary

/// Swift Testing has a `Tag` too.
typealias DICOMTag = DICOMDictionary.Tag
