internal import Glibc

/// What is wrong with a multipart body; each answers 400, limits 413.
public struct MultipartError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        /// The body's first boundary does not come within the limit.
        case noBoundary
        /// A boundary is followed by something else than a line break or `--`.
        case malformedBoundary
        /// A header line without a colon, or with characters that do not belong there.
        case malformedHeader
        case headersTooLong
        case tooManyParts
        /// The body ended before its closing boundary.
        case truncated
    }

    public var code: Code
    /// Where in the body, bytes from its start.
    public var byteOffset: Int

    public var description: String {
        let text =
            switch code {
            case .noBoundary: "the boundary that Content-Type names was not found"
            case .malformedBoundary: "a boundary line does not end"
            case .malformedHeader: "a part's header line is not 'Name: value'"
            case .headersTooLong: "a part's headers are too long"
            case .tooManyParts: "too many parts"
            case .truncated: "the body ends before its closing boundary"
            }
        return "multipart body, byte \(byteOffset): \(text)"
    }
}

/// The headers of one part, in their order.
public struct PartHeaders: Hashable, Sendable {
    public var fields: [(name: String, value: String)] { zip(names, values).map { ($0, $1) } }
    private var names: [String] = []
    private var values: [String] = []

    init() {}

    mutating func append(name: String, value: String) {
        names.append(name)
        values.append(value)
    }

    mutating func fold(_ more: String) -> Bool {
        guard !values.isEmpty else { return false }
        values[values.count - 1] += " " + more
        return true
    }

    /// The first field of this name, upper and lower case alike.
    public func value(_ name: String) -> String? {
        let wanted = name.lowercased()
        return names.firstIndex { $0.lowercased() == wanted }.map { values[$0] }
    }

    /// The part's media type; nil when it is missing or cannot be read.
    public var contentType: MediaType? { value("content-type").flatMap { MediaType($0) } }
}

/// Takes what a `MultipartReader` finds.
public protocol MultipartReceiver {
    associatedtype Failure: Error
    mutating func beginPart(_ headers: PartHeaders) throws(Failure)
    /// A piece of the part's body, of one byte or more; valid during the call.
    mutating func partBytes(_ bytes: RawSpan) throws(Failure)
    mutating func endPart() throws(Failure)
}

/// What ended the reading: the body is malformed, or the receiver refused.
public enum MultipartReadError<Failure: Error>: Error {
    case malformed(MultipartError)
    case receiver(Failure)
}

/// Reads a `multipart/related` body as it arrives, in pieces of any size. Its memory is one part's headers and less than
/// one boundary, whatever the size of the parts.
public struct MultipartReader: Sendable {
    /// Bounds on what is kept or passed over.
    public struct Limits: Sendable {
        /// Bytes of one part's headers.
        public var headerBytes = 16_384
        public var parts = 10_000
        /// Bytes before the first boundary.
        public var preambleBytes = 16_384

        public init() {}
    }

    private enum State {
        case preamble, afterBoundary, afterDash, lineBreak, headers, body, epilogue
    }

    private let delimiter: [UInt8]
    private let limits: Limits
    private var state = State.preamble
    /// How much of the delimiter has been seen. A body begins as if a line break stood before it.
    private var matched = 2
    /// How many of the matched bytes are the line break that ended the headers, or none at all: they are not content.
    private var borrowed = 2
    private var header: [UInt8] = []
    private var offset = 0
    private var parts = 0

    public init(boundary: MultipartBoundary, limits: Limits = Limits()) {
        delimiter = Array("\r\n--\(boundary.value)".utf8)
        self.limits = limits
    }

    /// Whether the closing boundary has come.
    public var isComplete: Bool { state == .epilogue }

    /// Reads the next bytes of the body and tells the receiver what is in them.
    public mutating func read<Receiver: MultipartReceiver>(
        _ bytes: RawSpan, into receiver: inout Receiver
    ) throws(MultipartReadError<Receiver.Failure>) {
        var position = 0
        while position < bytes.byteCount {
            switch state {
            case .preamble, .body: try scan(bytes, &position, &receiver)
            case .epilogue:
                offset += bytes.byteCount - position
                return
            default:
                let byte = bytes.unsafeLoad(fromByteOffset: position, as: UInt8.self)
                position += 1
                offset += 1
                try step(byte, &receiver)
            }
        }
    }

    /// Call at the body's end.
    public func finish() throws(MultipartError) {
        guard isComplete else {
            throw MultipartError(code: state == .preamble ? .noBoundary : .truncated, byteOffset: offset)
        }
    }

