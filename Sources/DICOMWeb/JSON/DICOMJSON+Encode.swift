public import DICOMCore
internal import DICOMDictionary

extension DICOMJSON {
    /// Appends the data set as one JSON object, attributes ascending, UTF-8, without white space. It is valid JSON
    /// whatever the values are. Of a data set that was read up to Pixel Data, that gets its BulkDataURI too.
    ///
    /// - Parameter limit: bytes of JSON; memory is bounded by a small multiple of it.
    /// - Returns: false, with nothing appended, when the JSON is longer than the limit.
    @discardableResult
    public static func encode(
        _ dataSet: DataSet, bulkData: BulkDataPolicy, limit: Int = .max, into output: inout [UInt8]
    ) -> Bool {
        var encoder = DICOMJSONEncoder(
            policy: bulkData, capacity: dataSet.range.count < 65_536 ? 16_384 : 65_536, limit: limit)
        dataSet.storage.withUnsafeBytes { bytes in
            encoder.object(dataSet, bytes)
        }
        guard !encoder.isFull else { return false }
        output.append(contentsOf: encoder.sink.bytes)
        return true
    }
}

/// Writes data sets; all offsets are into one buffer.
private struct DICOMJSONEncoder: ~Copyable {
    var sink: JSONSink
    private let policy: BulkDataPolicy
    private let prefix: [UInt8]
    /// Sequences and items around the current data set, as a BulkDataURI has them, with a slash at the end.
    private var path: [UInt8] = []
    private let limit: Int
    /// A value was left out since it alone is longer than the limit.
    private var isCut = false

    init(policy: BulkDataPolicy, capacity: Int, limit: Int) {
        self.limit = limit
        sink = JSONSink(capacity: capacity)
        self.policy = policy
        // The prefix goes into a JSON string many times: escaped once.
        var escaped = JSONSink(capacity: policy.uriPrefix.utf8.count * 6)
        var text = policy.uriPrefix
        text.withUTF8 { escaped.appendEscaped(UnsafeRawBufferPointer($0)) }
        prefix = Array(escaped.bytes)
    }

    /// The JSON is longer than the limit: no more is added.
    var isFull: Bool { isCut || sink.count > limit }

    mutating func object(_ dataSet: DataSet, _ bytes: UnsafeRawBufferPointer) {
        sink.append(byte: 0x7B)
        var isFirst = true
        var previous: UInt32?
        if dataSet.isSorted {
            for element in dataSet.elements where element.tag.rawValue != previous {
                previous = element.tag.rawValue
                attribute(element, dataSet, bytes, &isFirst)
            }
        } else {
            // A stable order, so that of equal tags the first stays the first.
            let sorted = dataSet.elements.enumerated().sorted {
                ($0.element.tag.rawValue, $0.offset) < ($1.element.tag.rawValue, $1.offset)
            }
            for (_, element) in sorted where element.tag.rawValue != previous {
                previous = element.tag.rawValue
                attribute(element, dataSet, bytes, &isFirst)
            }
        }
        if let stop = dataSet.stopElement, Self.isPixelData(stop.tag.rawValue), stop.tag.rawValue != previous {
            // Encapsulated without a VR, eight bytes of header: it is OB (PS3.5 A.4), as when it is read whole.
            let isImplicit = stop.isUndefinedLength && stop.valueOffset - stop.offset == 8
            sink.beginAttribute(stop.tag.rawValue, isImplicit ? VRCode.ob : stop.vr.rawValue, isFirst: isFirst)
            if stop.length > 0 || stop.isUndefinedLength { uri(stop.tag.rawValue) }
            sink.append(byte: 0x7D)
        }
        sink.append(byte: 0x7D)
    }

    static func isPixelData(_ tag: UInt32) -> Bool { tag == 0x7FE0_0010 || tag == 0x7FE0_0008 || tag == 0x7FE0_0009 }

