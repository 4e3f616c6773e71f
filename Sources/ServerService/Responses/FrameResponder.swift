internal import Archive
internal import DICOMCore
internal import DICOMWeb
internal import HTTPServer

/// Answers frame lists (PS3.18 10.4, table 10.4.1-1) by ranges of the file.
struct FrameResponder: Sendable {
    let opener: InstanceOpener
    private static let maximumFrames = 10_000

    func respond(_ request: WebRequest, _ identity: InstanceIdentity, list: String) throws(RequestFailure)
        -> HTTPResponse
    {
        let numbers = try Self.numbers(list)
        let instance = try opener.open(identity)
        return try PixelResponse(request, instance, version: "f") { pixels throws(RequestFailure) in
            try numbers.map { number throws(RequestFailure) in
                guard let part = try pixels.frame(number - 1) else {
                    throw .notFound(pixels.missing(number))
                }
                return part
            }
        }.response
    }

    /// `1,3,5`: numbers from 1.
    static func numbers(_ list: String) throws(RequestFailure) -> [Int] {
        let parts = list.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard parts.count <= maximumFrames else { throw .badRequest("more than \(maximumFrames) frames are asked for") }
        return try parts.map { part throws(RequestFailure) in
            guard (1...9).contains(part.count), part.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
                throw .badRequest("the frame list is not one: numbers from 1, separated by commas, such as 1,3,5")
            }
            let number = part.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            guard number > 0 else { throw .badRequest("frames are numbered from 1") }
            return number
        }
    }
}

/// The parts of Pixel Data that can be asked for.
struct PixelParts {
    let instance: StoredInstance
    private let source: PixelSource?

    init(_ instance: StoredInstance) throws(RequestFailure) {
        self.instance = instance
        if case .native(let pixels) = instance.layout.pixels {
            source = try PixelSource(instance, pixels)
        } else {
            source = nil
        }
    }

    /// The segments of a frame, counted from 0; nil when there is no such frame.
    func frame(_ index: Int) throws(RequestFailure) -> [HTTPSegments.Segment]? {
        switch instance.layout.pixels {
        case .none: throw .notFound("the instance has no Pixel Data")
        case .native(let pixels):
            guard pixels.frameBits > 0 else {
                throw .notFound(
                    "the instance does not say how large a frame is (Rows, Columns, Bits Allocated); its Pixel Data can be"
                        + " had as bulk data")
            }
            guard let bits = pixels.bits(ofFrame: index), let source else { return nil }
            return [source.segment(bits: bits)]
        case .encapsulated(let pixels):
            guard pixels.frameCount > 0 else {
                throw .notFound(
                    "the fragments of the instance cannot be told apart into frames: it has no offset table, and not one"
                        + " fragment for each frame; retrieve the instance instead")
            }
            return pixels.fragments(ofFrame: index).map { fragments in
                fragments.map { .file(instance.file, offset: $0.offset, length: $0.length) }
            }
        }
    }

    /// All of Pixel Data: one part, or a part for each frame of compressed ones.
    func all() throws(RequestFailure) -> [[HTTPSegments.Segment]] {
        switch instance.layout.pixels {
        case .none: throw .notFound("the instance has no Pixel Data")
        case .native(let pixels): return source.map { [[$0.segment(0..<pixels.available)]] } ?? []
        case .encapsulated(let pixels):
            if pixels.frameCount > 0 {
                return try (0..<pixels.frameCount).map { index throws(RequestFailure) in try frame(index) ?? [] }
            }
            guard !pixels.fragments.isEmpty else { throw .notFound("the fragments of Pixel Data cannot be read") }
            return pixels.fragments.map { [.file(instance.file, offset: $0.offset, length: $0.length)] }
        }
    }

    func missing(_ number: Int) -> String {
        switch instance.layout.pixels {
        case .none: "the instance has no Pixel Data"
        case .native(let pixels): "there is no frame \(number): the instance has \(pixels.frameCount)"
        case .encapsulated(let pixels): "there is no frame \(number): the instance has \(pixels.frameCount)"
        }
    }
}

/// An answer made of parts of Pixel Data.
struct PixelResponse {
    let response: HTTPResponse

    init(
        _ request: WebRequest, _ instance: StoredInstance, version: String,
        parts: (PixelParts) throws(RequestFailure) -> [[HTTPSegments.Segment]]
    ) throws(RequestFailure) {
        let pixels = try PixelParts(instance)
        let parts = try parts(pixels)
        let choice = try request.negotiate(Self.offers(instance.layout, isSingle: parts.count == 1))
        let tag =
            "\"\(version)\(EntityTag.text(instance.file.identity))-\(choice.isMultipart ? "m" : "s")"
            + "\(choice.mediaType.subtype)\""
        if request.isUnchanged(tag) {
            response = .unchanged(tag)
            return
        }
        let uid = choice.transferSyntaxUID ?? ""
        var response: HTTPResponse
        if choice.isMultipart {
            let boundary = MultipartBoundary()
            var segments: [HTTPSegments.Segment] = []
            segments.reserveCapacity(parts.count * 2 + 1)
            for (index, part) in parts.enumerated() {
                segments.append(
                    .bytes(
                        boundary.partHeader(
                            isFirst: index == 0, contentType: choice.mediaType, transferSyntaxUID: uid,
                            length: part.reduce(0) { $0 + $1.length })))
                segments += part
            }
            segments.append(.bytes(boundary.closing))
            response = HTTPResponse(200, body: .segments(segments))
            response.add("Content-Type", boundary.contentType(of: choice.mediaType))
        } else {
            let part = parts.first ?? []
            if part.count == 1, case .file(let file, let offset, let length) = part[0] {
                response = HTTPResponse(200, body: .file(file, offset: offset, length: length))
            } else {
                response = HTTPResponse(200, body: .segments(part))
            }
            response.add("Content-Type", "\(choice.mediaType.essence); transfer-syntax=\(uid)")
        }
        response.add("ETag", tag)
        self.response = response
    }

    /// Uncompressed pixels are explicit little endian, whatever the file has. Compressed ones keep their transfer syntax;
    /// a range that names `application/octet-stream` without one asks for uncompressed pixels (PS3.18 8.7.3.5.2), which
    /// nothing here makes of them.
    private static func offers(_ layout: InstanceLayout, isSingle: Bool) -> [Representation] {
        var offers: [Representation] = []
        if case .encapsulated = layout.pixels {
            let uid = layout.transferSyntax.uid
            let type = PixelMediaType.of(layout.transferSyntax)
            for isMultipart in isSingle ? [true, false] : [true] {
                if type != .octetStream {
                    offers.append(Representation(type, multipart: isMultipart, transferSyntaxUID: uid, isDefault: true))
                }
                offers.append(Representation(.octetStream, multipart: isMultipart, transferSyntaxUID: uid))
            }
        } else {
            let uid = TransferSyntax.explicitVRLittleEndian.uid
            for isMultipart in isSingle ? [true, false] : [true] {
                offers.append(Representation(.octetStream, multipart: isMultipart, transferSyntaxUID: uid))
            }
        }
        return offers
    }
}

enum EntityTag {
    static func text(_ identity: HTTPFile.Identity) -> String {
        "\(String(identity.inode, radix: 36))-\(String(identity.modified, radix: 36))-\(String(identity.size, radix: 36))"
    }
}
