internal import DICOMDictionary

/// Turns bytes into the flat array of elements. No recursion, no object per element, and resumable: when the bytes
/// that are there do not suffice, `run` says how many do, and goes on where it was when it is called with more.
///
/// All offsets count from the start of the bytes.
struct DataSetParser {
    enum Progress {
        case done
        /// Nothing more happens until so many bytes from the start are there.
        case needMore(Int)
    }

    private enum Level: UInt8 {
        case root, item, sequence, fragments
    }

    private struct Frame {
        var level: Level
        /// Of a sequence that is written as UN with a length: when it does not parse, it is bytes.
        var isGuess = false
        var isImplicit: Bool
        var isBigEndian: Bool
        var isUndefinedLength: Bool
        /// No byte below may lie at or after this; `Int.max` while the end is unknown.
        var bound: Int
        /// The entry that this is the inside of; -1 for the root.
        var entry: Int
        var lastTag: UInt32 = 0
    }

    private(set) var elements: ContiguousArray<Element>
    private(set) var position: Int
    /// In no place a tag is smaller than the one before it.
    private(set) var isSorted = true
    private(set) var isTruncated = false
    /// The element where `stopBefore` ended the reading, if it did.
    private(set) var stopElement: Element?

    private let options: ReadOptions
    private let stopTag: UInt32
    private var top: Frame
    private var parents: [Frame] = []
    private var depth = 0
    /// (0028,0103) of the root.
    private var isSigned = false
    /// Where a run of zeros that was looked at ends.
    private var firstNonZero = 0

    /// - Parameters:
    ///   - start: where the data set begins.
    ///   - reusing: an array whose memory is used again.
    init(
        start: Int, transferSyntax: TransferSyntax, options: ReadOptions,
        reusing: consuming ContiguousArray<Element> = []
    ) {
        self.options = options
        stopTag = options.stopBefore?.rawValue ?? .max
        position = start
        elements = reusing
        elements.removeAll(keepingCapacity: true)
        top = Frame(
            level: .root, isImplicit: transferSyntax.isImplicitVR, isBigEndian: transferSyntax.isBigEndian,
            isUndefinedLength: false, bound: .max, entry: -1)
    }

    /// Gives the array back for its next use.
    consuming func takeElements() -> ContiguousArray<Element> { elements }

    /// - Parameters:
    ///   - available: how many bytes there are at `base`.
    ///   - total: how many there are in all; `Int.max` while that is unknown.
    mutating func run(_ base: UnsafeRawPointer, available: Int, total: Int) throws(DICOMError) -> Progress {
        while true {
            do throws(DICOMError) {
                return try parse(base, available: available, total: total)
            } catch {
                guard retreat() else { throw error }
            }
        }
    }

    private mutating func parse(_ base: UnsafeRawPointer, available: Int, total: Int) throws(DICOMError) -> Progress {
        while true {
            let bound = min(top.bound, total)
            if position >= bound {
                if top.level == .root { return .done }
                if top.isUndefinedLength || top.bound != position {
                    // A delimiter is missing, or bytes.
                    guard options.acceptsTruncation else { throw failure(.truncated) }
                    isTruncated = true
                }
                close(at: position)
                continue
            }
            if position + 8 > bound {
                // Fewer bytes than the shortest element has.
                if top.level == .root {
                    return .done
                }
                guard options.acceptsTruncation else { throw failure(.truncated) }
                isTruncated = true
                position = bound
                close(at: position)
                continue
            }
            if position + 8 > available { return .needMore(position + 12) }

            let tag = loadTag(base, top.isBigEndian)
            switch top.level {
            case .root, .item:
                if tag >> 16 == 0xFFFE {
                    try delimiter(tag)
                    continue
                }
                if let progress = try element(tag, base, available: available, bound: bound, total: total) {
                    return progress
                }
            case .sequence:
                if top.isImplicit, position + 16 > available, position + 16 <= bound { return .needMore(position + 16) }
                try item(tag, base, bound: bound)
                detectEncoding(base, available: available)
            case .fragments:
                if let progress = try fragment(tag, base, available: available, bound: bound) { return progress }
            }
        }
    }

