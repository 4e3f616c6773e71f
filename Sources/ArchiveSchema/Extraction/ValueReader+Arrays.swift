import DICOMCore
import DICOMDictionary

// Columns that are arrays: the n-th element is the n-th value, or the value of the n-th item; nil where there is none, or
// one that broke its rule.
extension ValueReader {
    /// All values of an element, each by `read`; nil when there is none.
    mutating func array<Value>(
        _ element: Element, _ column: StaticString, _ read: (inout ValueReader, Int) -> Value?
    ) -> [Value?]? {
        guard let count = count(of: element, column) else { return nil }
        var values: [Value?] = []
        values.reserveCapacity(count)
        for index in 0..<count { values.append(read(&self, index)) }
        return Self.filled(values)
    }

    /// All texts of an element, each of at most `limit` characters; nil when there is none.
    mutating func texts(_ element: Element, _ column: StaticString, limit: Int) -> [String?]? {
        let kind = TextForm(element.vr)
        guard kind == .values, isReadable(element, column) else {
            return kind == .values ? nil : text(element, column, limit: limit).map { [$0] }
        }
        let isName = element.vr == .pn
        let scanned = dataSet.withValue(of: element) { span in
            span.withUnsafeBytes { Self.scanAll($0, limit: limit, isName: isName) }
        }
        guard let scanned else {
            let all = dataSet.strings(of: element)
            if isOutsideCharacterSet(all, element) { note(.outsideCharacterSet, .guessed, element, column) }
            if all.count > ColumnType.longestArray { note(.tooManyValues, .shortened, element, column) }
            return Self.filled(all.prefix(ColumnType.longestArray).map { limited($0, element, column, limit: limit) })
        }
        for rule in scanned.compactMap(\.rule) { note(rule, .shortened, element, column) }
        return Self.filled(scanned.map(\.text))
    }

    /// Each value of a text that is all ASCII; nil when it must be decoded.
    private static func scanAll(_ bytes: UnsafeRawBufferPointer, limit: Int, isName: Bool) -> [Scanned]? {
        var all: [Scanned] = []
        let backslash = UInt8(ascii: "\\")
        let most = ColumnType.longestArray
        for value in bytes.split(separator: backslash, maxSplits: most, omittingEmptySubsequences: false) {
            guard all.count < most else {
                all[most - 1].rule = .tooManyValues
                break
            }
            let value = UnsafeRawBufferPointer(rebasing: value)
            guard let one = scan(value, .values, .single, limit: limit, isName: isName) else { return nil }
            all.append(one)
        }
        return all
    }

    /// The items that still have room in an array that has `count` elements; a problem of these columns when not all do.
    mutating func items(of element: Element, after count: Int, for columns: [StaticString]) -> ArraySlice<DataSet> {
        guard element.length > 0 else {
            if element.isOmitted { for column in columns { note(.tooLong, .null, element, column) } }
            return []
        }
        let items = dataSet.items(of: element)
        guard element.isSequence || !items.isEmpty else {
            for column in columns { note(.wrongVR, .null, element, column) }
            return []
        }
        let room = max(0, ColumnType.longestArray - count)
        if items.count > room { for column in columns { note(.tooManyValues, .shortened, element, column) } }
        return items.prefix(room)
    }

    /// Nil when no element has a value.
    static func filled<Value>(_ values: [Value?]) -> [Value?]? {
        values.contains { $0 != nil } ? values : nil
    }

    /// How many values an element has, up to those that an array can have; nil when none can be read.
    private mutating func count(of element: Element, _ column: StaticString) -> Int? {
        guard isReadable(element, column) else { return nil }
        let count: Int
        switch element.vr {
        case .us, .ss: count = Self.count(element.length, by: 2)
        case .ul, .sl, .fl: count = Self.count(element.length, by: 4)
        case .uv, .sv, .fd: count = Self.count(element.length, by: 8)
        default:
            // What is no text is read once, and found to be none.
            guard TextForm(element.vr) == .values else { return 1 }
            count = dataSet.withValue(of: element) { span in
                span.withUnsafeBytes { bytes in
                    bytes.reduce(1) { $0 + ($1 == UInt8(ascii: "\\") ? 1 : 0) }
                }
            }
        }
        if count > ColumnType.longestArray { note(.tooManyValues, .shortened, element, column) }
        return min(count, ColumnType.longestArray)
    }

    /// A length that is no multiple is one value that cannot be read.
    private static func count(_ length: Int, by size: Int) -> Int { length % size == 0 ? length / size : 1 }

    private mutating func isReadable(_ element: Element, _ column: StaticString) -> Bool {
        guard element.length > 0 else {
            if element.isOmitted { note(.tooLong, .null, element, column) }
            return false
        }
        guard !element.isSequence, !element.isEncapsulated else {
            note(.wrongVR, .null, element, column)
            return false
        }
        guard element.length <= 1 << 20 else {
            note(.tooLong, .null, element, column)
            return false
        }
        return true
    }
}
