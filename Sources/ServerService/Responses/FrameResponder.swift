internal import Archive
internal import DICOMCore
internal import DICOMWeb
internal import HTTPServer
import Synchronization

/// Answers frame lists (PS3.18 10.4, table 10.4.1-1) by ranges of the file.
struct FrameResponder: Sendable {
    let opener: InstanceOpener
    private static let maximumFrames = 10_000

    func respond(_ request: WebRequest, _ identity: InstanceIdentity, list: String) throws(RequestFailure)
        -> HTTPResponse
    {
        let numbers = try Self.numbers(list)
        let instance = try opener.open(identity)
        try Self.check(numbers, instance)
        return try PixelResponse(request, instance, version: "f") { pixels throws(RequestFailure) in
            PixelPartList(
                try numbers.map { number throws(RequestFailure) in
                    guard let part = try pixels.frame(number - 1) else {
                        throw .notFound(pixels.missing(number))
                    }
                    return part
                })
        }.response
    }

    /// How often the frames of one request may go back in a deflated instance, which means to inflate it anew.
    private static let maximumReturns = 16

    private static func check(_ numbers: [Int], _ instance: StoredInstance) throws(RequestFailure) {
        guard instance.layout.transferSyntax.isDeflated else { return }
        let returns = zip(numbers, numbers.dropFirst()).reduce(0) { $0 + ($1.0 >= $1.1 ? 1 : 0) }
        guard returns <= maximumReturns else {
            throw .badRequest("the instance is stored deflated: ask for its frames in ascending order")
        }
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

/// A part of Pixel Data: a range of native pixels, or the fragments of a frame.
enum PixelPart: Sendable {
    case range(HTTPSegments.Segment)
    case fragments(HTTPFile, ArraySlice<EncapsulatedPixels.Fragment>)

    /// How many segments it has.
    var count: Int {
        switch self {
        case .range: 1
        case .fragments(_, let fragments): fragments.count
        }
    }

    /// Bytes.
    var length: Int {
        switch self {
        case .range(let segment): segment.length
        case .fragments(_, let fragments): fragments.reduce(0) { $0 + $1.length }
        }
    }

    func segment(_ index: Int) -> HTTPSegments.Segment {
        switch self {
        case .range(let segment): return segment
        case .fragments(let file, let fragments):
            let fragment = fragments[fragments.startIndex + index]
            return .file(file, offset: fragment.offset, length: fragment.length)
        }
    }
}

/// Parts, made when they are asked for: there can be as many as a file has fragments.
struct PixelPartList: Sendable {
    var count: Int
    var part: @Sendable (Int) -> PixelPart

    init(count: Int, part: @escaping @Sendable (Int) -> PixelPart) {
        self.count = count
        self.part = part
    }

    init(_ parts: [PixelPart]) { self.init(count: parts.count) { parts[$0] } }
}

/// The parts of Pixel Data that can be asked for.
struct PixelParts {
    let instance: StoredInstance
    private let source: PixelSource?

    init(_ instance: StoredInstance) {
        self.instance = instance
        if case .native(let pixels) = instance.layout.pixels {
            source = PixelSource(instance, pixels)
        } else {
            source = nil
        }
    }

    /// A frame, counted from 0; nil when there is no such frame.
    func frame(_ index: Int) throws(RequestFailure) -> PixelPart? {
        switch instance.layout.pixels {
        case .none: throw .notFound("the instance has no Pixel Data")
        case .native(let pixels):
            guard pixels.frameBits > 0 else {
                throw .notFound(
                    "the instance does not say how large a frame is (Rows, Columns, Bits Allocated); its Pixel Data can be"
                        + " had as bulk data")
            }
            guard let bits = pixels.bits(ofFrame: index), let source else { return nil }
            return .range(source.segment(bits: bits))
        case .encapsulated(let pixels):
            guard pixels.frameCount > 0 else {
                throw .notFound(
                    "the fragments of the instance cannot be told apart into frames: it has no offset table, and not one"
                        + " fragment for each frame; retrieve the instance instead")
            }
            return pixels.fragments(ofFrame: index).map { .fragments(instance.file, $0) }
        }
    }

    /// All of Pixel Data: one part, or a part for each frame of compressed ones.
    func all() throws(RequestFailure) -> PixelPartList {
        switch instance.layout.pixels {
        case .none: throw .notFound("the instance has no Pixel Data")
        case .native(let pixels):
            return PixelPartList(source.map { [.range($0.segment(0..<pixels.available))] } ?? [])
        case .encapsulated(let pixels):
            let file = instance.file
            if pixels.frameCount > 0 {
                return PixelPartList(count: pixels.frameCount) {
                    .fragments(file, pixels.fragments(ofFrame: $0) ?? [])
                }
            }
            guard !pixels.fragments.isEmpty else { throw .notFound("the fragments of Pixel Data cannot be read") }
            return PixelPartList(count: pixels.fragments.count) { .fragments(file, pixels.fragments[$0...$0]) }
        }
    }

    func missing(_ number: Int) -> String {
        switch instance.layout.pixels {
        case .none: "the instance has no Pixel Data"
        case .native(let pixels) where (1...pixels.frameCount).contains(number):
            "frame \(number) is not in Pixel Data, which is shorter than the instance says"
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
        parts: (PixelParts) throws(RequestFailure) -> PixelPartList
    ) throws(RequestFailure) {
        let pixels = PixelParts(instance)
        let parts = try parts(pixels)
        let choice = try request.negotiate(Self.offers(instance.layout, isSingle: parts.count == 1))
        let tag = EntityTag.text(
            version, instance.file.identity, isMultipart: choice.isMultipart, choice.mediaType.subtype)
        if request.isUnchanged(tag) {
            response = .unchanged(tag)
            return
        }
        if instance.layout.transferSyntax.isDeflated, parts.count > 0 { try parts.part(0).segment(0).prove(instance) }
        let uid = choice.transferSyntaxUID ?? ""
        var response: HTTPResponse
        if choice.isMultipart {
            let boundary = MultipartBoundary()
            let mediaType = choice.mediaType
            let segments = Self.segments(parts, closing: boundary.closing) { index, length in
                boundary.partHeader(
                    isFirst: index == 0, contentType: mediaType, transferSyntaxUID: uid, length: length)
            }
            response = HTTPResponse(200, body: .chunked(segments))
            response.add("Content-Type", boundary.contentType(of: choice.mediaType))
        } else {
            if parts.count == 1, parts.part(0).count == 1,
                case .file(let file, let offset, let length) = parts.part(0).segment(0)
            {
                response = HTTPResponse(200, body: .file(file, offset: offset, length: length))
            } else {
                response = HTTPResponse(200, body: .stream(Self.segments(parts, closing: []) { _, _ in [] }))
            }
            response.add("Content-Type", "\(choice.mediaType.essence); transfer-syntax=\(uid)")
        }
        response.add("ETag", tag)
        self.response = response
    }

    /// Segments of one answer that are made beforehand at most; of more, each is made when it is sent.
    private static let maximumPrepared = 10_000

    private static func segments(
        _ parts: PixelPartList, closing: [UInt8], header: @escaping @Sendable (Int, Int) -> [UInt8]
    ) -> HTTPSegments {
        let row = PixelSegments(parts, closing: closing, header: header)
        var segments: [HTTPSegments.Segment] = []
        while segments.count <= maximumPrepared {
            guard let segment = row.next() else { return HTTPSegments(segments) }
            segments.append(segment)
        }
        var length = closing.count
        for index in 0..<parts.count {
            let partLength = parts.part(index).length
            length += header(index, partLength).count + partLength
        }
        let rest = PixelSegments(parts, closing: closing, header: header)
        return HTTPSegments(length: length) { rest.next() }
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

/// The segments of parts, one after another.
private final class PixelSegments: Sendable {
    private struct State {
        var part: PixelPart?
        /// The next part's number, and the next segment's in this one.
        var nextPart = 0
        var nextSegment = 0
        var isClosed = false
    }

    private let parts: PixelPartList
    private let closing: [UInt8]
    private let header: @Sendable (Int, Int) -> [UInt8]
    private let state = Mutex(State())

    /// - Parameter header: what stands before a part, by its number and its length.
    init(_ parts: PixelPartList, closing: [UInt8], header: @escaping @Sendable (Int, Int) -> [UInt8]) {
        self.parts = parts
        self.closing = closing
        self.header = header
    }

    func next() -> HTTPSegments.Segment? {
        state.withLock { state in
            while true {
                if let part = state.part, state.nextSegment < part.count {
                    state.nextSegment += 1
                    return part.segment(state.nextSegment - 1)
                }
                guard state.nextPart < parts.count else {
                    if state.isClosed || closing.isEmpty { return nil }
                    state.isClosed = true
                    return .bytes(closing)
                }
                let part = parts.part(state.nextPart)
                let header = header(state.nextPart, part.length)
                state.part = part
                state.nextPart += 1
                state.nextSegment = 0
                if !header.isEmpty { return .bytes(header) }
            }
        }
    }
}

extension HTTPSegments.Segment {
    /// Of a deflated instance: inflates it as far as the segment's first byte, while the answer may still be that it is
    /// damaged.
    func prove(_ instance: StoredInstance) throws(RequestFailure) {
        guard instance.layout.transferSyntax.isDeflated, case .made(let length, let fill) = self, length > 0 else {
            return
        }
        do {
            var byte: UInt8 = 0
            try withUnsafeMutableBytes(of: &byte) { try fill($0, 0) }
        } catch { throw InflatedFile.failure(error) }
    }
}

enum EntityTag {
    /// The tag of an answer from a file. Of a multipart one it is weak: its boundary is another one each time.
    static func text(
        _ kind: String, _ identity: HTTPFile.Identity, isMultipart: Bool, _ form: String = ""
    ) -> String {
        let file = [Int(truncatingIfNeeded: identity.inode), Int(identity.modified), identity.size]
            .map { String($0, radix: 36) }.joined(separator: "-")
        return "\(isMultipart ? "W/" : "")\"\(kind)\(file)-\(isMultipart ? "m" : "s")\(form)\""
    }
}
