/// The media types a client accepts: its Accept header and the `accept` query parameter (PS3.18 8.3.3.1, 8.7.5).
public struct AcceptHeader: Hashable, Sendable {
    /// One media range with its weight.
    public struct Range: Hashable, Sendable {
        /// What is accepted, `q` left out; for `multipart/related` what its parameter `type` says is in `partType`.
        public var mediaType: MediaType
        /// The weight in thousandths, 0 (not acceptable) to 1000.
        public var quality: Int
        /// The `type` parameter of `multipart/related`; nil when it was not given or this is not multipart.
        public var partType: MediaType?
        /// The `transfer-syntax` parameter: a UID, or `*` for any; nil when not given.
        public var transferSyntax: String?

        init?(_ mediaType: MediaType) {
            self.mediaType = mediaType
            quality = 1000
            if let text = mediaType.parameter("q") {
                guard let value = Self.quality(text) else { return nil }
                quality = value
                self.mediaType.parameters.removeAll { $0.name == "q" }
            }
            transferSyntax = mediaType.parameter("transfer-syntax")
            if mediaType.type == "multipart", let text = mediaType.parameter("type") {
                guard let type = MediaType(text) else { return nil }
                partType = type
                // type="application/dicom; transfer-syntax=..." is also seen.
                if transferSyntax == nil { transferSyntax = type.parameter("transfer-syntax") }
            }
        }

        /// `0.85` as 850 (RFC 9110 12.4.2); more than three decimals are cut, and a zero in front may be missing, as Java
        /// has it.
        package static func quality(_ text: String) -> Int? {
            let bytes = Array((text.hasPrefix(".") ? "0" + text : text).utf8)
            guard let first = bytes.first, first == 0x30 || first == 0x31 else { return nil }
            guard bytes.count == 1 || bytes[1] == 0x2E else { return nil }
            var value = Int(first - 0x30) * 1000
            var scale = 100
            for byte in bytes.dropFirst(2) {
                guard (0x30...0x39).contains(byte) else { return nil }
                value += Int(byte - 0x30) * scale
                scale /= 10
            }
            return min(value, 1000)
        }
    }

    /// Ranges of the header, in its order.
    public private(set) var ranges: [Range]
    /// Ranges of the `accept` query parameter; these are tried first.
    public private(set) var queryRanges: [Range]
    /// How many list elements could not be read and were passed over.
    public private(set) var unreadable = 0

    /// At most this many ranges of each source are read; the rest is passed over.
    public static let maximumRanges = 64
    /// A longer field value is read up to here, bytes.
    public static let maximumLength = 8192

    /// - Parameters:
    ///   - lines: The values of all `Accept` header lines in their order; without any, everything is accepted.
    ///   - query: The values of the `accept` query parameter, percent-decoded.
    public init(lines: [String], query: [String] = []) {
        ranges = []
        queryRanges = []
        for line in lines { read(line, into: \.ranges) }
        for line in query { read(Self.withPlus(line), into: \.queryRanges) }
        if ranges.isEmpty, unreadable == 0, queryRanges.isEmpty, let any = Range(MediaType("*", "*")) {
            ranges = [any]
        }
    }

