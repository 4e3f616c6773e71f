import DICOMCore
import DICOMDictionary

/// Reads the values of one row out of a data set, by the rules of their types, and notes what broke them.
/// The generated extractors are written against it.
struct ValueReader {
    let table: StaticString
    /// The root, or the item that was entered.
    private(set) var dataSet: DataSet
    private(set) var problems: [ColumnProblem] = []
    private var path: [Tag] = []

    init(_ dataSet: DataSet, table: StaticString) {
        self.dataSet = dataSet
        self.table = table
    }

    func takeProblems(into all: inout [ColumnProblem]) {
        if !problems.isEmpty { all += problems }
    }

    /// What to do with an attribute of several values.
    enum Choice {
        /// There may be only one.
        case single
        case index(Int)
        /// All, with the backslashes between.
        case joined
    }

    mutating func date(_ element: Element, _ column: StaticString, at index: Int? = nil) -> CalendarDate? {
        taken(textual(element, index, ValueRules.date), element, column)
    }

    mutating func time(_ element: Element, _ column: StaticString, at index: Int? = nil) -> ClockTime? {
        taken(textual(element, index, ValueRules.time), element, column)
    }

    mutating func timestamp(_ element: Element, _ column: StaticString, at index: Int? = nil) -> Timestamp? {
        taken(textual(element, index, ValueRules.timestamp), element, column)
    }

    mutating func age(_ element: Element, _ column: StaticString, at index: Int? = nil) -> String? {
        taken(textual(element, index, ValueRules.age), element, column)
    }

    mutating func uid(_ element: Element, _ column: StaticString, at index: Int? = nil) -> String? {
        taken(textual(element, index, ValueRules.uid), element, column)
    }

    mutating func int(_ element: Element, _ column: StaticString, at index: Int? = nil) -> Int32? {
        let value: Ruled<Int32> = integer(element, index).map { value in
            Int32(exactly: value).map { .value($0) } ?? .broken(.outOfRange)
        }
        return taken(value, element, column)
    }

    mutating func bigint(_ element: Element, _ column: StaticString, at index: Int? = nil) -> Int64? {
        taken(integer(element, index), element, column)
    }

    mutating func double(_ element: Element, _ column: StaticString, at index: Int? = nil) -> Double? {
        taken(number(element, index), element, column)
    }

    /// Text of at most `limit` characters.
    mutating func text(
        _ element: Element, _ column: StaticString, limit: Int, values: Choice = .single
    ) -> String? {
        guard element.length > 0 else {
            if element.isOmitted { note(.tooLong, .null, element, column) }
            return nil
        }
        let kind = TextForm(element.vr)
        guard kind != .other, !element.isSequence, !element.isEncapsulated else {
            note(.wrongVR, .null, element, column)
            return nil
        }
        guard element.length <= 1 << 20 else {
            note(.tooLong, .null, element, column)
            return nil
        }
        let isName = element.vr == .pn
        let scanned = dataSet.withValue(of: element) { span in
            span.withUnsafeBytes { Self.scan($0, kind, values, limit: limit, isName: isName) }
        }
        guard let scanned else { return decoded(element, column, limit: limit, values: values) }
        if let rule = scanned.rule { note(rule, .shortened, element, column) }
        return scanned.text
    }

    /// The private element of this creator (PS3.5 7.8.1), wherever its block lies. Where the file does not tell its VR,
    /// `vr` does.
    func privateElement(_ group: UInt16, _ creator: String, _ number: UInt8, as vr: VR) -> Element? {
        let element = dataSet.privateElement(group: group, creator: creator, element: number)
        return element?.vr == .un ? element?.read(as: vr) : element
    }

    /// Goes into an item of a sequence; the data set around it is returned for `leave`. Nil when there is no such item.
    mutating func enter(item index: Int, of element: Element) -> DataSet? {
        let item: DataSet?
        if index == 0, element.isSequence {
            item = dataSet.item(element.tag)
        } else {
            let items = dataSet.items(of: element)
            item = items.indices.contains(index) ? items[index] : nil
        }
        return item.map { enter($0, of: element) }
    }

    /// Goes into an item of the sequence; the data set around it is returned for `leave`.
    mutating func enter(_ item: DataSet, of element: Element) -> DataSet {
        let outer = dataSet
        dataSet = item
        path.append(element.tag)
        return outer
    }

    mutating func leave(to outer: DataSet) {
        dataSet = outer
        path.removeLast()
    }