    // MARK: Elements

    /// Reads one element of a data set; nil when the next can be read.
    @inline(__always)
    private mutating func element(
        _ tag: UInt32, _ base: UnsafeRawPointer, available: Int, bound: Int, total: Int
    ) throws(DICOMError) -> Progress? {
        let isBig = top.isBigEndian
        var vr: UInt16
        var header = 8
        var length: UInt32
        var flags: Element.Flags = isBig ? .bigEndian : []
        if top.isImplicit {
            length = load32(base, position + 4, isBig)
            vr = ImplicitVR.of(Tag(tag), signed: isSigned)
            flags.insert(.implicitVR)
        } else {
            vr = base.loadUnaligned(fromByteOffset: position + 4, as: UInt16.self).bigEndian
            length = UInt32(load16(base, position + 6, isBig))
            switch RawVR.lengthForm(vr) {
            case .short: break
            case .long:
                if position + 12 > bound { return try shortHeader() }
                if position + 12 > available { return .needMore(position + 12) }
                header = 12
                length = load32(base, position + 8, isBig)
            case .unknown:
                // A VR of a later edition has the long form (PS3.5 7.1.2); older, wrong writers used the short one.
                if length == 0, position + 12 <= bound {
                    if position + 12 > available { return .needMore(position + 12) }
                    let long = load32(base, position + 8, isBig)
                    if long <= UInt32(clamping: bound - position - 12), bound != .max || long < 1 << 24 {
                        header = 12
                        length = long
                    }
                }
                vr = RawVR.un
            case .none:
                // Some writers change to implicit VR in the middle.
                let whole = load32(base, position + 4, isBig)
                if whole == .max || Int(whole) <= bound - position - 8 {
                    length = whole
                    vr = ImplicitVR.of(Tag(tag), signed: isSigned)
                    flags.insert(.implicitVR)
                } else if Int(length) <= bound - position - 8 {
                    vr = RawVR.un
                } else {
                    throw failure(.invalidVR, tag)
                }
            }
        }

        if tag < top.lastTag {
            isSorted = false
        }
        top.lastTag = tag
        if top.level == .root {
            if tag >= stopTag {
                stopElement = Element(
                    tag: Tag(tag), vr: VR(rawValue: vr), flags: length == .max ? flags.union(.undefinedLength) : flags,
                    headerLength: UInt8(header), valueOffset: position + header,
                    length: length == .max ? 0 : Int(length), index: 0, subtreeEnd: 0)
                return .done
            }
            if tag == 0, !elements.isEmpty {
                // Zeros after the data set are padding.
                if total > available { return .needMore(total == .max ? available + 4096 : total) }
                if position >= firstNonZero { firstNonZero = nonZero(base, position..<total) }
                if firstNonZero == total { return .done }
            }
        }

        let valueOffset = position + header
        if vr == RawVR.un, !flags.contains(.implicitVR), length < 0xFFFF {
            // UN of a known tag (or private creator) was written by someone who did not know it; its value is as in
            // implicit little endian (PS3.5 6.2.2). A value of 64 KiB or more is UN because the VR's own length field
            // is too short for it.
            let known = ImplicitVR.of(Tag(tag), signed: isSigned)
            if known != RawVR.sq, known != RawVR.un {
                vr = known
                flags.remove(.bigEndian)
            }
        }

        if length == .max || vr == RawVR.sq || vr == RawVR.un {
            return try nested(
                tag, vr, flags, length, valueOffset: valueOffset, header: header, base, available: available,
                bound: bound)
        }
        var valueLength = Int(length)
        if valueLength > bound - valueOffset {
            guard options.acceptsTruncation else {
                throw failure(bound < total || top.bound != .max ? .lengthExceedsParent : .truncated, tag)
            }
            valueLength = bound - valueOffset
            flags.insert(.truncated)
            isTruncated = true
        }
        if valueOffset + valueLength > available { return .needMore(valueOffset + valueLength) }
        try append(tag, vr, flags, header: header, valueOffset: valueOffset, length: valueLength)
        if tag == 0x0028_0103, valueLength >= 2, top.level == .root {
            isSigned = load16(base, valueOffset, isBig) == 1
        }
        position = valueOffset + valueLength
        return nil
    }