    /// Looks for the delimiter. A carriage return is in it only as its first byte, so that after a mismatch the search
    /// starts anew at the byte that did not match.
    private mutating func scan<Receiver: MultipartReceiver>(
        _ bytes: RawSpan, _ position: inout Int, _ receiver: inout Receiver
    ) throws(MultipartReadError<Receiver.Failure>) {
        while position < bytes.byteCount {
            if matched == 0 {
                let found = bytes.withUnsafeBytes { Self.search($0, from: position, delimiter) }
                if found.start > position { try body(bytes.extracting(position..<found.start), &receiver) }
                matched = found.matched
                offset += found.start + matched - position
                position = found.start + matched
            } else {
                // Part of the delimiter came with the bytes before.
                let byte = bytes.unsafeLoad(fromByteOffset: position, as: UInt8.self)
                guard byte == delimiter[matched] else {
                    let content = borrowed..<matched
                    matched = 0
                    borrowed = 0
                    if !content.isEmpty { try body(delimiter.span.bytes.extracting(content), &receiver) }
                    continue
                }
                matched += 1
                position += 1
                offset += 1
            }
            guard matched == delimiter.count else { continue }
            matched = 0
            borrowed = 0
            if state == .body {
                do { try receiver.endPart() } catch { throw .receiver(error) }
            }
            state = .afterBoundary
            return
        }
    }

    /// Where the delimiter begins, and how much of it is there: all of it, or as much as fits before the end. Without
    /// any, the end.
    private static func search(
        _ bytes: UnsafeRawBufferPointer, from start: Int, _ delimiter: [UInt8]
    ) -> (start: Int, matched: Int) {
        guard let base = bytes.baseAddress else { return (bytes.count, 0) }
        var position = start
        while position < bytes.count, let place = memchr(base + position, 0x0D, bytes.count - position) {
            position = UnsafeRawPointer(place) - base
            var matched = 1
            while matched < delimiter.count, position + matched < bytes.count,
                bytes[position + matched] == delimiter[matched]
            {
                matched += 1
            }
            if matched == delimiter.count || position + matched == bytes.count { return (position, matched) }
            position += 1
        }
        return (bytes.count, 0)
    }

    private func body<Receiver: MultipartReceiver>(
        _ bytes: RawSpan, _ receiver: inout Receiver
    ) throws(MultipartReadError<Receiver.Failure>) {
        if state == .body {
            do { try receiver.partBytes(bytes) } catch { throw .receiver(error) }
        } else if offset + bytes.byteCount > limits.preambleBytes {
            throw .malformed(MultipartError(code: .noBoundary, byteOffset: offset))
        }
    }

    private mutating func step<Receiver: MultipartReceiver>(
        _ byte: UInt8, _ receiver: inout Receiver
    ) throws(MultipartReadError<Receiver.Failure>) {
        switch (state, byte) {
        case (.afterBoundary, 0x2D): state = .afterDash
        case (.afterBoundary, 0x20), (.afterBoundary, 0x09): break
        case (.afterBoundary, 0x0D): state = .lineBreak
        case (.afterDash, 0x2D): state = .epilogue
        case (.lineBreak, 0x0A):
            parts += 1
            guard parts <= limits.parts else {
                throw .malformed(MultipartError(code: .tooManyParts, byteOffset: offset))
            }
            header.removeAll(keepingCapacity: true)
            state = .headers
        case (.headers, _):
            header.append(byte)
            guard header.count <= limits.headerBytes else {
                throw .malformed(MultipartError(code: .headersTooLong, byteOffset: offset))
            }
            let isEnd =
                byte == 0x0A && (header.count == 2 && header[0] == 0x0D || header.suffix(4) == [13, 10, 13, 10])
            guard isEnd else { return }
            guard let headers = Self.headers(header[..<(header.count - 2)]) else {
                throw .malformed(MultipartError(code: .malformedHeader, byteOffset: offset))
            }
            do { try receiver.beginPart(headers) } catch { throw .receiver(error) }
            // The line break that ends the headers of a part without a body may also begin its boundary (RFC 2046 5.1.1).
            state = .body
            matched = 2
            borrowed = 2
        default: throw .malformed(MultipartError(code: .malformedBoundary, byteOffset: offset))
        }
    }

    /// Header lines, each ended by a line break; nil when one is malformed.
    private static func headers(_ bytes: ArraySlice<UInt8>) -> PartHeaders? {
        var headers = PartHeaders()
        var rest = bytes
        while let end = rest.firstIndex(of: 0x0A) {
            var line = rest[rest.startIndex..<end]
            rest = rest[(end + 1)...]
            if line.last == 0x0D { line.removeLast() }
            guard !line.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) else { return nil }
            if line.first == 0x20 || line.first == 0x09 {
                guard headers.fold(trimmed(line)) else { return nil }
                continue
            }
            guard let colon = line.firstIndex(of: 0x3A), colon > line.startIndex,
                line[..<colon].allSatisfy(HeaderScanner.isTokenCharacter)
            else { return nil }
            headers.append(
                name: String(decoding: line[..<colon], as: UTF8.self), value: trimmed(line[(colon + 1)...]))
        }
        return headers
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
        var bytes = bytes
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