    private mutating func attribute(
        _ element: Element, _ dataSet: DataSet, _ bytes: UnsafeRawBufferPointer, _ isFirst: inout Bool
    ) {
        let tag = element.tag.rawValue
        // Group lengths; and items or delimiters that stand where they may not.
        if tag & 0xFFFF == 0 || tag >> 16 == 0xFFFE || isFull { return }
        let isSequence = element.isSequence
        var vr = isSequence ? VRCode.sq : element.vr.rawValue
        // A private creator is LO, also where it is written as UN (PS3.5 7.8.1, 6.2.2).
        if vr == VRCode.un, tag & 0x1_0000 != 0, (0x10...0xFF).contains(tag & 0xFFFF) { vr = VRCode.lo }
        sink.beginAttribute(tag, vr, isFirst: isFirst)
        isFirst = false
        if element.isOmitted {
            if !policy.isInline { uri(tag) }
            return sink.append(byte: 0x7D)
        }
        let range = element.valueRange
        guard range.lowerBound >= 0, range.upperBound <= bytes.count, !range.isEmpty || isSequence else {
            // An empty value, or a place outside of the buffer, which no reader yields.
            return sink.append(byte: 0x7D)
        }
        let value = UnsafeRawBufferPointer(rebasing: bytes[range])
        if element.isEncapsulated {
            binary(tag, value, 1, isBulk: path.isEmpty && !policy.isInline)
            return sink.append(byte: 0x7D)
        }
        let isBig = element.isBigEndian
        if value.count > limit, VRCode.isWrittenOut(vr) {
            isCut = true
            return sink.append(byte: 0x7D)
        }
        switch vr {
        case VRCode.ae, VRCode.as, VRCode.cs, VRCode.da, VRCode.dt, VRCode.tm, VRCode.ui:
            text(value, element, dataSet, split: true, leading: true)
        case VRCode.lo, VRCode.sh: text(value, element, dataSet, split: true, leading: true)
        case VRCode.uc: text(value, element, dataSet, split: true, leading: false)
        case VRCode.lt, VRCode.st, VRCode.ut, VRCode.ur: text(value, element, dataSet, split: false, leading: false)
        case VRCode.ds, VRCode.is: decimals(value)
        case VRCode.pn: names(value, element, dataSet)
        case VRCode.us: integers(value, UInt16.self, isBig)
        case VRCode.ss: integers(value, Int16.self, isBig)
        case VRCode.ul: integers(value, UInt32.self, isBig)
        case VRCode.sl: integers(value, Int32.self, isBig)
        case VRCode.uv: integers(value, UInt64.self, isBig)
        case VRCode.sv: integers(value, Int64.self, isBig)
        case VRCode.fl: floats(value, isBig)
        case VRCode.fd: doubles(value, isBig)
        case VRCode.at: tags(value, isBig)
        case VRCode.sq: sequence(element, dataSet, bytes)
        case VRCode.ow: binary(tag, value, isBig ? 2 : 1)
        case VRCode.of, VRCode.ol: binary(tag, value, isBig ? 4 : 1)
        case VRCode.od, VRCode.ov: binary(tag, value, isBig ? 8 : 1)
        default: binary(tag, value, 1)
        }
        sink.append(byte: 0x7D)
    }

    // MARK: Text

    /// What a scan of the bytes has to know: 1 for what JSON escapes, 2 for what a character set decides, 4 for a
    /// backslash.
    @inline(__always)
    private static func classify(_ value: UnsafeRawBufferPointer) -> UInt8 {
        var flags: UInt8 = 0
        for byte in value {
            if byte >= 0x80 || byte == 0x1B {
                flags |= 2
            } else if byte < 0x20 || byte == 0x22 || byte == 0x7F {
                flags |= 1
            } else if byte == 0x5C {
                flags |= 4
            }
        }
        return flags
    }

    /// Without spaces and NULs at the end, and at the beginning where those do not count.
    @inline(__always)
    private static func trimmed(_ value: UnsafeRawBufferPointer, leading: Bool) -> UnsafeRawBufferPointer {
        var end = value.count
        while end > 0, value[end - 1] == 0x20 || value[end - 1] == 0 { end -= 1 }
        var start = 0
        if leading { while start < end, value[start] == 0x20 || value[start] == 0 { start += 1 } }
        return UnsafeRawBufferPointer(rebasing: value[start..<end])
    }

    private mutating func text(
        _ untrimmed: UnsafeRawBufferPointer, _ element: Element, _ dataSet: DataSet, split: Bool, leading: Bool
    ) {
        let value = Self.trimmed(untrimmed, leading: leading)
        if value.isEmpty { return }
        let flags = Self.classify(value)
        if flags & 2 != 0 { return decoded(untrimmed, element, dataSet, split: split, leading: leading) }
        sink.reserve(value.count + 16)
        sink.put(",\"Value\":[")
        if flags == 0 || flags == 4 && !split {
            quoted(value, isPlain: flags == 0)
        } else {
            forEachPart(of: value, split: split) { encoder, part in
                let part = Self.trimmed(part, leading: leading)
                if part.isEmpty { encoder.sink.append("null") } else { encoder.quoted(part, isPlain: flags & 1 == 0) }
            }
        }
        sink.append(byte: 0x5D)
    }

