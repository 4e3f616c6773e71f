/// The DICOM JSON Model (PS3.18 annex F).
///
/// What is written equals what pydicom's `to_json_dict` gives for the same data set, except for:
///
/// | here | pydicom | why |
/// |---|---|---|
/// | group lengths are left out | kept | PS3.18 F.2.2: group length attributes shall not be included |
/// | an empty sequence has no Value | `[]` | PS3.18 F.2.5 |
/// | an empty value among several is `null` | `""` | PS3.18 F.2.5 |
/// | an empty component group of a name is left out | `""` | PS3.18 F.2.2; a name of empty groups is no value |
/// | padding that does not count (PS3.5 6.2) is dropped from every value | from the last one's end | `" 1.2"` is `"1.2"` |
/// | a DS or IS keeps its digits: `0.1` of 20 digits, `1.0E+3` | a double | equal as numbers, and nothing is rounded |
/// | a DS or IS that is no number is a string | an exception | PS3.18 F.2.3 allows strings; it stays readable |
/// | infinite and not-a-number FL and FD are the strings `inf`, `-inf`, `NaN` | not JSON | as in PS3.19 A.1.6 |
/// | big-endian binary values are turned into little endian | left as they are | PS3.18 F.2.7 |
/// | bytes left over behind the last whole number are dropped | an exception | the numbers before them are good |
/// | bytes that the character set does not allow become U+FFFD or a guess | a guess, another one | JSON is UTF-8 |
/// | Pixel Data is always a BulkDataURI | by size | viewers ask for frames |
/// | a value that was not read for its length (`Element.isOmitted`) is a BulkDataURI | by size, of binary VRs | PS3.18 F.2.2 |
/// | what stands behind Pixel Data is left out of a data set that was read up to it | kept | ingest reads no further |
/// | private attributes without a VR in the file are UN | a dictionary of private attributes | nothing is guessed |
/// | of two elements with one tag the first counts | the last | as everywhere here |
/// | the first value of a LUT descriptor of VR SS stays signed | made unsigned | it is what the VR says |
public enum DICOMJSON {}
