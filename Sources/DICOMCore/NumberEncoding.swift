internal import DICOMDictionary

/// Numbers as values.
enum NumberEncoding {
    static func integers(_ values: [Int64], _ vr: VR) -> DataSetBuilder.Value {
        switch vr {
        case .us, .ss, .ow: bytes(values) { UInt16(truncatingIfNeeded: $0) }
        case .ul, .sl, .ol: bytes(values) { UInt32(truncatingIfNeeded: $0) }
        case .uv, .sv, .ov: bytes(values) { UInt64(truncatingIfNeeded: $0) }
        case .ob, .un: .bytes(values.map { UInt8(truncatingIfNeeded: $0) })
        case .at: bytes(values) { UInt32(truncatingIfNeeded: $0 << 16 & 0xFFFF_0000 | $0 >> 16 & 0xFFFF) }
        case .fl, .of: bytes(values) { Float($0).bitPattern }
        case .fd, .od: bytes(values) { Double($0).bitPattern }
        default: .text(values.map(String.init).joined(separator: "\\"))
        }
    }

    static func doubles(_ values: [Double], _ vr: VR) -> DataSetBuilder.Value {
        switch vr {
        case .fl, .of: bytes(values) { Float($0).bitPattern }
        case .fd, .od: bytes(values) { $0.bitPattern }
        case .us, .ss, .ul, .sl, .uv, .sv, .is, .at, .ob, .ow, .ol, .ov, .un:
            integers(values.map { Int64(exactly: $0.rounded()) ?? 0 }, vr)
        default: .text(values.map(decimal).joined(separator: "\\"))
        }
    }

    private static func bytes<Raw: FixedWidthInteger>(
        _ values: [Int64], _ convert: (Int64) -> Raw
    ) -> DataSetBuilder.Value {
        bytes(values.map(convert))
    }

    private static func bytes<Raw: FixedWidthInteger>(
        _ values: [Double], _ convert: (Double) -> Raw
    ) -> DataSetBuilder.Value {
        bytes(values.map(convert))
    }

    private static func bytes<Raw: FixedWidthInteger>(_ values: [Raw]) -> DataSetBuilder.Value {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(values.count * MemoryLayout<Raw>.size)
        for value in values { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }
        return .bytes(bytes)
    }

    /// A decimal string of at most 16 characters (PS3.5 6.2, DS), as near as those can be.
    static func decimal(_ value: Double) -> String {
        if let whole = Int64(exactly: value), abs(whole) < 1_000_000_000_000_000 { return String(whole) }
        var text = "\(value)"
        guard text.utf8.count > 16, value.isFinite else { return text }
        // Round the digits, not the number: fewer of them until it fits.
        for digits in stride(from: 15, through: 1, by: -1) {
            text = rounded(value, digits)
            if text.utf8.count <= 16 { return text }
        }
        return text
    }

    private static func rounded(_ value: Double, _ digits: Int) -> String {
        let text = "\(abs(value))"
        let parts = text.split(separator: "e")
        guard let first = parts.first else { return text }
        var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        // The significant digits as one whole number, and where the point is.
        let point = first.firstIndex(of: ".").map { first.distance(from: first.startIndex, to: $0) } ?? first.count
        var all = first.filter { $0 != "." }.compactMap { $0.wholeNumberValue }
        exponent += point
        while all.first == 0, all.count > 1 {
            all.removeFirst()
            exponent -= 1
        }
        if all.count > digits {
            let up = all[digits] >= 5
            all.removeSubrange(digits...)
            var index = digits - 1
            if up {
                while index >= 0, all[index] == 9 {
                    all[index] = 0
                    index -= 1
                }
                if index >= 0 {
                    all[index] += 1
                } else {
                    all.insert(1, at: 0)
                    exponent += 1
                }
            }
        }
        while all.last == 0, all.count > 1 { all.removeLast() }
        let sign = value < 0 ? "-" : ""
        let number = all.map(String.init).joined()
        if exponent > 0, exponent <= 15 {
            if number.count <= exponent {
                return sign + number + String(repeating: "0", count: exponent - number.count)
            }
            return sign + number.prefix(exponent) + "." + number.dropFirst(exponent)
        }
        if exponent <= 0, exponent > -4 {
            return sign + "0." + String(repeating: "0", count: -exponent) + number
        }
        let mantissa = number.count > 1 ? number.prefix(1) + "." + number.dropFirst() : number[...]
        return sign + mantissa + "e\(exponent - 1)"
    }
}
