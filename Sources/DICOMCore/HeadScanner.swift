internal import DICOMDictionary

/// The identity of an instance, as its first elements give it.
public struct InstanceHead: Hashable, Sendable {
    /// (0008,0016); empty when missing.
    public var sopClassUID = ""
    /// (0008,0018); empty when missing.
    public var sopInstanceUID = ""
    /// (0008,0020) as written, without padding; empty when missing or empty.
    public var studyDate = ""
    /// (0020,000D); empty when missing.
    public var studyInstanceUID = ""
    /// (0020,000E); empty when missing.
    public var seriesInstanceUID = ""

    public init() {}

    /// Neither UID is missing.
    public var isComplete: Bool {
        !sopClassUID.isEmpty && !sopInstanceUID.isEmpty && !studyInstanceUID.isEmpty && !seriesInstanceUID.isEmpty
    }
}

/// Finds an instance's UIDs in the first bytes of a data set as they arrive, in pieces of any size, down to single
/// bytes. It keeps no bytes but the piece of an element it is in, a few hundred at most, whatever the data set is.
///
///     var scanner = HeadScanner(transferSyntax: syntax)
///     switch scanner.feed(piece) {
///     case .needMore: ...       // write the piece, feed the next; at the end of the data set ask `finish()`
///     case .found(let head): ... // not asked again
///     case .cannot(let error): ...
///     }
public struct HeadScanner {
    public enum Outcome: Sendable {
        /// The elements have not all arrived yet.
        case needMore
        /// All elements up to Series Instance UID have been seen; those that are missing are empty.
        case found(InstanceHead)
        /// The bytes are no data set in this transfer syntax.
        case cannot(DICOMError)
    }

    private var walker: HeadWalker
    private var inflater: HeadInflater?
    private var outcome: Outcome = .needMore

    public init(transferSyntax: TransferSyntax) {
        walker = HeadWalker(isImplicit: transferSyntax.isImplicitVR, isBigEndian: transferSyntax.isBigEndian)
        inflater = transferSyntax.isDeflated ? HeadInflater() : nil
    }

    /// Takes the next bytes of the data set. After `found` or `cannot` it says the same again and reads nothing.
    public mutating func feed(_ bytes: RawSpan) -> Outcome {
        guard case .needMore = outcome else { return outcome }
        bytes.withUnsafeBytes { bytes in
            if let inflater {
                outcome = inflater.inflate(bytes) { walker.feed($0) }
            } else {
                outcome = walker.feed(bytes)
            }
        }
        return outcome
    }

    /// The data set has ended. What has been found until now counts, unless the end is inside an element.
    public mutating func finish() -> Outcome {
        if case .needMore = outcome { outcome = walker.finish() }
        return outcome
    }
}

/// The state between two pieces: where in an element, and how deep in sequences of undefined length. Sequences and
/// items with a length are stepped over like any value.
struct HeadWalker {
    private enum State {
        case header
        /// Bytes of a value to pass over.
        case skip(Int)
        /// Bytes of a value still to be kept.
        case keep(UInt32, Int)
    }

    private static let maximumValue = 128
    private static let maximumDepth = 512

    private let isBigEndian: Bool
    private var isImplicit: Bool
    private var state = State.header
    /// The unfinished header, or the unfinished value.
    private var pending: [UInt8] = []
    private var offset = 0
    /// Open sequences and items of undefined length: odd where items are expected, even where elements are.
    private var depth = 0
    /// The depth at which UN made the encoding implicit little endian (PS3.5 6.2.2).
    private var implicitDepth: Int?
    private var isFirst = true
    private var head = InstanceHead()

    init(isImplicit: Bool, isBigEndian: Bool) {
        self.isImplicit = isImplicit
        self.isBigEndian = isBigEndian
    }

    mutating func feed(_ bytes: UnsafeRawBufferPointer) -> HeadScanner.Outcome {
        guard let base = bytes.baseAddress else { return .needMore }
        var position = 0
        let count = bytes.count
        while true {
            switch state {
            case .skip(let length):
                let step = min(length, count - position)
                position += step
                offset += step
                if step < length {
                    state = .skip(length - step)
                    return .needMore
                }
                state = .header
            case .keep(let tag, let length):
                let step = min(length - pending.count, count - position)
                pending.append(contentsOf: bytes[position..<position + step])
                position += step
                offset += step
                if pending.count < length { return .needMore }
                keep(tag)
                pending.removeAll(keepingCapacity: true)
                state = .header
            case .header:
                if pending.isEmpty, count - position >= 12 {
                    let used = header(base + position, 12)
                    position += used
                    offset += used
                } else {
                    // Byte by byte, since the header may turn out to have 8 bytes or 12.
                    var used = 0
                    while used == 0 {
                        guard position < count else { return .needMore }
                        pending.append(bytes[position])
                        position += 1
                        used = pending.withUnsafeBytes { raw in
                            guard let raw = raw.baseAddress, pending.count >= 8 else { return 0 }
                            return header(raw, pending.count)
                        }
                    }
                    pending.removeAll(keepingCapacity: true)
                    offset += used
                }
                if let outcome { return outcome }
            }
        }
    }

