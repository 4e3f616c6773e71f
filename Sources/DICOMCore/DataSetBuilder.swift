public import DICOMDictionary

/// Makes data sets and command sets. Elements are kept in the order of their tags; setting one again replaces it.
public struct DataSetBuilder: Sendable {
    enum Value: Sendable {
        /// As encoded in little endian.
        case bytes([UInt8])
        /// Text whose encoding waits for the character set, values joined by backslashes.
        case text(String)
        case items([DataSetBuilder])
        case fragments([[UInt8]])
    }

    struct Entry: Sendable {
        var tag: Tag
        var vr: VR
        var value: Value
    }

    private(set) var entries: [Entry] = []

    public init() {}

    /// All elements of a data set, copied. Private and unknown elements too.
    public init(_ dataSet: DataSet) {
        for element in dataSet.elements where element.tag.element != 0 {
            if element.isSequence {
                append(element.tag, element.vr, .items(dataSet.items(of: element).map(DataSetBuilder.init)))
            } else if element.isEncapsulated {
                let fragments = dataSet.fragments(of: element).map { range in
                    dataSet.withBytes { [UInt8](bytes: $0.extracting(range)) }
                }
                append(element.tag, element.vr, .fragments(fragments))
            } else {
                var bytes = dataSet.withValue(of: element) { [UInt8](bytes: $0) }
                if element.isBigEndian { ByteSwap.swap(&bytes, element.vr) }
                append(element.tag, element.vr, .bytes(bytes))
            }
        }
    }

    public var isEmpty: Bool { entries.isEmpty }
    public var count: Int { entries.count }
    /// In ascending order.
    public var tags: [Tag] { entries.map(\.tag) }
    public func contains(_ tag: Tag) -> Bool { place(of: tag).found }
    /// The VR of an element that is set.
    public func vr(of tag: Tag) -> VR? {
        let (index, found) = place(of: tag)
        return found ? entries[index].vr : nil
    }

    public mutating func remove(_ tag: Tag) {
        let (index, found) = place(of: tag)
        if found { entries.remove(at: index) }
    }

    // MARK: Values, with the dictionary's VR

    /// Text of any text VR, or decimal numbers for a binary one; backslashes separate values.
    public mutating func set(_ tag: Tag, _ text: String) { set(tag, vr: Self.vr(for: tag), text: text) }
    public mutating func set(_ tag: Tag, _ values: [String]) { set(tag, vr: Self.vr(for: tag), strings: values) }
    public mutating func set(_ tag: Tag, _ value: Int) { set(tag, vr: Self.vr(for: tag), integers: [Int64(value)]) }
    public mutating func set(_ tag: Tag, _ values: [Int]) {
        set(tag, vr: Self.vr(for: tag), integers: values.map(Int64.init))
    }
    public mutating func set(_ tag: Tag, _ value: Double) { set(tag, vr: Self.vr(for: tag), doubles: [value]) }
    public mutating func set(_ tag: Tag, _ values: [Double]) { set(tag, vr: Self.vr(for: tag), doubles: values) }
    /// The value's bytes in little endian.
    public mutating func set(_ tag: Tag, bytes: [UInt8]) { set(tag, vr: Self.vr(for: tag), bytes: bytes) }
    /// The items of a sequence.
    public mutating func set(_ tag: Tag, items: [DataSetBuilder]) { set(tag, vr: .sq, items: items) }
    /// An element without a value.
    public mutating func setEmpty(_ tag: Tag) { setEmpty(tag, vr: Self.vr(for: tag)) }

    // MARK: Values, with a VR

    public mutating func set(_ tag: Tag, vr: VR, strings: [String]) {
        set(tag, vr: vr, text: strings.joined(separator: "\\"))
    }

    public mutating func set(_ tag: Tag, vr: VR, text: String) {
        if TextKind(vr) != .none {
            put(tag, vr, .text(text))
            return
        }
        let parts = text.isEmpty ? [] : text.split(separator: "\\", omittingEmptySubsequences: false)
        switch vr {
        case .fl, .fd, .of, .od: set(tag, vr: vr, doubles: parts.map { Double($0) ?? 0 })
        case .us, .ss, .ul, .sl, .uv, .sv, .at: set(tag, vr: vr, integers: parts.map { Int64($0) ?? 0 })
        default: put(tag, vr, .bytes([UInt8](text.utf8)))
        }
    }

    /// Binary whole numbers (cut to the VR's width), decimal ones for IS and DS. AT takes the tag's 32 bits.
    public mutating func set(_ tag: Tag, vr: VR, integers: [Int64]) {
        put(tag, vr, NumberEncoding.integers(integers, vr))
    }

    public mutating func set(_ tag: Tag, vr: VR, doubles: [Double]) {
        put(tag, vr, NumberEncoding.doubles(doubles, vr))
    }

    public mutating func set(_ tag: Tag, vr: VR, bytes: [UInt8]) { put(tag, vr, .bytes(bytes)) }

    public mutating func set(_ tag: Tag, vr: VR, items: [DataSetBuilder]) { put(tag, .sq, .items(items)) }

    /// Encapsulated Pixel Data: the Basic Offset Table (which may be empty), then the fragments. It can be encoded in
    /// encapsulated transfer syntaxes only.
    public mutating func set(_ tag: Tag, vr: VR = .ob, fragments: [[UInt8]]) { put(tag, vr, .fragments(fragments)) }

    public mutating func setEmpty(_ tag: Tag, vr: VR) { put(tag, vr, vr == .sq ? .items([]) : .bytes([])) }