    /// Why the row cannot be: the problem of this column, or else that it has no value.
    func refusal(_ column: StaticString, _ path: Tag...) -> ExtractionError {
        let name = column.description
        let problem = problems.last { $0.table == table.description && $0.column == name }
        return ExtractionError(
            table: table.description, column: name, path: path, reason: problem.map { .broken($0.rule) } ?? .missing)
    }

    mutating func note(
        _ rule: ValueRule, _ outcome: ColumnProblem.Outcome, _ element: Element, _ column: StaticString
    ) {
        let problem = ColumnProblem(
            table: table.description, column: column.description, path: path + [element.tag], rule: rule,
            outcome: outcome)
        // Several elements of an array may break one rule.
        if !problems.contains(problem) { problems.append(problem) }
    }

    @inline(__always) private mutating func taken<Value>(
        _ value: Ruled<Value>, _ element: Element, _ column: StaticString
    ) -> Value? {
        switch value {
        case .value(let value): return value
        case .empty: return nil
        case .broken(let rule):
            note(rule, .null, element, column)
            return nil
        }
    }

    @inline(__always) private func textual<Value>(
        _ element: Element, _ index: Int?, _ rule: (ValueRules.Bytes) -> Ruled<Value>
    ) -> Ruled<Value> {
        guard element.length > 0 else { return element.isOmitted ? .broken(.tooLong) : .empty }
        guard TextForm(element.vr) == .values, !element.isSequence, !element.isEncapsulated else {
            return .broken(.wrongVR)
        }
        return dataSet.withValue(of: element) { span in
            span.withUnsafeBytes { bytes in
                switch ValueRules.pick(index, bytes) {
                case .value(let range): rule(ValueRules.Bytes(rebasing: bytes[range]))
                case .empty: .empty
                case .broken(let rule): .broken(rule)
                }
            }
        }
    }
}

/// Text VRs by what a backslash means in them.
enum TextForm {
    /// It separates values; spaces at both ends are padding.
    case values
    /// It is a character; only spaces at the end are padding (LT, ST, UT, UR).
    case paragraph
    /// No text.
    case other

    init(_ vr: VR) {
        switch vr {
        case .lo, .cs, .sh, .pn, .da, .tm, .ui, .ds, .is, .as, .ae, .dt, .uc, .un: self = .values
        case .lt, .st, .ut, .ur: self = .paragraph
        default: self = .other
        }
    }
}

// Numbers of any VR that holds numbers, as the file has it, whatever the dictionary says.
extension ValueReader {
    fileprivate func integer(_ element: Element, _ index: Int?) -> Ruled<Int64> {
        switch element.vr {
        case .us: return binary(element, index, UInt16.self) { .value(Int64($0)) }
        case .ss: return binary(element, index, UInt16.self) { .value(Int64(Int16(bitPattern: $0))) }
        case .ul: return binary(element, index, UInt32.self) { .value(Int64($0)) }
        case .sl: return binary(element, index, UInt32.self) { .value(Int64(Int32(bitPattern: $0))) }
        case .sv: return binary(element, index, UInt64.self) { .value(Int64(bitPattern: $0)) }
        case .uv:
            return binary(element, index, UInt64.self) { value in
                Int64(exactly: value).map { .value($0) } ?? .broken(.outOfRange)
            }
        case .fl, .fd:
            return number(element, index).map { value in
                guard value == value.rounded() else { return .broken(.notANumber) }
                return Int64(exactly: value).map { .value($0) } ?? .broken(.outOfRange)
            }
        default: return textual(element, index, ValueRules.integer)
        }
    }

    fileprivate func number(_ element: Element, _ index: Int?) -> Ruled<Double> {
        switch element.vr {
        case .fd: return binary(element, index, UInt64.self) { finite(Double(bitPattern: $0)) }
        case .fl: return binary(element, index, UInt32.self) { finite(Double(Float(bitPattern: $0))) }
        case .uv: return binary(element, index, UInt64.self) { .value(Double($0)) }
        case .us, .ss, .ul, .sl, .sv: return integer(element, index).map { .value(Double($0)) }
        default: return textual(element, index, ValueRules.decimal)
        }
    }

    private func finite(_ value: Double) -> Ruled<Double> { value.isFinite ? .value(value) : .broken(.notFinite) }