    /// A `+` in a query is often decoded to a space, as in forms; no media type has one inside of a name.
    private static func withPlus(_ line: String) -> String {
        var bytes = Array(line.utf8)
        for index in bytes.indices.dropFirst().dropLast()
        where bytes[index] == 0x20 && HeaderScanner.isTokenCharacter(bytes[index - 1])
            && HeaderScanner.isTokenCharacter(bytes[index + 1])
        {
            bytes[index] = 0x2B
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func read(_ line: String, into list: WritableKeyPath<AcceptHeader, [Range]>) {
        var scanner = HeaderScanner(line.utf8.count > Self.maximumLength ? "" : line[...])
        if line.utf8.count > Self.maximumLength { unreadable += 1 }
        while !scanner.isAtEnd, self[keyPath: list].count < Self.maximumRanges {
            scanner.skipWhitespace()
            if scanner.take(0x2C) { continue }
            if scanner.isAtEnd { break }
            let start = scanner.position
            if let mediaType = MediaType(scanning: &scanner), let range = Range(mediaType) {
                self[keyPath: list].append(range)
            } else {
                unreadable += 1
                scanner.position = start
                scanner.skipListElement()
            }
        }
    }
}

/// One way a resource can be sent.
public struct Representation: Hashable, Sendable, CustomStringConvertible {
    /// The media type of the body, or of each part when `isMultipart`.
    public var mediaType: MediaType
    /// Sent as `multipart/related; type="mediaType"`.
    public var isMultipart: Bool
    /// The transfer syntax of what is sent; nil where there is none (JSON, plain bulk data).
    public var transferSyntaxUID: String?
    /// Whether it may answer a range that names no transfer syntax. By the standard only the media type's default
    /// transfer syntax may (PS3.18 8.7.3.5.2); an archive that does not transcode sets it to send what it has.
    public var isDefault: Bool

    /// - Parameter isDefault: nil decides by the standard's tables of default transfer syntaxes.
    public init(
        _ mediaType: MediaType, multipart: Bool = false, transferSyntaxUID: String? = nil, isDefault: Bool? = nil
    ) {
        self.mediaType = mediaType
        self.isMultipart = multipart
        self.transferSyntaxUID = transferSyntaxUID
        self.isDefault = isDefault ?? Self.isDefault(transferSyntaxUID, of: mediaType)
    }

    /// The default transfer syntaxes of PS3.18 tables 8.7.3-2 to 8.7.3-5.
    private static func isDefault(_ uid: String?, of mediaType: MediaType) -> Bool {
        guard let uid else { return true }
        return switch mediaType.essence {
        case "application/dicom", "application/octet-stream": uid == "1.2.840.10008.1.2.1"
        case "image/jpeg": uid == "1.2.840.10008.1.2.4.70"
        case "image/dicom-rle": uid == "1.2.840.10008.1.2.5"
        case "image/jls": uid == "1.2.840.10008.1.2.4.80"
        case "image/jp2": uid == "1.2.840.10008.1.2.4.90"
        case "image/jpx": uid == "1.2.840.10008.1.2.4.92"
        case "image/jphc": uid == "1.2.840.10008.1.2.4.201"
        case "video/mpeg": uid == "1.2.840.10008.1.2.4.100"
        case "video/mp4": uid == "1.2.840.10008.1.2.4.102"
        default: true
        }
    }

    /// As an Accept header would ask for it.
    public var description: String {
        var text = isMultipart ? "multipart/related; type=\"\(mediaType)\"" : mediaType.description
        if let transferSyntaxUID { text += "; transfer-syntax=\(transferSyntaxUID)" }
        return text
    }
}

/// Nothing that the client accepts can be sent: 406 Not Acceptable (PS3.18 8.7.5).
public struct NotAcceptable: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong and what to ask for instead, for the response's body.
    public var description: String
}

extension AcceptHeader {
    /// Chooses one of the representations.
    ///
    /// Ranges of the `accept` query parameter are tried before those of the header. Each representation gets the weight
    /// of the most specific range that covers it; the highest weight wins, and of equals the one that is first in
    /// `offers`, which is in the server's order of preference.
    /// - Returns: An index into `offers`.
    public func negotiate(_ offers: [Representation]) throws(NotAcceptable) -> Int {
        for ranges in [queryRanges, ranges] where !ranges.isEmpty {
            var best: (index: Int, quality: Int)?
            for (index, offer) in offers.enumerated() {
                let quality = Self.quality(of: offer, in: ranges)
                if quality > best?.quality ?? 0 { best = (index, quality) }
            }
            if let best { return best.index }
        }
        var text = "None of the media types in Accept can be sent. This resource is available as: "
        text += offers.map(\.description).joined(separator: ", ")
        if unreadable > 0 { text += ". (\(unreadable) of the media types in Accept could not be read.)" }
        throw NotAcceptable(description: text)
    }

    /// 0 when nothing covers the offer.
    private static func quality(of offer: Representation, in ranges: [Range]) -> Int {
        var best = (specificity: -1, quality: 0)
        for range in ranges {
            guard let specificity = range.specificity(for: offer), specificity > best.specificity else { continue }
            best = (specificity, range.quality)
        }
        return best.quality
    }
}

extension AcceptHeader.Range {
    /// How narrowly this range covers the offer; nil when it does not.
    fileprivate func specificity(for offer: Representation) -> Int? {
        var specificity = 0
        if offer.isMultipart {
            guard mediaType.covers(.multipartRelated) else { return nil }
            if let partType {
                guard partType.covers(offer.mediaType) else { return nil }
                specificity += partType.type == "*" ? 0 : partType.subtype == "*" ? 8 : 16
            }
        } else {
            guard mediaType.covers(offer.mediaType) else { return nil }
        }
        specificity += mediaType.type == "*" ? 0 : mediaType.subtype == "*" ? 2 : 4
        guard let uid = offer.transferSyntaxUID else { return specificity }
        switch transferSyntax {
        case nil:
            // "*/*" and the like leave everything to the server.
            guard offer.isDefault || mediaType.subtype == "*" else { return nil }
        case "*": break
        case uid: specificity += 1
        default: return nil
        }
        return specificity
    }
}