    /// A sequence, fragments, or bytes that may be a sequence.
    private mutating func nested(
        _ tag: UInt32, _ vr: UInt16, _ flags: Element.Flags, _ length: UInt32, valueOffset: Int, header: Int,
        _ base: UnsafeRawPointer, available: Int, bound: Int
    ) throws(DICOMError) -> Progress? {
        var vr = vr
        var flags = flags
        let isUndefined = length == .max
        var isImplicit = top.isImplicit || flags.contains(.implicitVR)
        var isBig = top.isBigEndian
        var isSequence = vr == RawVR.sq
        var isGuess = false
        if vr == RawVR.un {
            if isUndefined {
                // PS3.5 6.2.2: a sequence, implicit little endian whatever is around it. What its items really
                // contain is looked at when they are there.
                isSequence = true
            } else if length >= 8, Int(length) <= bound - valueOffset {
                if valueOffset + 8 > available { return .needMore(valueOffset + 8) }
                let first = base.loadUnaligned(fromByteOffset: valueOffset, as: UInt32.self).littleEndian
                isSequence = first == 0xE000_FFFE && isSequenceInDictionary(tag)
                isGuess = isSequence
            } else if length == 0 {
                isSequence = isSequenceInDictionary(tag)
            }
            if isSequence, !flags.contains(.implicitVR) {
                isImplicit = true
                isBig = false
            }
        }
        if isUndefined { flags.insert(.undefinedLength) }
        if !isSequence {
            if isUndefined {
                flags.insert(.fragments)
                if vr == RawVR.ow, flags.contains(.implicitVR) { vr = RawVR.ob }
                try append(tag, vr, flags, header: header, valueOffset: valueOffset, length: 0)
                push(
                    Frame(
                        level: .fragments, isImplicit: isImplicit, isBigEndian: isBig, isUndefinedLength: true,
                        bound: top.bound, entry: elements.count - 1))
                position = valueOffset
                return nil
            }
            // UN with a length, of an unknown tag: bytes.
            var valueLength = Int(length)
            if valueLength > bound - valueOffset {
                guard options.acceptsTruncation else {
                    throw failure(top.bound != .max ? .lengthExceedsParent : .truncated, tag)
                }
                valueLength = bound - valueOffset
                flags.insert(.truncated)
                isTruncated = true
            }
            if valueOffset + valueLength > available { return .needMore(valueOffset + valueLength) }
            try append(tag, vr, flags, header: header, valueOffset: valueOffset, length: valueLength)
            position = valueOffset + valueLength
            return nil
        }
        vr = RawVR.sq
        flags.insert(.sequence)
        var valueLength = isUndefined ? 0 : Int(length)
        if valueLength > bound - valueOffset {
            guard options.acceptsTruncation else {
                throw failure(top.bound != .max ? .lengthExceedsParent : .truncated, tag)
            }
            valueLength = bound - valueOffset
            isTruncated = true
        }
        guard depth < options.maximumDepth else { throw failure(.tooDeep, tag) }
        try append(tag, vr, flags, header: header, valueOffset: valueOffset, length: valueLength)
        position = valueOffset
        if !isUndefined, valueLength == 0 { return nil }
        depth += 1
        push(
            Frame(
                level: .sequence, isGuess: isGuess, isImplicit: isImplicit, isBigEndian: isBig,
                isUndefinedLength: isUndefined, bound: isUndefined ? top.bound : valueOffset + valueLength,
                entry: elements.count - 1))
        return nil
    }

    private func isSequenceInDictionary(_ tag: UInt32) -> Bool {
        DataDictionary.vr(of: Tag(tag)).rawValue == RawVR.sq
    }

    /// An element whose header reaches past the end.
    private mutating func shortHeader() throws(DICOMError) -> Progress? {
        if top.level == .root { return .done }
        guard options.acceptsTruncation else { throw failure(.truncated) }
        isTruncated = true
        let end = top.bound
        guard end != .max else { return .done }
        position = end
        return nil
    }

