public import DICOMCore
public import DICOMDictionary

/// Which values are left out of DICOM JSON and named by a BulkDataURI instead (PS3.18 F.2.6).
public struct BulkDataPolicy: Hashable, Sendable {
    /// Binary values of more bytes than this become a URI; Pixel Data, Float and Double Float Pixel Data, and whatever
    /// is encapsulated, always do, unless they are in an item (an icon image). So does every value that was left out when
    /// the data set was read, since the JSON cannot have it.
    public var threshold: Int
    /// What stands before the path of the attribute, such as `/dicom-web/studies/S/series/E/instances/I/bulkdata/`.
    public var uriPrefix: String
    /// Everything is inline, Pixel Data too.
    public var isInline = false

    /// - Parameter threshold: Bytes; 1024 is a usual one.
    public init(uriPrefix: String, threshold: Int = 1024) {
        self.uriPrefix = uriPrefix
        self.threshold = threshold
    }

    /// No URIs: the JSON holds every byte.
    public static let inline: BulkDataPolicy = {
        var policy = BulkDataPolicy(uriPrefix: "", threshold: .max)
        policy.isInline = true
        return policy
    }()
}

/// The end of a BulkDataURI: tags, and the numbers of items from 0 between them, such as `7FE00010` or
/// `00540016/0/00180031`.
public struct BulkDataPath: Hashable, Sendable, CustomStringConvertible {
    /// A sequence, and which of its items.
    public struct Step: Hashable, Sendable {
        public var sequence: Tag
        /// From 0.
        public var item: Int

        public init(sequence: Tag, item: Int) {
            self.sequence = sequence
            self.item = item
        }
    }

    public var steps: [Step]
    public var tag: Tag

    public init(steps: [Step] = [], tag: Tag) {
        self.steps = steps
        self.tag = tag
    }

    /// Nil when the text is not such a path. At most 64 sequences deep.
    public init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: 0x2F, maxSplits: 200, omittingEmptySubsequences: false)
        guard parts.count % 2 == 1, parts.count <= 129 else { return nil }
        steps = []
        for index in stride(from: 0, to: parts.count - 1, by: 2) {
            guard let sequence = Self.tag(parts[index]), (1...9).contains(parts[index + 1].count),
                parts[index + 1].allSatisfy({ (0x30...0x39).contains($0) })
            else { return nil }
            let item = parts[index + 1].reduce(0) { $0 * 10 + Int($1 - 0x30) }
            steps.append(Step(sequence: sequence, item: item))
        }
        guard let last = parts.last, let tag = Self.tag(last) else { return nil }
        self.tag = tag
    }

    private static func tag(_ digits: some Collection<UInt8>) -> Tag? {
        guard digits.count == 8 else { return nil }
        var value: UInt32 = 0
        for byte in digits {
            guard let digit = hexadecimalValue(byte) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return Tag(value)
    }

    public var description: String {
        steps.map { "\($0.sequence.hexadecimal)/\($0.item)/" }.joined() + tag.hexadecimal
    }

    /// The element that the path names, and the data set that it is in.
    public func resolve(in dataSet: DataSet) -> (dataSet: DataSet, element: Element)? {
        var dataSet = dataSet
        for step in steps {
            let items = dataSet.items(step.sequence)
            guard step.item < items.count else { return nil }
            dataSet = items[step.item]
        }
        return dataSet.element(tag).map { (dataSet, $0) }
    }
}
