public import DICOMDictionary

/// Why bytes could not be read as DICOM, and where. It never holds a value of the data set.
public struct DICOMError: Error, Hashable, Sendable {
    /// What is wrong.
    public enum Code: String, Hashable, Sendable {
        /// The file cannot be opened or read now; `systemError` has the `errno`: `EBUSY` when large headers were being
        /// read for longer than is waited for.
        case unreadable
        /// Neither a PS3.10 file nor a bare data set.
        case notDICOM
        /// The bytes end inside an element, an item or a sequence.
        case truncated
        /// A length reaches past the end of the item or sequence around it.
        case lengthExceedsParent
        /// Neither two letters of a VR nor a length that could be implicit.
        case invalidVR
        /// Something that may not stand here: an item outside of a sequence, an element between items.
        case unexpectedTag
        /// A fragment of undefined length, or none of the lengths allowed here.
        case invalidLength
        /// Sequences are nested deeper than `ReadOptions.maximumDepth`.
        case tooDeep
        /// More elements than `ReadOptions.maximumElements`.
        case tooManyElements
        /// The elements before Pixel Data need more than `ReadOptions.maximumHeaderBytes`, or of a deflated data set more
        /// than `maximumKeptBytes`.
        case headerTooLong
        /// A deflated data set inflates to more than `ReadOptions.maximumInflatedBytes`.
        case inflatesTooFar
        /// The deflate stream is damaged or ends early.
        case invalidDeflate
        /// A value cannot be represented: a length beyond the VR's, or a conversion that is not possible.
        case notRepresentable
    }

    /// One step from the root to the place of the error.
    public enum PathComponent: Hashable, Sendable {
        case tag(Tag)
        /// The number of an item, from 0.
        case item(Int)
    }

    public let code: Code
    /// Where, in bytes from the start of the file or of the bytes given (of the inflated bytes, in a deflated data
    /// set).
    public let byteOffset: Int
    /// The tags and item numbers on the way to the place.
    public let path: [PathComponent]
    /// The `errno` of the system call that failed; 0 when none did.
    public let systemError: Int32

    public init(_ code: Code, at byteOffset: Int, path: [PathComponent] = [], systemError: Int32 = 0) {
        self.code = code
        self.byteOffset = byteOffset
        self.path = path
        self.systemError = systemError
    }
}

extension DICOMError: CustomStringConvertible {
    /// For logs: code, offset and path, such as `truncated at byte 1312, (0040,A730)[2](0040,A043)`.
    public var description: String {
        var text = "\(code.rawValue) at byte \(byteOffset)"
        if systemError != 0 { text += ", errno \(systemError)" }
        return path.isEmpty ? text : text + ", " + place
    }

    /// The path as text, such as `(0040,A730)[2](0040,A043)`.
    public var place: String { Self.place(path) }

    static func place(_ path: [PathComponent]) -> String {
        var text = ""
        for step in path {
            switch step {
            case .tag(let tag): text += "\(tag)"
            case .item(let number): text += "[\(number)]"
            }
        }
        return text
    }
}