    /// Reserves a block for this creator, if it has none yet, and sets an element of it (PS3.5 7.8.1).
    public mutating func setPrivate(group: UInt16, creator: String, element: UInt8, vr: VR, bytes: [UInt8]) {
        guard let block = reserve(group: group, creator: creator) else { return }
        put(Tag(group: group, element: block << 8 | UInt16(element)), vr, .bytes(bytes))
    }

    public mutating func setPrivate(group: UInt16, creator: String, element: UInt8, vr: VR, strings: [String]) {
        guard let block = reserve(group: group, creator: creator) else { return }
        set(Tag(group: group, element: block << 8 | UInt16(element)), vr: vr, strings: strings)
    }

    private mutating func reserve(group: UInt16, creator: String) -> UInt16? {
        guard group & 1 == 1 else { return nil }
        for block: UInt16 in 0x10...0xFF {
            let tag = Tag(group: group, element: block)
            let (index, found) = place(of: tag)
            if !found {
                put(tag, .lo, .text(creator))
                return block
            }
            if case .text(let text) = entries[index].value, text == creator { return block }
            if case .bytes(let bytes) = entries[index].value,
                TextDecoding.trimmed(String(decoding: bytes, as: UTF8.self), leading: true) == creator
            {
                return block
            }
        }
        return nil
    }

    // MARK: Encoding

    /// The data set's bytes. Text is encoded by Specific Character Set (0008,0005), and where that is missing and
    /// ASCII does not do, in UTF-8 with ISO_IR 192 set. Sequences and items get lengths.
    ///
    /// Fragments in a transfer syntax that is not encapsulated are left out.
    public func encoded(in transferSyntax: TransferSyntax) -> [UInt8] {
        var root = self
        if !contains(Tag(0x0008_0005)), needsCharacterSet {
            root.set(Tag(0x0008_0005), vr: .cs, text: "ISO_IR 192")
        }
        var bytes: [UInt8] = []
        var encoder = ElementEncoder(transferSyntax)
        root.encode(with: &encoder, characterSet: .default, into: &bytes)
        return transferSyntax.isDeflated ? Deflater.deflate(bytes) : bytes
    }

    /// The data set, to read from.
    public func dataSet() throws(DICOMError) -> DataSet {
        try DataSet(bytes: encoded(in: .explicitVRLittleEndian), transferSyntax: .explicitVRLittleEndian)
    }

    func encode(
        with encoder: inout ElementEncoder, characterSet inherited: SpecificCharacterSet, into bytes: inout [UInt8]
    ) {
        var characterSet = inherited
        for entry in entries {
            switch entry.value {
            case .bytes(let value):
                if entry.tag.rawValue == 0x0008_0005 { characterSet = SpecificCharacterSet(bytes: value) }
                encoder.append(entry.tag, entry.vr, littleEndian: value, to: &bytes)
            case .text(let text):
                let isCharacterSet = entry.tag.rawValue == 0x0008_0005
                if isCharacterSet { characterSet = SpecificCharacterSet(bytes: [UInt8](text.utf8)) }
                let encoding: SpecificCharacterSet =
                    TextKind(entry.vr).usesCharacterSet ? characterSet : .utf8
                let value = encoding.encode(text, isPersonName: entry.vr == .pn)
                encoder.append(entry.tag, entry.vr, littleEndian: value, to: &bytes)
            case .items(let items):
                let start = encoder.beginSequence(entry.tag, to: &bytes)
                for item in items {
                    let itemStart = encoder.beginItem(to: &bytes)
                    item.encode(with: &encoder, characterSet: characterSet, into: &bytes)
                    encoder.setLength(at: itemStart, in: &bytes)
                }
                encoder.setLength(at: start, in: &bytes)
            case .fragments(let fragments):
                guard encoder.transferSyntax.isEncapsulated else { continue }
                encoder.appendFragments(entry.tag, entry.vr, fragments, to: &bytes)
            }
        }
    }

    private var needsCharacterSet: Bool {
        entries.contains { entry in
            switch entry.value {
            case .text(let text): TextKind(entry.vr).usesCharacterSet && text.utf8.contains { $0 > 0x7F }
            case .items(let items):
                items.contains { !$0.contains(Tag(0x0008_0005)) && $0.needsCharacterSet }
            case .bytes, .fragments: false
            }
        }
    }

    // MARK: Entries

    private static func vr(for tag: Tag) -> VR { VR(rawValue: ImplicitVR.of(tag, signed: false)) }

    private mutating func append(_ tag: Tag, _ vr: VR, _ value: Value) {
        if let last = entries.last, last.tag >= tag {
            put(tag, vr, value)
        } else {
            entries.append(Entry(tag: tag, vr: vr, value: value))
        }
    }

    private mutating func put(_ tag: Tag, _ vr: VR, _ value: Value) {
        let (index, found) = place(of: tag)
        let entry = Entry(tag: tag, vr: vr, value: value)
        if found { entries[index] = entry } else { entries.insert(entry, at: index) }
    }

    private func place(of tag: Tag) -> (index: Int, found: Bool) {
        var low = 0
        var high = entries.count
        if let last = entries.last, last.tag < tag { return (high, false) }
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].tag < tag { low = middle + 1 } else { high = middle }
        }
        return (low, low < entries.count && entries[low].tag == tag)
    }
}

extension [UInt8] {
    init(bytes: RawSpan) { self = bytes.withUnsafeBytes { [UInt8]($0) } }
}
