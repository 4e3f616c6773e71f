internal import DICOMDictionary

/// The boundary of a `multipart/related` body (RFC 2046 5.1.1, PS3.18 8.6.1.2) and the bytes between its parts. All
/// lengths are known before anything is sent.
public struct MultipartBoundary: Hashable, Sendable {
    /// 1 to 70 characters.
    public let value: String

    /// 128 random bits, so that no content holds it but by an accident that never happens.
    public init() {
        var generator = SystemRandomNumberGenerator()
        self.init(using: &generator)
    }

    public init(using generator: inout some RandomNumberGenerator) {
        var text = "wado-"
        for _ in 0..<2 { text += generator.next().hexadecimal(digits: 16, uppercase: false) }
        value = text
    }

    /// A boundary read from a Content-Type; nil when it is not one (RFC 2046 5.1.1: 1 to 70 of its characters, the last
    /// not a space).
    public init?(_ value: String) {
        let bytes = value.utf8
        guard (1...70).contains(bytes.count), bytes.last != 0x20 else { return nil }
        let legal = bytes.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            case 0x20, 0x27, 0x28, 0x29, 0x2B, 0x5F, 0x2C, 0x2D, 0x2E, 0x2F, 0x3A, 0x3D, 0x3F: true
            default: false
            }
        }
        guard legal else { return nil }
        self.value = value
    }

    /// The response's Content-Type: `multipart/related; type="application/dicom"; boundary=...`.
    public func contentType(of parts: MediaType) -> String {
        "multipart/related; type=\"\(parts.essence)\"; boundary=\(MediaType.quotedIfNeeded(value))"
    }

    /// Everything before a part's body. `Content-Type:` is spelled exactly so: some viewers look for these letters.
    /// - Parameters:
    ///   - isFirst: The first part's boundary starts the body; the others follow a line break.
    ///   - transferSyntaxUID: Named in Content-Type (PS3.18 8.7.3.5.2); without it viewers take compressed frames for raw.
    ///   - location: For Content-Location (PS3.18 8.6.1.2.2), where a part can be had alone. Control characters in it are
    ///     dropped.
    ///   - length: The body's bytes, for Content-Length.
    public func partHeader(
        isFirst: Bool, contentType: MediaType, transferSyntaxUID: String? = nil, location: String? = nil,
        length: Int? = nil
    ) -> [UInt8] {
        var text = isFirst ? "--" : "\r\n--"
        text += value
        text += "\r\nContent-Type: \(contentType)"
        if let transferSyntaxUID { text += "; transfer-syntax=\(MediaType.quotedIfNeeded(transferSyntaxUID))" }
        if let location {
            let safe = location.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }
            text += "\r\nContent-Location: \(String(String.UnicodeScalarView(safe)))"
        }
        if let length { text += "\r\nContent-Length: \(length)" }
        text += "\r\n\r\n"
        return Array(text.utf8)
    }

    /// What ends the body.
    public var closing: [UInt8] { Array("\r\n--\(value)--\r\n".utf8) }
}
