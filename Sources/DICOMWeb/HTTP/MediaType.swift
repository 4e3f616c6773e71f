/// A media type with its parameters (RFC 9110 8.3.1, PS3.18 8.7.3), of a Content-Type or in an Accept header, where
/// type and subtype may be `*`.
public struct MediaType: Hashable, Sendable, CustomStringConvertible {
    /// A parameter; its name in lower case, its value without quotation marks.
    public struct Parameter: Hashable, Sendable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// In lower case: `application`.
    public var type: String
    /// In lower case: `dicom+json`.
    public var subtype: String
    /// In their order, at most 16.
    public var parameters: [Parameter]

    public init(_ type: String, _ subtype: String, parameters: [Parameter] = []) {
        self.type = type
        self.subtype = subtype
        self.parameters = parameters
    }

    public static let dicom = MediaType("application", "dicom")
    public static let dicomJSON = MediaType("application", "dicom+json")
    public static let json = MediaType("application", "json")
    public static let octetStream = MediaType("application", "octet-stream")
    public static let multipartRelated = MediaType("multipart", "related")

    /// Reads one media type, the whole of `text`; nil when it is not one or has more than 16 parameters.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count <= 4096 else { return nil }
        var scanner = HeaderScanner(text)
        guard let mediaType = MediaType(scanning: &scanner), scanner.isAtEnd else { return nil }
        self = mediaType
    }

    /// Reads one media type up to a comma or the end.
    init?(scanning scanner: inout HeaderScanner) {
        scanner.skipWhitespace()
        // A bare "*" is Java's, for anything.
        guard let type = scanner.token(), scanner.take(0x2F) || type == "*" else { return nil }
        // "image/" is what dicomweb-client sends for any image.
        let subtype = scanner.token() ?? "*"
        guard type != "*" || subtype == "*" else { return nil }
        self.init(type.lowercased(), subtype.lowercased())
        while true {
            scanner.skipWhitespace()
            guard scanner.take(0x3B) else { break }
            scanner.skipWhitespace()
            // An empty parameter, as in "a/b; ;c=d" or at the end, is allowed (RFC 9110 5.6.6).
            guard let current = scanner.current, current != 0x3B, current != 0x2C else { continue }
            guard let name = scanner.token(), parameters.count < 16 else { return nil }
            scanner.skipWhitespace()
            guard scanner.take(0x3D) else { return nil }
            scanner.skipWhitespace()
            guard let value = scanner.parameterValue() else { return nil }
            parameters.append(Parameter(name: name.lowercased(), value: value))
        }
        guard scanner.isAtEnd || scanner.current == 0x2C else { return nil }
    }

    /// The value of the first parameter of this name (in lower case).
    public func parameter(_ name: String) -> String? {
        parameters.first { $0.name == name }?.value
    }

    /// `application/dicom+json`, without parameters.
    public var essence: String { "\(type)/\(subtype)" }

    /// As in a header; values that are not tokens are quoted.
    public var description: String {
        var text = essence
        for parameter in parameters { text += "; \(parameter.name)=\(Self.quotedIfNeeded(parameter.value))" }
        return text
    }

    /// Whether this, as a range, covers the other by type and subtype; parameters are not looked at.
    public func covers(_ other: MediaType) -> Bool {
        (type == "*" || type == other.type) && (subtype == "*" || subtype == other.subtype)
    }

    static func quotedIfNeeded(_ value: String) -> String {
        if !value.isEmpty, value.utf8.allSatisfy(HeaderScanner.isTokenCharacter) { return value }
        return "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
