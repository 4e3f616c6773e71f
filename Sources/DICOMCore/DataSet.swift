public import DICOMDictionary

/// What one reading yields: the bytes and the elements in them. Immutable once a `DataSet` has it.
///
/// Invariant for `Sendable`: written only by the reader that holds the only reference.
final class DataSetTree: @unchecked Sendable {
    var storage: ByteStorage
    var elements: ContiguousArray<Element> = []
    var transferSyntax: TransferSyntax
    var characterSet: SpecificCharacterSet = .default
    /// Where the data set begins and where reading ended, in bytes of the storage.
    var range: Range<Int>
    /// How many bytes belong to the data set, read or not, as far as they are in the storage.
    var end: Int
    var isSorted = true
    var isTruncated = false
    /// The bytes of the file, where they are not the storage (deflated).
    var fileStorage: ByteStorage?
    var stopElement: Element?
    var warnings: [ReadWarning] = []
    var warningCount = 0
    /// The lengths of values that were left out, by the places of their elements.
    var omittedLengths: [UInt32: Int] = [:]
    /// Given back with the tree.
    var turn: LargeHeaderTurn?

    init(storage: ByteStorage, transferSyntax: TransferSyntax, range: Range<Int>) {
        self.storage = storage
        self.transferSyntax = transferSyntax
        self.range = range
        end = range.upperBound
    }

    /// Bytes of the data set, as far as it was read, without the values left out.
    var keptBytes: Int { range.count - omittedLengths.values.reduce(0, +) }

    /// Takes over what a parser found.
    func finish(_ parser: consuming DataSetParser, start: Int, end: Int) {
        range = start..<min(parser.position, end)
        self.end = end
        isSorted = parser.isSorted
        isTruncated = parser.isTruncated
        stopElement = parser.stopElement
        warnings = parser.warnings
        warningCount = parser.warningCount
        omittedLengths = parser.omittedLengths
        elements = parser.takeElements()
        characterSet = .default
        characterSet = DataSet(tree: self).characterSet
        if characterSet.hasUnknownTerm, let element = DataSet(tree: self).element(Tag(0x0008_0005)) {
            let path: [DICOMError.PathComponent] = [.tag(element.tag)]
            warnings.append(ReadWarning(.unknownCharacterSet, at: element.valueOffset, path: path))
            warningCount += 1
        }
    }
}

/// A data set: the root, or an item of a sequence. A view without bytes of its own, cheap to copy.
public struct DataSet: Sendable {
    let tree: DataSetTree
    /// The places of its first element and after its last in the tree's array.
    let first: Int
    let last: Int
    /// Of the data set around it.
    let inheritedCharacterSet: SpecificCharacterSet
    /// The item's place in the array; -1 for the root.
    let entry: Int

    init(tree: DataSetTree) {
        self.tree = tree
        first = 0
        last = tree.elements.count
        inheritedCharacterSet = tree.characterSet
        entry = -1
    }

    init(tree: DataSetTree, item: Element, inheriting characterSet: SpecificCharacterSet) {
        self.tree = tree
        first = Int(item.index) + 1
        last = Int(item.subtreeEnd)
        inheritedCharacterSet = characterSet
        entry = Int(item.index)
    }

    /// Reads a bare data set (no preamble, no file meta), such as the one of a C-STORE, or a command set (implicit
    /// little endian). The bytes are not copied, unless the transfer syntax is deflated.
    ///
    /// Throws the error of the first thing that cannot be read.
    public init(
        bytes: [UInt8], transferSyntax: TransferSyntax, options: ReadOptions = .whole
    ) throws(DICOMError) {
        try self.init(
            storage: ByteStorage(bytes), range: 0..<bytes.count, transferSyntax: transferSyntax, options: options)
    }