    // MARK: Items, fragments, delimiters

    /// (FFFE,xxxx) where an element was expected.
    private mutating func delimiter(_ tag: UInt32) throws(DICOMError) {
        switch tag {
        case 0xFFFE_E00D:
            if top.level == .item, top.isUndefinedLength { close(at: position) }
            // One too many, after an item with a length or at the root, is passed over.
            position += 8
        case 0xFFFE_E0DD:
            if top.level == .item, top.isUndefinedLength {
                // The item's own delimiter is missing; the sequence takes this one.
                close(at: position)
            } else {
                position += 8
            }
        case 0xFFFE_E000 where top.level == .item && top.isUndefinedLength:
            close(at: position)
        default:
            throw failure(.unexpectedTag, tag)
        }
    }

    /// What stands in a sequence.
    private mutating func item(_ tag: UInt32, _ base: UnsafeRawPointer, bound: Int) throws(DICOMError) {
        switch tag {
        case 0xFFFE_E000:
            let length = load32(base, position + 4, top.isBigEndian)
            let valueOffset = position + 8
            var flags: Element.Flags = top.isBigEndian ? .bigEndian : []
            if top.isImplicit { flags.insert(.implicitVR) }
            let isUndefined = length == .max
            if isUndefined { flags.insert(.undefinedLength) }
            var valueLength = isUndefined ? 0 : Int(length)
            if valueLength > bound - valueOffset {
                guard options.acceptsTruncation else {
                    throw failure(top.bound != .max ? .lengthExceedsParent : .truncated, tag)
                }
                valueLength = bound - valueOffset
                isTruncated = true
            }
            try append(tag, RawVR.un, flags, header: 8, valueOffset: valueOffset, length: valueLength)
            position = valueOffset
            if !isUndefined, valueLength == 0 { return }
            push(
                Frame(
                    level: .item, isImplicit: top.isImplicit, isBigEndian: top.isBigEndian,
                    isUndefinedLength: isUndefined, bound: isUndefined ? top.bound : valueOffset + valueLength,
                    entry: elements.count - 1))
        case 0xFFFE_E0DD:
            if top.isUndefinedLength { close(at: position) }
            position += 8
        case 0xFFFE_E00D:
            position += 8
        default:
            throw failure(.unexpectedTag, tag)
        }
    }

    private mutating func fragment(
        _ tag: UInt32, _ base: UnsafeRawPointer, available: Int, bound: Int
    ) throws(DICOMError) -> Progress? {
        switch tag {
        case 0xFFFE_E000:
            let length = load32(base, position + 4, top.isBigEndian)
            let valueOffset = position + 8
            guard length != .max else { throw failure(.invalidLength, tag) }
            var valueLength = Int(length)
            var flags: Element.Flags = top.isBigEndian ? .bigEndian : []
            if valueLength > bound - valueOffset {
                guard options.acceptsTruncation else {
                    throw failure(top.bound != .max ? .lengthExceedsParent : .truncated, tag)
                }
                valueLength = bound - valueOffset
                flags.insert(.truncated)
                isTruncated = true
            }
            if valueOffset + valueLength > available { return .needMore(valueOffset + valueLength) }
            try append(tag, RawVR.ob, flags, header: 8, valueOffset: valueOffset, length: valueLength)
            position = valueOffset + valueLength
        case 0xFFFE_E0DD:
            close(at: position)
            position += 8
        default:
            throw failure(.unexpectedTag, tag)
        }
        return nil
    }

    /// Looks whether the first element of an item (or of the root) is as explicit or implicit as it should be. Where
    /// VRs are written in a data set that should have none, they are believed; the other way round each element is
    /// looked at anyway.
    mutating func detectEncoding(_ base: UnsafeRawPointer, available: Int) {
        guard top.isImplicit, top.level == .item || top.level == .root, position + 8 <= available else { return }
        let vr = base.loadUnaligned(fromByteOffset: position + 4, as: UInt16.self).bigEndian
        if RawVR.isKnown(vr), base.load(fromByteOffset: position, as: UInt8.self) != 0xFE {
            top.isImplicit = false
        }
    }

