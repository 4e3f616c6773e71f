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

    enum Level: UInt8 {
        case root, item, sequence, fragments
    }

    struct Frame {
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

    var elements: ContiguousArray<Element>
    var position: Int
    /// In no place a tag is smaller than the one before it.
    var isSorted = true
    var isTruncated = false
    /// The element where `stopBefore` ended the reading, if it did.
    var stopElement: Element?
    /// The first ones, and how many there were.
    var warnings: [ReadWarning] = []
    var warningCount = 0

    let options: ReadOptions
    let stopTag: UInt32
    var top: Frame
    var parents: [Frame] = []
    var depth = 0
    /// (0028,0103) of the root.
    var isSigned = false
    /// Where a run of zeros that was looked at ends.
    var firstNonZero = 0
    /// Where the group ends by its last group length (gggg,0000); `Int.max` when none is awaited.
    var groupEnd = Int.max
    var groupLengthTag: UInt32 = 0
    /// The lengths of values left out, by the places of their elements, and where the last of them ends. Bytes before
    /// that place need not be there.
    var omittedLengths: [UInt32: Int] = [:]
    var omittedEnd = 0

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

    /// As below, over a storage; at the start it looks whether VRs are written.
    mutating func run(_ storage: ByteStorage, available: Int, total: Int) throws(DICOMError) -> Progress {
        try storage.withUnsafeBytesThrowing { bytes throws(DICOMError) in
            guard let base = bytes.baseAddress else { return .done }
            if elements.isEmpty { detectEncoding(base, available: available) }
            return try run(base, available: available, total: total)
        }
    }

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

    mutating func parse(_ base: UnsafeRawPointer, available: Int, total: Int) throws(DICOMError) -> Progress {
        while true {
            if position > total { try clip(total) }
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
                    warn(.trailingBytes, nil, at: position)
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

    // MARK: The stack

    /// Begins within a value that is a sequence in implicit VR little endian.
    mutating func enter(_ element: Element) throws(DICOMError) {
        try append(
            element.tag.rawValue, RawVR.sq, [.sequence, .implicitVR], header: Int(element.headerLength),
            valueOffset: element.valueOffset, length: element.length)
        if element.length == 0 { return }
        depth += 1
        push(
            Frame(
                level: .sequence, isImplicit: true, isBigEndian: false, isUndefinedLength: false,
                bound: element.valueRange.upperBound, entry: 0))
    }

    mutating func push(_ frame: Frame) {
        parents.append(top)
        top = frame
    }

    /// Leaves an item, a sequence or fragments; `end` is where its value ends.
    mutating func close(at end: Int) {
        let entry = top.entry
        if top.level == .sequence { depth -= 1 }
        elements[entry].subtreeEnd = UInt32(truncatingIfNeeded: elements.count)
        elements[entry].length = end - elements[entry].valueOffset
        top = parents.removeLast()
    }

    /// After an error: gives up the innermost sequence that was only a guess, and takes it for bytes.
    mutating func retreat() -> Bool {
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
        let start = elements[entry].valueOffset
        let kept = warnings.count
        warnings.removeAll { $0.byteOffset >= start }
        warningCount -= kept - warnings.count
        warn(.unreadableSequence, elements[entry].tag.rawValue, at: start)
        elements.removeSubrange((entry + 1)...)
        elements[entry].vr = VR(rawValue: RawVR.un)
        elements[entry].flags.remove(.sequence)
        elements[entry].subtreeEnd = UInt32(entry + 1)
        elements[entry].length = end - elements[entry].valueOffset
        if !omittedLengths.isEmpty { omittedLengths = omittedLengths.filter { $0.key < UInt32(entry) } }
        if elements[entry].length > options.maximumValueBytes { omitLast() }
        position = end
        return true
    }

    /// Leaves out the value of the last element.
    mutating func omitLast() {
        let index = elements.count - 1
        omittedLengths[UInt32(truncatingIfNeeded: index)] = elements[index].length
        omittedEnd = elements[index].valueRange.upperBound
        elements[index].flags.insert(.omitted)
        elements[index].length = 0
    }

    /// The last value was passed over before the end of the bytes was known, and reaches beyond it.
    private mutating func clip(_ total: Int) throws(DICOMError) {
        guard options.acceptsTruncation else {
            throw DICOMError(.truncated, at: total, path: failure(.truncated, elements.last?.tag.rawValue).path)
        }
        isTruncated = true
        position = total
        guard let last = elements.indices.last else { return }
        let rest = max(0, total - elements[last].valueOffset)
        if let length = omittedLengths[UInt32(last)] { omittedLengths[UInt32(last)] = min(length, rest) }
        elements[last].length = min(elements[last].length, rest)
        elements[last].flags.insert(.truncated)
    }

    /// Appends an element of the root or an item, when all of it that is needed is there.
    @inline(__always)
    mutating func appendElement(
        _ tag: UInt32, _ vr: UInt16, _ flags: Element.Flags, _ form: HeaderForm, header: Int, valueOffset: Int,
        length: Int, value base: UnsafeRawPointer? = nil
    ) throws(DICOMError) {
        let start = valueOffset - header
        if tag <= top.lastTag || length & 1 != 0 || form != .regular || start >= groupEnd || tag & 0xFFFF == 0 {
            inspect(tag, form, start: start, valueOffset: valueOffset, length: length, base)
        }
        top.lastTag = tag
        try append(tag, vr, flags, header: header, valueOffset: valueOffset, length: length)
    }

    @inline(__always)
    mutating func append(
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
    func failure(_ code: DICOMError.Code, _ tag: UInt32? = nil) -> DICOMError {
        // An error is not seen: `retreat` takes the guess back. Paths cost time, and there may be many of them.
        if top.isGuess || parents.contains(where: \.isGuess) {
            return DICOMError(code, at: position, path: tag.map { [.tag(Tag($0))] } ?? [])
        }
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

    func itemNumber(of entry: Int) -> Int {
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
    func loadTag(_ base: UnsafeRawPointer, _ isBig: Bool) -> UInt32 {
        let raw = base.loadUnaligned(fromByteOffset: position, as: UInt32.self)
        if isBig { return raw.bigEndian }
        let value = raw.littleEndian
        return value << 16 | value >> 16
    }

    @inline(__always)
    func load32(_ base: UnsafeRawPointer, _ offset: Int, _ isBig: Bool) -> UInt32 {
        let raw = base.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return isBig ? raw.bigEndian : raw.littleEndian
    }

    @inline(__always)
    func load16(_ base: UnsafeRawPointer, _ offset: Int, _ isBig: Bool) -> UInt16 {
        let raw = base.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
        return isBig ? raw.bigEndian : raw.littleEndian
    }

    /// The first byte in the range that is not zero, or the range's end.
    func nonZero(_ base: UnsafeRawPointer, _ range: Range<Int>) -> Int {
        UnsafeRawBufferPointer(start: base, count: range.upperBound)[range].firstIndex { $0 != 0 } ?? range.upperBound
    }
}
