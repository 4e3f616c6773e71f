/// Why bytes are not DICOM JSON (PS3.18 annex F), and where. It holds no value.
public struct DICOMJSONError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: String, Hashable, Sendable {
        /// Not JSON (RFC 8259).
        case invalidSyntax
        /// The bytes end inside a value.
        case truncated
        /// Bytes behind the end.
        case trailingBytes
        /// A string is not UTF-8 or has half a surrogate pair.
        case invalidText
        case tooDeep
        /// More attributes or bytes than the limits allow.
        case tooLarge
        /// An attribute's name has not eight hexadecimal digits.
        case invalidTag
        /// `vr` is missing or is none.
        case invalidVR
        /// A value that the value representation cannot have, or two of Value, InlineBinary and BulkDataURI.
        case invalidValue
        case duplicateAttribute
    }

    public var code: Code
    /// Bytes from the start.
    public var byteOffset: Int

    init(_ code: Code, at byteOffset: Int) {
        self.code = code
        self.byteOffset = byteOffset
    }

    public var description: String { "DICOM JSON: \(code.rawValue) at byte \(byteOffset)" }
}