    // MARK: The stack

    private mutating func push(_ frame: Frame) {
        parents.append(top)
        top = frame
    }

    /// Leaves an item, a sequence or fragments; `end` is where its value ends.
    private mutating func close(at end: Int) {
        let entry = top.entry
        if top.level == .sequence { depth -= 1 }
        elements[entry].subtreeEnd = UInt32(truncatingIfNeeded: elements.count)
        elements[entry].length = end - elements[entry].valueOffset
        top = parents.removeLast()
    }

    /// After an error: gives up the innermost sequence that was only a guess, and takes it for bytes.
    private mutating func retreat() -> Bool {
        while true {
            if top.isGuess { break }
            guard !parents.isEmpty else { return false }
            if top.level == .sequence { depth -= 1 }
            top = parents.removeLast()
        }
        let entry = top.entry
        let end = top.bound
        depth -= 1
        top = parents.removeLast()
        elements.removeSubrange((entry + 1)...)
        elements[entry].vr = VR(rawValue: RawVR.un)
        elements[entry].flags.remove(.sequence)
        elements[entry].subtreeEnd = UInt32(entry + 1)
        elements[entry].length = end - elements[entry].valueOffset
        position = end
        return true
    }

    @inline(__always)
    private mutating func append(
        _ tag: UInt32, _ vr: UInt16, _ flags: Element.Flags, header: Int, valueOffset: Int, length: Int
    ) throws(DICOMError) {
        let index = elements.count
        guard index < options.maximumElements else { throw failure(.tooManyElements, tag) }
        elements.append(
            Element(
                tag: Tag(tag), vr: VR(rawValue: vr), flags: flags, headerLength: UInt8(truncatingIfNeeded: header),
                valueOffset: valueOffset, length: length, index: UInt32(truncatingIfNeeded: index),
                subtreeEnd: UInt32(truncatingIfNeeded: index + 1)))
    }

    // MARK: Errors and bytes

    /// The error with the path to it.
    private func failure(_ code: DICOMError.Code, _ tag: UInt32? = nil) -> DICOMError {
        var path: [DICOMError.PathComponent] = []
        for frame in parents.dropFirst() + (parents.isEmpty ? [] : [top]) {
            let entry = elements[frame.entry]
            if frame.level == .item {
                path.append(.item(itemNumber(of: frame.entry)))
            } else {
                path.append(.tag(entry.tag))
            }
        }
        if let tag { path.append(.tag(Tag(tag))) }
        return DICOMError(code, at: position, path: path)
    }

    private func itemNumber(of entry: Int) -> Int {
        // The sequence is the nearest entry before it that is one and not closed yet.
        var number = 0
        let sequence = (parents.last { $0.level == .sequence && $0.entry < entry })?.entry ?? entry
        var index = sequence + 1
        while index < entry {
            number += 1
            index = Int(elements[index].subtreeEnd)
        }
        return number
    }

    @inline(__always)
    private func loadTag(_ base: UnsafeRawPointer, _ isBig: Bool) -> UInt32 {
        let raw = base.loadUnaligned(fromByteOffset: position, as: UInt32.self)
        if isBig { return raw.bigEndian }
        let value = raw.littleEndian
        return value << 16 | value >> 16
    }

    @inline(__always)
    private func load32(_ base: UnsafeRawPointer, _ offset: Int, _ isBig: Bool) -> UInt32 {
        let raw = base.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return isBig ? raw.bigEndian : raw.littleEndian
    }

    @inline(__always)
    private func load16(_ base: UnsafeRawPointer, _ offset: Int, _ isBig: Bool) -> UInt16 {
        let raw = base.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
        return isBig ? raw.bigEndian : raw.littleEndian
    }

    /// The first byte in the range that is not zero, or the range's end.
    private func nonZero(_ base: UnsafeRawPointer, _ range: Range<Int>) -> Int {
        UnsafeRawBufferPointer(start: base, count: range.upperBound)[range].firstIndex { $0 != 0 } ?? range.upperBound
    }
}
