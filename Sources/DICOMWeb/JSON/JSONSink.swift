/// A growing buffer that JSON is written into; the hot path's only allocation.
struct JSONSink: ~Copyable {
    private(set) var base: UnsafeMutablePointer<UInt8>
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int) {
        self.capacity = max(capacity, 256)
        base = UnsafeMutablePointer.allocate(capacity: self.capacity)
    }

    deinit { base.deallocate() }

    var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }

    /// Makes room, so that `put` may be called for this many bytes without a check.
    @inline(__always)
    mutating func reserve(_ more: Int) {
        if count + more > capacity { grow(more) }
    }

    @inline(never)
    private mutating func grow(_ more: Int) {
        capacity = max(capacity * 2, count + more)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: base, count: count)
        base.deallocate()
        base = larger
    }

    /// After `reserve`.
    @inline(__always)
    mutating func put(_ byte: UInt8) {
        base[count] = byte
        count += 1
    }

    /// After `reserve`.
    @inline(__always)
    mutating func put(_ text: StaticString) {
        (base + count).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
        count += text.utf8CodeUnitCount
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        reserve(text.utf8CodeUnitCount)
        put(text)
    }

    @inline(__always)
    mutating func append(byte: UInt8) {
        reserve(1)
        put(byte)
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let from = bytes.baseAddress else { return }
        reserve(bytes.count)
        UnsafeMutableRawPointer(base + count).copyMemory(from: from, byteCount: bytes.count)
        count += bytes.count
    }

    mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

    /// Takes back what was written after this count.
    mutating func truncate(to count: Int) { self.count = min(self.count, count) }

    /// `,"00100010":{"vr":"PN"`, the comma left out for the first of an object.
    @inline(__always)
    mutating func beginAttribute(_ tag: UInt32, _ vr: UInt16, isFirst: Bool) {
        reserve(32)
        if !isFirst { put(0x2C) }
        put(0x22)
        putHexadecimal(tag)
        put("\":{\"vr\":\"")
        put(UInt8(truncatingIfNeeded: vr >> 8))
        put(UInt8(truncatingIfNeeded: vr))
        put(0x22)
    }

    /// Eight digits, upper case; after `reserve`.
    @inline(__always)
    mutating func putHexadecimal(_ value: UInt32) {
        var shift: UInt32 = 28
        for _ in 0..<8 {
            let digit = UInt8(truncatingIfNeeded: value >> shift) & 15
            put(digit < 10 ? 0x30 + digit : 0x37 + digit)
            shift &-= 4
        }
    }

    mutating func append(_ value: UInt64) {
        reserve(20)
        if value < 10 { return put(UInt8(truncatingIfNeeded: value) + 0x30) }
        var digits = 0
        var rest = value
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        rest = value
        var place = base + count + digits
        for _ in 0..<digits {
            place -= 1
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            place.pointee = UInt8(truncatingIfNeeded: digit) + 0x30
            rest = quotient
        }
        count += digits
    }

    mutating func append(_ value: Int64) {
        if value < 0 {
            reserve(1)
            put(0x2D)
        }
        append(value.magnitude)
    }

    /// A finite number as such, others as the strings that PS3.19 A.1.6 has for them.
    mutating func append(_ value: Double) {
        if value.isNaN { return append("\"NaN\"") }
        if value.isInfinite { return value < 0 ? append("\"-inf\"") : append("\"inf\"") }
        if value.magnitude < 1e15, value == value.rounded(.towardZero), value != 0 || value.sign == .plus {
            append(Int64(value))
            return append(".0")
        }
        var text = value.description
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// A string's content, escaped; what is not UTF-8 must not come here.
    mutating func appendEscaped(_ bytes: UnsafeRawBufferPointer) {
        // Six bytes at most for each, \u001F; room for them is made piece by piece.
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + 4096)
            appendEscapedPiece(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            start = end
        }
    }

    private mutating func appendEscapedPiece(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count * 6)
        for byte in bytes {
            switch byte {
            case 0x22:
                put(0x5C)
                put(0x22)
            case 0x5C:
                put(0x5C)
                put(0x5C)
            case 0x0A: put("\\n")
            case 0x0D: put("\\r")
            case 0x09: put("\\t")
            case 0..<0x20, 0x7F:
                put("\\u00")
                put(0x30 + byte >> 4)
                let low = byte & 15
                put(low < 10 ? 0x30 + low : 0x37 + low)
            default: put(byte)
            }
        }
    }

    /// A string with its quotation marks.
    mutating func appendQuoted(_ text: String) {
        append("\"")
        var text = text
        text.withUTF8 { appendEscaped(UnsafeRawBufferPointer($0)) }
        append("\"")
    }

    /// Base64 (RFC 4648 4) of the bytes, each group of `width` bytes reversed (1: as they are).
    mutating func appendBase64(_ bytes: UnsafeRawBufferPointer, swapping width: Int = 1) {
        reserve((bytes.count + 2) / 3 * 4)
        if width > 1 {
            var swapped = [UInt8](bytes)
            for start in stride(from: 0, through: swapped.count - width, by: width) {
                swapped[start..<(start + width)].reverse()
            }
            return swapped.withUnsafeBytes { appendBase64($0) }
        }
        let digits: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        let table = digits.utf8Start
        var index = 0
        while index + 3 <= bytes.count {
            let word = Int(bytes[index]) << 16 | Int(bytes[index + 1]) << 8 | Int(bytes[index + 2])
            put(table[word >> 18])
            put(table[word >> 12 & 63])
            put(table[word >> 6 & 63])
            put(table[word & 63])
            index += 3
        }
        switch bytes.count - index {
        case 1:
            let word = Int(bytes[index]) << 16
            put(table[word >> 18])
            put(table[word >> 12 & 63])
            put("==")
        case 2:
            let word = Int(bytes[index]) << 16 | Int(bytes[index + 1]) << 8
            put(table[word >> 18])
            put(table[word >> 12 & 63])
            put(table[word >> 6 & 63])
            put(0x3D)
        default: break
        }
    }
}
