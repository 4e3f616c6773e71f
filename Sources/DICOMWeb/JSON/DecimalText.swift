/// The text of a DS or IS as a JSON number (RFC 8259 6), digit for digit. DICOM allows `+5`, `.5`, `1.` and `007`, JSON
/// does not.
struct DecimalText {
    private let isNegative: Bool
    private let integer: Range<Int>
    private let fraction: Range<Int>
    /// With its sign; empty without exponent.
    private let exponent: Range<Int>
    private let bytes: UnsafeRawBufferPointer

    /// Nil when the bytes, without padding, are no decimal number, or one that a double cannot hold.
    @inline(__always)
    init?(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        var index = 0
        func digits() -> Range<Int> {
            let start = index
            while index < bytes.count, bytes[index] &- 0x30 < 10 { index += 1 }
            return start..<index
        }
        var isNegative = false
        if index < bytes.count, bytes[index] == 0x2B || bytes[index] == 0x2D {
            isNegative = bytes[index] == 0x2D
            index += 1
        }
        var integer = digits()
        var fraction = index..<index
        if index < bytes.count, bytes[index] == 0x2E {
            index += 1
            fraction = digits()
        }
        guard integer.count + fraction.count > 0 else { return nil }
        var exponent = index..<index
        if index < bytes.count, bytes[index] | 0x20 == 0x65 {
            index += 1
            let start = index
            if index < bytes.count, bytes[index] == 0x2B || bytes[index] == 0x2D { index += 1 }
            guard !digits().isEmpty else { return nil }
            exponent = start..<index
        }
        guard index == bytes.count else { return nil }
        while integer.count > 1, bytes[integer.lowerBound] == 0x30 {
            integer = (integer.lowerBound + 1)..<integer.upperBound
        }
        self.isNegative = isNegative
        self.integer = integer
        self.fraction = fraction
        self.exponent = exponent
        guard exponent.isEmpty && integer.count < 300 || isRepresentable else { return nil }
    }

    /// Whether it is finite as a double.
    private var isRepresentable: Bool {
        bytes.count <= 4096 && Double(String(decoding: bytes, as: UTF8.self))?.isFinite == true
    }

    @inline(__always)
    func write(to sink: inout JSONSink) {
        sink.reserve(bytes.count + 4)
        if isNegative { sink.put(0x2D) }
        if integer.isEmpty { sink.put(0x30) }
        for index in integer { sink.put(bytes[index]) }
        if !fraction.isEmpty {
            sink.put(0x2E)
            for index in fraction { sink.put(bytes[index]) }
        }
        guard !exponent.isEmpty else { return }
        sink.put(0x45)
        for index in exponent { sink.put(bytes[index]) }
    }
}