    @inline(__always) private func binary<Raw: FixedWidthInteger, Value: Sendable>(
        _ element: Element, _ index: Int?, _: Raw.Type, _ value: (Raw) -> Ruled<Value>
    ) -> Ruled<Value> {
        let size = MemoryLayout<Raw>.size
        guard element.length > 0 else { return element.isOmitted ? .broken(.tooLong) : .empty }
        guard element.length % size == 0 else { return .broken(.wrongLength) }
        guard index != nil || element.length == size else { return .broken(.tooManyValues) }
        let offset = (index ?? 0) * size
        guard offset + size <= element.length else { return .empty }
        let raw = dataSet.withValue(of: element) { span in
            span.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Raw.self) }
        }
        return value(element.isBigEndian ? Raw(bigEndian: raw) : Raw(littleEndian: raw))
    }
}

// Text.
extension ValueReader {
    struct Scanned {
        var text: String?
        var rule: ValueRule?
    }

    /// Text that is all ASCII, in one pass and without decoding; nil when it must be decoded.
    static func scan(
        _ bytes: UnsafeRawBufferPointer, _ kind: TextForm, _ values: Choice, limit: Int, isName: Bool
    ) -> Scanned? {
        var hasBackslash = false
        var nul = bytes.count
        for index in 0..<bytes.count {
            let byte = bytes[index]
            if byte >= 0x80 || byte == 0x1B { return nil }
            if byte == UInt8(ascii: "\\") { hasBackslash = true }
            if byte == 0, nul == bytes.count { nul = index }
        }
        var rule: ValueRule?
        if nul < bytes.count, bytes[nul...].contains(where: { $0 != 0 && $0 != 0x20 }) { rule = .nulInText }
        var value = UnsafeRawBufferPointer(rebasing: bytes[..<nul])
        if hasBackslash, kind == .values {
            switch values {
            case .joined: break
            case .index(let wanted):
                guard case .value(let range) = ValueRules.pick(wanted, value) else { return Scanned() }
                value = UnsafeRawBufferPointer(rebasing: value[range])
            case .single:
                guard case .value(let range) = ValueRules.pick(0, value) else { return Scanned() }
                if range.count < value.count { rule = .tooManyValues }
                value = UnsafeRawBufferPointer(rebasing: value[range])
            }
        } else if case .index(let wanted) = values, wanted > 0 {
            return Scanned()
        }
        var start = 0
        var end = value.count
        while end > 0, value[end - 1] == 0x20 || isName && value[end - 1] == UInt8(ascii: "=") { end -= 1 }
        if kind == .values { while start < end, value[start] == 0x20 { start += 1 } }
        guard start < end else { return Scanned(text: nil, rule: rule) }
        if end - start > limit {
            end = start + limit
            rule = .tooLong
        }
        return Scanned(
            text: String(decoding: UnsafeRawBufferPointer(rebasing: value[start..<end]), as: UTF8.self), rule: rule)
    }

    fileprivate mutating func decoded(
        _ element: Element, _ column: StaticString, limit: Int, values: Choice
    ) -> String? {
        let all = dataSet.strings(of: element)
        if isOutsideCharacterSet(all, element) { note(.outsideCharacterSet, .guessed, element, column) }
        let text: String
        switch values {
        case .joined: text = all.joined(separator: "\\")
        case .index(let index): text = all.indices.contains(index) ? all[index] : ""
        case .single:
            text = all.first ?? ""
            if all.count > 1 { note(.tooManyValues, .shortened, element, column) }
        }
        return limited(text, element, column, limit: limit)
    }

    /// One decoded text.
    mutating func limited(_ text: String, _ element: Element, _ column: StaticString, limit: Int) -> String? {
        var text = text
        if element.vr == .pn { while text.last == "=" || text.last == " " { text.removeLast() } }
        let (limited, isCut, hadNUL) = text.limited(to: limit)
        if hadNUL { note(.nulInText, .shortened, element, column) }
        if isCut { note(.tooLong, .shortened, element, column) }
        return limited.isEmpty ? nil : limited
    }

    /// - Parameter values: what was decoded of an element that is not all ASCII.
    func isOutsideCharacterSet(_ values: [String], _ element: Element) -> Bool {
        if dataSet.characterSet.isSevenBit {
            return dataSet.withValue(of: element) { span in span.withUnsafeBytes { $0.contains { $0 >= 0x80 } } }
        }
        return values.contains { $0.unicodeScalars.contains("\u{FFFD}") }
    }
}