    /// Reads the data set at this range of the storage.
    public init(
        storage: ByteStorage, range: Range<Int>, transferSyntax: TransferSyntax, options: ReadOptions = .whole
    ) throws(DICOMError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= storage.count)
        let tree: DataSetTree
        if transferSyntax.isDeflated {
            tree = try Self.inflating(storage, range, transferSyntax, options)
        } else {
            var parser = DataSetParser(start: range.lowerBound, transferSyntax: transferSyntax, options: options)
            if !range.isEmpty {
                _ = try parser.run(storage, available: range.upperBound, total: range.upperBound)
            }
            tree = DataSetTree(storage: storage, transferSyntax: transferSyntax, range: range)
            tree.finish(parser, start: range.lowerBound, end: range.upperBound)
        }
        self.init(tree: tree)
    }

    /// Inflates as far as reading goes, which is all of it unless it stops somewhere.
    private static func inflating(
        _ storage: ByteStorage, _ range: Range<Int>, _ transferSyntax: TransferSyntax, _ options: ReadOptions
    ) throws(DICOMError) -> DataSetTree {
        try inflating(InflatingReader(storage, range), deflatedBytes: range.count, transferSyntax, options)
    }

    static func inflating(
        _ reader: InflatingReader, deflatedBytes: Int, _ transferSyntax: TransferSyntax, _ options: ReadOptions
    ) throws(DICOMError) -> DataSetTree {
        let options = options.bounded(deflatedBytes: deflatedBytes)
        var inflated = try InflatedStart(reader, deflatedBytes: deflatedBytes, options: options)
        let storage = inflated.storage
        var parser = DataSetParser(start: 0, transferSyntax: transferSyntax, options: options)
        try inflated.fill(to: options.stopBefore == nil && options.maximumValueBytes == .max ? .max : 8)
        reading: while storage.count > 0 {
            switch try parser.run(storage, available: storage.count, total: inflated.total) {
            case .done: break reading
            case .needMore(let count):
                try inflated.skip(to: parser.omittedEnd)
                // The end of the stream may be the end of what was asked for: then `total` is known the next time.
                try inflated.fill(to: count)
            }
        }
        let tree = DataSetTree(storage: storage, transferSyntax: transferSyntax, range: 0..<storage.count)
        tree.finish(parser, start: 0, end: storage.count)
        return tree
    }

    /// How the bytes are encoded.
    public var transferSyntax: TransferSyntax { tree.transferSyntax }
    /// The bytes all offsets point into (inflated, in a deflated transfer syntax).
    public var storage: ByteStorage { tree.storage }
    /// The bytes ended too early (`ReadOptions.acceptsTruncation`).
    public var isTruncated: Bool { tree.isTruncated }
    /// What the standard does not allow and was read all the same, in the whole tree: the first ones.
    public var warnings: [ReadWarning] { tree.warnings }
    /// How many there were in all.
    public var warningCount: Int { tree.warningCount }
    /// Where the data set lies in the storage, as far as it was read: of an item its value, of the root from the first
    /// element to the end or to `stopElement`.
    public var range: Range<Int> { entry < 0 ? tree.range : tree.elements[entry].valueRange }
    /// The element that `ReadOptions.stopBefore` ended the reading at: its tag, VR and place are known, its value was
    /// not looked at and need not be in the storage. `length` is 0 when undefined.
    public var stopElement: Element? { entry < 0 ? tree.stopElement : nil }
    /// An item, not the root.
    public var isItem: Bool { entry >= 0 }
    /// No tag is smaller than the one before it, here and in all items (PS3.5 7.1).
    public var isSorted: Bool { tree.isSorted }

    /// The elements of this level, in the order of the bytes, which is ascending unless the writer was wrong.
    public var elements: Elements { Elements(tree: tree, first: first, last: last) }

    public var isEmpty: Bool { first == last }

    /// Bytes that the elements of the whole tree take in memory, room in reserve included; the values not.
    package var memoryFootprint: Int { tree.elements.capacity * MemoryLayout<Element>.stride }

    /// The element with this tag; the first, should there be several.
    public func element(_ tag: Tag) -> Element? {
        let elements = tree.elements
        let isSorted = tree.isSorted
        return elements.withUnsafeBufferPointer { elements in
            var index = first
            while index < last {
                let entry = elements[index]
                if entry.tag.rawValue >= tag.rawValue {
                    if entry.tag == tag { return entry }
                    if isSorted { return nil }
                }
                index = Int(entry.subtreeEnd)
            }
            return nil
        }
    }

    /// The items of a sequence; none when the element is not one. Of bytes that are to be read as SQ (`Element.read`) what
    /// they hold in implicit VR little endian (PS3.5 6.2.2).
    public func items(of element: Element) -> [DataSet] {
        guard element.isSequence else { return element.vr == .sq ? hiddenItems(of: element) : [] }
        return Self.items(of: element, in: tree, inheriting: characterSet)
    }

    private static func items(
        of element: Element, in tree: DataSetTree, inheriting characterSet: SpecificCharacterSet
    ) -> [DataSet] {
        var items: [DataSet] = []
        var index = Int(element.index) + 1
        while index < Int(element.subtreeEnd) {
            let item = tree.elements[index]
            items.append(DataSet(tree: tree, item: item, inheriting: characterSet))
            index = Int(item.subtreeEnd)
        }
        return items
    }

    private func hiddenItems(of element: Element) -> [DataSet] {
        let end = element.valueRange.upperBound
        let hidden = DataSetTree(
            storage: tree.storage, transferSyntax: .implicitVRLittleEndian, range: element.valueRange)
        var parser = DataSetParser(
            start: element.valueOffset, transferSyntax: .implicitVRLittleEndian, options: .whole)
        do throws(DICOMError) {
            try parser.enter(element)
            guard case .done = try parser.run(tree.storage, available: end, total: end) else { return [] }
        } catch { return [] }
        hidden.finish(parser, start: element.valueOffset, end: end)
        guard let sequence = hidden.elements.first else { return [] }
        return Self.items(of: sequence, in: hidden, inheriting: characterSet)
    }

    /// The items of the sequence with this tag.
    public func items(_ tag: Tag) -> [DataSet] { element(tag).map(items(of:)) ?? [] }

    /// The first item of the sequence with this tag.
    public func item(_ tag: Tag) -> DataSet? {
        guard let element = element(tag), element.isSequence, element.subtreeEnd > element.index + 1 else { return nil }
        return DataSet(
            tree: tree, item: tree.elements[Int(element.index) + 1], inheriting: characterSet)
    }

    /// Where the fragments of encapsulated Pixel Data lie in the storage; the first is the Basic Offset Table, which
    /// may be empty (PS3.5 A.4).
    public func fragments(of element: Element) -> [Range<Int>] {
        guard element.isEncapsulated else { return [] }
        return tree.elements[(Int(element.index) + 1)..<Int(element.subtreeEnd)].map(\.valueRange)
    }

    /// Where an element's value lies, also when it was left out: in the file, or in the inflated data set.
    public func storedRange(of element: Element) -> Range<Int> {
        guard element.isOmitted, let length = tree.omittedLengths[element.index] else { return element.valueRange }
        return element.valueOffset..<element.valueOffset + length
    }

    /// Lends the bytes of an element's value.
    @inline(__always)
    public func withValue<R>(of element: Element, _ body: (RawSpan) throws -> R) rethrows -> R {
        try tree.storage.withBytes { bytes in
            try body(bytes.extracting(element.valueRange))
        }
    }

    /// Lends all bytes that the offsets of the elements point into.
    @inline(__always)
    public func withBytes<R>(_ body: (RawSpan) throws -> R) rethrows -> R { try tree.storage.withBytes(body) }

    /// The private element `(group,xxee)` whose block is reserved by this creator (PS3.5 7.8.1).
    public func privateElement(group: UInt16, creator: String, element: UInt8) -> Element? {
        guard group & 1 == 1 else { return nil }
        for reservation in elements where reservation.tag.group == group && reservation.tag.isPrivateCreator {
            guard string(of: reservation) == creator else { continue }
            // One creator may have several blocks.
            if let element = self.element(reservation.tag.inBlock(UInt16(element))) { return element }
        }
        return nil
    }

    /// Specific Character Set (0008,0005) of this level, or of the nearest around it that has one.
    public var characterSet: SpecificCharacterSet {
        guard let element = element(Tag(0x0008_0005)), element.length > 0 else { return inheritedCharacterSet }
        return withValue(of: element) { SpecificCharacterSet(value: $0) }
    }
}

extension DataSet {
    /// The elements of one level.
    public struct Elements: Sequence, Sendable {
        let tree: DataSetTree
        let first: Int
        let last: Int

        public func makeIterator() -> Iterator { Iterator(elements: tree.elements, index: first, last: last) }

        public struct Iterator: IteratorProtocol {
            let elements: ContiguousArray<Element>
            var index: Int
            let last: Int

            @inline(__always)
            public mutating func next() -> Element? {
                guard index < last else { return nil }
                let element = elements[index]
                index = Int(element.subtreeEnd)
                return element
            }
        }
    }
}