    mutating func finish() -> HeadScanner.Outcome {
        guard case .header = state, pending.isEmpty, depth == 0 else {
            return .cannot(DICOMError(.truncated, at: offset))
        }
        return .found(head)
    }

    private var outcome: HeadScanner.Outcome?

    private mutating func keep(_ tag: UInt32) {
        let value = TextDecoding.trimmed(String(decoding: pending, as: UTF8.self), leading: true)
        switch tag {
        case 0x0008_0016: head.sopClassUID = value
        case 0x0008_0018: head.sopInstanceUID = value
        case 0x0008_0020: head.studyDate = value
        case 0x0020_000D: head.studyInstanceUID = value
        case 0x0020_000E: head.seriesInstanceUID = value
        default: break
        }
    }

    /// Reads a header of which so many bytes are there (8 or more); returns how many it has, or 0 when it needs more.
    private mutating func header(_ raw: UnsafeRawPointer, _ available: Int) -> Int {
        let big = isBigEndian && implicitDepth == nil
        func load16(_ at: Int) -> UInt16 {
            let value = raw.loadUnaligned(fromByteOffset: at, as: UInt16.self)
            return big ? value.bigEndian : value.littleEndian
        }
        func load32(_ at: Int) -> UInt32 {
            let value = raw.loadUnaligned(fromByteOffset: at, as: UInt32.self)
            return big ? value.bigEndian : value.littleEndian
        }
        let tag = UInt32(load16(0)) << 16 | UInt32(load16(2))
        if tag >> 16 == 0xFFFE || depth & 1 == 1 { return marker(tag, load32(4)) }

        let vr = raw.loadUnaligned(fromByteOffset: 4, as: UInt16.self).bigEndian
        if isFirst {
            isFirst = false
            if isImplicit, RawVR.isKnown(vr) { isImplicit = false }
        }
        var used = 8
        var length: UInt32
        var isUN = false
        if isImplicit || implicitDepth != nil {
            length = load32(4)
        } else {
            length = UInt32(load16(6))
            switch RawVR.lengthForm(vr) {
            case .short: break
            case .long:
                if available < 12 { return 0 }
                used = 12
                length = load32(8)
                isUN = vr == RawVR.un
            case .unknown:
                if length == 0 {
                    if available < 12 { return 0 }
                    if load32(8) < 1 << 24 {
                        used = 12
                        length = load32(8)
                    }
                }
            case .none: length = load32(4)
            }
        }
        if depth == 0, tag > 0x0020_000E {
            outcome = .found(head)
            return used
        }
        if length == .max {
            guard depth < Self.maximumDepth else {
                fail(.tooDeep, tag)
                return used
            }
            if isUN, implicitDepth == nil { implicitDepth = depth }
            depth += 1
            return used
        }
        let isWanted: Bool
        switch tag {
        case 0x0008_0016, 0x0008_0018, 0x0008_0020, 0x0020_000D, 0x0020_000E: isWanted = depth == 0
        default: isWanted = false
        }
        if isWanted, Int(length) <= Self.maximumValue {
            state = length == 0 ? .header : .keep(tag, Int(length))
            pending.reserveCapacity(Self.maximumValue)
        } else {
            state = .skip(Int(length))
        }
        return used
    }

    /// Items and delimiters.
    private mutating func marker(_ tag: UInt32, _ length: UInt32) -> Int {
        switch tag {
        case 0xFFFE_E000 where depth & 1 == 1:
            if length == .max { depth += 1 } else { state = .skip(Int(length)) }
        case 0xFFFE_E0DD where depth > 0:
            // Also ends an item whose own delimiter is missing.
            depth -= depth & 1 == 1 ? 1 : 2
            if let implicit = implicitDepth, depth <= implicit { implicitDepth = nil }
        case 0xFFFE_E00D:
            if depth > 0, depth & 1 == 0 { depth -= 1 }
        default: fail(.unexpectedTag, tag)
        }
        return 8
    }

    private mutating func fail(_ code: DICOMError.Code, _ tag: UInt32) {
        outcome = .cannot(DICOMError(code, at: offset, path: [.tag(Tag(tag))]))
    }
}
