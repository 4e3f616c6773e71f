internal import DICOMDictionary

/// Binary and decimal numbers out of a value.
enum NumberDecoding {
    static func integers(_ bytes: RawSpan, _ vr: VR, bigEndian: Bool, limit: Int = .max) -> [Int64]? {
        switch vr {
        case .us: fixed(bytes, bigEndian, limit) { (value: UInt16) in Int64(value) }
        case .ss: fixed(bytes, bigEndian, limit) { (value: UInt16) in Int64(Int16(bitPattern: value)) }
        case .ul: fixed(bytes, bigEndian, limit) { (value: UInt32) in Int64(value) }
        case .sl: fixed(bytes, bigEndian, limit) { (value: UInt32) in Int64(Int32(bitPattern: value)) }
        case .uv: fixed(bytes, bigEndian, limit) { (value: UInt64) in Int64(clamping: value) }
        case .sv: fixed(bytes, bigEndian, limit) { (value: UInt64) in Int64(bitPattern: value) }
        case .at:
            tags(bytes, bigEndian)
        case .is:
            texts(bytes, limit) { Int64($0.hasPrefix("+") ? $0.dropFirst() : $0) }
        default: nil
        }
    }

    static func doubles(_ bytes: RawSpan, _ vr: VR, bigEndian: Bool) -> [Double]? {
        switch vr {
        case .fl, .of: fixed(bytes, bigEndian) { (value: UInt32) in Double(Float(bitPattern: value)) }
        case .fd, .od: fixed(bytes, bigEndian) { (value: UInt64) in Double(bitPattern: value) }
        case .ds: texts(bytes, .max) { Double($0) }
        case .uv: fixed(bytes, bigEndian) { (value: UInt64) in Double(value) }
        default: integers(bytes, vr, bigEndian: bigEndian)?.map(Double.init)
        }
    }

    private static func fixed<Raw: FixedWidthInteger & BitwiseCopyable, Value>(
        _ bytes: RawSpan, _ bigEndian: Bool, _ limit: Int = .max, _ convert: (Raw) -> Value
    ) -> [Value]? {
        let size = MemoryLayout<Raw>.size
        let count = min(bytes.byteCount / size, limit)
        guard count > 0 else { return nil }
        var values: [Value] = []
        values.reserveCapacity(count)
        for index in 0..<count {
            let raw = bytes.unsafeLoadUnaligned(fromByteOffset: index * size, as: Raw.self)
            values.append(convert(bigEndian ? Raw(bigEndian: raw) : Raw(littleEndian: raw)))
        }
        return values
    }

    private static func tags(_ bytes: RawSpan, _ bigEndian: Bool) -> [Int64]? {
        guard let halves: [Int64] = fixed(bytes, bigEndian, .max, { (value: UInt16) in Int64(value) }), halves.count > 1
        else { return nil }
        return stride(from: 0, to: halves.count - 1, by: 2).map { halves[$0] << 16 | halves[$0 + 1] }
    }

    /// Decimal numbers between backslashes; nil when one is none.
    private static func texts<Value>(_ bytes: RawSpan, _ limit: Int, _ convert: (Substring) -> Value?) -> [Value]? {
        var values: [Value] = []
        var isValid = true
        bytes.withUnsafeBytes { bytes in
            SpecificCharacterSet.default.forEachValue(bytes, .trimmedBoth) { text in
                guard let value = convert(TextDecoding.trimmed(text, leading: true)[...]) else {
                    isValid = false
                    return false
                }
                values.append(value)
                return values.count < limit
            }
        }
        return isValid && !values.isEmpty ? values : nil
    }
}