    @inline(__always)
    private mutating func quoted(_ value: UnsafeRawBufferPointer, isPlain: Bool) {
        sink.append(byte: 0x22)
        if isPlain { sink.append(value) } else { sink.appendEscaped(value) }
        sink.append(byte: 0x22)
    }

    /// Each part between backslashes, a comma between what is written of them.
    @inline(__always)
    private mutating func forEachPart(
        of value: UnsafeRawBufferPointer, split: Bool,
        _ body: (inout DICOMJSONEncoder, UnsafeRawBufferPointer) -> Void
    ) {
        var start = 0
        while true {
            var end = start
            if split { while end < value.count, value[end] != 0x5C { end += 1 } } else { end = value.count }
            body(&self, UnsafeRawBufferPointer(rebasing: value[start..<end]))
            if end >= value.count { return }
            sink.append(byte: 0x2C)
            start = end + 1
        }
    }

    /// Text that a character set decides, decoded as a whole: values can be as many as a value has bytes.
    private mutating func decoded(
        _ value: UnsafeRawBufferPointer, _ element: Element, _ dataSet: DataSet, split: Bool, leading: Bool
    ) {
        var text: [UInt8] = []
        dataSet.characterSet.appendUTF8(value.bytes, vr: element.vr == .un ? .lo : element.vr, to: &text)
        text.withUnsafeBytes { text in
            if Self.trimmed(text, leading: leading).isEmpty { return }
            sink.append(",\"Value\":[")
            forEachPart(of: text, split: split) { encoder, part in
                let part = Self.trimmed(part, leading: leading)
                if part.isEmpty { encoder.sink.append("null") } else { encoder.quoted(part, isPlain: false) }
            }
            sink.append(byte: 0x5D)
        }
    }

    private mutating func names(_ untrimmed: UnsafeRawBufferPointer, _ element: Element, _ dataSet: DataSet) {
        let value = Self.trimmed(untrimmed, leading: true)
        if value.isEmpty { return }
        let start = sink.count
        var hasValue = false
        sink.append(",\"Value\":[")
        if Self.classify(value) & 2 != 0 {
            var text: [UInt8] = []
            dataSet.characterSet.appendUTF8(untrimmed.bytes, vr: element.vr == .un ? .lo : element.vr, to: &text)
            text.withUnsafeBytes { text in
                forEachPart(of: text, split: true) { encoder, part in hasValue = encoder.name(part) || hasValue }
            }
        } else {
            forEachPart(of: value, split: true) { encoder, part in
                hasValue = encoder.name(part) || hasValue
            }
        }
        sink.append(byte: 0x5D)
        if !hasValue { sink.truncate(to: start) }
    }

    /// One name of UTF-8, its component groups between `=` (PS3.18 F.2.2).
    private mutating func name(_ name: UnsafeRawBufferPointer) -> Bool {
        var isFirst = true
        var group = 0
        var start = 0
        while group < 3, start <= name.count {
            var end = start
            while end < name.count, name[end] != 0x3D { end += 1 }
            let part = Self.trimmed(UnsafeRawBufferPointer(rebasing: name[start..<end]), leading: true)
            if !part.isEmpty {
                sink.append(isFirst ? "{" : ",")
                isFirst = false
                switch group {
                case 0: sink.append("\"Alphabetic\":\"")
                case 1: sink.append("\"Ideographic\":\"")
                default: sink.append("\"Phonetic\":\"")
                }
                sink.appendEscaped(part)
                sink.append(byte: 0x22)
            }
            group += 1
            start = end + 1
        }
        sink.append(isFirst ? "null" : "}")
        return !isFirst
    }

    // MARK: Numbers

    private mutating func decimals(_ untrimmed: UnsafeRawBufferPointer) {
        let value = Self.trimmed(untrimmed, leading: true)
        if value.isEmpty { return }
        sink.append(",\"Value\":[")
        forEachPart(of: value, split: true) { encoder, part in
            let part = Self.trimmed(part, leading: true)
            if part.isEmpty {
                encoder.sink.append("null")
            } else if let number = DecimalText(part) {
                number.write(to: &encoder.sink)
            } else {
                // Not a number: text of whatever bytes.
                encoder.sink.appendQuoted(String(decoding: part, as: UTF8.self))
            }
        }
        sink.append(byte: 0x5D)
    }

