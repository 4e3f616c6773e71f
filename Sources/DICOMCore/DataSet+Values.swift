public import DICOMDictionary

/// Values as Swift's types. What is not there, or is not of the kind asked for, is nil or empty, never an error.
extension DataSet {
    /// The first value, without padding, decoded by the character set in force; nil when absent or empty. Also of
    /// numbers, as text.
    public func string(_ tag: Tag) -> String? { element(tag).flatMap(string(of:)) }

    /// All values, without padding; an empty one between backslashes is an empty string. None when absent or empty.
    public func strings(_ tag: Tag) -> [String] { element(tag).map(strings(of:)) ?? [] }

    /// Whole numbers of US, SS, UL, SL, UV, SV, AT (as 32 bits) and IS; nil when absent, empty, of another VR, or when
    /// a text is no number.
    public func integers(_ tag: Tag) -> [Int64]? { element(tag).flatMap(integers(of:)) }

    /// The first of `integers`, without those behind it; nil as there, and when the first value is no number.
    public func integer(_ tag: Tag) -> Int64? {
        guard let element = element(tag), element.length > 0 else { return nil }
        return withValue(of: element) {
            NumberDecoding.integers($0, element.vr, bigEndian: element.isBigEndian, limit: 1)?.first
        }
    }

    /// Numbers of FL, FD, OF, OD, DS and all that `integers` takes; nil as there.
    public func doubles(_ tag: Tag) -> [Double]? { element(tag).flatMap(doubles(of:)) }

    public func string(of element: Element) -> String? {
        guard element.length > 0 else { return nil }
        return strings(of: element, limit: 1).first.flatMap { $0.isEmpty ? nil : $0 }
    }

    public func strings(of element: Element) -> [String] { strings(of: element, limit: .max) }

    public func integers(of element: Element) -> [Int64]? {
        guard element.length > 0 else { return nil }
        return withValue(of: element) { NumberDecoding.integers($0, element.vr, bigEndian: element.isBigEndian) }
    }

    public func doubles(of element: Element) -> [Double]? {
        guard element.length > 0 else { return nil }
        return withValue(of: element) { NumberDecoding.doubles($0, element.vr, bigEndian: element.isBigEndian) }
    }

    private func strings(of element: Element, limit: Int) -> [String] {
        guard element.length > 0, !element.isSequence, !element.isEncapsulated else { return [] }
        let kind = TextKind(element.vr)
        if kind == .none {
            if let integers = integers(of: element) { return integers.prefix(limit).map { String($0) } }
            return doubles(of: element)?.prefix(limit).map { "\($0)" } ?? []
        }
        let characterSet = kind.usesCharacterSet ? characterSet : .default
        let values = withValue(of: element) { TextDecoding.strings($0, kind, characterSet, limit: limit) }
        // Nothing but padding is an empty value, not one that is an empty string.
        return values == [""] ? [] : values
    }
}