    @inline(__always)
    private mutating func integers<Number: FixedWidthInteger>(
        _ value: UnsafeRawBufferPointer, _ type: Number.Type, _ isBig: Bool
    ) {
        let width = MemoryLayout<Number>.size
        guard value.count >= width else { return }
        sink.append(",\"Value\":[")
        for index in 0..<(value.count / width) {
            if index > 0 { sink.append(byte: 0x2C) }
            let raw = value.loadUnaligned(fromByteOffset: index * width, as: Number.self)
            let number = isBig ? Number(bigEndian: raw) : Number(littleEndian: raw)
            if Number.isSigned { sink.append(Int64(number)) } else { sink.append(UInt64(number)) }
        }
        sink.append(byte: 0x5D)
    }

    private mutating func floats(_ value: UnsafeRawBufferPointer, _ isBig: Bool) {
        guard value.count >= 4 else { return }
        sink.append(",\"Value\":[")
        for index in 0..<(value.count / 4) {
            if index > 0 { sink.append(byte: 0x2C) }
            let raw = value.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
            sink.append(Double(Float(bitPattern: isBig ? UInt32(bigEndian: raw) : UInt32(littleEndian: raw))))
        }
        sink.append(byte: 0x5D)
    }

    private mutating func doubles(_ value: UnsafeRawBufferPointer, _ isBig: Bool) {
        guard value.count >= 8 else { return }
        sink.append(",\"Value\":[")
        for index in 0..<(value.count / 8) {
            if index > 0 { sink.append(byte: 0x2C) }
            let raw = value.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
            sink.append(Double(bitPattern: isBig ? UInt64(bigEndian: raw) : UInt64(littleEndian: raw)))
        }
        sink.append(byte: 0x5D)
    }

    private mutating func tags(_ value: UnsafeRawBufferPointer, _ isBig: Bool) {
        guard value.count >= 4 else { return }
        sink.append(",\"Value\":[")
        for index in 0..<(value.count / 4) {
            sink.reserve(16)
            if index > 0 { sink.put(0x2C) }
            let group = value.loadUnaligned(fromByteOffset: index * 4, as: UInt16.self)
            let element = value.loadUnaligned(fromByteOffset: index * 4 + 2, as: UInt16.self)
            let high = UInt32(isBig ? UInt16(bigEndian: group) : UInt16(littleEndian: group))
            let low = UInt32(isBig ? UInt16(bigEndian: element) : UInt16(littleEndian: element))
            sink.put(0x22)
            sink.putHexadecimal(high << 16 | low)
            sink.put(0x22)
        }
        sink.append(byte: 0x5D)
    }

    // MARK: Sequences and binary values

    private mutating func sequence(_ element: Element, _ dataSet: DataSet, _ bytes: UnsafeRawBufferPointer) {
        let items = dataSet.items(of: element)
        if items.isEmpty { return }
        let length = path.count
        sink.append(",\"Value\":[")
        for (index, item) in items.enumerated() {
            if index > 0 { sink.append(byte: 0x2C) }
            Self.append(element.tag.rawValue, to: &path)
            path.append(0x2F)
            path.append(contentsOf: String(index).utf8)
            path.append(0x2F)
            object(item, bytes)
            path.removeSubrange(length...)
        }
        sink.append(byte: 0x5D)
    }

    private static func append(_ tag: UInt32, to path: inout [UInt8]) {
        for shift in stride(from: UInt32(28), through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: tag >> shift) & 15
            path.append(digit < 10 ? 0x30 + digit : 0x37 + digit)
        }
    }

    private mutating func binary(_ tag: UInt32, _ value: UnsafeRawBufferPointer, _ width: Int, isBulk: Bool = false) {
        // In items by size alone: a URI for each of many tiny values far down would be a thousand times their size.
        let isPixelData = path.isEmpty && Self.isPixelData(tag) && !policy.isInline
        if isBulk || isPixelData || value.count > policy.threshold { return uri(tag) }
        sink.append(",\"InlineBinary\":\"")
        sink.appendBase64(value, swapping: width)
        sink.append(byte: 0x22)
    }

    private mutating func uri(_ tag: UInt32) {
        sink.append(",\"BulkDataURI\":\"")
        sink.append(prefix)
        sink.append(path)
        sink.reserve(16)
        sink.putHexadecimal(tag)
        sink.put(0x22)
    }
}
